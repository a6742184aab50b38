//! The lab's clock: CLOCK_MONOTONIC, the same for every box of the machine.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::PollTimeout;
use nix::sys::time::TimeSpec;

/// Now.
#[allow(clippy::disallowed_methods, reason = "the lab measures; it reads its clock here")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time left until `deadline`, zero when it has passed.
pub fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(now())
}

/// The time left for ppoll(2): exact to the nanosecond.
pub fn timespec_left(deadline: Instant) -> TimeSpec {
    TimeSpec::from_duration(left(deadline))
}

/// The time left for poll(2): whole milliseconds, rounded up so that a wait never ends early.
pub fn poll_left(deadline: Instant) -> PollTimeout {
    let milliseconds = left(deadline).as_micros().div_ceil(1000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

/// Locks, also after a panic of another holder: a test that fails must still be able to take its lab down.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `found` finds something in what the mutex guards, or the time is over.
pub fn await_in<T, R>(
    mutex: &Mutex<T>,
    changed: &Condvar,
    within: Duration,
    mut found: impl FnMut(&T) -> Option<R>,
) -> Option<R> {
    let deadline = now() + within;
    let mut guard = lock(mutex);
    loop {
        if let Some(result) = found(&guard) {
            return Some(result);
        }
        let time = left(deadline);
        if time.is_zero() {
            return None;
        }
        guard = changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0;
    }
}
