//! EYES: what the VIP of a group shows on the service LAN, as far as this node can see (L9).

use super::ask::is_offered_blindly;
use super::{Group, Hold, Scene};
use crate::node::sight::By;
use crate::time::Instant;
use crate::wire::beat::GroupWord;

impl Group {
    /// EYES: what this node took, nobody there could reach.
    pub(super) fn is_blind(&self, scene: &Scene<'_>) -> bool {
        self.setup.has_vip && scene.guard.probes && self.sight.is_cut()
    }

    /// L9: whether the VIP is silent, as far as this node can see, by probes sent after `since`; if not, why it is to be
    /// left alone, once that is known.
    pub(super) fn look(&self, since: Instant, scene: &Scene<'_>) -> Result<(), Option<Hold>> {
        if !self.setup.has_vip || !scene.guard.probes {
            return Ok(());
        }
        let silent = self.sight.is_silent(scene.now) && self.sight.looked_since(since);
        if silent && self.sight.is_open() {
            Ok(())
        } else if silent || self.sight.is_cut() {
            Err(Some(Hold::Blind))
        } else if self.sight.answered_within(scene.now, scene.initdead) && !self.sight.is_silent(scene.now) {
            Err(Some(Hold::InUse))
        } else {
            // The probes are on their way.
            Err(self.held_off())
        }
    }

    /// Somebody answers for a VIP of this group.
    pub fn answered(&mut self, now: Instant, by: By, macs_known: bool) {
        if by == By::Peer || !macs_known {
            self.sight.answered(now);
        }
    }

    /// Whether the VIP is to be asked for: before it is taken from a silent peer, or from one that has lost the service
    /// LAN and offers it, and while the right to it is doubtful.
    pub fn wants_look(&self, due: bool, theirs: Option<&GroupWord>, peer_blind: bool, two_way: bool) -> bool {
        let offered = theirs.is_some_and(|theirs| is_offered_blindly(theirs, peer_blind)) && !self.sight.is_cut();
        let taking = (due || offered) && self.state.is_down() && self.step.is_none();
        self.setup.has_vip && (taking || self.is_provisional() && !two_way)
    }
}
