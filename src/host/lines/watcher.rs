//! Reads the modem lines of one port: a thread that sleeps in the kernel until one of them changes (`TIOCMIWAIT`,
//! ioctl_tty(2)), since no descriptor becomes readable for it. It decides nothing and rings a bell.
//!
//! Before anything else it finds the lines that follow this end's own: it lets DTR and RTS fall and rise a few times, at
//! intervals that another machine that does the same at the same time has not. The peer sees dips shorter than
//! [`DIP`](super::DIP), just after it saw this port closed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration as Span;

use lubdub::time::{Duration, Instant};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Lines;
use crate::host::clock;
use crate::host::sys::{self, Source};

/// All that the thread's few calls need; it is locked in memory. A build for tests takes more.
const STACK: usize = if cfg!(debug_assertions) { 64 * 1024 } else { 16 * 1024 };
/// After a change the lines are read again so much later, until they stay: several move at once, a change between reading
/// and waiting wakes nobody, and a port that is looked at now and then (USB, an emulated one) tells late or never that a dip
/// is over.
const SETTLE: Span = Span::from_millis(2);
/// They stay when so many readings find the same, which takes longer than [`DIP`](super::DIP).
const READINGS: u32 = 11;
/// The lines of a driver that cannot wait are read so often.
const POLL_EVERY: Span = Span::from_millis(100);
/// The lines of one that can are read again so often, in case a change was missed all the same.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often own lines fall to find straps.
const DIPS: u32 = 3;
/// The longest that own lines stay down or up meanwhile, in microseconds; the shortest is a third of it.
const DIP_MAX: u64 = 6_000;
/// A thread that does not end within so many tries of [`TRY`] is left to itself; it has its own descriptor.
const TRIES: u32 = 100;
/// See [`TRIES`].
const TRY: Span = Span::from_micros(100);

/// What a device says of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Nothing, or nothing any more.
    Unknown,
    /// This.
    Known {
        /// What is up.
        lines: Lines,
        /// What follows this end's own lines.
        strapped: Lines,
    },
}

impl Report {
    const KNOWN: u8 = 1 << 7;

    const fn pack(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Known { lines, strapped } => Self::KNOWN | strapped.0 << 3 | lines.0,
        }
    }

    const fn unpack(byte: u8) -> Self {
        if byte & Self::KNOWN == 0 {
            return Self::Unknown;
        }
        Self::Known { lines: Lines(byte & 7), strapped: Lines(byte >> 3 & 7) }
    }
}

/// A device with modem lines.
pub trait Driver: Send + 'static {
    /// What is up.
    ///
    /// # Errors
    /// ENOTTY, EINVAL: there is no such thing. EIO, ENODEV: the device is gone.
    fn lines(&self) -> io::Result<Lines>;

    /// Returns when a line has changed, or when the thread is interrupted.
    ///
    /// # Errors
    /// As above; a driver may know its lines and not be able to wait.
    fn wait(&self) -> io::Result<()>;

    /// Raises or lowers DTR and RTS.
    ///
    /// # Errors
    /// As above.
    fn raise(&self, up: bool) -> io::Result<()>;
}

/// A thread that watches one port until this is dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    bell: AsyncFd<Source<Arc<EventFd>>>,
    thread: Option<JoinHandle<()>>,
    look_at: Instant,
}

#[derive(Debug)]
struct Shared {
    report: AtomicU8,
    over: AtomicBool,
    bell: Arc<EventFd>,
}

impl Watcher {
    /// Watches `driver`, which must have answered once. To be called within the runtime.
    ///
    /// # Errors
    /// No memory or no descriptor left.
    pub fn new<D: Driver>(driver: D) -> io::Result<Self> {
        sys::make_interruptible()?;
        let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        let shared = Arc::new(Shared { report: AtomicU8::new(0), over: AtomicBool::new(false), bell: bell.clone() });
        let bell = sys::watch(bell, Interest::READABLE)?;
        let theirs = shared.clone();
        let thread =
            thread::Builder::new().name("lines".into()).stack_size(STACK).spawn(move || theirs.watch(&driver))?;
        Ok(Self { shared, bell, thread: Some(thread), look_at: clock::now() + LOOK_EVERY })
    }

    /// What the device says, each time that it says something else.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Report> {
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.interrupt();
        }
        while let Poll::Ready(Ok(mut guard)) = self.bell.poll_read_ready(cx) {
            let rung = guard.get_inner().read().is_ok();
            guard.clear_ready();
            if rung {
                return Poll::Ready(Report::unpack(self.shared.report.load(Ordering::Acquire)));
            }
        }
        Poll::Pending
    }

    fn interrupt(&self) {
        if let Some(thread) = &self.thread {
            sys::interrupt(thread);
        }
    }
}

impl Drop for Watcher {
    /// The thread may be about to sleep when it is interrupted, so it is interrupted until it ends.
    #[allow(
        clippy::disallowed_methods,
        reason = "the thread ends within microseconds, and the port is not closed before"
    )]
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.over.store(true, Ordering::Release);
        thread.thread().unpark();
        for _ in 0..TRIES {
            if thread.is_finished() {
                let _ = thread.join();
                return;
            }
            sys::interrupt(&thread);
            thread::sleep(TRY);
        }
    }
}

impl Shared {
    fn watch(&self, driver: &impl Driver) {
        // Like the loop; a dip of a starved thread would be a long one.
        let _ = crate::host::realtime::schedule();
        let strapped = straps(driver, || self.is_over());
        let (mut waits, mut same) = (true, 0);
        while !self.is_over() {
            let report = driver.lines().map_or(Report::Unknown, |lines| Report::Known { lines, strapped });
            same = if self.tell(report) { 0 } else { READINGS.min(same + 1) };
            if same > 0 && report == Report::Unknown {
                return;
            } else if same < READINGS {
                thread::park_timeout(SETTLE);
            } else if waits {
                let outcome = driver.wait();
                // Something moved, be it there and back. And a line that chatters wakes with every edge: at realtime
                // priority that must not take the processor.
                if outcome.is_ok() {
                    same = 0;
                }
                waits = outcome.or_else(interrupted).is_ok();
            } else {
                thread::park_timeout(POLL_EVERY);
            }
        }
    }

    /// True when it is news.
    fn tell(&self, report: Report) -> bool {
        let news = self.report.swap(report.pack(), Ordering::AcqRel) != report.pack();
        if news {
            // A bell that was not heard yet rings on.
            let _ = self.bell.write(1);
        }
        news
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// The lines that are down each time that own lines are, and up each time: leaves those up. Takes some 30 ms, unless it is
/// `over`.
pub fn straps(driver: &impl Driver, over: impl Fn() -> bool) -> Lines {
    let mut follow = Lines::ALL;
    let mut seed = clock::now().as_micros();
    for up in (0..DIPS).flat_map(|_| [false, true]) {
        if driver.raise(up).is_err() || over() {
            follow = Lines::NONE;
            break;
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pause = DIP_MAX / 3 + (seed >> 33) % (DIP_MAX - DIP_MAX / 3);
        thread::park_timeout(Span::from_micros(pause));
        let lines = driver.lines().unwrap_or(if up { Lines::NONE } else { Lines::ALL });
        follow = follow.and(if up { lines } else { lines.not() });
    }
    let _ = driver.raise(true);
    follow
}

fn interrupted(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests;
