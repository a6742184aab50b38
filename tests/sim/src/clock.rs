//! A node's own clock: it drifts against the world's, and stands still while the machine is paused.

use lubdub::time::{Duration, Instant};

/// A clock that runs `ppm` millionths fast.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    world: Instant,
    local: Instant,
    ppm: i64,
}

const MILLION: u128 = 1_000_000;

impl Clock {
    /// A clock that shows `local` when the world begins.
    pub const fn new(local: Instant, ppm: i64) -> Self {
        Self { world: Instant::ZERO, local, ppm }
    }

    const fn rate(&self) -> u128 {
        (MILLION as i64 + self.ppm) as u128
    }

    /// What it shows at a moment of the world.
    pub fn local(&self, world: Instant) -> Instant {
        let passed = u128::from(world.since(self.world).as_micros()) * self.rate() / MILLION;
        self.local + Duration::from_micros(passed as u64)
    }

    /// The first moment of the world at which it shows `local`.
    pub fn world(&self, local: Instant) -> Instant {
        let passed = (u128::from(local.since(self.local).as_micros()) * MILLION).div_ceil(self.rate());
        self.world + Duration::from_micros(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// It stood still from `from` to `to`.
    pub fn stood_still(&mut self, from: Instant, to: Instant) {
        self.local = self.local(from);
        self.world = to;
    }
}
