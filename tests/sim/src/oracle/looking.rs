//! L9 and EYES from outside: what a node has asked on the service LAN, what it has heard, and what of it is evidence.

use super::settling::is_willing;
use super::{Oracle, Scene, roughly};
use crate::Side;
use crate::kernel;
use lubdub::node::{By, Eyes, Groups, Hold, PeerState};
use lubdub::time::{Duration, Instant};
use lubdub::wire::beat::State;
use std::collections::VecDeque;

/// w, and how many probes must be in vain, as the rules have them.
pub(super) const PROBE_WAIT: Duration = Duration::from_millis(10);
pub(super) const PROBES: usize = 3;

/// Probes remembered: the first ones, which show how long it has been silent, and the latest.
const PROBES_KEPT: usize = 64;
/// Rounds of the peer's questions that show that it looks for an owner.
pub(super) const ASKED_MIN: usize = 7;

/// What a node knows of one VIP.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// The latest probes since an answer.
    probes: VecDeque<Instant>,
    answered_at: Option<Instant>,
    /// What the node was told of its eyes.
    eyes: Option<Eyes>,
}

impl Look {
    /// Probes of before prove nothing any more.
    pub fn forget(&mut self) {
        self.probes.clear();
    }

    fn is_silent(&self, local: Instant, since: Instant) -> bool {
        let waited = PROBE_WAIT.times(PROBES as u64);
        // What was asked before says nothing, but does not make what was asked since say less.
        let mut probes = self.probes.iter().filter(|at| **at >= since);
        let (first, third) = (probes.next(), probes.nth(PROBES - 2));
        let enough = first.zip(third);
        enough.is_some_and(|(first, third)| local.since(*first) >= waited && local.since(*third) >= PROBE_WAIT)
    }
}

impl Oracle {
    /// A node asks for a VIP.
    pub fn probed(&mut self, scene: &Scene<'_>, side: Side, group: usize) {
        let look = &mut self.watches[side].looks[group];
        let local = scene.local(side);
        if look.probes.len() == PROBES_KEPT {
            look.probes.remove(PROBES);
        }
        look.probes.push_back(local);
    }

    /// A node is told that somebody has a VIP. Another MAC than the peer's counts only where the peer has told none.
    pub fn answered(&mut self, scene: &Scene<'_>, side: Side, group: usize, by: By) {
        let unknown = scene.node(side).is_some_and(|node| node.peer_macs().is_empty());
        if by == By::Peer || unknown {
            let local = scene.local(side);
            let look = &mut self.watches[side].looks[group];
            look.forget();
            look.answered_at = Some(local);
        }
    }

    /// A node is told that its peer asks for a VIP. What comes at once is one round, but what comes after the peer's last
    /// word has been asked since, whenever its round began.
    pub fn asked(&mut self, scene: &Scene<'_>, side: Side) {
        let local = scene.local(side);
        let watch = &mut self.watches[side];
        let since = watch.life_at.unwrap_or(watch.born);
        let asked = &mut watch.asked;
        if asked.back().is_some_and(|last| *last >= since && local.since(*last) < PROBE_WAIT.part(2)) {
            return;
        }
        if asked.len() == ASKED_MIN {
            asked.pop_front();
        }
        asked.push_back(local);
    }

    /// L9: a split is suspected only of a peer that has answered for a VIP in this run, or has asked for one often enough
    /// since it was last heard.
    pub(super) fn demand_sign_of_life(&mut self, scene: &Scene<'_>, side: Side) {
        let watch = &self.watches[side];
        let since = watch.life_at.unwrap_or(watch.born);
        let answered = |look: &Look| look.answered_at.is_some();
        let asked = watch.asked.len() == ASKED_MIN && watch.asked.front().is_some_and(|first| *first >= since);
        if !asked && !watch.looks.iter().any(answered) {
            self.accuse(scene.now, "L9", format_args!("node{} suspects a split without a sign of life", side + 1));
        }
    }

    /// A node asks for these VIPs from now on, and for no others.
    pub fn looks(&mut self, _scene: &Scene<'_>, side: Side, groups: Groups) {
        let idle = (0..).zip(&mut self.watches[side].looks).filter(|(group, _)| groups >> group & 1 == 0);
        idle.for_each(|(_, look)| look.forget());
    }

    /// A node is told of its eyes for a group.
    pub fn sees(&mut self, side: Side, group: usize, eyes: Eyes) {
        self.watches[side].looks[group].eyes = Some(eyes);
    }

    /// A link shows that its other end is gone, or back.
    pub fn line(&mut self, scene: &Scene<'_>, side: Side, link: usize, lost: bool) {
        let local = scene.local(side);
        self.watches[side].lost[link] = lost.then_some(local);
    }

    /// A node is told that a device has switched the other one off: evidence until it hears that one, where it takes it for
    /// alive none at all.
    pub fn fenced(&mut self, scene: &Scene<'_>, side: Side) {
        self.watches[side].fenced = scene.node(side).is_some_and(|node| node.peer() != PeerState::Alive);
    }

    /// S of the peer's lease, which a takeover by silence outlasts.
    pub(super) fn silence(&self, scene: &Scene<'_>, side: Side, group: usize) -> Duration {
        let guard = scene.boxes[side].read.guard;
        if !guard.outlast || !scene.scenario.has_vip[group] {
            return Duration::ZERO;
        }
        let watch = &self.watches[side];
        match watch.life_at {
            Some(_) => kernel::silence(watch.peer_lease),
            None => kernel::silence(guard.lease.unwrap_or_default()),
        }
    }

    /// The last probes, sent after `since`, were not answered, and an answer would have been heard.
    pub(super) fn has_silent_vip(
        &self,
        scene: &Scene<'_>,
        side: Side,
        group: usize,
        since: Instant,
    ) -> Result<(), &'static str> {
        let it = &scene.boxes[side];
        if !it.read.guard.probes || !scene.scenario.has_vip[group] {
            Ok(())
        } else if !self.watches[side].looks[group].is_silent(scene.local(side), since) {
            Err("nobody has asked for the VIP in vain, three times and for long enough")
        } else if self.watches[side].looks[group].eyes != Some(Eyes::Open) {
            Err("its eyes are not open")
        } else {
            Ok(())
        }
    }

    /// ACQUIRE d: every link shows that its other end is gone, and the VIP has been silent since.
    pub(super) fn has_physical_loss(&self, scene: &Scene<'_>, side: Side, group: usize) -> bool {
        let watch = &self.watches[side];
        let lost = watch.lost.iter().try_fold(Instant::ZERO, |last, lost| Some(last.max((*lost)?)));
        let fencing = scene.boxes[side].read.guard.fencing;
        scene.scenario.has_vip[group]
            && !fencing
            && lost.is_some_and(|last| self.has_silent_vip(scene, side, group, last).is_ok())
    }

    /// ADOPT: a leftover of a former run in the last third of its lease, while nothing at all was heard.
    pub(super) fn has_adoption(&self, scene: &Scene<'_>, side: Side, group: usize) -> Result<(), &'static str> {
        let (it, watch) = (&scene.boxes[side], &self.watches[side]);
        let resource = it.resources[group];
        let (Some(life), Some(lease)) = (resource.lifetime.filter(|_| resource.vip), it.read.guard.lease) else {
            return Err("nothing is left");
        };
        if scene.local(side) + roughly(lease.part(3)) < life.until {
            Err("what is left has more than the last third of its lease")
        } else if watch.life_at.is_some() || watch.arriving.is_some() {
            Err("what is left may be the peer's, which was heard")
        } else {
            Ok(())
        }
    }

    /// Whether the `ping` nodes of each node can answer it.
    pub(super) fn note_pings(&mut self, scene: &Scene<'_>) {
        for side in [0, 1] {
            let reaches = scene.lan.reaches(side, scene.now) && scene.lan.quiet_until <= scene.now;
            let since = &mut self.unreached_since[side];
            *since = if reaches || !scene.scenario.pings { None } else { since.or(Some(scene.now)) };
        }
    }

    /// No `ping` node can have answered a node for so long that it must know: deadtime, or the pause between two questions
    /// where that is longer, and three more.
    fn must_be_silent(&self, scene: &Scene<'_>, side: Side) -> bool {
        let [pause, three] = scene.scenario.ping_pace(side);
        let known = scene.scenario.timing[side].deadtime.max(pause) + three + turns(scene, side);
        let since = self.unreached_since[side].map(|since| since.max(self.watches[side].disturbed_at));
        since.is_some_and(|since| scene.now.since(since) > roughly(known))
    }

    /// EYES: an owner that hears neither its peer nor any `ping` node holds no VIP.
    pub(super) fn look_for_isolation(&mut self, scene: &Scene<'_>) {
        self.note_pings(scene);
        for side in [0, 1] {
            let it = &scene.boxes[side];
            let deadtime = scene.scenario.timing[side].deadtime + turns(scene, side);
            let heard = self.watches[side].life_at.unwrap_or(self.watches[side].born);
            let silent = scene.local(side).since(heard) > roughly(deadtime);
            if !(it.awake() && it.read.guard.probes && silent && self.must_be_silent(scene, side)) {
                continue;
            }
            if let Some(group) = (0..scene.groups()).find(|group| scene.scenario.has_vip[*group] && it.holds(*group)) {
                let since = self.unreached_since[side];
                self.accuse(
                    scene.now,
                    "EYES",
                    format_args!(
                        "node{} holds group {group} although nobody hears it: no `ping` node since {since:?}",
                        side + 1,
                    ),
                );
            }
        }
    }

    /// L9: who may soon take a VIP from a dead peer asks for it, whatever warntime is.
    pub(super) fn look_for_probes(&mut self, scene: &Scene<'_>) {
        for side in [0, 1] {
            let it = &scene.boxes[side];
            let dead = scene.node(side).is_some_and(|node| node.peer() == PeerState::Dead);
            let Some(heard) = self.watches[side].life_at.filter(|_| dead && it.awake() && it.read.guard.probes) else {
                continue;
            };
            let silent = scene.local(side).since(heard);
            let patience = scene.scenario.timing[side].deadtime.max(self.longest_silence);
            let forgets = |group: &usize| {
                scene.scenario.has_vip[*group]
                    && it.state(*group) == Some(State::Stopped)
                    && it.sight.looking >> group & 1 == 0
                    && silent > roughly(patience + turns(scene, side))
            };
            if is_willing(scene, side)
                && let Some(group) = (0..scene.groups()).find(forgets)
            {
                self.accuse(
                    scene.now,
                    "L9",
                    format_args!("node{} does not ask for group {group}, its peer silent for {silent:?}", side + 1),
                );
            }
        }
    }

    /// EYES: a node that cannot see the service LAN takes nothing there.
    pub(super) fn demand_open_eyes(&mut self, scene: &Scene<'_>, side: Side, group: usize) {
        let it = &scene.boxes[side];
        let told = matches!(self.watches[side].looks[group].eyes, Some(Eyes::Cut | Eyes::Silent));
        if it.read.guard.probes && scene.scenario.has_vip[group] && (told || self.must_be_silent(scene, side)) {
            self.accuse(scene.now, "EYES", format_args!("node{} is blind and starts group {group}", side + 1));
        }
    }

    /// L2 does not ask for a group that a node rightly leaves alone.
    pub(super) fn is_held_back(&self, scene: &Scene<'_>, side: Side, group: usize) -> bool {
        let it = &scene.boxes[side];
        if !it.read.guard.probes {
            return false;
        }
        let hold = scene.node(side).and_then(|node| node.groups().nth(group)?.hold);
        let patience = scene.scenario.timing[side].initdead;
        let answered = self.watches[side].looks[group].answered_at;
        match hold {
            Some(Hold::InUse) => answered.is_some_and(|at| scene.local(side).since(at) <= roughly(patience)),
            Some(Hold::Fencing) => it.fences,
            _ => scene.scenario.has_vip[group] && self.watches[side].looks[group].eyes != Some(Eyes::Open),
        }
    }
}

/// What a loop may be late by, in all.
fn turns(scene: &Scene<'_>, side: Side) -> Duration {
    scene.scenario.timing[side].keepalive.times(3) + scene.scenario.lag.times(4) + Duration::from_millis(20)
}
