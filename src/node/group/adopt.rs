//! ADOPT: what a former run has left of a group goes on, or is removed.

use super::{Effects, Group, Scene, Verb};
use crate::node::event::Cause;
use crate::node::guard::Guard;
use crate::time::Instant;

impl Group {
    /// The inventory found a VIP whose lease runs until then.
    pub fn found(&mut self, until: Instant) {
        if self.step == Some(Verb::Inventory) {
            self.leftover = Some(until);
        }
    }

    /// ADOPT: the lease of a former run goes on by consent, or where nothing at all is heard while it ends; otherwise what
    /// it left is removed.
    pub(super) fn adopt(&mut self, until: Instant, scene: &Scene<'_>, fx: &mut Effects) {
        self.review_ask(scene);
        let theirs = scene.theirs.is_some_and(|theirs| theirs.state.holds());
        let cause = if theirs || !scene.willing || scene.now >= until || self.is_blind(scene) {
            None
        } else if self.has_consent(scene) {
            Some(Cause::Consent)
        } else if scene.alone && scene.now >= last_third(until, &scene.guard) {
            Some(Cause::Adopted)
        } else {
            return;
        };
        self.leftover = None;
        match cause {
            Some(cause) => self.start(cause, scene.now, fx),
            None => {
                self.ask = None;
                self.begin(Verb::Drop, fx);
            }
        }
    }
}

/// When a leftover may be adopted although nobody consents: the last third of the lease, in which a peer that had heard
/// of this node before has not taken it yet. Who finds it in there does not wait any more: it goes on in the turn in which
/// its hello is on every link, within a keepalive. It may, because a peer that is there has not taken it, and takes nothing
/// before the lease is over; what it must not do is to come too late, which is what
/// [`Input::Found`](crate::node::Input::Found) is told early for.
pub(super) fn last_third(until: Instant, guard: &Guard) -> Instant {
    until - guard.lease.unwrap_or_default().part(3)
}
