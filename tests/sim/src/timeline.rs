//! The story of a seed for people. Nothing is kept, and nothing is formatted, unless somebody wants to read it.

use lubdub::time::{Duration, Instant};
use std::fmt::{self, Arguments, Display};

/// Lines in the order of time.
#[derive(Debug, Default)]
pub struct Timeline {
    lines: Option<Vec<String>>,
    frames: bool,
}

impl Timeline {
    /// One that keeps its lines.
    pub fn kept() -> Self {
        Self { lines: Some(Vec::new()), frames: false }
    }

    /// With every frame that is sent or read.
    pub fn with_frames(self) -> Self {
        Self { frames: true, ..self }
    }

    /// Somebody wants to read of frames too.
    pub fn has_frames(&self) -> bool {
        self.frames && self.is_kept()
    }

    /// Somebody wants to read it.
    pub fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// Writes a line.
    pub fn line(&mut self, now: Instant, what: Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            let micros = now.as_micros();
            lines.push(format!("{:>6}.{:06} {what}", micros / 1_000_000, micros % 1_000_000));
        }
    }

    /// The last `most` lines.
    pub fn tail(&self, most: usize) -> &[String] {
        let lines = self.lines.as_deref().unwrap_or_default();
        &lines[lines.len().saturating_sub(most)..]
    }
}

/// A length for people: milliseconds, and seconds from a minute on.
pub fn span(length: Duration) -> Span {
    Span(length)
}

/// See [`span`].
pub struct Span(Duration);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_micros() {
            micros if micros < 60_000_000 => write!(f, "{}.{:03} ms", micros / 1_000, micros % 1_000),
            micros => write!(f, "{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
        }
    }
}
