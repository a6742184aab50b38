//! One path between the nodes: its deframer, what was heard on it, its counters.

use super::digest::{Digest, Lens};
use super::setup::LinkKind;
use crate::time::{Duration, Instant};
use crate::wire::envelope::Mark;
use crate::wire::frame::Deframer;
use serde::{Deserialize, Serialize};

/// Whether a link carries beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkState {
    /// Both directions work.
    Up,
    /// One direction works.
    OneWay,
    /// Neither works.
    Down,
}

/// Why a link is not up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkWhy {
    /// Nothing is heard.
    Silence,
    /// One direction only.
    OneWay,
    /// The node hears itself.
    Looped,
    /// Bytes come that are no frames.
    Noise,
    /// Bytes come, as many as beats would have, but no frame and no text: the peer's speed is probably another.
    WrongBaud,
    /// The device is not there or could not be opened.
    NoDevice,
}

/// What a link has counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Authentic frames received.
    pub rx_frames: u64,
    /// Frames handed to the device.
    pub tx_frames: u64,
    /// Frames that were damaged, malformed or of another version.
    pub noise: u64,
    /// Frames whose tag does not verify in this session.
    pub unauthentic: u64,
    /// Authentic beats that were heard before.
    pub replayed: u64,
    /// Own frames that came back.
    pub looped: u64,
    /// Frames of another link or another cluster.
    pub foreign: u64,
}

impl Counters {
    /// None has counted further than a life of frames can.
    pub(super) fn are_plausible(&self) -> bool {
        let Self { rx_frames, tx_frames, noise, unauthentic, replayed, looped, foreign } = *self;
        [rx_frames, tx_frames, noise, unauthentic, replayed, looped, foreign].into_iter().all(is_plausible)
    }

    /// Everything received that was of no use.
    pub fn rx_errors(&self) -> u64 {
        self.noise + self.unauthentic + self.foreign
    }
}

/// What came since the last whole frame, to tell a wrong speed from a console's text and from noise between beats.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Junk {
    since: Option<Instant>,
    bytes: u32,
    text: u32,
}

impl Junk {
    /// Fewer bytes than three short frames prove nothing.
    const BYTES_MIN: u32 = 64;

    pub fn add(&mut self, now: Instant, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.since.get_or_insert(now);
        let text = bytes.iter().filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count();
        self.bytes = self.bytes.saturating_add(bytes.len() as u32);
        self.text = self.text.saturating_add(text as u32);
    }

    /// A lot of it, for a while, and less than nine tenths are text.
    fn is_wrong_baud(&self, now: Instant, span: Duration) -> bool {
        let lasts = self.since.is_some_and(|since| now >= since + span);
        lasts && self.bytes >= Self::BYTES_MIN && u64::from(self.text) * 10 < u64::from(self.bytes) * 9
    }
}

/// Own frames remembered, to know them when they come back: a loop delays them by a few frames at most.
const MARKS: usize = 4;

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Link {
    pub kind: LinkKind,
    pub deframer: Deframer,
    pub counters: Counters,
    pub device: bool,
    pub junk: Junk,
    /// Highest sequence number heard on this link in the present session.
    pub rx_top: u64,
    pub heard_at: Option<Instant>,
    pub noise_at: Option<Instant>,
    pub looped_at: Option<Instant>,
    /// Since when its lines show that the other end is gone.
    pub lost_at: Option<Instant>,
    pub owes_beat: bool,
    pub owes_hello: bool,
    pub hello_at: Option<Instant>,
    pub state: LinkState,
    busy_until: Instant,
    /// Made with the key, so that a journal tells what they told instead of them.
    #[serde(skip)]
    marks: [Mark; MARKS],
    #[serde(skip)]
    next_mark: usize,
}

impl Link {
    pub fn new(kind: LinkKind) -> Self {
        Self {
            kind,
            deframer: Deframer::default(),
            counters: Counters::default(),
            device: true,
            junk: Junk::default(),
            rx_top: 0,
            heard_at: None,
            noise_at: None,
            looped_at: None,
            lost_at: None,
            owes_beat: false,
            owes_hello: false,
            hello_at: None,
            state: LinkState::Down,
            busy_until: Instant::ZERO,
            marks: [Mark::default(); MARKS],
            next_mark: 0,
        }
    }

    pub fn session_began(&mut self) {
        self.rx_top = 0;
        self.owes_hello = false;
    }

    /// This node was late by `length`: that time counts as silence of nobody.
    pub fn stalled(&mut self, length: Duration) {
        for at in [&mut self.heard_at, &mut self.noise_at, &mut self.looped_at].into_iter().flatten() {
            *at += length;
        }
    }

    /// An authentic beat: whether this link had not heard it yet.
    pub fn hear(&mut self, now: Instant, seq: u64) -> bool {
        if seq <= self.rx_top {
            self.counters.replayed += 1;
            return false;
        }
        self.rx_top = seq;
        self.heard_at = Some(now);
        self.counters.rx_frames += 1;
        true
    }

    pub fn heard_within(&self, now: Instant, span: Duration) -> bool {
        within(self.heard_at, now, span)
    }

    /// When what was heard here stops counting.
    pub fn heard_until(&self, span: Duration) -> Option<Instant> {
        self.heard_at.map(|at| at + span)
    }

    pub fn is_own(&self, mark: Mark) -> bool {
        self.counters.tx_frames > 0 && self.marks.contains(&mark)
    }

    /// A frame of `len` bytes goes out: the line is busy until its last bit has left.
    pub fn sent(&mut self, now: Instant, len: usize, mark: Mark) {
        self.counters.tx_frames += 1;
        self.marks[self.next_mark] = mark;
        self.next_mark = (self.next_mark + 1) % MARKS;
        if let LinkKind::Serial { baud } = self.kind {
            let wire = Duration::from_micros(len as u64 * 10_000_000 / u64::from(baud.max(1)));
            self.busy_until = self.busy_until.max(now) + wire;
        }
    }

    /// When the line is free for another frame; none when it is free now.
    pub fn busy(&self, now: Instant) -> Option<Instant> {
        (self.busy_until > now).then_some(self.busy_until)
    }

    pub fn verdict(&self, now: Instant, span: Duration, peer_hears: bool) -> LinkState {
        match (self.heard_within(now, span), peer_hears) {
            (true, true) => LinkState::Up,
            (false, false) => LinkState::Down,
            _ => LinkState::OneWay,
        }
    }

    pub fn why(&self, now: Instant, span: Duration) -> Option<LinkWhy> {
        match self.state {
            LinkState::Up => None,
            _ if !self.device => Some(LinkWhy::NoDevice),
            _ if within(self.looped_at, now, span) => Some(LinkWhy::Looped),
            LinkState::OneWay => Some(LinkWhy::OneWay),
            LinkState::Down if self.has_wrong_baud(now, span) => Some(LinkWhy::WrongBaud),
            LinkState::Down if within(self.noise_at, now, span) => Some(LinkWhy::Noise),
            LinkState::Down => Some(LinkWhy::Silence),
        }
    }
}

impl Link {
    /// What of it decides; `theirs`: the series of the peer's beats.
    pub fn digest(&self, lens: &Lens, theirs: (u64, u64), out: &mut impl Digest) {
        let Self {
            kind: _,
            deframer: _,
            counters: _,
            device,
            junk: _,
            rx_top,
            heard_at,
            noise_at: _,
            looped_at: _,
            lost_at,
            owes_beat,
            owes_hello,
            hello_at,
            state: _,
            busy_until,
            marks: _,
            next_mark: _,
        } = self;
        out.word(u64::from(lost_at.is_some()));
        for flag in [device, owes_beat, owes_hello] {
            out.word(u64::from(*flag));
        }
        out.count(theirs, *rx_top);
        out.word(lens.fresh(*heard_at, lens.timing.deadtime));
        out.word(lens.fresh(*hello_at, lens.timing.keepalive));
        out.word(lens.until(*busy_until));
    }

    fn has_wrong_baud(&self, now: Instant, span: Duration) -> bool {
        matches!(self.kind, LinkKind::Serial { .. }) && self.junk.is_wrong_baud(now, span)
    }
}

/// Whether a count of frames can be true: 2^62 are more than a frame a nanosecond for a century.
pub(super) const fn is_plausible(count: u64) -> bool {
    count < 1 << 62
}

/// Whether `at` lies less than `span` before `now`.
pub(super) fn within(at: Option<Instant>, now: Instant, span: Duration) -> bool {
    at.is_some_and(|at| now < at + span)
}
