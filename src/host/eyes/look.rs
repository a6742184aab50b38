//! One group that is looked for: its rounds, and whether its silence would count.

use lubdub::time::{Duration, Instant};

use super::Sight;
use super::pace::{Outcome, Pace};

/// The looking for one group.
#[derive(Debug)]
pub struct Look {
    /// Its number.
    pub group: u8,
    /// Its rounds.
    pub pace: Pace,
    /// What was heard later proves that this node hears.
    since: Instant,
    /// What had been heard before the last round was taken then.
    taken: Instant,
    /// A `ping` node has answered since, by the end of a round.
    pub proved: bool,
    sight: Option<Sight>,
}

impl Look {
    /// Begins now.
    pub fn new(group: u8, now: Instant, slow: Duration) -> Self {
        Self { group, pace: Pace::new(now, slow), since: now, taken: now, proved: false, sight: None }
    }

    /// From when on a station must have been heard.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The carrier is back: a port that forwards again proves it again.
    pub fn prove_again(&mut self, now: Instant) {
        (self.since, self.proved) = (now, false);
    }

    /// A round was sent; what had been heard before was taken at `taken`.
    pub fn sent(&mut self, taken: Instant, now: Instant) {
        self.taken = taken;
        self.pace.sent(now);
    }

    /// Ends the round under way if its answers had their time. When the answers have stopped the proof of before is void,
    /// because whatever silences the owner may have made this node deaf: what is heard along with the silence proves.
    pub fn settle(&mut self, now: Instant) -> Option<Outcome> {
        let outcome = self.pace.settle(now)?;
        if outcome.new && !outcome.answered {
            self.since = self.taken;
        }
        Some(outcome)
    }

    /// Takes what the eyes are now. Returns it if that is new.
    pub fn see(&mut self, sight: Sight, now: Instant) -> Option<Sight> {
        let before = self.sight.replace(sight);
        if before.is_some_and(|before| before != sight) {
            self.pace.hurry(now);
        }
        (before != Some(sight)).then_some(sight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::eyes::pace::ANSWER;

    fn round(look: &mut Look, millis: u64, answered: bool) -> Instant {
        let sent = Instant::from_micros(millis * 1_000);
        look.sent(sent, sent);
        if answered {
            look.pace.answered();
        }
        assert!(look.settle(sent).is_none());
        assert!(look.settle(sent + ANSWER).is_some());
        look.since()
    }

    #[test]
    fn silence_after_an_answer_is_proved_anew() {
        let start = Instant::from_micros(1_000);
        let mut look = Look::new(0, start, ANSWER);
        let at = |millis: u64| Instant::from_micros(millis * 1_000);
        assert_eq!(round(&mut look, 1, true), at(1));
        assert_eq!(round(&mut look, 20, true), at(1));
        assert_eq!(round(&mut look, 40, false), at(40));
        assert_eq!(round(&mut look, 60, false), at(40));
        assert_eq!(round(&mut look, 80, true), at(40));
        assert_eq!(round(&mut look, 100, false), at(100));
    }

    #[test]
    fn what_the_eyes_are_is_told_when_it_changes() {
        let mut look = Look::new(0, Instant::ZERO, ANSWER);
        let told = [Sight::Closed, Sight::Closed, Sight::Open, Sight::Open, Sight::Cut]
            .map(|sight| look.see(sight, Instant::ZERO).is_some());
        assert_eq!(told, [true, false, true, false, true]);
    }
}
