//! What every link of the shell looks like to the loop: bytes in, frames out, gone and back.
//!
//! A port owns one device, opens it, loses it and opens it again by itself. It decides nothing about beats.

use std::io;
use std::task::{Context, Poll};

use lubdub::time::{Duration, Instant};

use super::lines::Shown;

/// One link's device.
pub trait Port {
    /// What happened. After `Ready` it is to be polled again; `Pending` waits for bytes or for [`Self::wake_at`].
    /// `buf` is not empty.
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, buf: &mut [u8]) -> Poll<PortEvent>;

    /// What has arrived by now, whatever the reactor knows of it: one read that does not block, 0 for nothing.
    fn sweep(&mut self, buf: &mut [u8]) -> usize;

    /// Sends `frame` whole or not at all, and never blocks.
    fn send(&mut self, frame: &[u8]) -> Sent;

    /// When the port wants to be polled again at the latest.
    fn wake_at(&self) -> Option<Instant>;
}

/// What a port has to say when it is polled.
#[derive(Debug)]
pub enum PortEvent {
    /// So many bytes were put at the start of the caller's buffer. Never zero.
    Bytes(usize),
    /// The device is open and can carry frames.
    Opened,
    /// The modem lines show something else of the other end.
    Shown(Shown),
    /// The device is lost or could not be opened; it is tried again by itself. Said once, not at each attempt.
    Lost(io::Error),
}

/// What became of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Handed to the kernel whole.
    Yes,
    /// Dropped: the device is not open, full, or refused it. Nothing is queued and nothing blocks.
    Dropped,
}

/// The wait before the first new attempt: shorter than a deadtime, so that a link that blinks is not missed.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait: a cable plugged in is up before the administrator has looked.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// When a device that is not open is tried again: at once, then after 100 ms, then twice as long each time up to 2 s.
#[derive(Debug)]
pub struct Retry {
    at: Instant,
    wait: Duration,
    opened: Option<Instant>,
    said: bool,
}

impl Retry {
    /// For a device that was never tried: due at once.
    pub const fn new() -> Self {
        Self { at: Instant::ZERO, wait: FIRST_WAIT, opened: None, said: false }
    }

    /// When the next attempt is due.
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// The device was opened.
    pub fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
        self.said = false;
    }

    /// The device was lost, or an attempt failed: sets the next one. True when this is news, that is the first since the
    /// device was last open. A device that opens and dies at once is not tried any faster for having opened.
    pub fn failed(&mut self, now: Instant) -> bool {
        if self.opened.take().is_some_and(|then| now.since(then) >= LONGEST_WAIT) {
            self.wait = FIRST_WAIT;
        }
        self.at = now + self.wait;
        self.wait = self.wait.times(2).min(LONGEST_WAIT);
        !std::mem::replace(&mut self.said, true)
    }
}

#[cfg(test)]
pub mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(n)
    }

    #[test]
    fn waits_double_up_to_two_seconds_and_are_said_once() {
        let mut retry = Retry::new();
        let mut now = Instant::ZERO;
        let mut waits = Vec::new();
        let mut news = 0;
        for _ in 0..7 {
            news += u32::from(retry.failed(now));
            waits.push(retry.at().since(now).as_millis());
            now = retry.at();
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(news, 1);
    }

    #[test]
    fn only_a_device_that_stays_open_starts_anew() {
        let mut retry = Retry::new();
        retry.opened(millis(0));
        assert!(retry.failed(millis(10)));
        assert_eq!(retry.at(), millis(110));
        retry.opened(millis(110));
        assert!(retry.failed(millis(120)), "a loss after success is news");
        assert_eq!(retry.at(), millis(320), "but not a new start");
        retry.opened(millis(320));
        assert!(retry.failed(millis(2_320)));
        assert_eq!(retry.at(), millis(2_420));
    }
}
