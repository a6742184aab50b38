//! How far a campaign is, and how to go on with it: on a terminal each second, in a log each ten minutes.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines on a terminal, each in place of the one before.
const TERMINAL: Duration = Duration::from_secs(1);
/// Between two lines in a log.
const LOG: Duration = Duration::from_secs(600);

/// Counts seeds that end in any order.
pub struct Progress {
    began: Instant,
    told: Instant,
    terminal: bool,
    first: u64,
    count: u64,
    /// All seeds before this offset are done, and these beyond it.
    whole: u64,
    beyond: BTreeSet<u64>,
}

#[allow(clippy::disallowed_methods, reason = "how long a person waits is measured by the wall, not in the simulation")]
impl Progress {
    /// Of `count` seeds from `first` on.
    pub fn begin(first: u64, count: u64) -> Self {
        let now = Instant::now();
        let terminal = io::stderr().is_terminal();
        Self { began: now, told: now, terminal, first, count, whole: 0, beyond: BTreeSet::new() }
    }

    /// A seed is done; now and then a line is due.
    pub fn done(&mut self, seed: u64) {
        self.beyond.insert(seed.wrapping_sub(self.first));
        while self.beyond.remove(&self.whole) {
            self.whole += 1;
        }
        if self.told.elapsed() >= if self.terminal { TERMINAL } else { LOG } {
            self.told = Instant::now();
            let (open, close) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
            let mut err = io::stderr();
            let _ = write!(err, "{open}{}{close}", self.line());
            let _ = err.flush();
        }
    }

    fn line(&self) -> String {
        let done = self.whole + self.beyond.len() as u64;
        let rate = done as f64 / self.seconds().max(0.001);
        let left = self.count - self.whole;
        let minutes = left as f64 / rate.max(0.001) / 60.0;
        let next = self.first.wrapping_add(self.whole);
        format!(
            "{done} of {} seeds, {rate:.1}/s, {minutes:.0} min left; to go on from here: --first {next} --seeds {left}",
            self.count
        )
    }

    /// Makes room on a terminal for a line of something else.
    pub fn clear(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// Since the campaign began.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn the_way_on_begins_at_the_first_seed_that_is_not_done() {
        let mut progress = Progress::begin(100, 10);
        [100, 103, 101].into_iter().for_each(|seed| progress.done(seed));
        assert!(progress.line().starts_with("3 of 10 seeds"), "{}", progress.line());
        assert!(progress.line().ends_with("--first 102 --seeds 8"), "{}", progress.line());
        progress.done(102);
        assert!(progress.line().ends_with("--first 104 --seeds 6"), "{}", progress.line());
    }
}
