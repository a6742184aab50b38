//! The story of a seed for people. Nothing is kept, and nothing is formatted, unless somebody wants to read it.

use lubdub::time::Instant;
use std::fmt::Arguments;

/// Lines in the order of time.
#[derive(Debug, Default)]
pub struct Timeline {
    lines: Option<Vec<String>>,
}

impl Timeline {
    /// One that keeps its lines.
    pub fn kept() -> Self {
        Self { lines: Some(Vec::new()) }
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
