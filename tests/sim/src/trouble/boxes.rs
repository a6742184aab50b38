//! Faults of the appliances.

use crate::Side;
use crate::appliance::Frozen;
use crate::kind::Kind;
use crate::timeline::span;
use crate::world::{What, World};
use lubdub::node::Input;
use lubdub::time::{Duration, Instant};

impl World {
    /// The daemon dies; what it started runs on until the kernel ends it.
    pub(crate) fn crash(&mut self, side: Side) {
        self.relate(format_args!("node{}'s daemon is killed", side + 1));
        if self.boxes[side].is_paused() {
            self.resume(side);
        }
        self.boxes[side].kill();
        self.schedule_lapse(side);
        self.lines_changed();
    }

    /// The box is off, with all that ran on it; unless a story says otherwise, it comes back.
    pub(crate) fn cut_power(&mut self, side: Side) {
        self.crash(side);
        self.relate(format_args!("node{} has no power", side + 1));
        let it = &mut self.boxes[side];
        it.resources.fill(Default::default());
        it.powered = false;
        let life = it.life;
        self.lines_changed();
        if !self.by_hand {
            let after = if self.calm { Duration::from_millis(5) } else { self.fault_span() };
            self.count_span(Kind::PowerLoss, after);
            self.after(after, What::Boots { side, life, mask: None });
        }
    }

    /// One box loses its power, or both do: they may hang on one socket.
    pub(super) fn lose_power(&mut self, side: Side) {
        let both = self.rng.percent(15) && self.boxes.iter().all(|it| it.node.is_some());
        if both {
            self.tally.variety(Kind::PowerLoss, "both at once");
            self.die(Kind::PowerLoss, 1 - side);
        }
        self.die(Kind::PowerLoss, side);
    }

    pub(super) fn die(&mut self, kind: Kind, side: Side) {
        if self.boxes[side].node.is_none() {
            return;
        }
        if kind == Kind::PowerLoss {
            return self.cut_power(side);
        }
        self.crash(side);
        let life = self.boxes[side].life;
        let after = self.fault_span();
        self.count_span(kind, after);
        self.after(after, What::Boots { side, life, mask: None });
    }

    /// Somebody restarts a daemon that was killed: within its lease, or soon after.
    pub(super) fn respawn(&mut self, side: Side) {
        let lease = self.boxes[side].read.guard.lease.filter(|_| self.boxes[side].node.is_some());
        let Some(lease) = lease else { return };
        self.crash(side);
        let after = self.rng.magnitude(lease.times(2));
        self.tally.count(Kind::Respawn);
        let variety = if after < lease { "sooner than a lease" } else { "later than a lease" };
        self.tally.variety(Kind::Respawn, variety);
        let life = self.boxes[side].life;
        self.after(after, What::Boots { side, life, mask: None });
    }

    pub(super) fn freeze(&mut self, kind: Kind, side: Side) {
        if !self.boxes[side].awake() {
            return;
        }
        let whole_machine = kind == Kind::Pause;
        let length = self.fault_span();
        self.count_span(kind, length);
        self.relate(format_args!("{kind:?} of node{} for {}", side + 1, span(length)));
        self.boxes[side].frozen = Some(Frozen { since: self.now, whole_machine });
        if !whole_machine {
            self.schedule_lapse(side);
        }
        let life = self.boxes[side].life;
        self.after(length, What::Thaws { side, life });
        let (oracle, scene) = self.watch();
        oracle.disturbed(&scene, side);
    }

    /// A machine goes on after it stood still, with its clock and its kernel.
    fn resume(&mut self, side: Side) {
        let it = &mut self.boxes[side];
        let Some(frozen) = it.frozen.take() else { return };
        it.clock.stood_still(frozen.since, self.now);
        it.alarm = it.wait.map(|(until, _)| it.clock.world(until).max(self.now));
        let (oracle, scene) = self.watch();
        oracle.resumed(&scene, side);
        self.kernel_resumes(side);
    }

    pub(crate) fn thaw(&mut self, side: Side) {
        let Some(frozen) = self.boxes[side].frozen else { return };
        self.relate(format_args!("node{} thaws", side + 1));
        if frozen.whole_machine {
            self.resume(side);
        }
        self.boxes[side].frozen = None;
        let (oracle, scene) = self.watch();
        oracle.disturbed(&scene, side);
        if !frozen.whole_machine {
            oracle.stalled(&scene, side, scene.now.since(frozen.since));
        }
        self.looks_again(side);
        self.tell_lapses(side);
        if self.rng.percent(50) { self.turn(side) } else { self.alarm(side) }
    }

    fn schedule_lapse(&mut self, side: Side) {
        if let Some(lease) = self.scenario.lease {
            let sent = self.boxes[side].last_sent;
            self.at((sent + lease).max(self.now), What::Lapses { side, sent });
        }
    }

    pub(crate) fn lapse(&mut self, side: Side, sent: Instant) {
        let it = &mut self.boxes[side];
        if it.awake() || it.last_sent != sent || it.frozen.is_some_and(|frozen| frozen.whole_machine) {
            return;
        }
        let leased = it.resources.iter_mut().zip(&self.scenario.has_vip).filter(|(it, has_vip)| it.vip && **has_vip);
        let ended = leased.map(|(resource, _)| resource.vip = false).count();
        if ended > 0 {
            self.tally.count(Kind::Lapse);
        }
        self.relate(format_args!("node{}'s VIPs lapse", side + 1));
    }

    /// RELEASE: what the kernel has ended while the daemon was frozen is lost, and that is the first thing it learns. The
    /// nodes of seeds with a lease of their own know it by themselves.
    fn tell_lapses(&mut self, side: Side) {
        if self.scenario.is_guarded() {
            return;
        }
        for group in 0..self.scenario.preferred.len() {
            let it = &self.boxes[side];
            if it.awake() && it.holds(group) && !it.resources[group].vip {
                self.tell(side, Input::Lapsed { group: group as u8 });
            }
        }
    }
}
