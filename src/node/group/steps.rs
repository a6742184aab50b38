//! The steps of a group: what the shell must do with its resources, one at a time, and what comes of each (L3).

use super::orders::Wish;
use super::{Effects, Group};
use crate::node::event::{Cause, Event};
use crate::time::{Duration, Instant};
use crate::wire::beat::State;
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
    /// Look what a former run has left, and touch nothing: [`Input::Found`](crate::node::Input::Found) tells of a VIP whose
    /// lease has not run out.
    Inventory,
}

impl Group {
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

    pub(super) fn down(&mut self, verb: Verb, cause: Cause, fx: &mut Effects) {
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

    pub(super) fn begin(&mut self, verb: Verb, fx: &mut Effects) {
        self.step = Some(verb);
        fx.run.push(verb).expect("one decision begins one step");
    }

    pub(super) fn turn(&mut self, to: State, cause: Cause, fx: &mut Effects) {
        if fx.events.push((self.state, to, cause)).is_err() {
            debug_assert!(false, "one decision makes two turns at most");
        }
        self.state = to;
    }
}
