//! ACQUIRE from outside: whether a start has consent or evidence.

use super::{Oracle, Scene, roughly};
use crate::Side;
use lubdub::time::Instant;
use lubdub::wire::beat::{GroupWord, State};

impl Oracle {
    /// A group is about to be started.
    pub(super) fn demand_evidence(&mut self, scene: &Scene<'_>, side: Side, group: usize) {
        // A paused machine cannot know that what it reads is old (TIMING, not covered); HEAL ends what comes of it.
        let watch = &self.watches[side];
        let before = |sent: Instant| sent <= watch.paused_until;
        if watch.accepted.as_ref().is_some_and(|frame| before(frame.sent) || frame.knows.is_some_and(before)) {
            return;
        }
        if self.has_consent(scene, side, group)
            || self.has_goodbye(scene, side, group)
            || self.watches[side].fenced
            || self.has_adoption(scene, side, group).is_ok()
            || self.has_physical_loss(scene, side, group)
        {
            return;
        }
        if let Err(why) = self.has_silence(scene, side, group) {
            let adopted = self.has_adoption(scene, side, group);
            let (heard, last) = (self.heard(side, group), self.last_word(1 - side, group));
            let knows = self.watches[side].accepted.as_ref().and_then(|frame| frame.knows);
            self.accuse(
                scene.now,
                "ACQUIRE",
                format_args!(
                    "node{} starts group {group} without consent, goodbye or silence: {why}; {adopted:?}; heard {heard:?}, of its \
                     beat sent at {knows:?}; the peer's last word is {last:?}, and it has {:?}",
                    side + 1,
                    scene.boxes[1 - side].resources[group],
                ),
            );
        }
    }

    fn heard(&self, side: Side, group: usize) -> Option<(bool, GroupWord)> {
        let beat = self.watches[side].accepted.as_ref()?.beat.as_ref()?;
        Some((beat.goodbye, *beat.groups.get(group)?))
    }

    /// Nothing of the group runs on the other side, whoever says so.
    fn is_down(scene: &Scene<'_>, side: Side, group: usize) -> bool {
        let it = &scene.boxes[side];
        !it.resources[group].vip && !it.resources[group].runs && !it.holds(group)
    }

    fn has_consent(&self, scene: &Scene<'_>, side: Side, group: usize) -> bool {
        let other = 1 - side;
        let Some((_, word)) = self.heard(side, group) else { return false };
        if !word.granted || !word.state.is_down() || !Self::is_down(scene, other, group) {
            return false;
        }
        let Some(frame) = &self.watches[side].accepted else { return false };
        // The same life of the granter still says so: the grant stands, unless its session has ended just now.
        let same = scene.boxes[other].node.is_some() && scene.boxes[other].life == frame.life;
        let ended = self.watches[other].session_at.is_some_and(|at| at >= frame.sent);
        let stands =
            !same || ended || self.last_word(other, group).is_none_or(|word| word.granted && word.state.is_down());
        let timing = scene.scenario.timing;
        let youth = timing[0].deadtime.min(timing[1].deadtime) - scene.scenario.keepalive();
        stands && frame.knows.is_some_and(|sent| scene.now.since(sent) <= roughly(youth))
    }

    fn has_goodbye(&self, scene: &Scene<'_>, side: Side, group: usize) -> bool {
        let heard = self.heard(side, group);
        heard.is_some_and(|(goodbye, word)| goodbye && word.state.is_down()) && Self::is_down(scene, 1 - side, group)
    }

    /// T = deadtime, or initdead for a peer never heard, or S where the lease is longer; longer while strangers are present;
    /// and the VIP is silent too.
    pub(super) fn has_silence(&self, scene: &Scene<'_>, side: Side, group: usize) -> Result<(), String> {
        let watch = &self.watches[side];
        let timing = scene.scenario.timing[side];
        let local = scene.local(side);
        let (since, patience) = match watch.life_at {
            Some(at) => (at, timing.deadtime),
            None => (watch.born, timing.initdead),
        };
        let patience = patience.max(self.silence(scene, side, group));
        if scene.boxes[side].read.guard.fencing {
            return Err("the peer is not fenced".into());
        }
        if let Err(why) = self.has_silent_vip(scene, side, group, Instant::ZERO) {
            return Err(why.into());
        }
        let due = since + patience;
        if local < due {
            return Err(format!("silent for {:?} of {patience:?}", local.since(since)));
        }
        if watch.barred_at.is_some_and(|at| local < at + timing.deadtime) {
            return Err("a stranger is present".into());
        }
        let doubted = watch.doubted_at.is_some_and(|at| local < at + timing.deadtime);
        let waited = scene.scenario.has_vip[group] && local >= due + timing.initdead;
        if doubted && !waited { Err("a stranger is present on Ethernet".into()) } else { Ok(()) }
    }

    /// The last word of a node on a group, on any link.
    pub(super) fn last_word(&self, side: Side, group: usize) -> Option<GroupWord> {
        self.watches[side].last_said.get(group).copied()
    }

    /// Said before taken: while the peer lives, each link has carried the claim before the start.
    pub(super) fn demand_claim(&mut self, scene: &Scene<'_>, side: Side, group: usize) {
        let alive = scene.node(side).is_some_and(|node| node.peer() == lubdub::node::PeerState::Alive);
        let claimed = |words: &Vec<Option<GroupWord>>| words[group].is_some_and(|word| word.state == State::Starting);
        if alive && !self.watches[side].said.iter().all(claimed) {
            self.accuse(
                scene.now,
                "ACQUIRE",
                format_args!("node{} starts group {group} before it has said so on every link", side + 1),
            );
        }
    }
}
