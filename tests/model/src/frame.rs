//! Frames on their way: the real bytes, and what they say for the laws and for the hash.

use crate::canon::Tokens;
use lubdub::node::{Digest, Node, nonce_name, series};
use lubdub::wire::auth::Keyring;
use lubdub::wire::beat::{Beat, GroupWord};
use lubdub::wire::envelope::{Envelope, Kind, Pairing};
use lubdub::wire::frame::Deframer;

/// A frame that a node has sent.
#[derive(Debug)]
pub struct Frame {
    /// As handed to the link.
    pub bytes: Vec<u8>,
    /// The beat and its session, where it is one.
    pub beat: Option<(Pairing, Beat)>,
    /// What the hash sees of it.
    pub tokens: Tokens,
}

impl Frame {
    /// Reads back what `node` has just sent.
    pub fn sent_by(node: &Node, keys: &Keyring, bytes: &[u8]) -> Self {
        let mut deframer = Deframer::default();
        let mut body = Vec::new();
        for byte in bytes {
            if let Some(Ok(whole)) = deframer.push(*byte) {
                body = whole.to_vec();
            }
        }
        let envelope = Envelope::open(&body).expect("a node sends well-formed frames");
        let mut tokens = Tokens::default();
        let beat = match envelope.kind {
            Kind::Hello => {
                tell_hello(&envelope, keys, &mut tokens);
                None
            }
            Kind::Beat => {
                let (pairing, seq) = node.outbound().expect("a beat has a session");
                let (beat, _) = envelope.beat(keys, &pairing, seq).expect("a beat is signed in the present session");
                tell_beat(&pairing, seq, &beat, &mut tokens);
                Some((pairing, beat))
            }
        };
        Self { bytes: bytes.to_vec(), beat, tokens }
    }
}

fn tell_hello(envelope: &Envelope<'_>, keys: &Keyring, out: &mut Tokens) {
    let (hello, _) = envelope.hello(keys).expect("a node signs with a key of its own");
    out.word(1);
    out.name(nonce_name(&hello.nonce));
    out.name(hello.answers.as_ref().map_or(0, nonce_name));
    out.name(hello.run);
    out.count((hello.run, hello.run), u64::from(hello.sequence));
}

/// Sessions of a search are shorter than 65,536 beats, so the low half of an echo is the whole.
fn tell_beat(pairing: &Pairing, seq: u64, beat: &Beat, out: &mut Tokens) {
    let (own, peers) = (series(pairing), series(&Pairing { sender: pairing.receiver, receiver: pairing.sender }));
    out.word(2);
    out.count(own, seq);
    out.count(peers, u64::from(beat.echo));
    out.word(u64::from(beat.heard) << 1 | u64::from(beat.goodbye));
    beat.groups.iter().for_each(|group| out.word(pack(group)));
}

fn pack(word: &GroupWord) -> u64 {
    let flags = [word.ask, word.ordered, word.granted, word.vip_seen, word.provisional];
    let bits = flags.iter().fold(0, |bits, flag| bits << 1 | u64::from(*flag));
    bits << 16 | u64::from(word.term.0) << 8 | word.state as u64
}
