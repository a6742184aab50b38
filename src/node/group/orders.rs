//! What the operator wants of a group (L10).

use super::{Effects, Group};
use crate::node::event::Cause;
use crate::time::Instant;
use crate::wire::beat::State;
use serde::{Deserialize, Serialize};

/// A standing order of the operator on this node.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wish {
    Take,
    Give,
}

impl Group {
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
}
