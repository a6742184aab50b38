//! ASK: this node's standing wish for a group that it does not hold.

use super::orders::Wish;
use super::{Group, Scene};
use crate::time::Instant;
use crate::wire::beat::{GroupWord, State};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Ask {
    /// The first beat that says so.
    pub(super) since: u64,
    pub(super) ordered: bool,
    /// When the peer's grant was first heard.
    pub(super) grant_heard: Option<Instant>,
}

impl Group {
    /// ASK: opens, keeps or closes this node's standing wish.
    pub(super) fn review_ask(&mut self, scene: &Scene<'_>) {
        let Some(theirs) = scene.theirs else { return };
        let reason = self.reason_to_ask(theirs, scene);
        let free = self.state == State::Stopped && !self.granted || self.leftover.is_some();
        let may = scene.willing && free && scene.now >= self.quiet_until && !self.is_blind(scene);
        let Some(ordered) = reason.filter(|_| may) else {
            self.ask = None;
            return;
        };
        let ask = self.ask.get_or_insert(Ask { since: scene.next_seq, ordered, grant_heard: None });
        ask.ordered = ordered;
        ask.grant_heard = if theirs.granted { ask.grant_heard.or(Some(scene.now)) } else { None };
        if ask.grant_heard.is_some_and(|at| at + scene.deadtime <= scene.now) {
            self.ask = None;
            self.quiet_until = scene.now + scene.keepalive.times(2);
        }
    }

    /// Whether there is a reason to ask, and whether it is an order.
    fn reason_to_ask(&self, theirs: &GroupWord, scene: &Scene<'_>) -> Option<bool> {
        if self.wish == Some(Wish::Take) {
            return Some(true);
        }
        match theirs.state {
            // It runs here already: the peer must say that it may go on.
            state if self.leftover.is_some() => (!state.holds()).then_some(false),
            // A peer that has lost the service LAN: for one that does not see it either nothing would be won.
            State::Giving if is_offered_blindly(theirs, scene.peer_blind) => self.sight.is_proved().then_some(false),
            State::Giving => Some(theirs.ordered),
            State::Stopped | State::Failed => {
                Some(theirs.ordered && !theirs.ask || self.ask.is_some_and(|ask| ask.ordered))
            }
            State::Held if self.setup.preferred && self.is_failback_due(scene) && !theirs.ordered => Some(false),
            // Stopped for the order that this ask carries. Without an order nobody asks for what is on its way down.
            State::Stopping if self.ask.is_some_and(|ask| ask.ordered) => Some(true),
            _ => None,
        }
    }
}

/// It is offered because the peer cannot see the service LAN, and not by order.
pub(super) fn is_offered_blindly(theirs: &GroupWord, peer_blind: bool) -> bool {
    peer_blind && theirs.state == State::Giving && !theirs.ordered
}
