//! FAILBACK: when a group goes home, and how moves that are repeated are damped (L4).

use super::{Group, Scene};
use crate::time::{Duration, Instant};

/// F is doubled by each failback within this time, and never longer than it.
pub(super) const FAILBACK_MEMORY: Duration = Duration::from_secs(3600);
/// Failbacks remembered: with so many in an hour F is an hour whatever initdead is.
pub(super) const FAILBACKS: usize = 12;

impl Group {
    pub(super) fn is_failback_due(&self, scene: &Scene<'_>) -> bool {
        scene.failback.is_some_and(|(since, least)| self.failback_at(scene.now, since, least) <= scene.now)
    }

    /// FAILBACK: when F is over, counted from when the peer was last dead or failed; by the holder, which remembers how often it has given the group back lately.
    pub fn failback_at(&self, now: Instant, since: Instant, least: Duration) -> Instant {
        let lately = self.failbacks.iter().filter(|at| now < **at + FAILBACK_MEMORY).count();
        let since = since.max(self.peer_failed_at.unwrap_or_default());
        since + least.times(1 << lately).min(FAILBACK_MEMORY.max(least))
    }

    pub(super) fn remember_failback(&mut self, now: Instant) {
        if self.failbacks.is_full() {
            self.failbacks.pop_front();
        }
        self.failbacks.push_back(now).expect("room was made");
    }

    /// L4: what was given away lately is not offered again before it was held here for a while, longer each time. A `ping`
    /// node that answers now this node and now the other one does not move it for ever.
    pub(super) fn has_rested(&self, scene: &Scene<'_>) -> bool {
        let lately = self.failbacks.iter().any(|at| scene.now < *at + FAILBACK_MEMORY);
        !lately || self.failback_at(scene.now, self.acquired, scene.initdead) <= scene.now
    }
}
