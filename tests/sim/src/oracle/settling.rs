//! L2 and L4: no group without an owner for long; after the faults exactly one, who stays.

use super::{Oracle, Scene, roughly};
use crate::Side;
use crate::appliance::Appliance;
use lubdub::node::{Order, PeerState, Refusal};
use lubdub::time::{Duration, Instant};
use lubdub::wire::beat::State;

/// Starts of one group while nothing is wrong: one to settle, one for a failback, one for a first verdict that a slower heal
/// corrects.
const LATE_STARTS_MAX: u32 = 3;

impl Oracle {
    /// The faults have ended.
    pub fn calmed(&mut self, scene: &Scene<'_>) {
        self.late_starts.fill((0, scene.now));
        for watch in &mut self.watches {
            watch.disturbed_at = scene.now;
        }
    }

    pub(super) fn count_late_start(&mut self, scene: &Scene<'_>, group: usize) {
        let (count, last) = &mut self.late_starts[group];
        (*count, *last) = (*count + 1, scene.now);
        if *count > LATE_STARTS_MAX {
            let count = *count;
            self.accuse(scene.now, "L4", format_args!("group {group} is started {count} times after the last fault"));
        }
    }

    /// L4 counts anew after each fault and for as long as one lasts.
    pub(super) fn note_quiet(&mut self, scene: &Scene<'_>) {
        let running = scene.boxes.iter().filter(|it| it.node.is_some()).count();
        self.alone_since = if running == 1 { self.alone_since.or(Some(scene.now)) } else { None };
        let whole = |link| scene.media.is_whole(link, scene.now);
        let well = scene.boxes.iter().all(|it| it.awake() && it.mask.is_none());
        let cables = scene.lan.is_well(scene.now) && scene.unplugged.iter().all(|until| *until <= scene.now);
        let quiet = scene.faults == self.faults && well && cables && (0..scene.scenario.links.len()).all(whole);
        self.faults = scene.faults;
        if !quiet && !scene.calm {
            self.late_starts.fill((0, scene.now));
        }
    }

    pub(super) fn look_for_orphan(&mut self, scene: &Scene<'_>, group: usize, states: [Option<State>; 2]) {
        let idle = states.iter().all(|state| state.is_none_or(|state| state == State::Stopped));
        let able = (0..2).any(|side| {
            states[side] == Some(State::Stopped) && is_willing(scene, side) && !self.is_held_back(scene, side, group)
        });
        let thawed = scene.boxes.iter().all(|it| it.frozen.is_none());
        if !(idle && able && thawed && scene.trusted()) {
            self.orphan_since[group] = None;
            return;
        }
        let since = *self.orphan_since[group].get_or_insert(scene.now);
        let since = since.max(self.watches[0].disturbed_at).max(self.watches[1].disturbed_at);
        let deadtime = scene.scenario.deadtime();
        let rounds = if scene.calm { 4 } else { 20 };
        let patience =
            self.leases(scene) + scene.scenario.initdead().times(2) + deadtime.times(rounds) + Duration::from_secs(1);
        if scene.now.since(since) > roughly(patience) {
            self.accuse(scene.now, "L2", format_args!("group {group} has no owner since {since:?}"));
        }
        // What others send while the peer is dead may forbid a start for as long as it comes, and delay it by initdead.
        let reached = (0..2).filter(|side| states[*side].is_some()).map(|side| self.watches[side].reached_at).max();
        if let Some(alone) = self.alone_since
            && scene.now.since(since.max(alone).max(reached.unwrap_or_default())) > roughly(self.patience_alone(scene))
        {
            self.accuse(
                scene.now,
                "L2",
                format_args!("group {group} has no owner although the peer is dead since {alone:?}"),
            );
        }
    }

    /// What the leases of both may add to a wait: a grant and a silence.
    fn leases(&self, scene: &Scene<'_>) -> Duration {
        let now = scene.boxes.iter().filter_map(|it| it.read.guard.lease).map(lubdub::lease::silence).max();
        now.unwrap_or_default().max(self.longest_silence).times(2)
    }

    /// How long a node that is alone and hears nothing leaves a group without an owner: it waits for one that it has never
    /// heard, or for the last frames of others to grow old.
    fn patience_alone(&self, scene: &Scene<'_>) -> Duration {
        let lag = scene.scenario.lag.times(4) + Duration::from_millis(50);
        let turns = self.leases(scene) + scene.scenario.keepalive().times(4) + lag;
        scene.scenario.initdead() + scene.scenario.deadtime().times(2) + turns
    }

    /// The last moment of a seed: everything has settled.
    pub fn end(&mut self, scene: &Scene<'_>) {
        if !scene.calm {
            return;
        }
        for side in [0, 1] {
            let state = scene.node(side).map(lubdub::node::Node::peer);
            if state != Some(PeerState::Alive) {
                self.accuse(
                    scene.now,
                    "L2",
                    format_args!("in the end node{} says that its peer is {state:?}", side + 1),
                );
            }
        }
        for group in 0..scene.groups() {
            self.demand_one_owner(scene, group);
        }
    }

    fn demand_one_owner(&mut self, scene: &Scene<'_>, group: usize) {
        let states = [0, 1].map(|side: Side| scene.boxes[side].state(group));
        let owner = match states {
            [Some(State::Held), Some(State::Stopped)] => 0,
            [Some(State::Stopped), Some(State::Held)] => 1,
            _ => return self.accuse(scene.now, "L4", format_args!("in the end group {group} is {states:?}")),
        };
        if !scene.boxes[owner].resources[group].vip {
            self.accuse(scene.now, "L2", format_args!("in the end nobody answers for group {group}"));
        }
        let ordered = self.last_word(owner, group).is_some_and(|word| word.ordered);
        let damped = self.given_back[group] > 0;
        if scene.scenario.auto_failback && !scene.scenario.is_preferred(owner, group) && !ordered && !damped {
            self.accuse(scene.now, "FAILBACK", format_args!("in the end group {group} has not gone back"));
        }
        let (_, last): (u32, Instant) = self.late_starts[group];
        if !damped && last + scene.scenario.initdead() + Duration::from_secs(5) > scene.now {
            self.accuse(scene.now, "L4", format_args!("group {group} still moves long after the last fault"));
        }
    }
}

/// It runs, and is not about to leave.
pub(super) fn is_willing(scene: &Scene<'_>, side: Side) -> bool {
    let it: &Appliance = &scene.boxes[side];
    it.awake() && it.node.as_ref().is_some_and(|node| node.refuses(Order::Clear(0)) != Some(Refusal::Leaving))
}
