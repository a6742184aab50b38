//! What a story demands: that something becomes so in time, or stays so for a time.

use super::{BOTH, Pair};
use crate::Side;
use lubdub::node::{Event, LinkState, LinkWhy, PeerState};
use lubdub::time::Duration;
use lubdub::wire::beat::State;
use std::fmt::Display;

/// Something that must be so within a time, or throughout it.
#[must_use = "says nothing by itself"]
pub struct Demand<'a> {
    pair: &'a mut Pair,
    span: Duration,
    throughout: bool,
}

impl Pair {
    /// Lives on until it is so, for `span` at most.
    pub fn within(&mut self, span: Duration) -> Demand<'_> {
        Demand { pair: self, span, throughout: false }
    }

    /// Lives for `span`; it must be so now and after every event.
    pub fn throughout(&mut self, span: Duration) -> Demand<'_> {
        Demand { pair: self, span, throughout: true }
    }
}

impl Demand<'_> {
    /// Exactly this box has the group.
    #[track_caller]
    pub fn owner(self, group: usize, side: Side) -> Duration {
        self.that(format_args!("node{} owns group {group}", side + 1), |pair| pair.owner(group) == Some(side))
    }

    /// Exactly this box's kernel answers for the group's VIP.
    #[track_caller]
    pub fn server(self, group: usize, side: Side) -> Duration {
        self.that(format_args!("node{} answers for group {group}", side + 1), |pair| pair.server(group) == Some(side))
    }

    /// Neither box has the group.
    #[track_caller]
    pub fn no_owner(self, group: usize) -> Duration {
        self.that(format_args!("nobody has group {group}"), |pair| BOTH.iter().all(|side| !pair.has(*side, group)))
    }

    /// A node says this of a group.
    #[track_caller]
    pub fn state(self, side: Side, group: usize, state: State) -> Duration {
        let what = format_args!("node{} says {state:?} of group {group}", side + 1).to_string();
        self.that(what, |pair| pair.state(side, group) == state)
    }

    /// A node says this of its peer.
    #[track_caller]
    pub fn peer(self, side: Side, state: PeerState) -> Duration {
        let what = format_args!("node{} says {state:?} of its peer", side + 1).to_string();
        self.that(what, |pair| pair.peer(side) == state)
    }

    /// A node says this of a link.
    #[track_caller]
    pub fn link(self, side: Side, link: usize, state: LinkState, why: Option<LinkWhy>) -> Duration {
        let what = format_args!("node{} says {state:?}, {why:?} of link {link}", side + 1).to_string();
        self.that(what, |pair| {
            let seen = pair.link(side, link);
            (seen.state, seen.why) == (state, why)
        })
    }

    /// No daemon runs.
    #[track_caller]
    pub fn off(self, side: Side) -> Duration {
        self.that(format_args!("node{}'s daemon has left", side + 1), |pair| pair.is_off(side))
    }

    /// A node notes something from now on.
    #[track_caller]
    pub fn note(self, side: Side, what: impl Display, noted: impl Fn(&Event) -> bool) -> Duration {
        let begin = self.pair.now();
        self.that(what, |pair| pair.noted(side, begin).any(|event| noted(&event)))
    }

    /// Whatever the story says. Returns how long it took, or lasted.
    #[track_caller]
    pub fn that(self, what: impl Display, so: impl Fn(&Pair) -> bool) -> Duration {
        let begin = self.pair.now();
        let end = begin + self.span;
        while so(self.pair) == self.throughout {
            if !self.pair.world.step(end) {
                self.pair.world.now = end;
                break;
            }
            self.pair.look();
        }
        if !so(self.pair) {
            let when = if self.throughout { "throughout" } else { "within" };
            self.pair.fail(format_args!("not so {when} {} ms: {what}", self.span.as_millis()));
        }
        self.pair.now().since(begin)
    }
}
