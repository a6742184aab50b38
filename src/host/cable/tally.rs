//! What came of the words that were sent while both ends measured.

use lubdub::time::{Duration, Instant};

use super::word::Word;

/// Own words whose sending is remembered, to time their echoes: more than are ever on their way.
const REMEMBERED: usize = 64;

/// Round trips, least, mean and greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// The shortest.
    pub least: Duration,
    /// The sum of all divided by their number.
    pub mean: Duration,
    /// The longest.
    pub most: Duration,
}

/// The counts of one end.
#[derive(Debug)]
pub struct Tally {
    /// Words sent.
    pub sent: u32,
    first: Option<u32>,
    top: u32,
    /// Words heard.
    pub received: u32,
    /// Frames that were damaged, since the first word was heard.
    pub damaged: u32,
    /// When the last one was heard, and its number.
    last: Option<(Instant, u32)>,
    /// What the other end last said of this end's words: expected and received.
    pub theirs: Option<(u32, u32)>,
    sent_at: [Option<(u32, Instant)>; REMEMBERED],
    trips: u32,
    sum: Duration,
    least: Option<Duration>,
    most: Duration,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sent: 0,
            first: None,
            top: 0,
            received: 0,
            damaged: 0,
            last: None,
            theirs: None,
            sent_at: [None; REMEMBERED],
            trips: 0,
            sum: Duration::ZERO,
            least: None,
            most: Duration::ZERO,
        }
    }
}

impl Tally {
    /// Puts the counts into a word that goes out now.
    pub fn stamp(&mut self, now: Instant, word: &mut Word) {
        word.number = self.sent;
        self.sent_at[self.sent as usize % REMEMBERED] = Some((self.sent, now));
        self.sent += 1;
        if let Some((at, number)) = self.last {
            (word.echo, word.held) =
                (number.wrapping_add(1), now.since(at).as_micros().min(u64::from(u32::MAX)) as u32);
        }
        (word.expected, word.received) = (self.expected(), self.received);
    }

    /// Takes a word that was heard. `own`: it is this end's, by a loopback.
    pub fn hear(&mut self, now: Instant, word: &Word, own: bool) {
        if self.first.is_none() {
            self.first = Some(word.number);
            self.damaged = 0;
        }
        self.top = self.top.max(word.number);
        self.received += 1;
        self.last = Some((now, word.number));
        if own {
            self.time(now, word.number, 0);
            return;
        }
        if let Some(number) = word.echo.checked_sub(1) {
            self.time(now, number, word.held);
        }
        self.theirs = Some((word.expected, word.received));
    }

    fn time(&mut self, now: Instant, number: u32, held: u32) {
        let place = &mut self.sent_at[number as usize % REMEMBERED];
        let Some((_, at)) = place.take_if(|(sent, _)| *sent == number) else { return };
        let trip = Duration::from_micros(now.since(at).as_micros().saturating_sub(u64::from(held)));
        self.trips += 1;
        self.sum = Duration::from_micros(self.sum.as_micros() + trip.as_micros());
        self.least = Some(self.least.map_or(trip, |least| least.min(trip)));
        self.most = self.most.max(trip);
    }

    /// Words that should have been heard since the first one.
    pub fn expected(&self) -> u32 {
        self.first.map_or(0, |first| self.top - first.min(self.top) + 1).max(self.received)
    }

    /// How long nothing has been heard.
    pub fn silent(&self, now: Instant) -> Option<Duration> {
        self.last.map(|(at, _)| now.since(at))
    }

    /// The round trips, once there was one.
    pub fn round_trip(&self) -> Option<RoundTrip> {
        let least = self.least?;
        Some(RoundTrip { least, mean: self.sum.part(u64::from(self.trips)), most: self.most })
    }
}
