//! Injects faults: which one, on whom, for how long.

mod boxes;
mod files;
mod lines;
mod operator;
mod service;

pub(crate) use files::Edit;

use crate::kind::Kind;
use crate::world::{What, World};
use lubdub::node::Order;
use lubdub::time::{Duration, Instant};

/// Incidents that transitions provoke within a keepalive.
const PROVOCATIONS_MAX: u32 = 4;

impl World {
    /// Something goes wrong, one of what this seed has.
    pub(crate) fn incident(&mut self, recurs: bool) {
        if self.calm {
            return;
        }
        if recurs {
            let pace = self.scenario.pace;
            let pause = self.rng.span(pace.part(10), pace);
            self.after(pause, What::Incident { recurs });
        }
        let kinds: Vec<_> = self.scenario.kinds.iter().collect();
        if !kinds.is_empty() {
            let kind = self.rng.pick(&kinds);
            self.inject(kind);
        }
    }

    /// The worst moment for an incident is just after a transition. An order is followed by several: without a limit they
    /// would never end.
    pub(crate) fn provoke(&mut self) {
        if !self.calm && self.rng.percent(self.scenario.spite) {
            let keepalive = self.scenario.keepalive();
            if self.now.since(self.provoked.0) >= keepalive {
                self.provoked = (self.now, 0);
            }
            self.provoked.1 += 1;
            if self.provoked.1 > PROVOCATIONS_MAX {
                return;
            }
            let most = keepalive.times(2);
            let after = self.rng.magnitude(most);
            self.after(after, What::Incident { recurs: false });
        }
    }

    fn inject(&mut self, kind: Kind) {
        let side = self.rng.index(2);
        match kind {
            Kind::Noise | Kind::Console | Kind::WrongBaud | Kind::Loop | Kind::Echo => self.disturb_cable(kind, side),
            Kind::Cut | Kind::BurstLoss => self.cut_link(kind, side),
            Kind::Flap => self.begin_flapping(side),
            Kind::Delay | Kind::Jitter => self.slow_segment(kind, side),
            Kind::Partition => self.partition(side),
            Kind::Crosswise => self.cut_crosswise(side),
            Kind::Flood | Kind::Forgery | Kind::Replay => self.intrude(kind, side),
            Kind::Recording => self.play_recording(side),
            Kind::Crash => self.die(kind, side),
            Kind::PowerLoss => self.lose_power(side),
            Kind::Freeze | Kind::Pause => self.freeze(kind, side),
            Kind::Orders => self.command(side),
            Kind::Leave if self.boxes[side].awake() => {
                self.tally.count(kind);
                self.order(side, Order::Leave);
            }
            Kind::Edit => self.begin_edit(side),
            Kind::Rotation => self.begin_rotation(side),
            Kind::Stranger => self.become_stranger(side),
            Kind::LanFault => self.harm_lan(side),
            Kind::Switch => self.reboot_switch(),
            Kind::Quiet => self.hush(),
            Kind::Squatter => self.squat(),
            Kind::Respawn => self.respawn(side),
            Kind::Unplug => self.unplug(),
            Kind::Relet => self.begin_reletting(side),
            // The steady kinds strike by themselves.
            _ => {}
        }
    }

    /// Shorter or longer than deadtime, alike.
    fn fault_span(&mut self) -> Duration {
        let deadtime = self.scenario.deadtime();
        match self.rng.below(4) {
            0 => self.rng.magnitude(deadtime),
            1 => self.rng.span(deadtime.part(2), deadtime.times(2)),
            2 => self.rng.span(Duration::ZERO, deadtime.times(10)),
            _ => self.rng.magnitude(self.scenario.initdead().times(3)),
        }
    }

    /// Counts a fault by how long it lasts.
    fn count_span(&mut self, kind: Kind, span: Duration) {
        self.tally.count(kind);
        let short = span < self.scenario.deadtime();
        self.tally.variety(kind, if short { "shorter than deadtime" } else { "longer than deadtime" });
    }

    fn until(&mut self) -> Instant {
        self.now + self.fault_span()
    }
}
