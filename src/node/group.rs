//! Ownership of one group: the one match that decides.
//!
//! The rules are named as in the design: ACQUIRE, ASK, RELEASE, HEAL, FAILBACK. Everything is level-triggered: `decide`
//! looks at the present scene and may be called at any time, any number of times.

use super::digest::{Digest, Lens, maybe};
use super::event::{Cause, Event};
use super::guard::Guard;
use super::setup::GroupSetup;
use super::sight::{By, Sight};
use super::warrant::Warrant;
use crate::time::{Duration, Instant};
use crate::wire::beat::{GroupWord, State, Term};
use heapless::{Deque, Vec};
use serde::{Deserialize, Serialize};

/// Starts tried in a row before the group is `failed` here and the peer may have it.
pub const START_ATTEMPTS: u8 = 2;
/// The wait before a failed stop is tried again; doubled by each failure.
pub const STOP_RETRY: Duration = Duration::from_secs(1);
/// The longest such wait.
pub const STOP_RETRY_MAX: Duration = Duration::from_secs(60);

/// So long may a stop of the peer take, or its adoption of what a former run left, before it is told: a stop that has
/// failed has been tried again by then. Beside it its deadtime and its lease.
pub const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// The least pause between the probes of a peer that has asked for a while.
pub(super) const PROBE_PAUSE: Duration = Duration::from_millis(100);

/// F is doubled by each failback within this time, and never longer than it.
pub const FAILBACK_MEMORY: Duration = Duration::from_secs(3600);
/// Failbacks remembered: with so many in an hour F is an hour whatever initdead is.
const FAILBACKS: usize = 12;

/// What the shell must do with a group's resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// Start them, left to right.
    Start,
    /// Stop them, right to left.
    Stop,
    /// Remove every VIP at once, before anything else is sent; then stop the rest. Ends a start under way, and takes the
    /// place of a stop under way, of which nothing more is reported.
    Drop,
    /// Announce the VIPs again. There is no answer to it.
    Announce,
    /// Look what a former run has left, and touch nothing: [`Input::Found`](super::Input::Found) tells of a VIP whose
    /// lease has not run out.
    Inventory,
}

/// What a group may know when it decides.
pub(super) struct Scene<'a> {
    pub now: Instant,
    /// The live peer's newest word on this group.
    pub theirs: Option<&'a GroupWord>,
    /// The word that HEAL judges by: that one, or one that was on its way when the last link was lost.
    pub rival: Option<&'a GroupWord>,
    /// The newest word is young enough to stop a group for: two keepalives, and said since this node's last stall.
    pub fresh: bool,
    /// The latest of my beats that the peer had heard, and whether it is young enough to consent to.
    pub echo: u64,
    pub echo_young: bool,
    /// The number of my next beat.
    pub next_seq: u64,
    pub two_way: bool,
    /// The peer is heard, but has not heard this node for a while (HEAL 2).
    pub unheard: bool,
    /// The peer has left, and this was its last word on the group.
    pub goodbye: Option<&'a GroupWord>,
    /// So lately that it cannot have come back unheard.
    pub left_lately: bool,
    /// Silence alone has lasted long enough for a takeover, whoever else may be there.
    pub waited: bool,
    /// Every link was read in this turn.
    pub swept: bool,
    /// The newest word of the session, however old.
    pub last_word: Option<&'a GroupWord>,
    pub warrant: Warrant,
    /// Nobody was ever heard in this run, trusted or not, and every link has carried a frame of it.
    pub alone: bool,
    pub guard: Guard,
    /// How long nothing fresh has been heard.
    pub silent: Duration,
    pub initdead: Duration,
    /// No link of this node has a device: until when it keeps what it holds.
    pub mute: Option<Instant>,
    /// This node is not leaving.
    pub willing: bool,
    /// The peer says that it cannot see the service LAN; and it has seen it for a while.
    pub peer_blind: bool,
    pub peer_sees: bool,
    /// auto_failback is on: since when the peer has been alive, and the least F.
    pub failback: Option<(Instant, Duration)>,
    pub keepalive: Duration,
    pub deadtime: Duration,
}

/// What comes of a decision.
#[derive(Default)]
pub(super) struct Effects {
    pub run: Vec<Verb, 2>,
    pub events: Vec<(State, State, Cause), 2>,
    pub other: Option<Event>,
    /// Silence would let this group start: every link must be read, now.
    pub judge: bool,
    /// The peer is to be fenced.
    pub fence: bool,
}

/// Why a group that this node would take by evidence is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// The VIP is in use (L9).
    InUse,
    /// This node could not hear it (EYES).
    Blind,
    /// The peer is to be fenced first.
    Fencing,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Ask {
    /// The first beat that says so.
    since: u64,
    ordered: bool,
    /// When the peer's grant was first heard.
    grant_heard: Option<Instant>,
}

/// A standing order of the operator on this node.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Wish {
    Take,
    Give,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Group {
    number: u8,
    setup: GroupSetup,
    pub state: State,
    /// The step that runs; there is never a second one.
    step: Option<Verb>,
    ask: Option<Ask>,
    wish: Option<Wish>,
    ordered: bool,
    /// It was stopped for a standby order, and nobody has taken it yet.
    given: bool,
    granted: bool,
    provisional: bool,
    /// When it was acquired last.
    acquired: Instant,
    /// The first beat that offers it for want of the service LAN: an ask that knows nothing of it was opened for another
    /// reason, and proves nothing.
    offered: u64,
    /// The peer was not heard for a while since it is held here.
    unseen: bool,
    /// The claim, fixed when the group was acquired.
    term: Term,
    /// The latest term known.
    seen: Term,
    attempts: u8,
    /// Failed here, and tried once more since the peer died.
    tried: bool,
    /// Said already that it is kept against the peer's lower claim.
    kept: bool,
    failed_stops: u32,
    retry: Option<(Instant, Verb)>,
    quiet_until: Instant,
    /// When it was given back to the preferred node.
    failbacks: Deque<Instant, FAILBACKS>,
    /// When the peer last said that it failed there.
    peer_failed_at: Option<Instant>,
    /// Since when the peer says that it stops it, and whether that was told.
    peer_stops: Option<(Instant, bool)>,
    pub sight: Sight,
    /// Why it is not taken, and when that is said again.
    hold: Option<(Hold, Instant)>,
    /// A VIP of a former run, and when its lease runs out.
    leftover: Option<Instant>,
}

impl Group {
    /// A group of a new run: what it may have left behind is looked for where it has a lease, and removed at once where
    /// not (ADOPT).
    pub fn new(number: u8, setup: GroupSetup, leased: bool) -> (Self, Verb) {
        let verb = if leased && setup.has_vip { Verb::Inventory } else { Verb::Drop };
        let group = Self {
            number,
            setup,
            state: State::Stopping,
            step: Some(verb),
            ask: None,
            wish: None,
            ordered: false,
            given: false,
            granted: false,
            provisional: false,
            acquired: Instant::ZERO,
            offered: 0,
            unseen: false,
            term: Term(0),
            seen: Term(0),
            attempts: 0,
            tried: false,
            kept: false,
            failed_stops: 0,
            retry: None,
            quiet_until: Instant::ZERO,
            failbacks: Deque::new(),
            peer_failed_at: None,
            peer_stops: None,
            sight: Sight::default(),
            hold: None,
            leftover: None,
        };
        (group, verb)
    }

    /// What a beat says of it.
    pub fn word(&self) -> GroupWord {
        let ordered = match self.state {
            State::Starting | State::Held => self.ordered,
            State::Giving => self.wish == Some(Wish::Give),
            // Whoever takes it must know the order, even if it has slept through the giving (L10).
            _ => self.ask.map_or(self.given, |ask| ask.ordered),
        };
        GroupWord {
            state: self.state,
            ask: self.ask.is_some(),
            ordered,
            granted: self.granted,
            vip_seen: false,
            provisional: self.provisional && self.state.holds(),
            term: self.shown_term(),
        }
    }

    pub fn shown_term(&self) -> Term {
        if self.state.holds() { self.term } else { self.seen }
    }

    /// Whether what was heard then may be a rival's word: what the peer said before this node's claim, the claim has answered.
    pub fn is_rival_since(&self, heard: Instant) -> bool {
        heard >= self.acquired
    }

    pub fn is_preferred(&self) -> bool {
        self.setup.preferred
    }

    pub fn has_vip(&self) -> bool {
        self.setup.has_vip
    }

    /// Why evidence does not let it start.
    pub fn held_off(&self) -> Option<Hold> {
        self.hold.map(|(hold, _)| hold)
    }

    /// There is a VIP of it, or there may soon be one.
    pub fn has_lease(&self) -> bool {
        self.setup.has_vip && self.state.holds()
    }

    /// Taken by evidence, and not confirmed.
    pub fn is_provisional(&self) -> bool {
        self.provisional && self.state.holds()
    }

    /// RELEASE: the peer may be using what this node gave it.
    pub fn is_granted(&self) -> bool {
        self.granted
    }

    pub fn failed_stops(&self) -> u32 {
        self.failed_stops
    }

    /// Nothing of it runs or moves here.
    pub fn is_at_rest(&self) -> bool {
        self.step.is_none() && self.state.is_down()
    }

    /// A reload: the same group, maybe on another line or preferred elsewhere.
    pub fn renamed(self, number: u8, setup: GroupSetup) -> Self {
        Self { number, setup, ..self }
    }

    /// The session is over: nothing said in it stands.
    pub fn session_ended(&mut self) {
        self.granted = false;
        self.ask = None;
        // Every beat of the next one says what is offered.
        self.offered = 0;
    }

    pub fn deadlines(&self, guard: &Guard, deadtime: Duration) -> impl Iterator<Item = Instant> {
        let unused = self.ask.and_then(|ask| ask.grant_heard).map(|at| at + deadtime);
        let cut = self.sight.lost_at(deadtime);
        let late = self.leftover.map(|until| last_third(until, guard));
        let alarm = self.hold.map(|(_, again)| again);
        [self.retry.map(|(at, _)| at), unused, cut, self.leftover, late, alarm].into_iter().flatten()
    }

    pub fn heard(&mut self, now: Instant, theirs: &GroupWord) {
        self.seen = self.seen.later(theirs.term);
        if theirs.state == State::Failed {
            self.peer_failed_at = Some(now);
        }
    }

    /// The peer's newest word: for how long it has been stopping the group, once, where that is longer than `patience`.
    pub fn peer_stops(&mut self, now: Instant, theirs: &GroupWord, patience: Duration) -> Option<Duration> {
        if theirs.state != State::Stopping {
            self.peer_stops = None;
            return None;
        }
        let (since, told) = self.peer_stops.get_or_insert((now, false));
        let lasts = now.since(*since);
        (lasts >= patience && !core::mem::replace(told, lasts >= patience)).then_some(lasts)
    }

    /// A new session: nothing said in the old one stands (L5). An order outlasts auto_failback until the preferred node
    /// begins a new run (L10).
    pub fn session_began(&mut self, new_run: bool) {
        self.session_ended();
        self.tried = false;
        if new_run {
            self.peer_stops = None;
            self.peer_failed_at = None;
            self.ordered &= self.setup.preferred;
            self.given = false;
        }
    }

    /// A stall closes every ask, so that nothing that arrived during it is consent.
    pub fn stalled(&mut self) {
        self.ask = None;
        self.sight.forget();
    }

    /// The kernel has ended a VIP of it that nobody renewed.
    pub fn lapsed(&mut self, fx: &mut Effects) {
        if self.has_lease() {
            self.down(Verb::Drop, Cause::Lapsed, fx);
        }
    }

    /// The inventory found a VIP whose lease runs until then.
    pub fn found(&mut self, until: Instant) {
        if self.step == Some(Verb::Inventory) {
            self.leftover = Some(until);
        }
    }

    pub fn peer_lives(&mut self) {
        self.tried = false;
    }

    /// An operator wants it here.
    pub fn take(&mut self, fx: &mut Effects) {
        match self.state {
            State::Starting | State::Held => (self.wish, self.ordered) = (None, true),
            State::Giving => {
                (self.wish, self.ordered) = (None, true);
                self.turn(State::Held, Cause::Order, fx);
            }
            State::Stopped | State::Stopping => self.wish = Some(Wish::Take),
            State::Failed => {}
        }
    }

    /// An operator wants it away from here.
    pub fn give(&mut self, fx: &mut Effects) {
        match self.state {
            State::Held => {
                self.wish = Some(Wish::Give);
                self.turn(State::Giving, Cause::Order, fx);
            }
            State::Starting => self.wish = Some(Wish::Give),
            State::Stopped | State::Stopping | State::Failed => self.wish = None,
            State::Giving => self.wish = Some(Wish::Give),
        }
    }

    /// The operator no longer waits.
    pub fn withdraw(&mut self, fx: &mut Effects) {
        self.wish = None;
        if self.state == State::Giving {
            self.turn(State::Held, Cause::Order, fx);
        }
    }

    /// The operator has repaired what made it fail.
    pub fn clear(&mut self, fx: &mut Effects) {
        self.attempts = 0;
        if self.state == State::Failed {
            self.turn(State::Stopped, Cause::Cleared, fx);
        }
        if let Some((at, _)) = &mut self.retry {
            *at = Instant::ZERO;
        }
    }

    /// The shell ended a step.
    pub fn done(&mut self, now: Instant, verb: Verb, ok: bool, fx: &mut Effects) {
        if self.step != Some(verb) {
            return;
        }
        self.step = None;
        match (verb, ok) {
            (Verb::Start, true) => self.started(fx),
            (Verb::Start, false) => self.down(Verb::Stop, Cause::StartFailed, fx),
            (Verb::Inventory, ok) if ok && self.leftover.is_some() => {}
            (Verb::Inventory, _) => self.begin(Verb::Drop, fx),
            (_, true) => self.stopped(fx),
            (_, false) => self.stop_failed(now, verb, fx),
        }
    }

    fn started(&mut self, fx: &mut Effects) {
        self.attempts = 0;
        self.ask = None;
        self.turn(State::Held, Cause::Started, fx);
        if self.wish == Some(Wish::Give) {
            self.turn(State::Giving, Cause::Order, fx);
        } else {
            self.wish = None;
        }
    }

    fn stopped(&mut self, fx: &mut Effects) {
        let cause = if self.term.0 == 0 && self.attempts == 0 { Cause::Inventory } else { Cause::Stopped };
        self.failed_stops = 0;
        if self.attempts >= START_ATTEMPTS {
            (self.ask, self.wish) = (None, None);
            self.turn(State::Failed, Cause::StartFailed, fx);
        } else {
            self.turn(State::Stopped, cause, fx);
        }
    }

    /// It may still run, so it stays `stopping`, and the peer does not start it (L3).
    fn stop_failed(&mut self, now: Instant, verb: Verb, fx: &mut Effects) {
        let doublings = self.failed_stops.min(16);
        let again_in = STOP_RETRY.times(1 << doublings).min(STOP_RETRY_MAX);
        self.failed_stops = self.failed_stops.saturating_add(1);
        self.retry = Some((now + again_in, verb));
        fx.other = Some(Event::StopFailed { group: self.number, times: self.failed_stops, again_in });
    }

    pub fn decide(&mut self, scene: &Scene<'_>, fx: &mut Effects) {
        match self.state {
            State::Stopped | State::Failed => self.rest(scene, fx),
            State::Starting => self.rise(scene, fx),
            State::Held | State::Giving => self.hold(scene, fx),
            State::Stopping => self.fall(scene, fx),
        }
    }

    fn rest(&mut self, scene: &Scene<'_>, fx: &mut Effects) {
        self.review_grant(scene);
        match self.may_start(scene, fx) {
            Some(cause) => self.start(cause, scene.now, fx),
            None => {
                self.review_ask(scene);
                self.answer(scene);
            }
        }
    }

    fn rise(&mut self, scene: &Scene<'_>, fx: &mut Effects) {
        if let Some(cause) = self.must_yield(scene, fx).or_else(|| self.is_lost(scene)) {
            self.down(Verb::Drop, cause, fx);
        } else if !scene.willing {
            self.down(Verb::Drop, Cause::Leaving, fx);
        }
    }

    fn hold(&mut self, scene: &Scene<'_>, fx: &mut Effects) {
        self.unseen |= scene.theirs.is_none();
        if scene.two_way && scene.theirs.is_some_and(|theirs| !theirs.state.holds()) {
            self.confirm(fx);
        }
        if let Some(cause) = self.must_yield(scene, fx).or_else(|| self.is_lost(scene)) {
            self.down(Verb::Drop, cause, fx);
        } else if !scene.willing {
            self.down(Verb::Stop, Cause::Leaving, fx);
        } else if let Some(cause) = self.may_give(scene) {
            let offered = self.wish.is_none() && self.state == State::Giving;
            if cause == Cause::Failback || offered {
                self.remember_failback(scene.now);
            }
            self.down(Verb::Stop, cause, fx);
        } else if self.state == State::Giving && scene.theirs.is_none() {
            self.wish = None;
            self.turn(State::Held, Cause::NobodyAsks, fx);
        } else {
            self.offer(scene, fx);
        }
    }

    /// ASK (2): what nobody can reach here is offered to the peer, which takes it once it has proved that it sees more.
    /// Not to one that was blind lately: what both have lost comes back to both, and nothing needs to move for it.
    fn offer(&mut self, scene: &Scene<'_>, fx: &mut Effects) {
        let lost = self.is_blind(scene) && self.sight.lost_at(scene.deadtime).is_some_and(|at| at <= scene.now);
        let able = scene.peer_sees && scene.theirs.is_some_and(|theirs| theirs.state == State::Stopped);
        match self.state {
            State::Held if lost && able && self.has_rested(scene) => {
                self.offered = scene.next_seq;
                self.turn(State::Giving, Cause::LanLost, fx);
            }
            State::Giving if self.wish.is_none() && !(lost && able) => self.turn(State::Held, Cause::LanNoBetter, fx),
            _ => {}
        }
    }

    /// L4: what was given away lately is not offered again before it was held here for a while, longer each time. A `ping`
    /// node that answers now this node and now the other one does not move it for ever.
    fn has_rested(&self, scene: &Scene<'_>) -> bool {
        let lately = self.failbacks.iter().any(|at| scene.now < *at + FAILBACK_MEMORY);
        !lately || self.failback_at(scene.now, self.acquired, scene.initdead) <= scene.now
    }

    /// The peer holds nothing: a claim without consent is one no longer. While it was not heard it may have answered for
    /// the VIP, and have taught that to clients, without this node ever hearing it say so (L6).
    fn confirm(&mut self, fx: &mut Effects) {
        if core::mem::take(&mut self.provisional) | core::mem::take(&mut self.unseen) {
            fx.run.push(Verb::Announce).expect("one decision announces once");
        }
    }

    fn fall(&mut self, scene: &Scene<'_>, fx: &mut Effects) {
        // It was to be stopped for the peer, which took it before the end: after a stall, or by a claim.
        let taken = scene.theirs.is_some_and(|theirs| theirs.state.holds());
        if taken && self.step == Some(Verb::Stop) {
            self.begin(Verb::Drop, fx);
        }
        if let Some(until) = self.leftover.filter(|_| self.step.is_none()) {
            return self.adopt(until, scene, fx);
        }
        // An orderly stop that failed is not waited with once the peer has the group: both run it.
        let due = |(at, failed): &(Instant, Verb)| *at <= scene.now || taken && *failed == Verb::Stop;
        if self.step.is_none() && self.retry.as_ref().is_some_and(due) {
            self.retry = None;
            self.begin(if taken { Verb::Drop } else { Verb::Stop }, fx);
        }
    }

    /// ADOPT: the lease of a former run goes on by consent, or where nothing at all is heard while it ends; otherwise what
    /// it left is removed.
    fn adopt(&mut self, until: Instant, scene: &Scene<'_>, fx: &mut Effects) {
        self.review_ask(scene);
        let theirs = scene.theirs.is_some_and(|theirs| theirs.state.holds());
        let cause = if theirs || !scene.willing || scene.now >= until || self.is_blind(scene) {
            None
        } else if self.has_consent(scene) {
            Some(Cause::Consent)
        } else if scene.alone && scene.now >= last_third(until, &scene.guard) {
            Some(Cause::Adopted)
        } else {
            return;
        };
        self.leftover = None;
        match cause {
            Some(cause) => self.start(cause, scene.now, fx),
            None => {
                self.ask = None;
                self.begin(Verb::Drop, fx);
            }
        }
    }

    /// EYES: what this node took, nobody there could reach.
    fn is_blind(&self, scene: &Scene<'_>) -> bool {
        self.setup.has_vip && scene.guard.probes && self.sight.is_cut()
    }

    /// EYES and HEAL 3: whether the VIP is of no use here, or the peer has the better right to it and cannot say so.
    fn is_lost(&self, scene: &Scene<'_>) -> Option<Cause> {
        if scene.mute.is_some_and(|until| scene.now >= until) {
            return Some(Cause::Mute);
        }
        if !self.setup.has_vip || !scene.guard.probes || scene.theirs.is_some() {
            return None;
        }
        let lost = self.sight.lost_at(scene.deadtime).is_some_and(|at| at <= scene.now);
        if lost && scene.silent >= scene.deadtime {
            return Some(Cause::Blind);
        }
        // Both hold it. Whoever took it without consent yields; where both did, the preferred node keeps it. The peer cannot
        // say which it is, but a claim that yields to this one would have done so by now.
        let firm = scene.last_word.is_some_and(|word| word.state.holds() && !word.provisional);
        let keeps = self.sight.answered_for(scene.now) >= scene.keepalive.max(PROBE_PAUSE).times(2);
        let weaker = self.provisional && (firm || keeps || !self.setup.preferred);
        let answered = self.sight.answered_within(scene.now, scene.deadtime);
        (weaker && answered).then_some(Cause::Answered)
    }

    /// ACQUIRE: whether this group may start here, and why.
    fn may_start(&mut self, scene: &Scene<'_>, fx: &mut Effects) -> Option<Cause> {
        // Who leaves takes nothing, and what cannot be said is not taken. Neither is held off by anybody then.
        if !scene.willing || scene.mute.is_some() {
            return self.hold_off(None, scene, fx);
        }
        let failed = self.state == State::Failed;
        if failed && self.tried {
            return None;
        }
        if let Some(cause) = self.may_claim(scene, fx) {
            return Some(cause);
        }
        if self.is_blind(scene) {
            return None;
        }
        if self.granted {
            return None;
        }
        if scene.goodbye.is_some_and(|last| last.state.is_down()) && self.may_believe_goodbye(scene, fx) {
            return Some(Cause::Goodbye);
        }
        (!failed && self.has_consent(scene)).then_some(Cause::Consent)
    }

    /// A goodbye that could not be used at once, since this node was blind, say, is one of a run that is over: the next may
    /// hold the group already. The VIP tells, as after silence; where none can be asked for, only silence is left, as long
    /// and with as few strangers as ever.
    fn may_believe_goodbye(&self, scene: &Scene<'_>, fx: &mut Effects) -> bool {
        if scene.left_lately {
            return true;
        }
        let asked = self.setup.has_vip && scene.guard.probes;
        let silent = self.look(Instant::ZERO, scene).is_ok() && (asked || scene.waited);
        fx.judge |= silent && !scene.swept;
        silent && scene.swept
    }

    /// ACQUIRE c, d and e: a claim, which nobody has consented to.
    fn may_claim(&mut self, scene: &Scene<'_>, fx: &mut Effects) -> Option<Cause> {
        let outcome = match scene.warrant {
            Warrant::None => return self.hold_off(None, scene, fx),
            Warrant::Due => {
                fx.judge = true;
                return None;
            }
            Warrant::Fenced if self.is_blind(scene) => Err(Some(Hold::Blind)),
            Warrant::Fenced => Ok(Cause::Fenced),
            Warrant::Silence(silent) => self.look(Instant::ZERO, scene).map(|()| Cause::Silence(silent)),
            Warrant::Unplugged(since) => self.look(since, scene).map(|()| Cause::Unplugged(scene.now.since(since))),
        };
        match outcome {
            Ok(Cause::Fenced) => Some(Cause::Fenced),
            Ok(_) if scene.guard.fencing => {
                fx.fence = true;
                self.hold_off(Some(Hold::Fencing), scene, fx)
            }
            Ok(cause) => Some(cause),
            Err(hold) => self.hold_off(hold, scene, fx),
        }
    }

    /// L9: whether the VIP is silent, as far as this node can see, by probes sent after `since`; if not, why it is to be
    /// left alone, once that is known.
    fn look(&self, since: Instant, scene: &Scene<'_>) -> Result<(), Option<Hold>> {
        if !self.setup.has_vip || !scene.guard.probes {
            return Ok(());
        }
        let silent = self.sight.is_silent(scene.now) && self.sight.looked_since(since);
        if silent && self.sight.is_open() {
            Ok(())
        } else if silent || self.sight.is_cut() {
            Err(Some(Hold::Blind))
        } else if self.sight.answered_within(scene.now, scene.initdead) && !self.sight.is_silent(scene.now) {
            Err(Some(Hold::InUse))
        } else {
            // The probes are on their way.
            Err(self.held_off())
        }
    }

    /// Says why a group is not taken: at once, and again after twice initdead.
    fn hold_off(&mut self, hold: Option<Hold>, scene: &Scene<'_>, fx: &mut Effects) -> Option<Cause> {
        let Some(hold) = hold else {
            self.hold = None;
            return None;
        };
        if self.hold.is_none_or(|(before, again)| before != hold || scene.now >= again) {
            self.hold = Some((hold, scene.now + scene.initdead.times(2)));
            fx.other = match hold {
                Hold::InUse => Some(Event::HeldOff { group: self.number, silent: scene.silent }),
                Hold::Blind => Some(Event::Blind { group: self.number }),
                Hold::Fencing => None,
            };
        }
        None
    }

    /// Somebody answers for a VIP of this group.
    pub fn answered(&mut self, now: Instant, by: By, macs_known: bool) {
        if by == By::Peer || !macs_known {
            self.sight.answered(now);
        }
    }

    /// Whether the VIP is to be asked for: before it is taken from a silent peer, or from one that has lost the service
    /// LAN and offers it, and while the right to it is doubtful.
    pub fn wants_look(&self, due: bool, theirs: Option<&GroupWord>, peer_blind: bool, two_way: bool) -> bool {
        let offered = theirs.is_some_and(|theirs| is_offered_blindly(theirs, peer_blind)) && !self.sight.is_cut();
        let taking = (due || offered) && self.state.is_down() && self.step.is_none();
        self.setup.has_vip && (taking || self.is_provisional() && !two_way)
    }

    /// ACQUIRE a. The echo proves that the peer said so knowing of this ask, and lately: a grant composed before a stall,
    /// or delivered late by a flaky link, does not count.
    fn has_consent(&self, scene: &Scene<'_>) -> bool {
        let (Some(ask), Some(theirs)) = (self.ask, scene.theirs) else { return false };
        theirs.state.is_down() && theirs.granted && scene.echo >= ask.since && scene.echo_young
    }

    fn start(&mut self, cause: Cause, now: Instant, fx: &mut Effects) {
        let claim = matches!(cause, Cause::Silence(_) | Cause::Unplugged(_) | Cause::Fenced | Cause::Adopted);
        let evidence = claim || cause == Cause::Goodbye;
        self.tried = self.state == State::Failed && evidence;
        self.ordered = self.wish == Some(Wish::Take) || self.ask.is_some_and(|ask| ask.ordered);
        self.term = if claim { self.seen.next() } else { self.seen.later(Term(1)) };
        self.seen = self.term;
        self.provisional = claim;
        self.acquired = now;
        (self.granted, self.given) = (false, false);
        (self.hold, self.unseen) = (None, false);
        self.sight.reset();
        self.attempts = self.attempts.saturating_add(1);
        self.turn(State::Starting, cause, fx);
        self.begin(Verb::Start, fx);
    }

    /// RELEASE: the grant stands until the peer's beat shows the ask closed or the group held.
    fn review_grant(&mut self, scene: &Scene<'_>) {
        if scene.theirs.is_some_and(|theirs| theirs.state.holds()) {
            self.given = false;
        }
        if let Some(theirs) = scene.theirs.or(scene.goodbye)
            && (!theirs.ask || matches!(theirs.state, State::Held | State::Giving))
        {
            self.granted = false;
        }
    }

    /// ASK: opens, keeps or closes this node's standing wish.
    fn review_ask(&mut self, scene: &Scene<'_>) {
        let Some(theirs) = scene.theirs else { return };
        let reason = self.reason_to_ask(theirs, scene);
        let free = self.state == State::Stopped && !self.granted || self.leftover.is_some();
        let may = scene.willing && free && scene.now >= self.quiet_until && !self.is_blind(scene);
        let Some(ordered) = reason.filter(|_| may) else {
            self.ask = None;
            return;
        };
        let ask = self.ask.get_or_insert(Ask { since: scene.next_seq, ordered, grant_heard: None });
        ask.ordered = ordered;
        ask.grant_heard = if theirs.granted { ask.grant_heard.or(Some(scene.now)) } else { None };
        if ask.grant_heard.is_some_and(|at| at + scene.deadtime <= scene.now) {
            self.ask = None;
            self.quiet_until = scene.now + scene.keepalive.times(2);
        }
    }

    /// Whether there is a reason to ask, and whether it is an order.
    fn reason_to_ask(&self, theirs: &GroupWord, scene: &Scene<'_>) -> Option<bool> {
        if self.wish == Some(Wish::Take) {
            return Some(true);
        }
        match theirs.state {
            // It runs here already: the peer must say that it may go on.
            state if self.leftover.is_some() => (!state.holds()).then_some(false),
            // A peer that has lost the service LAN: for one that does not see it either nothing would be won.
            State::Giving if is_offered_blindly(theirs, scene.peer_blind) => self.sight.is_proved().then_some(false),
            State::Giving => Some(theirs.ordered),
            State::Stopped | State::Failed => {
                Some(theirs.ordered && !theirs.ask || self.ask.is_some_and(|ask| ask.ordered))
            }
            State::Held if self.setup.preferred && self.is_failback_due(scene) && !theirs.ordered => Some(false),
            // Stopped for the order that this ask carries. Without an order nobody asks for what is on its way down.
            State::Stopping if self.ask.is_some_and(|ask| ask.ordered) => Some(true),
            _ => None,
        }
    }

    /// RELEASE: grants what the peer asks for, unless this node asks with more right: an order beats no order, then the
    /// preferred node.
    fn answer(&mut self, scene: &Scene<'_>) {
        // One that asks while it is `stopping` has found what a former run left, and would go on with it (ADOPT).
        let Some(theirs) = scene.theirs.filter(|theirs| scene.fresh && theirs.ask && !theirs.state.holds()) else {
            return;
        };
        let theirs_wins = match self.ask {
            None => true,
            Some(ask) if ask.ordered == theirs.ordered => !self.setup.preferred,
            Some(_) => theirs.ordered,
        };
        if theirs_wins {
            self.granted = true;
            self.ask = None;
        }
    }

    /// RELEASE: whether a held group is to be stopped for the peer's ask.
    fn may_give(&self, scene: &Scene<'_>) -> Option<Cause> {
        let theirs = scene.theirs.filter(|theirs| scene.fresh && theirs.ask)?;
        let knows = self.wish.is_some() || scene.echo >= self.offered;
        if theirs.ordered || self.state == State::Giving && knows {
            return Some(Cause::Handover);
        }
        (!self.setup.preferred && !self.ordered && self.is_failback_due(scene)).then_some(Cause::Failback)
    }

    fn is_failback_due(&self, scene: &Scene<'_>) -> bool {
        scene.failback.is_some_and(|(since, least)| self.failback_at(scene.now, since, least) <= scene.now)
    }

    /// FAILBACK: when F is over, counted from when the peer was last dead or failed; by the holder, which remembers how often it has given the group back lately.
    pub fn failback_at(&self, now: Instant, since: Instant, least: Duration) -> Instant {
        let lately = self.failbacks.iter().filter(|at| now < **at + FAILBACK_MEMORY).count();
        let since = since.max(self.peer_failed_at.unwrap_or_default());
        since + least.times(1 << lately).min(FAILBACK_MEMORY.max(least))
    }

    fn remember_failback(&mut self, now: Instant) {
        if self.failbacks.is_full() {
            self.failbacks.pop_front();
        }
        self.failbacks.push_back(now).expect("room was made");
    }

    /// HEAL 1 and 2: whether this node must let go of what both hold. A function of the two words alone.
    fn must_yield(&mut self, scene: &Scene<'_>, fx: &mut Effects) -> Option<Cause> {
        let Some(theirs) = scene.rival.filter(|theirs| theirs.state.holds()) else {
            self.kept = false;
            return None;
        };
        if !scene.two_way {
            return scene.unheard.then_some(Cause::Unheard);
        }
        let (mine, theirs) = (self.term, theirs.term);
        if theirs.after(mine) || !mine.after(theirs) && !self.setup.preferred {
            return Some(Cause::Yielded { mine, theirs });
        }
        if !self.kept {
            self.kept = true;
            fx.other = Some(Event::Kept { group: self.number, mine, theirs });
        }
        None
    }

    fn down(&mut self, verb: Verb, cause: Cause, fx: &mut Effects) {
        self.provisional = false;
        self.given = cause == Cause::Handover && self.wish == Some(Wish::Give);
        if cause != Cause::StartFailed {
            (self.ask, self.wish) = (None, None);
            self.attempts = 0;
        }
        self.retry = None;
        self.turn(State::Stopping, cause, fx);
        self.begin(verb, fx);
    }

    fn begin(&mut self, verb: Verb, fx: &mut Effects) {
        self.step = Some(verb);
        fx.run.push(verb).expect("one decision begins one step");
    }

    fn turn(&mut self, to: State, cause: Cause, fx: &mut Effects) {
        if fx.events.push((self.state, to, cause)).is_err() {
            debug_assert!(false, "one decision makes two turns at most");
        }
        self.state = to;
    }

    /// What of it decides; `own`: the series of this node's beats.
    pub fn digest(&self, lens: &Lens, own: (u64, u64), failback: Option<(Instant, Duration)>, out: &mut impl Digest) {
        let Self {
            number: _,
            setup: _,
            state,
            step,
            ask,
            wish,
            ordered,
            given,
            granted,
            provisional,
            acquired,
            offered,
            unseen,
            term,
            seen,
            attempts,
            tried,
            kept,
            failed_stops,
            retry,
            quiet_until,
            failbacks,
            peer_failed_at,
            // Told to people alone.
            peer_stops: _,
            sight,
            hold,
            leftover,
        } = self;
        sight.digest(lens, out);
        maybe(out, *hold, |out, (hold, again)| {
            out.word(hold as u64);
            out.word(lens.until(again));
        });
        maybe(out, *leftover, |out, until| out.word(lens.until(until)));
        out.word(*state as u64);
        maybe(out, *step, |out, verb| out.word(verb as u64));
        maybe(out, *ask, |out, Ask { since, ordered, grant_heard }| {
            out.count(own, since);
            out.word(u64::from(ordered));
            maybe(out, grant_heard, |out, at| out.word(lens.until(at + lens.timing.deadtime)));
        });
        maybe(out, *wish, |out, wish| out.word(wish as u64));
        for flag in [ordered, given, granted, provisional, unseen, tried, kept] {
            out.word(u64::from(*flag));
        }
        for number in [term.0, seen.0, *attempts] {
            out.word(u64::from(number));
        }
        out.word(u64::from(*failed_stops));
        let counts = if failbacks.is_empty() { lens.timing.deadtime } else { FAILBACK_MEMORY };
        out.word(lens.fresh(Some(*acquired), counts));
        out.count(own, if *state == State::Giving { *offered } else { 0 });
        maybe(out, *retry, |out, (at, verb)| {
            out.word(lens.until(at));
            out.word(verb as u64);
        });
        out.word(lens.until(*quiet_until));
        failbacks.iter().for_each(|at| out.word(lens.until(*at + FAILBACK_MEMORY)));
        // As far as the doublings below reach.
        maybe(out, *peer_failed_at, |out, at| out.word(lens.until(at + lens.timing.initdead.times(8))));
        // F as it is, and doubled by the failbacks that may follow without the peer being away in between.
        maybe(out, failback, |out, (since, least)| {
            for doublings in 0..3 {
                out.word(lens.until(self.failback_at(lens.now, since, least.times(1 << doublings))));
            }
        });
    }
}

/// It is offered because the peer cannot see the service LAN, and not by order.
fn is_offered_blindly(theirs: &GroupWord, peer_blind: bool) -> bool {
    peer_blind && theirs.state == State::Giving && !theirs.ordered
}

/// When a leftover may be adopted although nobody consents: the last third of the lease, in which a peer that had heard
/// of this node before has not taken it yet. Who finds it in there does not wait any more: it goes on in the turn in which
/// its hello is on every link, within a keepalive. It may, because a peer that is there has not taken it, and takes nothing
/// before the lease is over; what it must not do is to come too late, which is what [`Input::Found`](super::Input::Found)
/// is told early for.
fn last_third(until: Instant, guard: &Guard) -> Instant {
    until - guard.lease.unwrap_or_default().part(3)
}
