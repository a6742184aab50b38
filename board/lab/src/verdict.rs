//! What the judge makes of what it hears: gaps, double answers, announcements. No clock and no socket in here.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::arp::Mac;

/// Silences shorter than this are not listed: the machine's own scheduling makes them.
pub const RESOLUTION: Duration = Duration::from_millis(5);
/// Requests that may wait for answers at the same time; each asks in the name of a client of its own.
pub const ASKERS: usize = 64;

/// A time without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last answer before it.
    pub from: Instant,
    /// Until the next answer, or until the judge stopped asking.
    pub length: Duration,
}

/// The silences of one way of asking.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    /// Answers in all.
    pub answers: u64,
    /// Every gap of [`RESOLUTION`] or more after the first answer.
    pub gaps: Vec<Gap>,
    last: Option<Instant>,
}

impl Silence {
    /// An answer arrived.
    pub fn answer(&mut self, at: Instant) {
        self.answers += 1;
        self.close(at);
        self.last = Some(at);
    }

    /// A gap up to now counts, although nobody has answered.
    pub fn close(&mut self, at: Instant) {
        let from = self.last.unwrap_or(at);
        let length = at.saturating_duration_since(from);
        if length >= RESOLUTION {
            self.gaps.push(Gap { from, length });
        }
    }

    /// The longest gap, zero if there was none.
    pub fn longest(&self) -> Duration {
        self.gaps.iter().map(|gap| gap.length).max().unwrap_or_default()
    }

    /// When the last answer came.
    pub fn last(&self) -> Option<Instant> {
        self.last
    }
}

/// A gratuitous ARP for the VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// When.
    pub at: Instant,
    /// Whose MAC it gave.
    pub mac: Mac,
    /// In reply form; otherwise in request form.
    pub reply: bool,
}

/// A request that two answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Double {
    /// When the second answer came.
    pub at: Instant,
    /// Who answered.
    pub macs: [Mac; 2],
}

/// What the judge found about one VIP.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// ARP requests sent.
    pub asked: u64,
    /// ARP: who answers for the VIP at all?
    pub arp: Silence,
    /// Echo requests through the client's own ARP cache: a client that was not told of a move shows here.
    pub ping: Silence,
    /// Who answered last.
    pub owner: Option<Mac>,
    /// Requests with answers from two MACs.
    pub doubles: Vec<Double>,
    /// Gratuitous ARPs.
    pub announcements: Vec<Announcement>,
    /// The longest that the judge itself overslept: gaps are uncertain by so much.
    pub late: Duration,
    /// Who answered the latest request of each asker first.
    first: BTreeMap<usize, Mac>,
}

impl Verdict {
    /// The judge asks in the name of this client, one of [`ASKERS`].
    pub fn asks(&mut self, asker: usize) {
        self.asked += 1;
        self.first.remove(&asker);
    }

    /// Somebody answers this client.
    pub fn answered(&mut self, asker: usize, mac: Mac, at: Instant) {
        self.arp.answer(at);
        self.owner = Some(mac);
        match self.first.insert(asker, mac) {
            Some(other) if other != mac => self.doubles.push(Double { at, macs: [other, mac] }),
            _ => {}
        }
    }

    /// How long two nodes answered: from the first double answer to the last.
    pub fn double_time(&self) -> Duration {
        match (self.doubles.first(), self.doubles.last()) {
            (Some(first), Some(last)) => last.at.saturating_duration_since(first.at),
            _ => Duration::ZERO,
        }
    }

    /// The longest time without an echo reply: what the client of a service notices.
    pub fn gap(&self) -> Duration {
        self.ping.longest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    const A: Mac = Mac([2, 0, 0, 0, 0, 0x10]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 0x20]);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_gap_lies_between_two_answers() {
        let (mut silence, start) = (Silence::default(), now());
        for at in [0, 1, 2, 302, 303] {
            silence.answer(start + MS * at);
        }
        assert_eq!(silence.gaps, [Gap { from: start + MS * 2, length: MS * 300 }]);
        silence.close(start + MS * 403);
        assert_eq!(silence.gaps.len(), 2);
        assert_eq!(silence.longest(), MS * 300);
    }

    #[test]
    fn silence_before_the_first_answer_is_no_gap() {
        let mut silence = Silence::default();
        silence.close(now() + MS * 500);
        assert_eq!(silence.longest(), Duration::ZERO);
    }

    #[test]
    fn two_answers_to_one_request_are_double_and_a_move_is_not() {
        let (mut verdict, at) = (Verdict::default(), now());
        verdict.asks(0);
        verdict.answered(0, A, at);
        verdict.asks(1);
        verdict.answered(1, B, at);
        assert_eq!(verdict.doubles, []);
        verdict.answered(1, A, at + MS);
        assert_eq!(verdict.doubles, [Double { at: at + MS, macs: [B, A] }]);
        assert_eq!(verdict.owner, Some(A));
    }
}
