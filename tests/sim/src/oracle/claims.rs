//! The term of a claim: fixed when the group is acquired (ACQUIRE), and what decides when both hold it (HEAL 1).

use super::{Oracle, Scene};
use crate::Side;
use lubdub::node::{Cause, Node};
use lubdub::wire::beat::{GroupWord, State, Term};

impl Oracle {
    /// What a node that does not hold a group knows of its term.
    pub(super) fn note_terms(&mut self, scene: &Scene<'_>) {
        for (it, watch) in scene.boxes.iter().zip(&mut self.watches) {
            let groups = it.node.iter().flat_map(Node::groups);
            let idle = watch.seen.iter_mut().zip(groups).filter(|(_, group)| !group.state.holds());
            idle.for_each(|(seen, group)| *seen = group.term);
        }
    }

    /// A group is acquired: without consent the claim comes after all that were seen, else it is none of the earlier.
    pub(super) fn acquired(&mut self, scene: &Scene<'_>, side: Side, group: usize, cause: Cause) {
        let Some(claim) = shown_term(scene, side, group) else { return };
        let watch = &mut self.watches[side];
        let seen = watch.seen[group];
        let right = if is_claim(cause) { claim.after(seen) } else { !seen.after(claim) };
        watch.claims[group] = claim;
        if !right {
            self.accuse(
                scene.now,
                "ACQUIRE",
                format_args!("node{} claims group {group} with {claim:?}, having seen {seen:?}: {cause:?}", side + 1),
            );
        }
    }

    /// What is heard raises only what is seen, never a claim.
    pub(super) fn demand_fixed_claim(&mut self, scene: &Scene<'_>, side: Side, group: usize, word: &GroupWord) {
        let claim = self.watches[side].claims[group];
        if matches!(word.state, State::Held | State::Giving) && word.term != claim {
            self.accuse(
                scene.now,
                "ACQUIRE",
                format_args!("node{} acquired group {group} with {claim:?} and says {:?}", side + 1, word.term),
            );
        }
    }

    /// HEAL 1: the higher claim keeps, then the preferred node, and whoever lets go has no VIP when it says so.
    pub(super) fn demand_verdict(&mut self, scene: &Scene<'_>, side: Side, group: usize, yields: bool) {
        let beat = self.watches[side].accepted.as_ref().and_then(|frame| frame.beat.as_ref());
        let Some(theirs) = beat.and_then(|beat| beat.groups.get(group)) else { return };
        let (mine, theirs) = (self.watches[side].claims[group], theirs.term);
        let must = theirs.after(mine) || theirs == mine && !scene.scenario.is_preferred(side, group);
        if yields != must {
            let what = if yields { "yields" } else { "keeps" };
            self.accuse(
                scene.now,
                "L6",
                format_args!("node{} {what} group {group} with {mine:?} against {theirs:?}", side + 1),
            );
        }
    }

    /// HEAL: the VIP is gone before anything else is sent.
    pub(super) fn demand_drop(&mut self, scene: &Scene<'_>, side: Side, group: usize) {
        if scene.boxes[side].resources[group].vip {
            self.accuse(
                scene.now,
                "HEAL",
                format_args!("node{} yields group {group} and says so while it still answers for the VIP", side + 1),
            );
        }
    }
}

fn shown_term(scene: &Scene<'_>, side: Side, group: usize) -> Option<Term> {
    scene.node(side)?.groups().nth(group).map(|group| group.term)
}

/// Acquired by evidence, for which a claim is raised.
pub(super) const fn is_claim(cause: Cause) -> bool {
    matches!(cause, Cause::Silence(_) | Cause::Unplugged(_) | Cause::Fenced | Cause::Adopted)
}
