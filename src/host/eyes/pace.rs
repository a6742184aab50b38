//! When a group's VIPs are asked for: quickly until nothing changes any more.

use lubdub::time::{Duration, Instant};

/// How long an answer is waited for (rules.md TIMING, `w`): a hundred times what a LAN takes.
pub const ANSWER: Duration = Duration::from_millis(10);
/// Rounds with the same outcome before it gets slower.
const QUICK: u32 = 10;

/// The rounds of one group's probes. A round is over when its answers had their time.
#[derive(Debug)]
pub struct Pace {
    /// Between two rounds when nothing changes.
    slow: Duration,
    /// Not before this.
    next: Instant,
    /// The round under way.
    sent: Option<Instant>,
    answered: bool,
    /// What came of the round before.
    before: Option<bool>,
    unchanged: u32,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When it was sent.
    pub sent: Instant,
    /// Somebody answered.
    pub answered: bool,
    /// It is the first of its kind.
    pub new: bool,
    /// The next round comes quickly.
    pub quick: bool,
}

impl Pace {
    /// A first round at once.
    pub fn new(now: Instant, slow: Duration) -> Self {
        Self { slow, next: now, sent: None, answered: false, before: None, unchanged: 0 }
    }

    /// Something is different: quickly again, from now on.
    pub fn hurry(&mut self, now: Instant) {
        self.unchanged = 0;
        self.next = self.next.min(now);
    }

    /// Somebody answered. Without a round under way it counts for the next one.
    pub fn answered(&mut self) {
        self.answered = true;
    }

    /// Ends the round under way if its answers had their time.
    pub fn settle(&mut self, now: Instant) -> Option<Outcome> {
        let sent = self.sent.filter(|sent| now >= *sent + ANSWER)?;
        let answered = std::mem::take(&mut self.answered);
        let new = self.before.replace(answered) != Some(answered);
        self.sent = None;
        self.unchanged = if new { 1 } else { self.unchanged.saturating_add(1) };
        let quick = self.unchanged < QUICK;
        self.next = if quick { now } else { sent + self.slow };
        Some(Outcome { sent, answered, new, quick })
    }

    /// True when a round is to be sent now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.sent.is_none() && now >= self.next
    }

    /// A round was sent.
    pub fn sent(&mut self, now: Instant) {
        self.sent = Some(now);
    }

    /// A round could not be sent: again after the time of an answer, or slowly when that goes on.
    pub fn missed(&mut self, now: Instant) {
        self.unchanged = self.unchanged.saturating_add(1);
        self.next = now + if self.unchanged < QUICK { ANSWER } else { self.slow };
    }

    /// When there is something to do.
    pub fn wake_at(&self) -> Instant {
        self.sent.map_or(self.next, |sent| sent + ANSWER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(100);

    /// Plays until `end` ms: when rounds were sent, answered while `answers` says so.
    fn rounds(pace: &mut Pace, from: u64, end: u64, answers: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut sent = Vec::new();
        let mut now = Instant::from_micros(from * 1_000);
        while now.as_micros() < end * 1_000 {
            pace.settle(now);
            if pace.is_due(now) {
                pace.sent(now);
                sent.push(now.as_micros() / 1_000);
                if answers(now.as_micros() / 1_000) {
                    pace.answered();
                }
            }
            assert!(pace.wake_at() > now);
            now = pace.wake_at();
        }
        sent
    }

    #[test]
    fn ten_quick_rounds_and_then_slow_ones() {
        let mut pace = Pace::new(Instant::ZERO, SLOW);
        let sent = rounds(&mut pace, 0, 400, |_| true);
        assert_eq!(sent, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 190, 290, 390]);
    }

    #[test]
    fn quick_again_as_soon_as_the_answers_stop() {
        let mut pace = Pace::new(Instant::ZERO, SLOW);
        let sent = rounds(&mut pace, 0, 430, |at| at < 250);
        // Silence is noticed when the time of the answer to the round at 290 is over.
        assert_eq!(sent[11..15], [290, 300, 310, 320]);
        assert_eq!(rounds(&mut pace, 430, 431, |_| false), [] as [u64; 0]);
    }

    #[test]
    fn quick_again_when_something_else_changes() {
        let mut pace = Pace::new(Instant::ZERO, SLOW);
        rounds(&mut pace, 0, 150, |_| false);
        let now = Instant::from_micros(150_000);
        pace.hurry(now);
        assert!(pace.is_due(now));
        assert_eq!(rounds(&mut pace, 150, 185, |_| false), [150, 160, 170, 180]);
    }

    #[test]
    fn an_outcome_tells_what_is_new() {
        let mut pace = Pace::new(Instant::ZERO, SLOW);
        let mut outcomes = Vec::new();
        for (number, answered) in [false, false, true, true, false].into_iter().enumerate() {
            let sent = Instant::from_micros(number as u64 * 10_000);
            pace.sent(sent);
            if answered {
                pace.answered();
            }
            assert_eq!(pace.settle(sent + Duration::from_micros(9_999)), None);
            outcomes.push(pace.settle(sent + ANSWER).map(|outcome| (outcome.answered, outcome.new)).unwrap());
        }
        assert_eq!(outcomes, [(false, true), (false, false), (true, true), (true, false), (false, true)]);
    }

    #[test]
    fn what_cannot_be_sent_is_tried_again_and_does_not_spin() {
        let mut pace = Pace::new(Instant::ZERO, SLOW);
        let mut now = Instant::ZERO;
        let mut tries = 0;
        while now < Instant::from_micros(1_000_000) {
            assert!(pace.is_due(now));
            pace.missed(now);
            now = pace.wake_at();
            tries += 1;
        }
        assert_eq!(tries, 19);
    }
}
