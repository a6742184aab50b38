use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU32;
use std::sync::{Condvar, Mutex, MutexGuard};

use nix::fcntl::OFlag;
use nix::pty::{posix_openpt, unlockpt};

use super::*;
use crate::host::lines::Tty;
use crate::host::port::testing::run;

const LOST: i32 = libc::ENODEV;
const PATIENCE: Duration = Duration::from_secs(10);

/// A port whose lines a test moves, and that remembers what became of its own.
#[derive(Debug, Default)]
struct Wire {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Moved by the other end.
    lines: u8,
    /// Of these the plug leads this end's own back.
    strapped: u8,
    raised: Vec<bool>,
    /// How often the lines were waited for.
    waits: u32,
    /// What TIOCMIWAIT fails with.
    no_wait: Option<i32>,
    /// What everything fails with.
    gone: Option<i32>,
    /// What each reading finds before the present lines are found again.
    recorded: VecDeque<u8>,
    /// How often the lines had been waited for when the last of these was found.
    waits_of_record: u32,
    closed: bool,
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn set(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.lock());
        self.changed.notify_all();
    }

    /// Blocks until the lines were waited for.
    fn await_wait(&self) {
        let patience = Span::from_secs(10);
        let waited = self.changed.wait_timeout_while(self.lock(), patience, |state| state.waits == 0).unwrap();
        assert!(!waited.1.timed_out(), "nobody waits for the lines");
    }

    fn plugged(self: &Arc<Self>) -> Watcher {
        Watcher::new(Plug(self.clone())).unwrap()
    }
}

struct Plug(Arc<Wire>);

impl Drop for Plug {
    fn drop(&mut self) {
        self.0.lock().closed = true;
    }
}

impl Driver for Plug {
    fn lines(&self) -> io::Result<Lines> {
        let mut state = self.0.lock();
        if let Some(errno) = state.gone {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let own = if state.raised.last() == Some(&false) { 0 } else { state.strapped };
        let present = state.lines | own;
        let Some(found) = state.recorded.pop_front() else { return Ok(Lines(present)) };
        state.waits_of_record = state.waits;
        Ok(Lines(found))
    }

    fn wait(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.waits += 1;
        if let Some(errno) = state.no_wait {
            self.0.changed.notify_all();
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.0.changed.notify_all();
        // As long as a real one would wait before a signal ends it; a condition variable goes on after signals.
        drop(self.0.changed.wait_timeout(state, Span::from_millis(5)).unwrap());
        Err(io::ErrorKind::Interrupted.into())
    }

    fn raise(&self, up: bool) -> io::Result<()> {
        self.0.lock().raised.push(up);
        Ok(())
    }
}

fn known(lines: Lines) -> Report {
    Report::Known { lines, strapped: Lines::NONE }
}

/// The next report, which must come within [`PATIENCE`].
async fn next(watcher: &mut Watcher) -> Report {
    let mut alarm = clock::Alarm::new().unwrap();
    alarm.set(clock::now() + PATIENCE);
    poll_fn(|cx| {
        assert!(alarm.poll(cx).is_pending(), "no report");
        watcher.poll(cx, clock::now())
    })
    .await
}

/// Waits until a report says so; others may come before it.
async fn until(watcher: &mut Watcher, wanted: Report) {
    while next(watcher).await != wanted {}
}

#[test]
fn every_change_is_told_and_the_end_leaves_own_lines_up() {
    run(async || {
        let wire = Arc::new(Wire::default());
        let mut watcher = wire.plugged();
        until(&mut watcher, known(Lines::NONE)).await;
        for lines in [Lines::ALL, Lines::NONE, Lines::CTS] {
            wire.set(|state| state.lines = lines.0);
            until(&mut watcher, known(lines)).await;
        }
        drop(watcher);
        let state = wire.lock();
        assert!(state.closed, "the thread is gone when the port is closed");
        assert_eq!(state.raised, [[false, true].as_slice(); 3].concat().into_iter().chain([true]).collect::<Vec<_>>());
    });
}

#[test]
fn lines_that_follow_our_own_are_strapped_and_others_are_not() {
    run(async || {
        for (lines, strapped) in
            [(Lines::CTS, Lines::DSR.or(Lines::DCD)), (Lines::NONE, Lines::ALL), (Lines::ALL, Lines::NONE)]
        {
            let wire = Arc::new(Wire::default());
            wire.set(|state| (state.lines, state.strapped) = (lines.0, strapped.0));
            let mut watcher = wire.plugged();
            assert_eq!(next(&mut watcher).await, Report::Known { lines: lines.or(strapped), strapped });
        }
    });
}

#[test]
fn two_that_open_at_once_do_not_take_each_other_for_straps() {
    // The other end lets its own fall three times as well, but not when this end does: this is what is seen meanwhile.
    run(async || {
        let wire = Arc::new(Wire::default());
        wire.set(|state| state.recorded = [0, 7, 0, 7, 7, 7].into());
        wire.set(|state| state.lines = 7);
        assert_eq!(next(&mut wire.plugged()).await, known(Lines::ALL));
    });
}

#[test]
fn lines_are_read_again_until_they_stay() {
    run(async || {
        let wire = Arc::new(Wire::default());
        let mut watcher = wire.plugged();
        until(&mut watcher, known(Lines::NONE)).await;
        // DSR falls a moment before the others; nothing wakes for those.
        wire.set(|state| (state.lines, state.no_wait) = (7, None));
        until(&mut watcher, known(Lines::ALL)).await;
        wire.set(|state| (state.recorded, state.lines) = ([6, 2].into(), 0));
        until(&mut watcher, known(Lines::NONE)).await;
    });
}

#[test]
fn the_end_of_a_dip_is_found_by_reading() {
    run(async || {
        let wire = Arc::new(Wire::default());
        wire.set(|state| state.lines = 7);
        let mut watcher = wire.plugged();
        until(&mut watcher, known(Lines::ALL)).await;
        wire.await_wait();
        let mut before = 0;
        wire.set(|state| {
            before = state.waits;
            state.recorded = [0, 0, 0, 0, 0, 0, 0, 7].into();
        });
        until(&mut watcher, known(Lines::NONE)).await;
        until(&mut watcher, known(Lines::ALL)).await;
        // It may have been about to wait when the lines fell, and not again before they rose.
        let waits = wire.lock().waits_of_record - before;
        assert!(waits <= 1, "waited {waits} times for lines that were down");
    });
}

#[test]
fn readings_outlast_a_dip() {
    let span = READINGS * SETTLE;
    assert!(span.as_micros() > u128::from(crate::host::lines::DIP.as_micros()), "{span:?}");
}

#[test]
fn a_driver_that_cannot_wait_is_asked_now_and_then() {
    run(async || {
        let wire = Arc::new(Wire::default());
        wire.set(|state| state.no_wait = Some(libc::ENOTTY));
        let mut watcher = wire.plugged();
        until(&mut watcher, known(Lines::NONE)).await;
        wire.await_wait();
        wire.set(|state| state.lines = 7);
        until(&mut watcher, known(Lines::ALL)).await;
        drop(watcher);
        let state = wire.lock();
        assert_eq!((state.waits, state.closed), (1, true), "it is not tried again");
    });
}

#[test]
fn a_device_that_is_pulled_is_unknown_and_its_thread_ends() {
    run(async || {
        let wire = Arc::new(Wire::default());
        wire.set(|state| state.lines = 7);
        let mut watcher = wire.plugged();
        until(&mut watcher, known(Lines::ALL)).await;
        wire.set(|state| (state.gone, state.no_wait) = (Some(LOST), Some(LOST)));
        until(&mut watcher, Report::Unknown).await;
        drop(watcher);
        assert!(wire.lock().closed);
    });
}

#[test]
fn a_thread_that_waits_in_the_kernel_is_interrupted() {
    /// Waits for ever, as TIOCMIWAIT does on a quiet line.
    struct Quiet(OwnedFd, Arc<AtomicBool>);
    use std::os::fd::OwnedFd;
    impl Driver for Quiet {
        fn lines(&self) -> io::Result<Lines> {
            Ok(Lines::ALL)
        }
        fn wait(&self) -> io::Result<()> {
            nix::unistd::read(&self.0, &mut [0])?;
            Ok(())
        }
        fn raise(&self, _up: bool) -> io::Result<()> {
            Ok(())
        }
    }
    impl Drop for Quiet {
        fn drop(&mut self) {
            self.1.store(true, Ordering::Release);
        }
    }
    run(async || {
        let (silent, _never_written) = nix::unistd::pipe().unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let mut watcher = Watcher::new(Quiet(silent, closed.clone())).unwrap();
        until(&mut watcher, known(Lines::ALL)).await;
        drop(watcher);
        assert!(closed.load(Ordering::Acquire));
    });
}

#[test]
fn a_pty_has_no_lines() {
    let pty = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    unlockpt(&pty).unwrap();
    assert_eq!(Tty::of(pty.as_fd()).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
}

#[test]
fn reports_survive_their_packing() {
    let known = (0..=7).flat_map(|lines| {
        (0..=7).map(move |strapped| Report::Known { lines: Lines(lines), strapped: Lines(strapped) })
    });
    for report in known.chain([Report::Unknown]) {
        assert_eq!(Report::unpack(report.pack()), report);
    }
}

/// A port whose wait is over at once, as with a line that chatters faster than it can be read.
struct Chatter(Arc<AtomicU32>);

impl Driver for Chatter {
    fn lines(&self) -> io::Result<Lines> {
        Ok(Lines::NONE)
    }

    fn wait(&self) -> io::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn raise(&self, _: bool) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_chatters_does_not_take_the_processor() {
    run(async || {
        let waits = Arc::new(AtomicU32::new(0));
        let begun = clock::now();
        let mut watcher = Watcher::new(Chatter(waits.clone())).unwrap();
        until(&mut watcher, known(Lines::NONE)).await;
        let mut alarm = clock::Alarm::new().unwrap();
        alarm.set(clock::now() + Duration::from_millis(100));
        poll_fn(|cx| alarm.poll(cx)).await;
        drop(watcher);
        let (waits, millis) = (waits.load(Ordering::Relaxed), clock::now().since(begun).as_millis());
        // Interruptions end a pause early, at most a few.
        assert!(u64::from(waits) <= millis, "{waits} in {millis} ms");
    });
}
