//! The VIP is the third link for its owner, too (L9): a peer that asks for VIPs on the service LAN lives and looks for
//! their owner, although nothing of it comes over the heartbeat links. That is shown and said; it is no life, it grants
//! nothing and moves nothing.

use super::digest::{Digest, Lens, maybe};
use super::group::PROBE_PAUSE;
use super::link::within;
use crate::lease::PROBE_WAIT;
use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};

/// Rounds of probes that show it: more than any daemon asks in a row for other reasons, three when it starts and three
/// when its carrier is back. A node that looks for an owner sends ten of them 10 ms apart, and then goes on slowly.
pub const ASKED_MIN: u32 = 7;
/// Slow rounds that may be missed before it counts as over.
const MISSED: u64 = 5;

/// What came of the peer's questions since it was last heard.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Asked {
    rounds: u32,
    last: Option<Instant>,
    /// When it is said again.
    again: Option<Instant>,
}

impl Asked {
    /// How long after a probe the next one may come: the slow ones are a keepalive apart, at least [`PROBE_PAUSE`].
    pub fn span(keepalive: Duration) -> Duration {
        keepalive.max(PROBE_PAUSE).times(MISSED)
    }

    /// The peer has sent a probe. Those for several VIPs are one round.
    pub fn note(&mut self, now: Instant, span: Duration) {
        if within(self.last, now, PROBE_WAIT.part(2)) {
            return;
        }
        let follows = within(self.last, now, span);
        self.rounds = if follows { self.rounds.saturating_add(1) } else { 1 };
        self.last = Some(now);
    }

    /// This node was late by `length`: that time is nobody's silence.
    pub fn stalled(&mut self, length: Duration) {
        if let Some(last) = &mut self.last {
            *last += length;
        }
    }

    /// Until when it counts as asking; none when it does not.
    pub fn until(&self, span: Duration) -> Option<Instant> {
        self.last.filter(|_| self.rounds >= ASKED_MIN).map(|last| last + span)
    }

    /// Whether it is to be said now: at once, and again after each `pause`, also where the questions stop and begin again:
    /// anybody can send them.
    pub fn is_news(&mut self, now: Instant, asks: bool, pause: Duration) -> bool {
        let due = asks && self.again.is_none_or(|at| at <= now);
        self.again = if due { Some(now + pause) } else { self.again.filter(|at| asks || now < *at) };
        due
    }

    /// When it is said again.
    pub fn again(&self) -> Option<Instant> {
        self.again
    }

    /// What of it decides.
    pub fn digest(&self, lens: &Lens, span: Duration, out: &mut impl Digest) {
        let Self { rounds, last, again } = self;
        let fresh = lens.fresh(*last, span);
        out.word(if fresh == 0 { 0 } else { u64::from((*rounds).min(ASKED_MIN)) });
        out.word(fresh);
        maybe(out, *again, |out, at| out.word(lens.until(at)));
    }
}
