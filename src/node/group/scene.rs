//! What a group may know when it decides, and what comes of it.

use super::Verb;
use crate::node::event::{Cause, Event};
use crate::node::guard::Guard;
use crate::node::warrant::Warrant;
use crate::time::{Duration, Instant};
use crate::wire::beat::{GroupWord, State};
use heapless::Vec;

/// What a group may know when it decides.
pub(in crate::node) struct Scene<'a> {
    pub now: Instant,
    /// The live peer's newest word on this group.
    pub theirs: Option<&'a GroupWord>,
    /// The word that HEAL judges by: that one, or one that was on its way when the last link was lost.
    pub rival: Option<&'a GroupWord>,
    /// The newest word is young enough to stop a group for: two keepalives, and said since this node's last stall.
    pub fresh: bool,
    /// The latest of my beats that the peer had heard, and whether it is young enough to consent to.
    pub echo: u64,
    pub echo_young: bool,
    /// The number of my next beat.
    pub next_seq: u64,
    pub two_way: bool,
    /// The peer is heard, but has not heard this node for a while (HEAL 2).
    pub unheard: bool,
    /// The peer has left, and this was its last word on the group.
    pub goodbye: Option<&'a GroupWord>,
    /// So lately that it cannot have come back unheard.
    pub left_lately: bool,
    /// Silence alone has lasted long enough for a takeover, whoever else may be there.
    pub waited: bool,
    /// Every link was read in this turn.
    pub swept: bool,
    /// The newest word of the session, however old.
    pub last_word: Option<&'a GroupWord>,
    pub warrant: Warrant,
    /// Nobody was ever heard in this run, trusted or not, and every link has carried a frame of it.
    pub alone: bool,
    pub guard: Guard,
    /// How long nothing fresh has been heard.
    pub silent: Duration,
    pub initdead: Duration,
    /// No link of this node has a device: until when it keeps what it holds.
    pub mute: Option<Instant>,
    /// This node is not leaving.
    pub willing: bool,
    /// The peer says that it cannot see the service LAN; and it has seen it for a while.
    pub peer_blind: bool,
    pub peer_sees: bool,
    /// auto_failback is on: since when the peer has been alive, and the least F.
    pub failback: Option<(Instant, Duration)>,
    pub keepalive: Duration,
    pub deadtime: Duration,
}

/// What comes of a decision.
#[derive(Default)]
pub(in crate::node) struct Effects {
    pub run: Vec<Verb, 2>,
    pub events: Vec<(State, State, Cause), 2>,
    pub other: Option<Event>,
    /// Silence would let this group start: every link must be read, now.
    pub judge: bool,
    /// The peer is to be fenced.
    pub fence: bool,
}
