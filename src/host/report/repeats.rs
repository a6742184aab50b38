//! What happens again and again, counted.

use std::fmt;

use heapless::Vec;
use lubdub::time::{Duration, Instant};

use super::Level;
use super::line::Line;

/// How long repetitions are counted before they are said.
const WINDOW: Duration = Duration::from_secs(60);
/// How many kinds of events are counted at a time; with more the oldest is said early.
const MOST_KINDS: usize = 32;
/// Bytes that are kept of a text.
const LONGEST_TEXT: usize = 200;

/// A kind of event that may come often.
#[derive(Clone, Copy, Debug)]
pub struct Often {
    /// Tells kinds apart.
    pub key: u32,
    /// How many are said within 60 s before the rest is counted, beside the first.
    pub free: u32,
}

impl From<u32> for Often {
    fn from(key: u32) -> Self {
        Self { key, free: 0 }
    }
}

/// The events that were said lately.
#[derive(Debug, Default)]
pub struct Repeats {
    kinds: Vec<Repeat, MOST_KINDS>,
}

/// One kind of event: said once, then counted until `until`.
#[derive(Clone, Debug)]
pub struct Repeat {
    key: u32,
    until: Instant,
    free: u32,
    /// How often it happened since it was last said.
    pub count: u32,
    /// The level of the latest.
    pub level: Level,
    /// The text of the latest: what is so when the count is said.
    pub text: Line<LONGEST_TEXT>,
}

impl Repeats {
    /// Counts an event; false when it is to be said.
    pub fn count(&mut self, key: u32, level: Level, text: fmt::Arguments<'_>) -> bool {
        let Some(kind) = self.kinds.iter_mut().find(|kind| kind.key == key) else { return false };
        if kind.free > 0 {
            kind.free -= 1;
            return false;
        }
        kind.count = kind.count.saturating_add(1);
        (kind.level, kind.text) = (level, Line::new(text));
        true
    }

    /// Begins to count a kind of event that is being said now, if that has not begun. Returns the one that had to make
    /// room, if it has a count.
    pub fn begin(&mut self, often: Often, now: Instant, level: Level, text: fmt::Arguments<'_>) -> Option<Repeat> {
        let Often { key, free } = often;
        if self.kinds.iter().any(|kind| kind.key == key) {
            return None;
        }
        let evicted = if self.kinds.is_full() { self.oldest().map(|at| self.kinds.swap_remove(at)) } else { None };
        let begun = Repeat { key, until: now + WINDOW, free, count: 0, level, text: Line::new(text) };
        // There is room: one was removed if there was none.
        let _ = self.kinds.push(begun);
        evicted.filter(|kind| kind.count > 0)
    }

    fn oldest(&self) -> Option<usize> {
        (0..self.kinds.len()).min_by_key(|at| self.kinds[*at].until)
    }

    /// One kind whose window has ended with something to say; its next window begins. Kinds with nothing are forgotten.
    pub fn take_due(&mut self, now: Instant) -> Option<Repeat> {
        self.kinds.retain(|kind| kind.count > 0 || now < kind.until);
        let due = self.kinds.iter_mut().find(|kind| now >= kind.until)?;
        let said = due.clone();
        due.count = 0;
        due.until = now + WINDOW;
        Some(said)
    }

    /// When the first window with a count ends.
    pub fn wake_at(&self) -> Option<Instant> {
        self.kinds.iter().filter(|kind| kind.count > 0).map(|kind| kind.until).min()
    }
}
