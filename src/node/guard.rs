//! What keeps a silent node from being a second owner: leases, probes, fencing; and the timing law that follows.

use crate::time::Duration;

/// q of the timing law: from a beat handed to a link to the renewal in the same turn. The shell does not renew later.
pub const RENEW_WITHIN: Duration = Duration::from_millis(5);
/// r of the timing law is one part in so many: the drift of two crystals together is well below 0.1 %.
const DRIFT: u64 = 1000;

/// How a VIP ends by itself when nobody renews it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// L: from a renewal to the end that it sets.
    pub length: Duration,
    /// g: how late the kernel may carry that out.
    pub lateness: Duration,
}

impl Lease {
    /// How long after its last renewal the kernel has ended a VIP for certain.
    pub fn ends_within(&self) -> Duration {
        self.length + self.lateness
    }
}

/// S of the timing law: how long silence must last, by the waiting node's clock, until a lease that ends within `span`
/// has run out.
pub fn outlasts(span: Duration) -> Duration {
    if span == Duration::ZERO {
        return Duration::ZERO;
    }
    span + Duration::from_micros(span.as_micros().div_ceil(DRIFT)) + RENEW_WITHIN + super::sight::ANSWER_WAIT
}

/// How exclusive ownership is made sure of. The default is nothing but deadtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guard {
    /// This node's lease on its VIPs; none: they stay until they are removed.
    pub lease: Option<Lease>,
    /// Takeover by silence waits until the peer's lease has run out, not only for deadtime (`exclusive auto` and `on`).
    pub outlast: bool,
    /// The shell asks for VIPs on the service LAN when it is told to, so that silence there is demanded (L9).
    pub probes: bool,
    /// Takeover by silence needs a confirmed fencing.
    pub fencing: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_examples_of_the_law_hold() {
        for (length, lateness, silence) in [(3000, 1350, 4370), (220, 5, 240), (50, 5, 70), (38, 5, 58)] {
            let lease = Lease { length: MS(length), lateness: MS(lateness) };
            let exact = outlasts(lease.ends_within()).as_micros();
            assert_eq!(exact.div_ceil(1000) / 10, (silence + 1) / 10, "{lease:?}: {exact} us");
        }
        assert_eq!(outlasts(Duration::ZERO), Duration::ZERO);
    }
}
