//! The one clock of the daemon and the one timer that wakes it.
//!
//! `CLOCK_BOOTTIME` (clock_gettime(2)) runs on while the machine is suspended and is never set by anybody, so a node
//! that slept sees the time it missed and no administrator can move a deadline. The wall clock only dates what people
//! read.

use std::io;
use std::task::{Context, Poll, ready};

use lubdub::time::Instant;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId, clock_gettime};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sys::{self, Source};

/// The time since boot, suspend included, in whole microseconds. Answered by the vDSO: no system call.
pub fn now() -> Instant {
    let t = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has had CLOCK_BOOTTIME since 2.6.39");
    Instant::from_micros(micros(t))
}

/// Zero for what is negative. Both parts have 32 bits on 32-bit machines, where the product would not fit after an hour.
fn micros(t: TimeSpec) -> u64 {
    let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
    seconds * 1_000_000 + nanos / 1_000
}

/// The wall clock, in microseconds since 1970 (UTC): for the stamp on a line that people read, and for nothing else.
pub fn wall() -> u64 {
    let t = clock_gettime(ClockId::CLOCK_REALTIME).expect("Linux has always had CLOCK_REALTIME");
    // A clock set to before 1970 is shown as 1970.
    if t.tv_sec() < 0 { 0 } else { micros(t) }
}

/// One deadline. A timerfd fires at the microsecond asked for; tokio's own timer wheel rounds up to the next millisecond.
#[derive(Debug)]
pub struct Alarm {
    fd: AsyncFd<Source<TimerFd>>,
    /// What the kernel's timer is set to; `None` when it is not armed.
    at: Option<Instant>,
}

impl Alarm {
    /// A timer that is not set yet.
    ///
    /// # Errors
    /// No file descriptor left, or a kernel without timerfd. To be called within the runtime.
    pub fn new() -> io::Result<Self> {
        let timer = TimerFd::new(TimerClock::CLOCK_BOOTTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        Ok(Self { fd: sys::watch(timer, Interest::READABLE)?, at: None })
    }

    /// Fires at `at`, or at once if that has passed. Replaces what was set before; costs nothing when it is the same.
    pub fn set(&mut self, at: Instant) {
        if self.at == Some(at) {
            return;
        }
        self.fd
            .get_ref()
            .set(Expiration::OneShot(timespec(at)), TimerSetTimeFlags::TFD_TIMER_ABSTIME)
            .expect("a valid time on our own timer is never refused");
        self.at = Some(at);
    }

    /// Ready once when the deadline has come; pending until it is set anew.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // An error means that the runtime is shutting down: then nobody waits for the alarm any more.
            let Ok(mut guard) = ready!(self.fd.poll_read_ready(cx)) else { return Poll::Pending };
            // epoll reports each expiry once (edge), so the expiry count need not be read: the clock says whether this
            // is the deadline that is set or the edge of one that was replaced.
            guard.clear_ready();
            if self.at.is_some_and(|at| now() >= at) {
                self.at = None;
                return Poll::Ready(());
            }
        }
    }
}

/// All zero would disarm the timer (timerfd_settime(2)), so the origin is taken as its first microsecond. The end is 68
/// years after boot: as far as seconds in 32 bits go.
fn timespec(at: Instant) -> TimeSpec {
    const LAST: u64 = i32::MAX as u64 * 1_000_000;
    TimeSpec::from_duration(std::time::Duration::from_micros(at.as_micros().clamp(1, LAST)))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use lubdub::time::Duration;

    use super::*;

    fn run<T>(test: impl AsyncFnOnce() -> T) -> T {
        tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(test())
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut last = now();
        for _ in 0..10_000 {
            let next = now();
            assert!(next >= last);
            last = next;
        }
    }

    #[test]
    fn fires_no_earlier_than_asked_and_soon_after() {
        run(async || {
            let mut alarm = Alarm::new().unwrap();
            let mut late = Vec::new();
            for micros in [200, 1_000, 1_500, 3_333, 20_000] {
                let at = now() + Duration::from_micros(micros);
                alarm.set(at);
                poll_fn(|cx| alarm.poll(cx)).await;
                assert!(now() >= at, "fired early");
                late.push(now().since(at).as_micros());
            }
            late.sort();
            // Generous: other work shares this machine. The median still shows a timer that rounds to milliseconds.
            assert!(late[2] < 50_000, "late by {late:?} us");
        });
    }

    #[test]
    fn a_past_instant_fires_at_once_and_once() {
        run(async || {
            let mut alarm = Alarm::new().unwrap();
            for at in [Instant::ZERO, Instant::from_micros(1), now()] {
                alarm.set(at);
                poll_fn(|cx| alarm.poll(cx)).await;
                assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx))).await.is_pending());
                // The same instant again is a new wish, not the one that was served.
                alarm.set(at);
                poll_fn(|cx| alarm.poll(cx)).await;
            }
        });
    }

    #[test]
    fn a_replaced_deadline_does_not_fire() {
        run(async || {
            let mut alarm = Alarm::new().unwrap();
            let start = now();
            alarm.set(start);
            alarm.set(Instant::FAR);
            alarm.set(start + Duration::from_millis(30));
            poll_fn(|cx| alarm.poll(cx)).await;
            assert!(now().since(start) >= Duration::from_millis(30));
        });
    }
}
