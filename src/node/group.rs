//! Ownership of one group: the one match that decides.
//!
//! The rules are named as in the design: ACQUIRE, ASK, RELEASE, HEAL, FAILBACK. Everything is level-triggered: `decide`
//! looks at the present scene and may be called at any time, any number of times.

mod acquire;
mod adopt;
mod ask;
mod digest;
mod eyes;
mod failback;
mod heal;
mod orders;
mod release;
mod scene;
mod steps;

pub use acquire::Hold;
pub use steps::{START_ATTEMPTS, STOP_PATIENCE, STOP_RETRY, STOP_RETRY_MAX, Verb};

pub(super) use heal::PROBE_PAUSE;
pub(super) use scene::{Effects, Scene};

use super::event::Cause;
use super::guard::Guard;
use super::setup::GroupSetup;
use super::sight::Sight;
use crate::time::{Duration, Instant};
use crate::wire::beat::{GroupWord, State, Term};
use adopt::last_third;
use ask::Ask;
use failback::FAILBACKS;
use heapless::Deque;
use orders::Wish;
use serde::{Deserialize, Serialize};

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

    pub fn peer_lives(&mut self) {
        self.tried = false;
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
}
