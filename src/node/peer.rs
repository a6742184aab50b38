//! The other node: the handshake, its life and silence over all links, and whether it is to be trusted.

use super::asked::Asked;
use super::callers::{Caller, Callers};
use super::digest::{Digest, Lens, maybe, nonce_name};
use super::link::within;
use super::memory::Memory;
use super::session::{Facts, Session};
use super::setup::Setup;
use crate::lease::{self, PROBE_WAIT, PROBES};
use crate::time::{Duration, Instant};
use crate::wire::auth::{Key, Method};
use crate::wire::beat::State;
use crate::wire::hello::{Hello, MACS_MAX, Nonce};
use crate::wire::loss::Loss;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerState {
    /// Never heard, and initdead is not over.
    Unknown,
    /// Fresh beats within deadtime.
    Alive,
    /// Silent for deadtime, or never heard for initdead.
    Dead,
    /// It said goodbye with every group stopped.
    Left,
    /// Silent on every link, and yet it lives: its MAC answers for a VIP after any lease of it, or asks for one. Every
    /// heartbeat link is broken.
    SplitSuspected,
    /// Somebody is there whom this node must not trust.
    Untrusted(Untrusted),
}

/// Why a peer is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// How a hello came.
#[derive(Clone, Copy)]
pub(super) struct Heard {
    /// Its tag verified.
    pub authentic: bool,
    /// Over a cable, where nobody but the other end can send.
    pub on_cable: bool,
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

/// What my next hello answers.
#[derive(Clone, Copy)]
pub(super) struct Answered {
    /// An offer.
    pub nonce: Nonce,
    /// The fingerprint of a key that its sender accepts, and its run; none of somebody who is not to be trusted.
    pub key: Option<u32>,
    pub run: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignored {
    Own,
    Neighbour,
    Old,
}

#[derive(Clone, Serialize, Deserialize)]
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
    /// Since when every link has lost its other end.
    pub unplugged: Option<Instant>,
    /// When it last said that it cannot see the service LAN.
    pub blind_at: Option<Instant>,
    /// An operator or a device has made sure that it is off; until it is heard again, or this node has stalled.
    fenced: bool,
    /// When this node stalled last, until it went on.
    stalled_at: Option<Instant>,
    /// The lease that it told last, in whatever session.
    told_lease: Duration,
    /// A lease told before that ends later than the present one, and when it has run out.
    former_lease: (Duration, Instant),
    /// The setup has changed: a new session is to tell the peer.
    pub renew: bool,
    /// How it was lost last.
    pub memory: Memory,
    /// Whether it asks for VIPs.
    pub asked: Asked,

    /// Its service MACs, as its last trusted hello told them.
    pub macs: Vec<[u8; 6], MACS_MAX>,
    untrusted: Option<(Untrusted, Instant)>,
    /// Last frame that forbids a takeover for as long as such frames come.
    barred_at: Option<Instant>,
    /// Last such frame from Ethernet that anybody could have sent: unauthentic, or a recording.
    doubted_at: Option<Instant>,
    /// Beats over Ethernet that are not the peer's, beside its own: since when in this session, and the last of them.
    din: Option<(Instant, Instant)>,
    callers: Callers,
    /// The offer of the authentic node that is not to be trusted.
    stranger: Option<Nonce>,
    /// When such a node last proved that it is there.
    proved_at: Option<Instant>,
    /// The run of the latest session, and the number of its latest hello.
    last_run: Option<(u64, u32)>,
    offer: Nonce,
    #[serde(skip)]
    nonces: Nonces,
}

/// Nonces drawn from a random seed: the core has no source of randomness.
#[derive(Clone)]
struct Nonces {
    seed: Key,
    count: u64,
    /// What is drawn next, where a journal tells it.
    told: Option<Nonce>,
}

/// In a replay: what was drawn is told.
impl Default for Nonces {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Nonces {
    fn new(seed: &[u8]) -> Self {
        let seed = Key::new(0, Method::Sha256, seed).expect("a seed is shorter than a secret may be");
        Self { seed, count: 0, told: None }
    }

    fn draw(&mut self) -> Nonce {
        if let Some(told) = self.told.take() {
            return told;
        }
        self.count += 1;
        let tag = self.seed.sign(&[b"lubdub nonce", &self.count.to_le_bytes()]);
        *tag.first_chunk().expect("a SHA-256 tag has sixteen bytes")
    }
}

impl Peer {
    pub fn new(now: Instant, setup: &Setup) -> Self {
        let mut nonces = Nonces::new(&setup.seed);
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
            unplugged: None,
            blind_at: None,
            fenced: false,
            stalled_at: None,
            told_lease: Duration::ZERO,
            former_lease: (Duration::ZERO, Instant::ZERO),
            renew: false,
            memory: Memory::default(),
            asked: Asked::default(),

            macs: Vec::new(),
            untrusted: None,
            barred_at: None,
            doubted_at: None,
            din: None,
            callers: Callers::default(),
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

    /// What the next draw gives (a replay).
    pub fn tell_nonce(&mut self, nonce: Option<Nonce>) {
        self.nonces.told = nonce;
    }

    /// What my next hello answers.
    ///
    /// A hello that tells of a new setup answers nobody now and then: the peer believes an answer to an offer that it did
    /// not make as little as the recording that was answered.
    pub fn answer(&mut self, now: Instant, setup: &Setup) -> Option<Answered> {
        let turn = self.callers.next_turn();
        if self.renew && turn.is_multiple_of(2) {
            return None;
        }
        let caller = self.callers.chosen(turn, now, setup.timing.deadtime);
        let caller = caller.map(|it| Answered { nonce: it.nonce, key: Some(it.key), run: Some(it.facts.run) });
        caller.or(self.stranger.map(|nonce| Answered { nonce, key: None, run: None }))
    }

    /// HANDSHAKE: takes a hello and says what it means.
    pub fn greet(&mut self, now: Instant, setup: &Setup, hello: &Hello<'_>, heard: Heard) -> Greeting {
        let Heard { authentic, on_cable } = heard;
        let own_run = self.session.as_ref().is_some_and(|session| session.mine == hello.nonce);
        if hello.nonce == self.offer || own_run || authentic && hello.run == setup.run {
            return Greeting::Ignored(Ignored::Own);
        }
        if hello.node != setup.name && hello.node != setup.peer {
            return Greeting::Ignored(Ignored::Neighbour);
        }
        match suspicion(setup, hello, authentic) {
            Some(why) => Greeting::Untrusted { why, proven: authentic && self.proves(now, setup, hello) },
            None => self.welcome(now, setup, hello, on_cable),
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

    fn welcome(&mut self, now: Instant, setup: &Setup, hello: &Hello<'_>, on_cable: bool) -> Greeting {
        let caller = Caller::new(now, setup, hello, on_cable);
        if hello.answers == Some(self.offer) {
            if self.is_settled(now, setup, hello.run) {
                // Used up all the same: a recording of this hello must not begin a session later.
                self.withdraw_offer();
                return Greeting::Ignored(Ignored::Old);
            }
            return Greeting::Session { new_run: self.begin(now, setup, &caller) };
        }
        if self.is_old(now, setup, hello) || !self.callers.note(caller) {
            return Greeting::Ignored(Ignored::Old);
        }
        Greeting::Answer
    }

    /// Whether there is a session with that run in which beats come, and no reason for another: a hello that crossed the
    /// first of them on its way must not take back what they said.
    fn is_settled(&self, now: Instant, setup: &Setup, run: u64) -> bool {
        let heard = |session: &Session| session.facts.run == run && session.news.is_some();
        !self.renew && self.is_alive(now, setup) && self.session.as_ref().is_some_and(heard)
    }

    /// Whether a hello tells nothing: the live peer did not send it, or not lately. A session that works is not given up
    /// for a recording, nor for a hello of the peer that answers one.
    fn is_old(&mut self, now: Instant, setup: &Setup, hello: &Hello<'_>) -> bool {
        if let Some((run, sequence)) = &mut self.last_run
            && *run == hello.run
        {
            if hello.sequence < *sequence {
                return true;
            }
            *sequence = hello.sequence;
        }
        let Some(session) = &self.session else { return false };
        let works = !self.left && session.is_two_way(now, setup.timing.deadtime);
        // Sent before the peer entered this session: my beats will bring it in.
        let entering = session.theirs == hello.nonce && now < session.began + setup.timing.warntime;
        entering
            || works && (session.theirs == hello.nonce || session.facts.run == hello.run && hello.answers.is_some())
    }

    /// The sessions that a beat would begin if it verifies: an unproven nonce with my offer.
    pub fn prospects(&self, now: Instant, deadtime: Duration) -> impl Iterator<Item = (usize, Session)> {
        let session =
            move |caller: &Caller| Session::new(now, self.offer, caller.nonce, caller.facts, caller.key, deadtime);
        (0..).zip(self.callers.iter().map(session))
    }

    /// A beat verified in a prospect.
    pub fn accept_prospect(&mut self, now: Instant, setup: &Setup, number: usize) -> Option<bool> {
        let caller = self.callers.iter().nth(number)?.clone();
        Some(self.begin(now, setup, &caller))
    }

    /// Enters a session: the offer is used up. Whether the peer is another run than the last one known.
    fn begin(&mut self, now: Instant, setup: &Setup, caller: &Caller) -> bool {
        let Caller { nonce, sequence, facts, ref macs, key, .. } = *caller;
        let new_run = self.last_run.is_none_or(|(run, _)| run != facts.run);
        self.remember_lease(now, facts.lease);
        let known = self.last_run.filter(|_| !new_run).map_or(0, |(_, sequence)| sequence);
        self.session = Some(Session::new(now, self.offer, nonce, facts, key, setup.timing.deadtime));
        self.offer = self.nonces.draw();
        self.macs.clone_from(macs);
        self.callers.forget();
        self.stranger = None;
        self.din = None;
        self.renew = false;
        self.former = None;
        self.last_run = Some((facts.run, known.max(sequence)));
        self.memory.is_back(facts.run);
        self.left = false;
        // What is read at once with the hello may be as old as a stall: until a beat of mine is echoed it grants nothing.
        self.stall_floor = 1;
        if new_run {
            self.alive_since = None;
        }
        self.lives(now);
        new_run
    }

    /// What was renewed before this session may outlast what it tells. A lease of before that is waited for is none that the
    /// peer still renews, and another session does not make it last longer.
    fn remember_lease(&mut self, now: Instant, told: Duration) {
        let before = self.told_lease;
        let (former, until) = self.former_lease;
        let former = Some((former, until)).filter(|_| now < until);
        if lease::silence(before) > lease::silence(told) {
            let (longest, until) = former.unwrap_or_default();
            let longest = if lease::silence(before) > lease::silence(longest) { before } else { longest };
            self.former_lease = (longest, until.max(now + lease::silence(before)));
        }
        self.told_lease = told;
    }

    /// The peer's lease; zero where it has told of none. The end of a session ends no lease. Of two the one that ends later
    /// counts, which is not always the longer one: their kinds differ in how late the kernel may be.
    pub fn lease(&self, now: Instant) -> Duration {
        let (told, (former, until)) = (self.told_lease, self.former_lease);
        let outlives = now < until && lease::silence(former) > lease::silence(told);
        if outlives { former } else { told }
    }

    /// Another setup: whoever was not to be trusted may be the peer now. An answer to such a hello would let it begin a
    /// session that this node cannot enter, not knowing what the hello told.
    pub fn forget_stranger(&mut self) {
        self.stranger = None;
    }

    /// What was offered with another setup begins no session: the peer would not know the new one, and this node not the
    /// hello that the peer's beats are signed over.
    pub fn withdraw_offer(&mut self) {
        self.offer = self.nonces.draw();
    }

    /// The haresources of this node have changed, so the peer's differ until it has reloaded too. What a goodbye said of
    /// groups is void with their numbers: a peer that has left is a silent one from now on.
    pub fn part(&mut self, now: Instant) {
        if let Some(session) = self.session.take() {
            self.former = Some(session);
            self.din = None;
            if !core::mem::take(&mut self.left) {
                self.suspect(now, Untrusted::DifferentHaresources, true);
            }
        }
    }

    /// Something fresh came.
    pub fn lives(&mut self, now: Instant) {
        self.silent_since = now;
        self.ever_heard = true;
        self.fenced = false;
        self.asked = Asked::default();
    }

    /// Somebody untrusted is there. `certain`: these frames are fresh and authentic, or came over a cable, where nobody
    /// else can send.
    pub fn suspect(&mut self, now: Instant, why: Untrusted, certain: bool) {
        self.untrusted = Some((why, now));
        *if certain { &mut self.barred_at } else { &mut self.doubted_at } = Some(now);
    }

    /// Somebody is there of whom nothing else is known: nothing is taken from them.
    pub fn bar(&mut self, now: Instant) {
        self.barred_at = Some(now);
    }

    /// Somebody beats over Ethernet in a session that this run does not know: the peer in that with a former one, a
    /// neighbour, or anybody. What had gone on for initdead by the time of the peer's last word is not the peer, which is
    /// in one session at a time: a cluster beside this one delays nothing.
    pub fn doubt(&mut self, now: Instant, setup: &Setup) {
        let initdead = setup.timing.initdead;
        let (since, _) = self.din.filter(|(_, last)| now < *last + initdead).unwrap_or((now, now));
        self.din = Some((since, now));
        if since + initdead > self.silent_since {
            self.doubted_at = Some(now);
        }
    }

    /// It is off for certain, a device or a human says: believed unless it may have been said before this node went on
    /// after a stall, in which the peer may have come back and taken what this node then would take too.
    pub fn is_off(&mut self, now: Instant, setup: &Setup) -> bool {
        self.fenced |= !within(self.stalled_at, now, setup.timing.keepalive);
        self.fenced
    }

    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// L7: this node was late by `length` until now; that time is nobody's silence. A goodbye is believed no longer, nor a
    /// fencing, since the peer may have come back meanwhile.
    pub fn stalled(&mut self, now: Instant, length: Duration) {
        self.silent_since += length;
        self.left = false;
        self.fenced = false;
        self.stalled_at = Some(now);
        self.stall_floor = self.session.as_ref().map_or(0, |session| session.tx_seq() + 1);
        self.asked.stalled(length);
        let times = [&mut self.barred_at, &mut self.doubted_at, &mut self.proved_at, &mut self.unauthentic_at];
        for at in times.into_iter().flatten() {
            *at += length;
        }
        if let Some((_, at)) = &mut self.untrusted {
            *at += length;
        }
        if let Some((since, last)) = &mut self.din {
            *since += length;
            *last += length;
        }
    }

    pub fn is_alive(&self, now: Instant, setup: &Setup) -> bool {
        self.unplugged.is_none() && self.is_heard(now, setup)
    }

    /// Whether what it said last still stands where both hold a group (HEAL): it is alive, or that was on its way when the
    /// last link lost its other end. To whoever sent it, it was a word of the living.
    pub fn is_heard(&self, now: Instant, setup: &Setup) -> bool {
        let after = self.unplugged.is_none_or(|lost| self.silent_since >= lost);
        self.session.is_some() && !self.left && after && now < self.silent_since + setup.timing.deadtime
    }

    /// Why somebody untrusted is present; beside a live session such frames are only counted.
    pub fn untrusted(&self, now: Instant, setup: &Setup) -> Option<Untrusted> {
        let (why, at) = self.untrusted?;
        (!self.is_alive(now, setup) && within(Some(at), now, setup.timing.deadtime)).then_some(why)
    }

    pub fn untrusted_until(&self, setup: &Setup) -> Option<Instant> {
        self.untrusted.map(|(_, at)| at + setup.timing.deadtime)
    }

    /// Neither the peer nor anybody untrusted, nor a frame that proves nothing: it may be a beat of the peer in the session
    /// of this node's former run.
    pub fn nobody_was_heard(&self) -> bool {
        let nobody = self.untrusted.is_none() && self.callers.iter().next().is_none();
        !self.ever_heard && nobody && self.unauthentic_at.is_none()
    }

    /// Its latest word is that it cannot see the service LAN.
    pub fn is_blind(&self) -> bool {
        self.session.as_ref().and_then(|session| session.news.as_ref()).is_some_and(|news| news.beat.blind)
    }

    /// It has not said so for a while. A switch that comes back is not seen by both nodes at the same moment.
    pub fn has_seen(&self, now: Instant, setup: &Setup) -> bool {
        !self.is_blind() && !within(self.blind_at, now, setup.timing.initdead)
    }

    /// It has sent a probe for a VIP.
    pub fn asks(&mut self, now: Instant, setup: &Setup) {
        let span = self.asks_every(setup.timing.keepalive);
        self.asked.note(now, span);
    }

    /// Until when it counts as asking for VIPs; none when it does not.
    pub fn asks_until(&self, setup: &Setup) -> Option<Instant> {
        self.asked.until(self.asks_every(setup.timing.keepalive))
    }

    /// By the slower keepalive of the two.
    fn asks_every(&self, keepalive: Duration) -> Duration {
        Asked::span(self.session.as_ref().map_or(keepalive, |session| session.facts.keepalive.max(keepalive)))
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
            // Told to people alone.
            memory: _,
            asked,
            former,
            unplugged,
            blind_at,
            fenced,
            stalled_at,
            told_lease,
            former_lease: (former_lease, former_lease_until),
            renew,
            untrusted,
            barred_at,
            doubted_at,
            din,
            callers,
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
            PeerState::SplitSuspected => 5,
        });
        asked.digest(lens, self.asks_every(timing.keepalive), out);
        maybe(out, *unplugged, |out, at| out.word(lens.until(at + timing.initdead)));
        out.word(lens.fresh(*blind_at, timing.initdead.times(8)));
        out.word(told_lease.as_micros());
        out.word(former_lease.as_micros());
        out.word(lens.until(*former_lease_until));
        // Twice: a doubt may delay a takeover by one more initdead.
        out.word(lens.until(*silent_since + timing.initdead.times(2)));
        for flag in [ever_heard, left, renew, fenced] {
            out.word(u64::from(*flag));
        }
        out.word(lens.fresh(*stalled_at, timing.keepalive));
        // How long ago is told by the groups, which know F.
        out.word(u64::from(alive_since.is_some()));
        out.count(own, *stall_floor);
        out.word(lens.fresh(*unauthentic_at, timing.warntime));
        for at in [untrusted.map(|(_, at)| at), *barred_at, *doubted_at] {
            out.word(lens.fresh(at, timing.deadtime));
        }
        maybe(out, *din, |out, (since, last)| {
            let known = since + timing.initdead;
            out.word(lens.until(known).max(u64::from(known > *silent_since)));
            out.word(lens.fresh(Some(last), timing.initdead));
        });
        callers.digest(lens, out);
        out.word(lens.fresh(*proved_at, timing.initdead));
        maybe(out, stranger.as_ref(), |out, nonce| out.name(nonce_name(nonce)));
        maybe(out, *last_run, |out, (run, sequence)| {
            out.name(run);
            out.count((run, run), u64::from(sequence));
        });
        out.name(nonce_name(offer));
    }

    /// How long silence must last before a group may be taken: patience, and as long as the peer's lease on a VIP.
    /// `granted`: the peer may have used this node's grant without having been heard since.
    fn wait(&self, now: Instant, setup: &Setup, has_vip: bool, granted: bool) -> Duration {
        let patience = self.patience(setup);
        if !has_vip || !setup.guard.outlast {
            return patience;
        }
        let told = if self.ever_heard { self.lease(now) } else { setup.guard.lease.unwrap_or_default() };
        let wait = patience.max(lease::silence(told));
        if granted { wait + lease::ends_within(told) } else { wait }
    }

    /// When silence allows a takeover.
    pub fn takeover_at(&self, now: Instant, setup: &Setup, has_vip: bool, granted: bool) -> Instant {
        let due = self.silent_since + self.wait(now, setup, has_vip, granted);
        due.max(self.strangers_until(due, setup, has_vip))
    }

    /// Until when somebody untrusted forbids a start that is due then. Unauthentic frames from Ethernet delay the start of
    /// a group with a VIP by one more initdead at most; other untrusted frames forbid it for as long as they come.
    pub fn strangers_until(&self, due: Instant, setup: &Setup, has_vip: bool) -> Instant {
        let quiet = |at: Option<Instant>| at.map_or(Instant::ZERO, |at| at + setup.timing.deadtime);
        let doubt = quiet(self.doubted_at);
        let doubt = if has_vip { doubt.min(due + setup.timing.initdead) } else { doubt };
        quiet(self.barred_at).max(doubt)
    }

    /// How it was lost, just now. What its last beat was stopping comes first: a node that cannot stop a resource resets
    /// itself, and then its lines fall too.
    pub fn loss(&self) -> Loss {
        let news = self.session.as_ref().and_then(|session| session.news.as_ref());
        let stopping = news.is_some_and(|news| news.beat.groups.iter().any(|word| word.state == State::Stopping));
        match self.unplugged {
            _ if self.left => Loss::Goodbye,
            _ if stopping => Loss::Stopping,
            Some(_) => Loss::Unplugged,
            None => Loss::Silence,
        }
    }

    /// It said goodbye so lately that no new run of it can have taken anything since: the goodbye is younger than the beat
    /// of mine that it echoes. However long it was on its way counts too, as for consent.
    pub fn left_lately(&self, now: Instant, setup: &Setup) -> bool {
        let Some(session) = self.session.as_ref().filter(|_| self.left) else { return false };
        let Facts { keepalive, deadtime, .. } = session.facts;
        session.is_two_way(now, deadtime.min(setup.timing.deadtime) - keepalive.max(setup.timing.keepalive))
    }

    /// When the peer's goodbye allows a start: at once, unless somebody untrusted has come after it.
    pub fn goodbye_at(&self, setup: &Setup, has_vip: bool) -> Option<Instant> {
        self.left.then(|| self.strangers_until(self.silent_since, setup, has_vip))
    }

    /// When to begin to ask for VIPs: at warntime, or just early enough for the probes that must stay unanswered.
    pub fn look_at(&self, now: Instant, setup: &Setup) -> Instant {
        let probes = PROBE_WAIT.times(PROBES);
        let wait = self.wait(now, setup, true, false) - probes;
        self.silent_since + if self.ever_heard { wait.min(setup.timing.warntime) } else { wait }
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
