//! The deadlines of steps that wait: they are futures without a runtime's timer, and the loop has one timer for all.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

use lubdub::time::Instant;

/// The loop's present time and the earliest deadline that anybody asked for in this turn.
#[derive(Debug, Default)]
pub struct Timer {
    now: Cell<Instant>,
    wake: Cell<Option<Instant>>,
}

impl Timer {
    /// Begins a turn: everybody who waits is about to be polled and says again until when.
    pub fn turn(&self, now: Instant) {
        self.now.set(now);
        self.wake.set(None);
    }

    /// The time of this turn.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// When the next turn is due at the latest.
    pub fn wake_at(&self) -> Option<Instant> {
        self.wake.get()
    }

    /// Ready from `at` on; until then it keeps `at` as a deadline for this turn.
    pub fn poll_at(&self, at: Instant) -> Poll<()> {
        if self.now.get() >= at {
            return Poll::Ready(());
        }
        self.wake.set(Some(self.wake.get().map_or(at, |wake| wake.min(at))));
        Poll::Pending
    }

    /// Waits until `at`.
    pub async fn until(&self, at: Instant) {
        poll_fn(|_| self.poll_at(at)).await;
    }
}
