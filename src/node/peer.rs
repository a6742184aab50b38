//! The other node: the handshake, its life and silence over all links, and whether it is to be trusted.

use super::digest::{Digest, Lens, maybe, nonce_name};
use super::link::within;
use super::session::{Facts, Session};
use super::setup::Setup;
use crate::time::{Duration, Instant};
use crate::wire::auth::{Key, Method};
use crate::wire::hello::{Hello, MACS_MAX, Nonce};
use heapless::Vec;

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Never heard, and initdead is not over.
    Unknown,
    /// Fresh beats within deadtime.
    Alive,
    /// Silent for deadtime, or never heard for initdead.
    Dead,
    /// It said goodbye with every group stopped.
    Left,
    /// Somebody is there whom this node must not trust.
    Untrusted(Untrusted),
}

/// Why a peer is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrusted {
    /// Its frames do not verify with the key they name.
    WrongKey,
    /// It belongs to another cluster.
    OtherCluster,
    /// It has this node's name.
    SameName,
    /// Its haresources or auto_failback differ.
    DifferentHaresources,
    /// It speaks another version of the protocol.
    OtherVersion(u8),
}

/// What became of a hello.
pub(super) enum Greeting {
    /// It is of no use: a loop, a neighbour, or older than what is known.
    Ignored(Ignored),
    /// It is not to be trusted. `proven`: authentic, and proved to be there lately, which no recording can.
    Untrusted { why: Untrusted, proven: bool },
    /// It knows nothing of my offer: to be answered.
    Answer,
    /// It proves a live peer: a session has begun, with a new run or not.
    Session { new_run: bool },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignored {
    Own,
    Neighbour,
    Old,
}

/// The latest hello without proof of freshness: with it and my offer a beat of the peer can prove itself.
#[derive(Clone)]
struct Pending {
    nonce: Nonce,
    sequence: u32,
    facts: Facts,
    key: u32,
}

#[derive(Clone)]
pub(super) struct Peer {
    pub session: Option<Session>,
    pub state: PeerState,
    /// The last fresh word of the peer, or the start of this node while there was none; moved by own stalls.
    pub silent_since: Instant,
    pub ever_heard: bool,
    /// Since when it has been alive without a break.
    pub alive_since: Option<Instant>,
    /// It left; its last beat is the session's news.
    pub left: bool,
    /// Goodbyes and asks must echo this beat of mine at least: one that lay in a buffer during a stall does not count.
    pub stall_floor: u64,
    pub unauthentic_at: Option<Instant>,
    /// The session before this node's haresources changed. Beats in it are the peer's, but their groups' numbers mean
    /// something else: they show that it is there, and nothing more.
    pub former: Option<Session>,
    /// The setup has changed: a new session is to tell the peer.
    pub renew: bool,

    /// Its service MACs, as its last trusted hello told them.
    pub macs: Vec<[u8; 6], MACS_MAX>,
    untrusted: Option<(Untrusted, Instant)>,
    /// Last frame that forbids a takeover for as long as such frames come.
    barred_at: Option<Instant>,
    /// Last such frame from Ethernet that anybody could have sent: unauthentic, or a recording.
    doubted_at: Option<Instant>,
    pending: Option<Pending>,
    /// The offer of the authentic node that is not to be trusted.
    stranger: Option<Nonce>,
    /// When such a node last proved that it is there.
    proved_at: Option<Instant>,
    last_run: Option<u64>,
    offer: Nonce,
    nonces: Nonces,
}

/// Nonces drawn from a random seed: the core has no source of randomness.
#[derive(Clone)]
struct Nonces {
    seed: Key,
    count: u64,
}

impl Nonces {
    fn draw(&mut self) -> Nonce {
        self.count += 1;
        let tag = self.seed.sign(&[b"lubdub nonce", &self.count.to_le_bytes()]);
        *tag.first_chunk().expect("a SHA-256 tag has sixteen bytes")
    }
}

impl Peer {
    pub fn new(now: Instant, setup: &Setup) -> Self {
        let seed = Key::new(0, Method::Sha256, &setup.seed).expect("a seed is shorter than a secret may be");
        let mut nonces = Nonces { seed, count: 0 };
        let offer = nonces.draw();
        Self {
            session: None,
            state: PeerState::Unknown,
            silent_since: now,
            ever_heard: false,
            alive_since: None,
            left: false,
            stall_floor: 0,
            unauthentic_at: None,
            former: None,
            renew: false,

            macs: Vec::new(),
            untrusted: None,
            barred_at: None,
            doubted_at: None,
            pending: None,
            stranger: None,
            proved_at: None,
            last_run: None,
            offer,
            nonces,
        }
    }

    pub fn offer(&self) -> Nonce {
        self.offer
    }

    /// The peer's offer that a hello of mine answers.
    pub fn answered(&self) -> Option<Nonce> {
        self.pending.as_ref().map(|pending| pending.nonce).or(self.stranger)
    }

    /// The fingerprint of the key for an answer: one that the greeted peer accepts.
    pub fn answer_key(&self) -> Option<u32> {
        self.pending.as_ref().map(|pending| pending.key)
    }

    /// HANDSHAKE: takes a hello and says what it means. `authentic`: its tag verified with key `key`.
    pub fn greet(&mut self, now: Instant, setup: &Setup, hello: &Hello<'_>, authentic: bool) -> Greeting {
        let own_run = self.session.as_ref().is_some_and(|session| session.mine == hello.nonce);
        if hello.nonce == self.offer || own_run || authentic && hello.run == setup.run {
            return Greeting::Ignored(Ignored::Own);
        }
        if hello.node != setup.name && hello.node != setup.peer {
            return Greeting::Ignored(Ignored::Neighbour);
        }
        match suspicion(setup, hello, authentic) {
            Some(why) => Greeting::Untrusted { why, proven: authentic && self.proves(now, setup, hello) },
            None => self.welcome(now, setup, hello),
        }
    }

    /// Whether an untrusted node is there for certain: its hello answers my offer, which is then used up, or one did
    /// within initdead, since lost frames make no proof stale. My next hello tells it what to answer.
    fn proves(&mut self, now: Instant, setup: &Setup, hello: &Hello<'_>) -> bool {
        self.stranger = Some(hello.nonce);
        if hello.answers == Some(self.offer) {
            self.offer = self.nonces.draw();
            self.proved_at = Some(now);
        }
        within(self.proved_at, now, setup.timing.initdead)
    }

    fn welcome(&mut self, now: Instant, setup: &Setup, hello: &Hello<'_>) -> Greeting {
        self.macs.clone_from(&hello.macs);
        if hello.answers == Some(self.offer) {
            let key = setup.keys.send_to(&hello.fingerprints).fingerprint();
            return Greeting::Session { new_run: self.begin(now, setup, hello.nonce, Facts::of(hello), key) };
        }
        if let Some(session) = &self.session
            && session.theirs == hello.nonce
            && now < session.began + setup.timing.warntime
        {
            // Sent before the peer entered this session: my beats will bring it in.
            return Greeting::Ignored(Ignored::Old);
        }
        let older = |known: &Pending| known.facts.run == hello.run && hello.sequence < known.sequence;
        if self.pending.as_ref().is_some_and(older) {
            return Greeting::Ignored(Ignored::Old);
        }
        self.pending = Some(Pending {
            nonce: hello.nonce,
            sequence: hello.sequence,
            facts: Facts::of(hello),
            key: setup.keys.send_to(&hello.fingerprints).fingerprint(),
        });
        Greeting::Answer
    }

    /// The session that a beat would begin if it verifies: the peer's latest nonce with my offer.
    pub fn prospect(&self, now: Instant, deadtime: Duration) -> Option<Session> {
        let pending = self.pending.as_ref()?;
        Some(Session::new(now, self.offer, pending.nonce, pending.facts, pending.key, deadtime))
    }

    /// A beat verified in the prospect.
    pub fn accept_prospect(&mut self, now: Instant, setup: &Setup) -> Option<bool> {
        let pending = self.pending.take()?;
        Some(self.begin(now, setup, pending.nonce, pending.facts, pending.key))
    }

    /// Enters a session: the offer is used up. Whether the peer is another run than the last one known.
    fn begin(&mut self, now: Instant, setup: &Setup, theirs: Nonce, facts: Facts, key: u32) -> bool {
        let new_run = self.last_run != Some(facts.run);
        self.session = Some(Session::new(now, self.offer, theirs, facts, key, setup.timing.deadtime));
        self.offer = self.nonces.draw();
        self.pending = None;
        self.stranger = None;
        self.renew = false;
        self.former = None;
        self.last_run = Some(facts.run);
        self.left = false;
        self.stall_floor = 0;
        if new_run {
            self.alive_since = None;
        }
        self.lives(now);
        new_run
    }

    /// The haresources of this node have changed, so the peer's differ until it has reloaded too.
    pub fn part(&mut self, now: Instant) {
        if let Some(session) = self.session.take() {
            self.former = Some(session);
            self.suspect(now, Untrusted::DifferentHaresources, true);
        }
    }

    /// Something fresh came.
    pub fn lives(&mut self, now: Instant) {
        self.silent_since = now;
        self.ever_heard = true;
    }

    /// Somebody untrusted is there. `certain`: these frames are fresh and authentic, or came over a cable, where nobody
    /// else can send.
    pub fn suspect(&mut self, now: Instant, why: Untrusted, certain: bool) {
        self.untrusted = Some((why, now));
        *if certain { &mut self.barred_at } else { &mut self.doubted_at } = Some(now);
    }

    /// L7: this node was late by `length`; that time is nobody's silence. A goodbye is believed no longer, since the peer
    /// may have come back meanwhile.
    pub fn stalled(&mut self, length: Duration) {
        self.silent_since += length;
        self.left = false;
        self.stall_floor = self.session.as_ref().map_or(0, |session| session.tx_seq() + 1);
        let times = [&mut self.barred_at, &mut self.doubted_at, &mut self.proved_at, &mut self.unauthentic_at];
        for at in times.into_iter().flatten() {
            *at += length;
        }
        if let Some((_, at)) = &mut self.untrusted {
            *at += length;
        }
    }

    pub fn is_alive(&self, now: Instant, setup: &Setup) -> bool {
        self.session.is_some() && !self.left && now < self.silent_since + setup.timing.deadtime
    }

    /// Why somebody untrusted is present; beside a live session such frames are only counted.
    pub fn untrusted(&self, now: Instant, setup: &Setup) -> Option<Untrusted> {
        let (why, at) = self.untrusted?;
        (!self.is_alive(now, setup) && within(Some(at), now, setup.timing.deadtime)).then_some(why)
    }

    pub fn untrusted_until(&self, setup: &Setup) -> Option<Instant> {
        self.untrusted.map(|(_, at)| at + setup.timing.deadtime)
    }

    /// How long silence must last: deadtime, or initdead for a peer never heard in this run.
    pub fn patience(&self, setup: &Setup) -> Duration {
        if self.ever_heard { setup.timing.deadtime } else { setup.timing.initdead }
    }

    /// What of it decides; `run`: of this node; `own`: the series of its beats.
    pub fn digest(&self, lens: &Lens, own: (u64, u64), out: &mut impl Digest) {
        let Self {
            session,
            state,
            silent_since,
            ever_heard,
            alive_since,
            left,
            stall_floor,
            unauthentic_at,
            // Told to the shell alone.
            macs: _,
            former,
            renew,
            untrusted,
            barred_at,
            doubted_at,
            pending,
            stranger,
            proved_at,
            last_run,
            offer,
            nonces: _,
        } = self;
        let timing = &lens.timing;
        for session in [session, former] {
            maybe(out, session.as_ref(), |out, session| session.digest(lens, out));
        }
        out.word(match state {
            PeerState::Unknown => 0,
            PeerState::Alive => 1,
            PeerState::Dead => 2,
            PeerState::Left => 3,
            PeerState::Untrusted(_) => 4,
        });
        // Twice: a doubt may delay a takeover by one more initdead.
        out.word(lens.until(*silent_since + timing.initdead.times(2)));
        for flag in [ever_heard, left, renew] {
            out.word(u64::from(*flag));
        }
        // How long ago is told by the groups, which know F.
        out.word(u64::from(alive_since.is_some()));
        out.count(own, *stall_floor);
        out.word(lens.fresh(*unauthentic_at, timing.warntime));
        for at in [untrusted.map(|(_, at)| at), *barred_at, *doubted_at] {
            out.word(lens.fresh(at, timing.deadtime));
        }
        maybe(out, pending.as_ref(), |out, Pending { nonce, sequence, facts, key }| {
            out.name(nonce_name(nonce));
            out.count((facts.run, facts.run), u64::from(*sequence));
            facts.digest(out);
            out.word(u64::from(*key));
        });
        out.word(lens.fresh(*proved_at, timing.initdead));
        maybe(out, stranger.as_ref(), |out, nonce| out.name(nonce_name(nonce)));
        maybe(out, *last_run, |out, run| out.name(run));
        out.name(nonce_name(offer));
    }

    /// When silence allows a takeover. Unauthentic frames from Ethernet delay the start of a group with a VIP by one more
    /// initdead at most; other untrusted frames forbid it for as long as they come.
    pub fn takeover_at(&self, setup: &Setup, has_vip: bool) -> Instant {
        let quiet = |at: Option<Instant>| at.map_or(Instant::ZERO, |at| at + setup.timing.deadtime);
        let due = self.silent_since + self.patience(setup);
        let doubt = quiet(self.doubted_at);
        let doubt = if has_vip { doubt.min(due + setup.timing.initdead) } else { doubt };
        due.max(quiet(self.barred_at)).max(doubt)
    }
}

fn suspicion(setup: &Setup, hello: &Hello<'_>, authentic: bool) -> Option<Untrusted> {
    if !authentic {
        Some(Untrusted::WrongKey)
    } else if hello.node == setup.name {
        Some(Untrusted::SameName)
    } else if hello.cluster != setup.cluster {
        Some(Untrusted::OtherCluster)
    } else if hello.digest != setup.digest {
        Some(Untrusted::DifferentHaresources)
    } else {
        None
    }
}
