//! What the lease is for: two kernels never answer for one VIP, as far as TIMING covers it.

use super::looking::{PROBE_WAIT, PROBES};
use super::{Oracle, Scene};
use crate::Side;
use crate::appliance::Appliance;
use lubdub::lease;
use lubdub::node::PeerState;
use lubdub::time::{Duration, Instant};
use lubdub::wire::beat::State;

/// HEAL 3: how soon one of two owners that see each other on the service LAN yields.
const YIELDS: Duration = Duration::from_secs(1);
/// The least pause between slow probes.
const SLOW: Duration = Duration::from_millis(100);

impl Oracle {
    pub(super) fn note_lan(&mut self, scene: &Scene<'_>) {
        if !scene.lan.is_whole(scene.now) {
            self.lan_broken_at = Some(scene.now);
        }
    }

    /// A session tells each node the other's lease; a longer one of before counts until it has run out.
    pub(super) fn note_leases(&mut self, scene: &Scene<'_>, side: Side) {
        let lease = |side: Side| scene.boxes[side].read.guard.lease.unwrap_or_default();
        let watch = &mut self.watches[side];
        watch.own_lease = lease(side);
        watch.fenced = false;
        // Its hello may be of before a reload, and then the lease of before is in force; or of its former life.
        let other = &self.watches[1 - side];
        let former = Some(other.former_lease).filter(|it| *it != Duration::ZERO);
        let told = [Some(lease(1 - side)), Some(other.own_lease), former].into_iter().flatten();
        let longest = told.clone().map(lease::silence).max().unwrap_or_default();
        let watch = &mut self.watches[side];
        watch.peer_lease = told.min_by_key(|it| lease::silence(*it)).unwrap_or_default();
        watch.peer_silence_max = longest;
        self.longest_silence = self.longest_silence.max(longest);
    }

    /// A node has renewed its VIPs.
    pub fn renewed(&mut self, scene: &Scene<'_>, side: Side, until: Instant, spoke: bool) {
        let local = scene.local(side);
        if !spoke {
            self.accuse(scene.now, "TIMING", format_args!("node{} renews without having spoken", side + 1));
        }
        let lease = self.watches[side].own_lease;
        let length = until.since(local);
        if until < Instant::FAR && lease::silence(length) > lease::silence(lease) {
            self.accuse(
                scene.now,
                "TIMING",
                format_args!("node{} renews for {length:?}, and its peer knows of {lease:?}", side + 1),
            );
        }
    }

    /// A node begins to start a group: the other kernel answers for it only where nothing could tell.
    pub(super) fn demand_lone_kernel(&mut self, scene: &Scene<'_>, side: Side, group: usize) {
        let other = &scene.boxes[1 - side];
        let guard = scene.boxes[side].read.guard;
        let leased = guard.lease.is_some() && scene.scenario.has_vip[group];
        // Where both answered before this start, it is HEAL that ends it.
        let adopts = scene.boxes[side].resources[group].vip;
        if !leased || adopts || !other.resources[group].vip || self.was_paused(scene, side) {
            return;
        }
        let watch = &self.watches[side];
        let sent = watch.accepted.as_ref().map(|frame| frame.sent);
        let spent = sent.is_some_and(|sent| other.renewed <= sent);
        let waited = watch.life_at.is_some_and(|at| scene.local(side).since(at) >= watch.peer_silence_max);
        if guard.outlast && spent && waited && self.has_silence(scene, side, group).is_ok() {
            self.accuse(
                scene.now,
                "S",
                format_args!(
                    "node{} has waited for the lease of the peer's last beat, sent at {sent:?} and followed by no other \
                     renewal, and the peer's kernel still answers for group {group}: {:?}",
                    side + 1,
                    other.resources[group],
                ),
            );
        }
        let window = self.window(scene, side);
        let broken = self.lan_broken_at.is_some_and(|at| scene.now.since(at) <= window);
        let together = self.watches[1 - side].started[group]
            .is_some_and(|(at, claim)| claim && scene.now.since(at) <= PROBE_WAIT.times(PROBES as u64) + window);
        if !broken && !together {
            self.accuse(
                scene.now,
                "L9",
                format_args!(
                    "node{} starts group {group}, and the peer's kernel answers for it over a whole service LAN: {:?}",
                    side + 1,
                    other.resources[group],
                ),
            );
        }
        self.twins += 1;
    }

    /// How old the knowledge of a silent VIP may be.
    fn window(&self, scene: &Scene<'_>, side: Side) -> Duration {
        let slow = scene.scenario.timing[side].keepalive.max(SLOW);
        slow + scene.scenario.lag.times(3) + Duration::from_millis(50)
    }

    /// TIMING, not covered: the clocks of a machine that stood still, and its kernel's lease, have stood still too.
    fn was_paused(&self, scene: &Scene<'_>, side: Side) -> bool {
        let since = self.watches[side].accepted.as_ref().map_or(Instant::ZERO, |frame| frame.sent);
        let paused = |watch: &super::Watch| watch.paused_until > since;
        scene.boxes.iter().any(Appliance::is_paused) || self.watches.iter().any(paused)
    }

    /// HEAL 3: two owners in no session that see each other on the service LAN are soon one.
    pub(super) fn look_for_twins(&mut self, scene: &Scene<'_>, group: usize, states: [Option<State>; 2]) {
        let leased = scene.scenario.has_vip[group] && scene.boxes.iter().all(|it| it.read.guard.probes);
        let hold = states.iter().all(|state| state.is_some_and(State::holds));
        let answer = scene.boxes.iter().all(|it| it.resources[group].vip && it.awake());
        let claimed = self.watches.iter().any(|watch| watch.started[group].is_some_and(|(_, claim)| claim));
        let apart = (0..2).all(|side| scene.node(side).is_some_and(|node| node.peer() != PeerState::Alive));
        if !(leased && hold && answer && claimed && apart) {
            self.twins_since[group] = None;
            return;
        }
        let since = *self.twins_since[group].get_or_insert(scene.now);
        let broken = self.lan_broken_at.unwrap_or_default();
        let since = since.max(broken).max(self.watches[0].disturbed_at).max(self.watches[1].disturbed_at);
        let window = self.window(scene, 0).max(self.window(scene, 1));
        if scene.now.since(since) > YIELDS.max(window.times(5)) + scene.scenario.lag.times(4) {
            self.accuse(
                scene.now,
                "HEAL",
                format_args!("both kernels answer for group {group}, and hear each other, since {since:?}"),
            );
        }
    }
}
