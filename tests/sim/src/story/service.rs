//! Leases, the service LAN, pulled cables and fencing at a command.

use super::{BOTH, DEADTIME, Pair};
use crate::Side;
use crate::lan::Port;
use crate::scenario::Scenario;
use lubdub::lease;
use lubdub::node::Guard;
use lubdub::time::{Duration, Instant};

pub use crate::fencing::Attempt as Device;

/// The longest fine lease that fits the tutorial's deadtime.
pub const FINE: Duration = Duration::from_millis(279);
/// With it, probes, and the wait for it.
pub const LEASED: Guard = Guard { lease: Some(FINE), outlast: true, probes: true, fencing: false };

impl Pair {
    /// The tutorial's pair with a fine lease, switched off.
    pub fn leased() -> Self {
        Self::leased_with(|_| {})
    }

    /// The same, but for what `differ` changes.
    pub fn leased_with(differ: impl FnOnce(&mut Scenario)) -> Self {
        assert!(lease::silence(FINE) <= DEADTIME);
        Self::with(|it| {
            it.guard = [LEASED; 2];
            differ(it);
        })
    }

    /// Both cables show their ends.
    pub fn with_lines(scenario: &mut Scenario) {
        scenario.lines.fill(true);
    }

    fn change_lan(&mut self, what: &str) {
        self.tell(format_args!("service LAN: {what}"));
        self.world.lan_changed();
        self.look();
    }

    /// The nodes do not hear each other on the service LAN, though other stations hear both.
    pub fn split_lan(&mut self) {
        BOTH.into_iter().for_each(|side| self.world.lan.ports[side].split_until = Instant::FAR);
        self.change_lan("split");
    }

    /// A node's interface has no carrier.
    pub fn kill_port(&mut self, side: Side) {
        self.world.lan.ports[side].dead_until = Instant::FAR;
        self.change_lan("a port is dead");
    }

    /// A node hears nothing there, though it has carrier.
    pub fn deafen_port(&mut self, side: Side) {
        self.world.lan.ports[side].deaf_in_until = Instant::FAR;
        self.change_lan("a port is deaf");
    }

    /// No other station says anything any more, or they do again.
    pub fn hush_lan(&mut self, hushed: bool) {
        self.world.lan.quiet_until = if hushed { Instant::FAR } else { Instant::ZERO };
        self.change_lan(if hushed { "the other stations are silent" } else { "the other stations answer" });
    }

    /// The switch goes down.
    pub fn stop_switch(&mut self) {
        self.world.lan.down_until = Instant::FAR;
        self.change_lan("the switch is down");
    }

    /// The service LAN is whole again.
    pub fn mend_lan(&mut self) {
        self.world.lan.ports = [Port::default(); 2];
        self.world.lan.down_until = Instant::ZERO;
        self.change_lan("whole");
    }

    /// A cable is pulled, as its ends may show.
    pub fn unplug(&mut self, link: usize) {
        self.cut(link);
        self.world.unplugged[link] = Instant::FAR;
        self.world.lines_changed();
        self.look();
    }

    /// Every cable is plugged in again.
    pub fn plug_in(&mut self) {
        self.mend_all();
        self.world.unplugged.fill(Instant::ZERO);
        self.world.lines_changed();
        self.look();
    }

    /// What becomes of a node's attempts to fence its peer from now on.
    pub fn set_device(&mut self, side: Side, device: Device) {
        self.world.device[side] = device;
    }

    /// A node wants its peer fenced.
    pub fn fences(&self, side: Side) -> bool {
        self.world.boxes[side].fences
    }

    /// A node asks for VIPs.
    pub fn looks(&self, side: Side) -> bool {
        self.world.boxes[side].sight.looking != 0
    }
}
