//! The arithmetic of the lease: how long a VIP may outlive its owner's last beat, and how long a taker must wait for it.
//!
//! A node gives its VIPs a lifetime of L that the kernel ends by itself. It renews them only in a turn that has just
//! sent a beat, so whoever counts from the arrival of that beat knows when they are gone at the latest:
//!
//! > S = (L + g)(1 + r) + q + w
//!
//! A takeover by silence waits for T = max(deadtime, S). With deadtime >= S the lease costs no time at all.
//!
//! Integers of microseconds; every rounding is towards the longer wait. No clock, no state.

use crate::time::Duration;

/// q: from a beat handed to a link to the renewal in the same turn. Enforced: a later turn does not renew.
pub const RENEWAL_MAX: Duration = Duration::from_millis(5);
/// w: how long a probe's answer is waited for.
pub const PROBE_WAIT: Duration = Duration::from_millis(10);
/// Unanswered probes that make a silent VIP.
pub const PROBES: u64 = 3;
/// r, as one part in so many: what the clocks of two machines may drift apart. A crystal of 100 ppm in each and one
/// that NTP slews by its most, 500 ppm, together stay below.
const DRIFT_PART: u64 = 1_000;
/// g of an address's `valid_lft`, for a short lease. Measured: 0.02 to 0.44 s late alone, up to 1.0 s beside other
/// lifetimes, because the kernel goes through its addresses at most once a second (`ADDRCONF_TIMER_FUZZ_MAX` of
/// include/net/addrconf.h); the rest is reserve.
const ADDRESS_LATE: Duration = Duration::from_millis(1_350);
/// The part of it that is not the timer's.
const SWEEP_LATE: Duration = Duration::from_millis(330);
/// The kernel's timers are coarser the longer they are: late by up to 8/63 of the time (`LVL_GRAN` over `LVL_START`,
/// kernel/time/timer.c). A lease of 10 s was measured to end 0.43 s late, one of 20 s 2.07 s.
const TIMER_LATE: (u64, u64) = (8, 63);
/// The longest lease of an address that is chosen unless two keepalives are longer: beyond it g grows.
const ADDRESS_MAX: Duration = Duration::from_secs(8);
/// g of an nftables element: one jiffy, 4 ms on a kernel of 250 Hz, and 1 ms.
const FINE_LATE: Duration = Duration::from_millis(5);
/// How late a watchdog may bite: one tick of a timer that counts whole seconds (`WDIOC_SETTIMEOUT`,
/// Documentation/watchdog/watchdog-api.rst), and nothing comes of the machine after that.
const WATCHDOG_LATE: Duration = Duration::from_secs(1);
/// A daemon that spins ends so long after its last beat (`RLIMIT_RTTIME`).
const LONGEST_SPIN: Duration = Duration::from_secs(1);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What ends a lease. The length tells the kind, so that a node need tell its peer the length alone: whole seconds are
/// an address's, and a fine lease never has a whole number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `valid_lft` of the address, in whole seconds.
    Address,
    /// The timeout of an nftables set element, in milliseconds.
    Fine,
}

/// `exclusive` of ha.cf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exclusive {
    /// A takeover by silence waits for deadtime and for the lease.
    #[default]
    Auto,
    /// Likewise, and a configuration in which some resource is not guaranteed one owner is refused.
    On,
    /// A takeover by silence waits for deadtime only, as Heartbeat's does. The VIP is asked for all the same.
    Off,
}

/// What a lease is chosen from.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// D.
    pub deadtime: Duration,
    /// K.
    pub keepalive: Duration,
    /// `lease` of ha.cf, at least [`shortest`].
    pub asked: Option<Duration>,
    /// `exclusive` of ha.cf.
    pub exclusive: Exclusive,
    /// The kernel has nf_tables.
    pub fine_available: bool,
}

/// The lease of a node and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// L: what the kernel is told at each renewal. Whole milliseconds, and whole seconds for [`Kind::Address`] only.
    pub length: Duration,
    /// What ends it.
    pub kind: Kind,
    /// S: this long after the arrival of the owner's last beat its VIPs are gone.
    pub silence: Duration,
    /// T: this long a takeover by silence waits.
    pub takeover: Duration,
}

impl Kind {
    /// The kind of a lease of this length.
    pub const fn of(length: Duration) -> Self {
        if length.as_micros().is_multiple_of(SECOND.as_micros()) { Self::Address } else { Self::Fine }
    }

    /// g: how late the kernel may end a lease of this length.
    pub fn late(self, length: Duration) -> Duration {
        let (part, of) = TIMER_LATE;
        match self {
            Self::Address => ADDRESS_LATE.max(SWEEP_LATE + length.part(of).times(part)),
            Self::Fine => FINE_LATE,
        }
    }
}

impl Lease {
    fn new(length: Duration, wish: &Wish) -> Self {
        let silence = silence(length);
        let takeover = match wish.exclusive {
            Exclusive::Off => wish.deadtime,
            Exclusive::Auto | Exclusive::On => silence.max(wish.deadtime),
        };
        Self { length, kind: Kind::of(length), silence, takeover }
    }

    /// Whether a taker never comes before the lease has run out: everywhere but under `exclusive off` with a lease too
    /// long for deadtime.
    pub fn outlasted(&self) -> bool {
        self.takeover >= self.silence
    }

    /// The longest watchdog timeout, in whole seconds, that has bitten before anybody takes over from a node that feeds
    /// it as it renews its lease: only in a turn that has just sent a beat. It bites before T, which ends the wait for a
    /// group without a VIP, and before the VIP can have been asked for in vain. None when that is too short: for a second,
    /// or for two keepalives, which a healthy loop needs.
    ///
    /// The kernel feeds once more when the daemon ends without disarming (`watchdog_release`,
    /// drivers/watchdog/watchdog_dev.c), which is up to a keepalive after the last beat, or as long as a loop that spins
    /// may live.
    pub fn watchdog(&self, keepalive: Duration) -> Option<Duration> {
        let vip = undrifted(self.length + PROBE_WAIT.times(PROBES));
        let longest = within(self.takeover)?.min(vip) - WATCHDOG_LATE;
        let room = down(longest, SECOND) - up(keepalive.max(LONGEST_SPIN), SECOND);
        (room >= SECOND.max(keepalive.times(2))).then_some(room)
    }
}
/// How long after its last renewal the kernel has ended a VIP with a lease of this length, by its own clock. Zero where
/// there is no lease.
pub fn ends_within(length: Duration) -> Duration {
    if length == Duration::ZERO { length } else { length + Kind::of(length).late(length) }
}

/// S of a lease of this length, such as the peer tells in its hello. Zero where there is no lease.
pub fn silence(length: Duration) -> Duration {
    if length == Duration::ZERO { length } else { surely_over(ends_within(length)) }
}

/// The shortest lease that a lost beat does not end: two keepalives, and the time of a renewal for each.
pub fn shortest(keepalive: Duration) -> Duration {
    keepalive.times(2) + RENEWAL_MAX.times(2)
}

/// The lease that fits best. Without one asked for: the longest of whole seconds with S <= D, up to 8 s; else the longest fine one;
/// else the shortest there is, with S > D. One asked for is taken as it is, as an address's where it is of whole seconds
/// and fits, else as a fine one (one millisecond less where its length would look like an address's); without nf_tables
/// the nearest whole second below, or the shortest.
pub fn choose(wish: &Wish) -> Lease {
    let shortest = shortest(wish.keepalive);
    let length = match wish.asked {
        Some(asked) => as_asked(asked.max(shortest), shortest, wish),
        None => longest(SECOND, wish)
            .or_else(|| longest(MILLISECOND, wish).filter(|_| wish.fine_available))
            .unwrap_or_else(|| least(shortest, wish.fine_available)),
    };
    Lease::new(length, wish)
}

/// The longest lease of a multiple of `grain` that is allowed and whose S is not over D.
fn longest(grain: Duration, wish: &Wish) -> Option<Duration> {
    let (kind, shortest) = (Kind::of(grain), shortest(wish.keepalive));
    let room = within(wish.deadtime)?;
    let most = if kind == Kind::Address { room.min(ADDRESS_MAX.max(up(shortest, grain))) } else { room };
    let length = settle(down(most.min(room - kind.late(most)), grain), kind);
    (length >= shortest && silence(length) <= wish.deadtime).then_some(length)
}

/// The shortest lease that is allowed.
fn least(shortest: Duration, fine: bool) -> Duration {
    let length = up(shortest, if fine { MILLISECOND } else { SECOND });
    if fine && Kind::of(length) == Kind::Address { length + MILLISECOND } else { length }
}

fn as_asked(asked: Duration, shortest: Duration, wish: &Wish) -> Duration {
    let whole = Kind::of(asked) == Kind::Address;
    if whole && (silence(asked) <= wish.deadtime || !wish.fine_available) {
        return asked;
    }
    let grain = if wish.fine_available { MILLISECOND } else { SECOND };
    let length = settle(down(asked, grain), Kind::of(grain));
    if length >= shortest { length } else { least(shortest, wish.fine_available) }
}

/// A length of this kind that is not longer.
fn settle(length: Duration, kind: Kind) -> Duration {
    if kind == Kind::Fine && Kind::of(length) == Kind::Address { length - MILLISECOND } else { length }
}

/// When a watchdog of this timeout has surely bitten, counted from the arrival of the last beat.
pub fn watchdog_silence(timeout: Duration, keepalive: Duration) -> Duration {
    surely_over(timeout + WATCHDOG_LATE + up(keepalive.max(LONGEST_SPIN), SECOND))
}

/// The least deadtime with which some watchdog bites in time.
pub fn enough_for_a_watchdog(keepalive: Duration) -> Duration {
    let timeout = up(keepalive.times(2), SECOND).max(SECOND);
    silence(timeout + WATCHDOG_LATE + up(keepalive.max(LONGEST_SPIN), SECOND))
}

/// What another clock must count, from a beat's arrival, until `span` has passed since the renewal after that beat.
fn surely_over(span: Duration) -> Duration {
    let drift = Duration::from_micros(span.as_micros().div_ceil(DRIFT_PART));
    span + drift + RENEWAL_MAX + PROBE_WAIT
}

/// The longest span that is [`surely_over`] after `wait`.
fn within(wait: Duration) -> Option<Duration> {
    let room = wait.as_micros().checked_sub((RENEWAL_MAX + PROBE_WAIT).as_micros())?;
    Some(undrifted(Duration::from_micros(room)))
}

/// The longest span by one clock that is over when another has counted `span`.
fn undrifted(span: Duration) -> Duration {
    let parts = u128::from(span.as_micros()) * u128::from(DRIFT_PART) / u128::from(DRIFT_PART + 1);
    Duration::from_micros(u64::try_from(parts).unwrap_or(u64::MAX))
}

fn down(length: Duration, grain: Duration) -> Duration {
    Duration::from_micros(length.as_micros() / grain.as_micros() * grain.as_micros())
}

fn up(length: Duration, grain: Duration) -> Duration {
    grain.times(length.as_micros().div_ceil(grain.as_micros()))
}

#[cfg(test)]
mod tests;
