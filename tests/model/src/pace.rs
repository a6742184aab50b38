//! The model's clock: everything of a setup is a multiple of a tick.

use lubdub::node::Timing;
use lubdub::time::{Duration, Instant};

/// Half a keepalive, so that two nodes may beat at once or in turn.
pub const TICK: Duration = Duration::from_millis(50);

/// Ticks of a keepalive.
pub const KEEPALIVE: u8 = 2;
/// Ticks of deadtime: three keepalives and a half.
pub const DEADTIME: u8 = 7;
/// Ticks of initdead, and of the first F.
pub const INITDEAD: u8 = 8;

/// Digests do not look further ahead than this: longer than any search or fair run lasts.
pub const HORIZON: Duration = Duration::from_secs(60);

/// The timings of both nodes.
pub fn timing() -> Timing {
    let ticks = |n: u8| TICK.times(u64::from(n));
    Timing {
        keepalive: ticks(KEEPALIVE),
        warntime: ticks(2 * KEEPALIVE),
        deadtime: ticks(DEADTIME),
        initdead: ticks(INITDEAD),
    }
}

/// The beginning of tick `tick`.
pub fn moment(tick: u32) -> Instant {
    Instant::from_micros(1_000_000) + TICK.times(u64::from(tick))
}
