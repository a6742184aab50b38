//! ACQUIRE: whether a group may start here, and why; if not, who holds it off.

use super::orders::Wish;
use super::{Effects, Group, Scene, Verb};
use crate::node::event::{Cause, Event};
use crate::node::warrant::Warrant;
use crate::time::Instant;
use crate::wire::beat::{State, Term};
use serde::{Deserialize, Serialize};

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

impl Group {
    /// ACQUIRE: whether this group may start here, and why.
    pub(super) fn may_start(&mut self, scene: &Scene<'_>, fx: &mut Effects) -> Option<Cause> {
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

    /// ACQUIRE a. The echo proves that the peer said so knowing of this ask, and lately: a grant composed before a stall,
    /// or delivered late by a flaky link, does not count.
    pub(super) fn has_consent(&self, scene: &Scene<'_>) -> bool {
        let (Some(ask), Some(theirs)) = (self.ask, scene.theirs) else { return false };
        theirs.state.is_down() && theirs.granted && scene.echo >= ask.since && scene.echo_young
    }

    pub(super) fn start(&mut self, cause: Cause, now: Instant, fx: &mut Effects) {
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
}
