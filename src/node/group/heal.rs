//! HEAL and EYES: when a group that is held here must be let go at once, and when its claim is confirmed.

use super::{Effects, Group, Scene, Verb};
use crate::node::event::{Cause, Event};
use crate::time::Duration;

/// The least pause between the probes of a peer that has asked for a while.
pub(in crate::node) const PROBE_PAUSE: Duration = Duration::from_millis(100);

impl Group {
    /// HEAL 1 and 2: whether this node must let go of what both hold. A function of the two words alone.
    pub(super) fn must_yield(&mut self, scene: &Scene<'_>, fx: &mut Effects) -> Option<Cause> {
        let Some(theirs) = scene.rival.filter(|theirs| theirs.state.holds()) else {
            self.kept = false;
            return None;
        };
        if !scene.two_way {
            return scene.unheard.then_some(Cause::Unheard);
        }
        let (mine, theirs) = (self.term, theirs.term);
        if theirs.after(mine) || !mine.after(theirs) && !self.setup.preferred {
            return Some(Cause::Yielded { mine, theirs });
        }
        if !self.kept {
            self.kept = true;
            fx.other = Some(Event::Kept { group: self.number, mine, theirs });
        }
        None
    }

    /// EYES and HEAL 3: whether the VIP is of no use here, or the peer has the better right to it and cannot say so.
    pub(super) fn is_lost(&self, scene: &Scene<'_>) -> Option<Cause> {
        if scene.mute.is_some_and(|until| scene.now >= until) {
            return Some(Cause::Mute);
        }
        if !self.setup.has_vip || !scene.guard.probes || scene.theirs.is_some() {
            return None;
        }
        let lost = self.sight.lost_at(scene.deadtime).is_some_and(|at| at <= scene.now);
        if lost && scene.silent >= scene.deadtime {
            return Some(Cause::Blind);
        }
        // Both hold it. Whoever took it without consent yields; where both did, the preferred node keeps it. The peer cannot
        // say which it is, but a claim that yields to this one would have done so by now.
        let firm = scene.last_word.is_some_and(|word| word.state.holds() && !word.provisional);
        let keeps = self.sight.answered_for(scene.now) >= scene.keepalive.max(PROBE_PAUSE).times(2);
        let weaker = self.provisional && (firm || keeps || !self.setup.preferred);
        let answered = self.sight.answered_within(scene.now, scene.deadtime);
        (weaker && answered).then_some(Cause::Answered)
    }

    /// The peer holds nothing: a claim without consent is one no longer. While it was not heard it may have answered for
    /// the VIP, and have taught that to clients, without this node ever hearing it say so (L6).
    pub(super) fn confirm(&mut self, fx: &mut Effects) {
        if core::mem::take(&mut self.provisional) | core::mem::take(&mut self.unseen) {
            fx.run.push(Verb::Announce).expect("one decision announces once");
        }
    }
}
