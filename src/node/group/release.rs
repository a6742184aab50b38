//! RELEASE: what the peer is offered and granted, and what is stopped for its ask.

use super::{Effects, Group, Scene};
use crate::node::event::Cause;
use crate::wire::beat::State;

impl Group {
    /// ASK (2): what nobody can reach here is offered to the peer, which takes it once it has proved that it sees more.
    /// Not to one that was blind lately: what both have lost comes back to both, and nothing needs to move for it.
    pub(super) fn offer(&mut self, scene: &Scene<'_>, fx: &mut Effects) {
        let lost = self.is_blind(scene) && self.sight.lost_at(scene.deadtime).is_some_and(|at| at <= scene.now);
        let able = scene.peer_sees && scene.theirs.is_some_and(|theirs| theirs.state == State::Stopped);
        match self.state {
            State::Held if lost && able && self.has_rested(scene) => {
                self.offered = scene.next_seq;
                self.turn(State::Giving, Cause::LanLost, fx);
            }
            State::Giving if self.wish.is_none() && !(lost && able) => self.turn(State::Held, Cause::LanNoBetter, fx),
            _ => {}
        }
    }

    /// RELEASE: the grant stands until the peer's beat shows the ask closed or the group held.
    pub(super) fn review_grant(&mut self, scene: &Scene<'_>) {
        if scene.theirs.is_some_and(|theirs| theirs.state.holds()) {
            self.given = false;
        }
        if let Some(theirs) = scene.theirs.or(scene.goodbye)
            && (!theirs.ask || matches!(theirs.state, State::Held | State::Giving))
        {
            self.granted = false;
        }
    }

    /// RELEASE: grants what the peer asks for, unless this node asks with more right: an order beats no order, then the
    /// preferred node.
    pub(super) fn answer(&mut self, scene: &Scene<'_>) {
        // One that asks while it is `stopping` has found what a former run left, and would go on with it (ADOPT).
        let Some(theirs) = scene.theirs.filter(|theirs| scene.fresh && theirs.ask && !theirs.state.holds()) else {
            return;
        };
        let theirs_wins = match self.ask {
            None => true,
            Some(ask) if ask.ordered == theirs.ordered => !self.setup.preferred,
            Some(_) => theirs.ordered,
        };
        if theirs_wins {
            self.granted = true;
            self.ask = None;
        }
    }

    /// RELEASE: whether a held group is to be stopped for the peer's ask.
    pub(super) fn may_give(&self, scene: &Scene<'_>) -> Option<Cause> {
        let theirs = scene.theirs.filter(|theirs| scene.fresh && theirs.ask)?;
        let knows = self.wish.is_some() || scene.echo >= self.offered;
        if theirs.ordered || self.state == State::Giving && knows {
            return Some(Cause::Handover);
        }
        (!self.setup.preferred && !self.ordered && self.is_failback_due(scene)).then_some(Cause::Failback)
    }
}
