//! L1: two nodes never own one group while a beat makes the round trip; and when they do after a partition, how soon it
//! must end.

use super::{Oracle, Scene, Watch};
use crate::Side;
use crate::appliance::Appliance;
use crate::kind::Kind;
use lubdub::time::{Duration, Instant};
use lubdub::wire::beat::State;

impl Oracle {
    pub(super) fn look_for_double(&mut self, scene: &Scene<'_>, group: usize, states: [Option<State>; 2]) {
        self.look_at_kernels(scene, group);
        let both = states.iter().all(|state| state.is_some_and(State::holds));
        if !both {
            self.double_since[group] = None;
            return;
        }
        if self.double_since[group].is_none() {
            self.doubles += 1;
        }
        let since = *self.double_since[group].get_or_insert(scene.now);
        if !scene.boxes.iter().all(Appliance::awake) {
            return;
        }
        if self.watches.iter().all(|watch| round_trip_since(scene, watch, since)) {
            self.accuse(
                scene.now,
                "L1",
                format_args!("both hold group {group} since {since:?} and a beat has made the round trip"),
            );
        }
        for side in [0, 1] {
            if self.heard_for_long(scene, side, since) {
                self.accuse(
                    scene.now,
                    "HEAL",
                    format_args!("node{} hears that its peer holds group {group} too, and keeps it", side + 1),
                );
            }
        }
    }

    /// HEAL 2: whoever hears yields, even when the other does not hear it.
    fn heard_for_long(&self, scene: &Scene<'_>, side: Side, since: Instant) -> bool {
        let watch = &self.watches[side];
        let Some(streak) = watch.streak else { return false };
        let begin = since.max(streak).max(self.watches[0].disturbed_at).max(self.watches[1].disturbed_at);
        let lasting =
            watch.accepted_at.is_some_and(|at| scene.local(side).since(at) <= scene.scenario.keepalive().times(2));
        let patience = scene.scenario.deadtime()
            + scene.scenario.keepalive().times(6)
            + Duration::from_millis(50)
            + scene.scenario.lag.times(6);
        // A cable with more to carry than it can brings what was said long before.
        lasting && watch.accepted.as_ref().is_some_and(|frame| frame.sent.since(begin) > patience)
    }

    /// Where only daemons die and freeze and the lease is shorter than deadtime, no two kernels ever answer. Except while
    /// their files make strangers of the two (UNTRUSTED), or have just been read again: what L1 begins with is a beat that
    /// has made the round trip since.
    fn look_at_kernels(&mut self, scene: &Scene<'_>, group: usize) {
        if !scene.trusted() {
            self.read_at = scene.now;
        }
        let two = scene.boxes.iter().all(|it| it.resources[group].vip);
        let met = self.watches.iter().all(|watch| round_trip_since(scene, watch, self.read_at));
        self.estranged[group] = self.read_at == scene.now || self.estranged[group] && (two || !met);
        let kinds = scene.scenario.kinds;
        let harmless = !kinds.iter().any(Kind::is_of_links)
            && ![Kind::Pause, Kind::Stranger, Kind::Lag].iter().any(|kind| kinds.has(*kind));
        let leased = scene.scenario.lease.is_some() && scene.scenario.has_vip[group];
        if leased && harmless && two && !self.estranged[group] {
            self.accuse(
                scene.now,
                "L1",
                format_args!("two kernels answer for group {group} although no link was ever harmed"),
            );
        }
    }
}

/// The node has accepted a beat that was sent during the double ownership by a peer that had heard a beat sent during
/// it, lately enough to count on both nodes.
fn round_trip_since(scene: &Scene<'_>, watch: &Watch, since: Instant) -> bool {
    let Some(frame) = &watch.accepted else { return false };
    let timing = scene.scenario.timing;
    let least = timing[0].deadtime.min(timing[1].deadtime);
    // Nodes remember when their beats were sent with the grain of a thirty-second of deadtime.
    let span = least - least.part(12);
    let current = frame.life == scene.boxes[frame.from].life;
    let lately = |sent: Instant| sent > since && scene.now.since(sent) < span;
    current && frame.sent > since && frame.knows.is_some_and(lately)
}
