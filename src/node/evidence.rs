//! What a node knew when it decided: for a person who asks why, and for a replay, which has no secrets.

use super::link::LinkState;
use super::{Instant, Node};
use crate::wire::beat::{GroupWord, LINKS_MAX};
use crate::wire::hello::Nonce;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// What was last heard on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEvidence {
    /// When the last fresh beat or hello came; moved by own stalls, which are nobody's silence.
    pub at: Option<Instant>,
    /// The beat's number in the session; 0 when none of this session came.
    pub beat: u64,
    /// The verdict on the link.
    pub state: LinkState,
}

/// What a node had before it, seen from the last input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The links, in their order.
    pub links: Vec<LinkEvidence, LINKS_MAX>,
    /// The last fresh word of the peer on any link; none when it was never heard in this run. Moved by own stalls.
    pub peer_heard: Option<Instant>,
    /// Since when silence is counted: that word, or the start of this node.
    pub silent_since: Instant,
    /// What the peer last said of the group, in this session.
    pub word: Option<GroupWord>,
    /// The latest of this node's beats that the peer had heard by then.
    pub echo: u64,
}

impl Node {
    /// What this node knows of its peer, and of the peer's word on `group`.
    pub fn evidence(&self, group: Option<u8>) -> Evidence {
        let news = self.peer.session.as_ref().and_then(|session| session.news.as_ref());
        let heard = |link: &super::Link| LinkEvidence { at: link.heard_at, beat: link.rx_top, state: link.state };
        Evidence {
            links: self.links.iter().map(heard).collect(),
            peer_heard: self.peer.ever_heard.then_some(self.peer.silent_since),
            silent_since: self.peer.silent_since,
            word: news.zip(group).and_then(|(news, group)| news.beat.groups.get(usize::from(group)).copied()),
            echo: news.map_or(0, |news| news.echo),
        }
    }

    /// The time of the last input.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The nonce that this node offers for the next session: public, since its hellos carry it.
    pub fn offer(&self) -> Nonce {
        self.peer.offer()
    }

    /// What the secrets answered to the last input, in order: which key a frame verified with (0: none, else its place in
    /// the ring and one), or whether a frame was an own one (0, 1). None when there were more than
    /// [`ANSWERS_MAX`](super::ANSWERS_MAX).
    pub fn answers(&self) -> Option<impl Iterator<Item = u8>> {
        self.witness.answers()
    }

    /// A replay: what the secrets answered to the input that is handled next, and the nonce drawn for it.
    pub fn foretell(&mut self, answers: &[u8], nonce: Option<Nonce>) {
        self.witness.tell(answers);
        self.peer.tell_nonce(nonce);
    }

    /// Whether a node that was read back is one that may be handed an input: drained, and of one piece.
    pub fn is_sound(&self) -> bool {
        let drained = self.wait.is_some() && self.runs.is_empty() && self.starts.is_empty() && self.events.is_empty();
        let whole = self.links.len() == self.setup.links.len() && self.groups.len() == self.setup.groups.len();
        let sessions =
            [&self.peer.session, &self.peer.former].into_iter().flatten().all(super::session::Session::is_sound);
        let links = self.links.iter().all(|link| link.counters.are_plausible());
        drained && whole && sessions && links && self.setup.keys.is_sound()
    }
}
