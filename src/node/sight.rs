//! What is known of a group's VIP on the service LAN: the probes for it, who answers, and whether this node could hear the
//! answer (EYES). The VIP is the third link (L9).

use super::digest::{Digest, Lens, maybe};
use super::link::within;
use crate::lease::{PROBE_WAIT, PROBES};
use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};

/// Whether the answer to a probe could be heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Eyes {
    /// There is carrier, and somebody else was heard since the looking began, or nobody else ever was in this run.
    Open,
    /// There is carrier, but nobody has shown yet that anything gets through.
    #[default]
    Closed,
    /// No carrier on the VIP's interface.
    Cut,
    /// Every configured `ping` node has been silent for deadtime.
    Silent,
}

/// Who answered for a VIP, or announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    /// A MAC that the peer has told.
    Peer,
    /// Another MAC, and not this node's.
    Stranger,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Sight {
    eyes: Eyes,
    cut_since: Option<Instant>,
    /// Deadtime has passed in it already: that was told of the `ping` nodes.
    long: bool,
    answered_at: Option<Instant>,
    /// Since when no three probes in a row were in vain.
    answered_since: Option<Instant>,
    /// The first and the third of the probes that are unanswered so far, and how many there are.
    first: Option<Instant>,
    third: Option<Instant>,
    count: u64,
}

impl Sight {
    pub fn eyes(&mut self, now: Instant, eyes: Eyes) {
        let before = core::mem::replace(&mut self.eyes, eyes);
        if matches!(before, Eyes::Cut | Eyes::Silent) && !self.is_cut() {
            // Nobody could have heard what was asked until now.
            self.forget();
        }
        self.cut_since = self.is_cut().then(|| self.cut_since.unwrap_or(now));
        self.long = self.is_cut() && (self.long || eyes == Eyes::Silent);
    }

    pub fn is_open(&self) -> bool {
        self.eyes == Eyes::Open
    }

    /// It is open, and that was told of the present looking, before the first probe: what an earlier one has proved may have
    /// been over for days.
    pub fn is_proved(&self) -> bool {
        self.is_open() && (self.first.is_some() || self.answered_since.is_some())
    }

    /// The service LAN is out of reach.
    pub fn is_cut(&self) -> bool {
        matches!(self.eyes, Eyes::Cut | Eyes::Silent)
    }

    /// When it has been out of reach for deadtime.
    pub fn lost_at(&self, deadtime: Duration) -> Option<Instant> {
        self.cut_since.map(|since| if self.long { since } else { since + deadtime })
    }

    /// A probe for every VIP of the group has been sent.
    pub fn probed(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.count = self.count.saturating_add(1);
        if self.count == PROBES {
            self.third = Some(now);
            self.answered_since = None;
        }
    }

    /// The VIP is in use elsewhere.
    pub fn answered(&mut self, now: Instant) {
        self.forget();
        self.answered_at = Some(now);
        self.answered_since.get_or_insert(now);
    }

    /// Probes before this prove nothing: a stall, or the end of the looking.
    pub fn forget(&mut self) {
        (self.first, self.third, self.count) = (None, None, 0);
    }

    /// Nobody is asked any more: what answered was answering then.
    pub fn rest(&mut self) {
        self.forget();
        self.answered_since = None;
    }

    /// Nobody answers any more, or it is this node that does.
    pub fn reset(&mut self) {
        self.rest();
        self.answered_at = None;
    }

    /// For how long it is answered already.
    pub fn answered_for(&self, now: Instant) -> Duration {
        self.answered_since.map_or(Duration::ZERO, |since| now.since(since))
    }

    pub fn answered_within(&self, now: Instant, span: Duration) -> bool {
        within(self.answered_at, now, span)
    }

    /// When the probes sent so far will have been unanswered for long enough; none while there are too few.
    pub fn silent_at(&self) -> Option<Instant> {
        let (first, third) = self.first.zip(self.third)?;
        Some((first + PROBE_WAIT.times(PROBES)).max(third + PROBE_WAIT))
    }

    pub fn is_silent(&self, now: Instant) -> bool {
        self.silent_at().is_some_and(|at| at <= now)
    }

    /// Whether every probe that counts was sent after `at`.
    pub fn looked_since(&self, at: Instant) -> bool {
        self.first.is_some_and(|first| first >= at)
    }

    /// What of it decides.
    pub fn digest(&self, lens: &Lens, out: &mut impl Digest) {
        let Self { eyes, cut_since, long, answered_at, answered_since, first, third, count } = self;
        out.word(*eyes as u64);
        out.word(u64::from(*long));
        maybe(out, *cut_since, |out, at| out.word(lens.until(at + lens.timing.deadtime)));
        out.word(lens.fresh(*answered_at, lens.timing.initdead.times(2)));
        maybe(out, *answered_since, |out, at| out.word(lens.until(at + lens.timing.initdead)));
        out.word((*count).min(PROBES));
        for at in [first, third] {
            out.word(lens.fresh(*at, PROBE_WAIT.times(PROBES)));
        }
    }
}
