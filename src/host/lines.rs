//! What the modem lines of a cable say of its other end.
//!
//! A null-modem cable leads one end's DTR to the other's DSR and DCD, and its RTS to CTS; a port that is open raises
//! both, and one that is closed or has no power lets them fall. So lines that were up and are not any more are a loss
//! that is known at once. The rest is no evidence at all: many cables have three wires and show nothing, many plugs lead
//! a port's own DTR back to it, and a machine that hangs keeps its lines up. Lines up are never a sign of life.
//!
//! [`Modem`] judges, without a clock or a device; [`Watcher`] reads the device.

mod tty;
mod watcher;

use lubdub::time::{Duration, Instant};

pub use tty::Tty;
pub use watcher::{Driver, Report, Watcher, straps};

/// Lines that are down for less are not missed. A peer that opens its port lets its own fall a few times for some
/// milliseconds to find out about straps, and a plug that is moved bounces.
pub const DIP: Duration = Duration::from_millis(20);

/// A set of the three lines by which a port sees its other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines(pub u8);

impl Lines {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All three.
    pub const ALL: Self = Self(7);
    /// Data set ready.
    pub const DSR: Self = Self(1);
    /// Carrier.
    pub const DCD: Self = Self(2);
    /// Clear to send.
    pub const CTS: Self = Self(4);

    /// In both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// In either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The others.
    #[must_use]
    pub const fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }

    /// Whether there is any.
    pub const fn any(self) -> bool {
        self.0 != 0
    }
}

/// What is known of the other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// The device has no such lines, or is not open.
    #[default]
    Unknown,
    /// Nothing was up since the port was opened: a cable of three wires, or a peer whose port is closed.
    None,
    /// What is up follows this end's own DTR and RTS.
    Strapped,
    /// The other end is there and its port is open.
    Up,
    /// It was, and is not any more.
    Lost,
}

/// What the lines of one port have shown since it was opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Modem {
    shown: Shown,
    /// Lines seen up, and seen down.
    up: Lines,
    down: Lines,
    /// Since when nothing shows the other end.
    falling: Option<Instant>,
}

impl Modem {
    /// The verdict.
    pub const fn shown(&self) -> Shown {
        self.shown
    }

    /// The device says this now.
    pub fn see(&mut self, now: Instant, report: Report) {
        let Report::Known { lines, strapped } = report else {
            *self = Self::default();
            return;
        };
        let foreign = lines.and(strapped.not());
        self.up = self.up.or(foreign);
        self.down = self.down.or(foreign.not());
        if !self.up.any() {
            self.shown = if strapped.any() { Shown::Strapped } else { Shown::None };
        } else if self.is_shown_by(foreign) {
            (self.shown, self.falling) = (Shown::Up, None);
        } else {
            self.falling.get_or_insert(now);
            self.settle(now);
        }
    }

    /// Time has passed: what has been down for [`DIP`] is lost.
    pub fn settle(&mut self, now: Instant) {
        if self.falling.is_some_and(|since| now >= since + DIP) {
            self.shown = Shown::Lost;
        }
    }

    /// When [`Self::settle`] has something to do.
    pub fn wake_at(&self) -> Option<Instant> {
        self.falling.filter(|_| self.shown != Shown::Lost).map(|since| since + DIP)
    }

    /// DSR and DCD speak for the other end where they ever did. CTS does where they never did; beside them only if it
    /// was ever seen down, since some drivers say CTS always (`cdc_acm`).
    fn is_shown_by(&self, lines: Lines) -> bool {
        let carrier = Lines::DSR.or(Lines::DCD);
        let clear = !self.up.and(carrier).any() || self.down.and(Lines::CTS).any();
        let counted = if clear { Lines::ALL } else { carrier };
        lines.and(counted).any()
    }
}

#[cfg(test)]
mod tests;
