//! The service LAN: one switch, a port for each node, and maybe other stations on it.

use crate::Side;
use lubdub::time::Instant;

/// A node's port, and the way from it through the switch to the other node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Port {
    /// There is no carrier before.
    pub dead_until: Instant,
    /// Nothing that the node sends gets to the switch before.
    pub deaf_out_until: Instant,
    /// Nothing gets from the switch to the node before.
    pub deaf_in_until: Instant,
    /// Nothing gets to the other node before, although other stations hear it.
    pub split_until: Instant,
}

/// All of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lan {
    /// The nodes' ports.
    pub ports: [Port; 2],
    /// The switch is down before.
    pub down_until: Instant,
    /// Another MAC answers for the VIPs before.
    pub squatter_until: Instant,
    /// Other stations are silent before.
    pub quiet_until: Instant,
}

impl Lan {
    /// Ends every fault.
    pub fn heal(&mut self) {
        *self = Self::default();
    }

    /// A node's interface has carrier.
    pub fn has_carrier(&self, side: Side, now: Instant) -> bool {
        self.down_until <= now && self.ports[side].dead_until <= now
    }

    /// A question of a node reaches the switch, and the answer of somebody there comes back.
    pub fn reaches(&self, side: Side, now: Instant) -> bool {
        let port = &self.ports[side];
        self.has_carrier(side, now) && port.deaf_out_until <= now && port.deaf_in_until <= now
    }

    /// What a node sends gets to the other one.
    pub fn carries(&self, from: Side, now: Instant) -> bool {
        let (out, into) = (&self.ports[from], &self.ports[1 - from]);
        self.has_carrier(from, now)
            && self.has_carrier(1 - from, now)
            && out.deaf_out_until <= now
            && into.deaf_in_until <= now
            && out.split_until <= now
    }

    /// Each node hears the other.
    pub fn is_whole(&self, now: Instant) -> bool {
        self.carries(0, now) && self.carries(1, now)
    }

    /// Nothing at all is wrong with it.
    pub fn is_well(&self, now: Instant) -> bool {
        self.is_whole(now) && self.quiet_until <= now && self.squatter_until <= now
    }
}
