//! Two runs that have exchanged fresh nonces: sequence numbers, the newest beat, and when mine were sent.

use super::digest::{Digest, Lens, maybe, nonce_name, series};
use super::link::{is_plausible, within};
use crate::time::{Duration, Instant};
use crate::wire::beat::Beat;
use crate::wire::envelope::Pairing;
use crate::wire::hello::{Hello, Nonce};
use crate::wire::loss::Loss;
use heapless::Deque;
use serde::{Deserialize, Serialize};

/// Own beats without one of the peer after which 16 bits of sequence number may mean two things, so that a new session
/// must begin (RFC 4303 appendix A2 has the same limit). 55 minutes at keepalive 100 ms.
const UNANSWERED_MAX: u64 = 1 << 15;

/// What a hello told of the peer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    pub run: u64,
    pub keepalive: Duration,
    pub deadtime: Duration,
    pub initdead: Duration,
    /// The length of its lease; zero: it has none.
    pub lease: Duration,
    /// How it lost this node last.
    pub lost: Loss,
}

impl Facts {
    pub fn of(hello: &Hello<'_>) -> Self {
        let millis = |ms: u32| Duration::from_millis(u64::from(ms));
        Self {
            run: hello.run,
            keepalive: millis(hello.keepalive_ms),
            deadtime: millis(hello.deadtime_ms),
            initdead: millis(hello.initdead_ms),
            lease: millis(hello.lease_ms),
            lost: hello.lost,
        }
    }
}

impl Facts {
    /// What of them decides.
    pub fn digest(&self, out: &mut impl Digest) {
        // Why it lost this node is told to people alone.
        let Self { run, keepalive, deadtime, initdead, lease, lost: _ } = self;
        out.name(*run);
        for span in [keepalive, deadtime, initdead, lease] {
            out.word(span.as_micros());
        }
    }
}

/// The newest beat of the peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct News {
    pub at: Instant,
    pub beat: Beat,
    /// The full sequence number of the latest of my beats that the peer had heard.
    pub echo: u64,
    /// When that was sent, at the earliest.
    pub echo_sent: Option<Instant>,
}

impl News {
    /// What of it decides; `own`: the series of this node's beats. The numbers in the beat are in `echo` and in the
    /// session's `rx_top` already.
    fn digest(&self, lens: &Lens, keepalive: Duration, own: (u64, u64), out: &mut impl Digest) {
        let Self { at, beat, echo, echo_sent } = self;
        let Beat { seq: _, echo: _, heard, goodbye, blind, groups } = beat;
        out.word(lens.until(*at + keepalive.max(lens.timing.keepalive).times(2).max(lens.timing.deadtime)));
        out.word(u64::from(*heard) << 2 | u64::from(*blind) << 1 | u64::from(*goodbye));
        groups.iter().for_each(|word| out.word(u64::from(word.to_bits())));
        out.count(own, *echo);
        out.word(lens.fresh(*echo_sent, lens.timing.deadtime));
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub mine: Nonce,
    pub theirs: Nonce,
    pub facts: Facts,
    /// The fingerprint of the key that both accept.
    pub key: u32,
    pub news: Option<News>,
    /// Since when the peer is heard, without a gap of deadtime, but has not echoed a recent beat of mine.
    unheard: Option<Instant>,
    pub began: Instant,
    tx_seq: u64,
    tx_at_news: u64,
    rx_top: u64,
    /// A link has taken the latest beat.
    spoken: bool,
    sent: SentLog,
}

impl Session {
    pub fn new(now: Instant, mine: Nonce, theirs: Nonce, facts: Facts, key: u32, deadtime: Duration) -> Self {
        Self {
            mine,
            theirs,
            facts,
            key,
            news: None,
            unheard: None,
            began: now,
            tx_seq: 0,
            tx_at_news: 0,
            rx_top: 0,
            spoken: false,
            sent: SentLog::new(deadtime),
        }
    }

    /// The nonces as the peer signs.
    pub fn inbound(&self) -> Pairing {
        Pairing { sender: self.theirs, receiver: self.mine }
    }

    /// The nonces as this node signs.
    pub fn outbound(&self) -> Pairing {
        Pairing { sender: self.mine, receiver: self.theirs }
    }

    /// The full sequence number that `low` must mean.
    pub fn full_seq(&self, low: u16) -> u64 {
        let ahead = low.wrapping_sub(self.rx_top as u16);
        match ahead {
            0..0x8000 => self.rx_top + u64::from(ahead),
            _ => self.rx_top.saturating_sub(u64::from(ahead.wrapping_neg())),
        }
    }

    pub fn tx_seq(&self) -> u64 {
        self.tx_seq
    }

    pub fn echo(&self) -> u16 {
        self.rx_top as u16
    }

    /// The number for a beat that says something new, or that is due.
    pub fn next_beat(&mut self) {
        self.tx_seq += 1;
        self.spoken = false;
    }

    /// The beat is handed to a link. It may have waited for a line that was busy, and other links may still wait.
    pub fn spoke(&mut self, now: Instant) {
        if !core::mem::replace(&mut self.spoken, true) {
            self.sent.note(self.tx_seq, now);
        }
    }

    /// Whether a session that was read back can be one: its numbers are in order and not near their end.
    pub fn is_sound(&self) -> bool {
        let echo = self.news.as_ref().map_or(0, |news| news.echo);
        let plausible = [self.tx_seq, self.rx_top, echo].into_iter().all(is_plausible);
        plausible && self.tx_at_news <= self.tx_seq
    }

    /// Silence has outlasted the sequence numbers.
    pub fn is_spent(&self) -> bool {
        self.tx_seq - self.tx_at_news >= UNANSWERED_MAX
    }

    /// Takes an authentic beat; false when a newer one is known.
    pub fn hear(&mut self, now: Instant, seq: u64, beat: Beat, two_way_span: Duration) -> bool {
        if seq <= self.rx_top {
            return false;
        }
        self.rx_top = seq;
        self.tx_at_news = self.tx_seq;
        let known = self.news.as_ref().map_or(0, |news| news.echo);
        let echo = known + u64::from(beat.echo.wrapping_sub(known as u16));
        let echo = if echo > self.tx_seq { known } else { echo };
        let echo_sent = self.sent.sent_at(echo);
        let gapless = within(self.news.as_ref().map(|news| news.at), now, two_way_span);
        self.unheard = match self.unheard {
            _ if within(echo_sent, now, two_way_span) => None,
            Some(since) if gapless => Some(since),
            _ => Some(now),
        };
        self.news = Some(News { at: now, beat, echo, echo_sent });
        true
    }

    /// HEAL 2: the newest beat came at least `span` after the first of those that echo nothing recent. Beats on both
    /// sides of a silence, or all read at once after a stall, do not show that the peer is deaf. Nor do those of the first
    /// deadtime of a session, in which there has been no time for one: it began with an answer to this node's offer, and
    /// on a slow cable the next answer is long on its way.
    pub fn is_unheard(&self, span: Duration, deadtime: Duration) -> bool {
        let last = self.news.as_ref().map(|news| news.at);
        self.unheard.zip(last).is_some_and(|(since, last)| last >= (since + span).max(self.began + deadtime))
    }

    /// What of it decides.
    pub fn digest(&self, lens: &Lens, out: &mut impl Digest) {
        let Self { mine, theirs, facts, key, news, unheard, began, tx_seq, tx_at_news, rx_top, spoken, sent } = self;
        let (own, peers) = (series(&self.outbound()), series(&self.inbound()));
        out.name(nonce_name(mine));
        out.name(nonce_name(theirs));
        facts.digest(out);
        out.word(u64::from(*key));
        maybe(out, news.as_ref(), |out, news| news.digest(lens, facts.keepalive, own, out));
        let soon = facts.keepalive.max(lens.timing.keepalive).times(2);
        maybe(out, *unheard, |out, since| out.word(lens.until(since + soon)));
        out.word(lens.until(*began + lens.timing.warntime.max(lens.timing.deadtime)));
        out.count(own, *tx_seq);
        out.word(u64::from(*spoken));
        // Beats left before the session is spent, as far as they are few.
        out.word(UNANSWERED_MAX.saturating_sub(tx_seq - tx_at_news).min(SAMPLES as u64));
        out.count(peers, *rx_top);
        out.word(u64::from(self.is_unheard(soon, lens.timing.deadtime)));
        let SentLog { samples, spacing: _ } = sent;
        for (seq, at) in samples.iter().filter(|(_, at)| lens.until(*at + lens.timing.deadtime) > 0) {
            out.count(own, *seq);
            out.word(lens.until(*at + lens.timing.deadtime));
        }
    }

    /// The newest beat echoes one of mine sent within `span`.
    pub fn is_two_way(&self, now: Instant, span: Duration) -> bool {
        self.news.as_ref().is_some_and(|news| within(news.echo_sent, now, span))
    }
}

/// When own beats were sent, on the first link that took them. Samples, not all of them: what it tells is the time of a
/// sample at or before the beat, so that a beat may seem older than it is, never younger.
#[derive(Clone, Serialize, Deserialize)]
struct SentLog {
    samples: Deque<(u64, Instant), SAMPLES>,
    spacing: Duration,
}

const SAMPLES: usize = 64;

impl SentLog {
    /// Reaches back two deadtimes, since everything older counts as never heard.
    fn new(deadtime: Duration) -> Self {
        Self { samples: Deque::new(), spacing: deadtime.part(SAMPLES as u64 / 2) }
    }

    fn note(&mut self, seq: u64, now: Instant) {
        if self.samples.back().is_some_and(|(_, at)| now < *at + self.spacing) {
            return;
        }
        if self.samples.is_full() {
            self.samples.pop_front();
        }
        self.samples.push_back((seq, now)).expect("room was made");
    }

    fn sent_at(&self, seq: u64) -> Option<Instant> {
        self.samples.iter().rev().find(|(sample, _)| *sample <= seq).map(|(_, at)| *at)
    }
}
