//! A peer without a mind: it knows the key and the session, so it can say anything authentically.

use crate::choices::Choices;
use crate::frame::{HEADER_LEN, framed, payload, signed, unframed};
use crate::setup::{CLUSTER, NAMES, Plan};
use crate::watched::Watched;
use lubdub::node::Input;
use lubdub::time::Instant;
use lubdub::wire::VERSION;
use lubdub::wire::auth::Key;
use lubdub::wire::beat::{BEAT_MAX, Beat};
use lubdub::wire::envelope::{Envelope, Kind};
use lubdub::wire::hello::{HELLO_MAX, Hello, Nonce};

pub(crate) struct Puppet {
    key: Key,
    plan: Plan,
    nonce: u64,
    /// The node's nonce in the session.
    theirs: Nonce,
    /// The node's latest offer.
    pub offer: Nonce,
    /// The highest sequence number that the node has taken.
    pub top: u64,
    /// The latest of the node's sequence numbers heard, its low half.
    echo: u16,
    hellos: u32,
}

impl Puppet {
    pub fn new(plan: &Plan) -> Self {
        Self {
            key: plan.key(),
            plan: plan.clone(),
            nonce: 1,
            theirs: [0; 8],
            offer: [0; 8],
            top: 0,
            echo: 0,
            hellos: 0,
        }
    }

    fn mine(&self) -> Nonce {
        self.nonce.to_le_bytes()
    }

    /// Takes what the node has sent.
    pub fn listen(&mut self, node: &mut Watched) {
        for (_, frame) in std::mem::take(&mut node.sent) {
            let Some(body) = unframed(&frame) else { continue };
            let Some(bytes) = payload(&self.key, &body) else { continue };
            if body[0] & 0xf == Kind::Hello as u8 {
                self.offer = Hello::decode(bytes).expect("a node's hello can be read").nonce;
            } else {
                self.echo = Beat::decode(bytes).expect("a node's beat can be read").seq;
            }
        }
    }

    /// A new session: a hello, its answer, and a second hello unless the first beat is to begin it.
    pub fn greet(&mut self, now: Instant, node: &mut Watched, by_beat: bool) {
        self.nonce += 1;
        let hello = self.hello(None);
        self.tell(now, node, 0, &self.frame(Kind::Hello, 0, &hello, 0));
        self.listen(node);
        (self.theirs, self.top) = (self.offer, 0);
        if !by_beat {
            let hello = self.hello(Some(self.theirs));
            self.tell(now, node, 0, &self.frame(Kind::Hello, 0, &hello, 0));
        }
    }

    /// The payload of an honest hello.
    pub fn hello(&mut self, answers: Option<Nonce>) -> Vec<u8> {
        self.hellos += 1;
        let millis = |span: lubdub::time::Duration| span.as_millis() as u32;
        let hello = Hello {
            nonce: self.mine(),
            answers,
            run: 99,
            sequence: self.hellos,
            node: NAMES[1],
            cluster: CLUSTER,
            keepalive_ms: millis(self.plan.timing.keepalive),
            deadtime_ms: millis(self.plan.timing.deadtime),
            initdead_ms: millis(self.plan.timing.initdead),
            lease_ms: 0,
            lost: Default::default(),
            digest: [self.plan.digest; 8],
            macs: Default::default(),
            fingerprints: [self.key.fingerprint()].into_iter().collect(),
        };
        let mut buf = [0; HELLO_MAX];
        let len = hello.encode(&mut buf).expect("short names");
        buf[..len].to_vec()
    }

    /// The payload of the next beat, with group words of the fuzzer's choice.
    pub fn beat(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        let beat = Beat { seq: (self.top as u16).wrapping_add(1), echo: self.echo, heard: 3, ..Beat::default() };
        let mut buf = [0; BEAT_MAX];
        let len = beat.encode(&mut buf);
        let mut bytes = buf[..len].to_vec();
        for _ in 0..self.plan.groups {
            let word = choices.word();
            bytes.extend_from_slice(&((word & !7) | ((word & 7) % 6)).to_le_bytes());
        }
        bytes
    }

    /// The full number that the node reads from the low half.
    pub fn seq(&self, bytes: &[u8]) -> u64 {
        let low = bytes.first_chunk::<2>().map_or(0, |low| u16::from_le_bytes(*low));
        let ahead = low.wrapping_sub(self.top as u16);
        if ahead < 0x8000 { self.top + u64::from(ahead) } else { self.top.saturating_sub(0x1_0000 - u64::from(ahead)) }
    }

    /// An authentic frame with any payload; `twist` changes bits of its header before it is signed.
    pub fn frame(&self, kind: Kind, link: u8, bytes: &[u8], twist: u16) -> Vec<u8> {
        let plain = [VERSION << 4 | kind as u8, link << 5 | self.key.id() << 1];
        let header: [u8; HEADER_LEN] = [plain[0] ^ twist as u8, plain[1] ^ (twist >> 8) as u8];
        let (mine, seq) = (self.mine(), self.seq(bytes).to_le_bytes());
        let context: [&[u8]; 3] = [&mine, &self.theirs, &seq];
        let context = if kind == Kind::Beat { &context[..] } else { &[] };
        framed(&signed(&self.key, header, bytes, context))
    }

    pub fn tell(&self, now: Instant, node: &mut Watched, link: u8, frame: &[u8]) {
        node.handle(now, Input::Bytes { link, bytes: frame });
    }

    /// Says a beat, which the node takes.
    pub fn say(&mut self, now: Instant, node: &mut Watched, link: u8, bytes: &[u8]) {
        let seq = self.seq(bytes);
        self.tell(now, node, link, &self.frame(Kind::Beat, link, bytes, 0));
        self.top = self.top.max(seq);
    }

    /// The kind that the node reads in a frame of this puppet.
    pub fn kind_read(frame: &[u8]) -> Option<Kind> {
        Envelope::open(&unframed(frame)?).ok().map(|envelope| envelope.kind)
    }
}
