//! What the rounds of one fault came to.

use std::time::Duration;

use lubdub_lab::Verdict;

use super::{Fault, Lease};

/// The sum of the verdicts of one fault under one kind of lease.
#[derive(Clone, Debug)]
pub struct Tally {
    /// How the VIP was held.
    pub lease: Lease,
    /// What happened.
    pub fault: Fault,
    /// Questions of the client in all.
    pub asked: u64,
    /// Questions with answers from two nodes.
    pub doubles: u64,
    /// The longest time from the first such question of a round to its last.
    pub double_time: Duration,
    /// By how much the client itself was late at most: gaps are uncertain by so much.
    pub late: Duration,
    gaps: Vec<Duration>,
}

impl Tally {
    /// No round yet.
    pub fn new(lease: Lease, fault: Fault) -> Self {
        let (none, gaps) = (Duration::ZERO, Vec::new());
        Self { lease, fault, asked: 0, doubles: 0, double_time: none, late: none, gaps }
    }

    /// One more round.
    pub fn add(&mut self, verdict: &Verdict) {
        self.asked += verdict.asked;
        self.doubles += verdict.doubles.len() as u64;
        self.double_time = self.double_time.max(verdict.double_time());
        self.late = self.late.max(verdict.late);
        self.gaps.push(verdict.gap());
        self.gaps.sort();
    }

    /// Rounds so far.
    pub fn rounds(&self) -> usize {
        self.gaps.len()
    }

    /// The longest time without an answer.
    pub fn longest(&self) -> Duration {
        self.gaps.last().copied().unwrap_or_default()
    }

    /// The longest time without an answer in the middle one of the rounds.
    pub fn median(&self) -> Duration {
        self.gaps.get(self.gaps.len() / 2).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lubdub_lab::now;

    #[test]
    fn the_longest_and_the_middle_gap_are_told() {
        let mut tally = Tally::new(Lease::Fine, Fault::Killed);
        for gap in [30, 10, 20] {
            let (mut verdict, at) = (Verdict::default(), now());
            verdict.ping.answer(at);
            verdict.ping.answer(at + Duration::from_millis(gap));
            tally.add(&verdict);
        }
        assert_eq!(tally.rounds(), 3);
        assert_eq!(tally.longest(), Duration::from_millis(30));
        assert_eq!(tally.median(), Duration::from_millis(20));
        assert_eq!(tally.doubles, 0);
    }
}
