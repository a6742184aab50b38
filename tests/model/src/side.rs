//! One appliance: the daemon's core, whether it is scheduled, and its resources.

use crate::canon::Tokens;
use crate::pace::{self, DEADTIME, KEEPALIVE};
use lubdub::node::{Node, Verb, Why};
use lubdub::time::Instant;
use lubdub::wire::beat::Term;
use std::sync::Arc;

/// A node and what the hash sees of it.
#[derive(Clone)]
pub struct Live {
    /// The real thing.
    pub node: Node,
    /// Its digest after the last input.
    pub tokens: Tokens,
}

impl Live {
    /// Takes the digest anew.
    pub fn refresh(&mut self) {
        self.tokens.0.clear();
        self.node.digest(pace::HORIZON, &mut self.tokens);
    }
}

/// One appliance.
#[derive(Clone)]
pub struct Side {
    /// None: off, crashed, or left.
    pub node: Option<Arc<Live>>,
    /// Not scheduled.
    pub frozen: bool,
    /// The group's resources run here, at least in part.
    pub up: bool,
    /// The step under way, and the ticks it has lasted.
    pub step: Option<(Verb, u8)>,
    /// When it wants to be woken.
    pub wake: (Instant, Why),
    /// Runs so far.
    pub runs: u64,
    /// Ticks since a beat of the peer's session was read, or since the start; stalls do not count.
    pub unheard: u8,
    /// The claim of the last start.
    pub claim: Term,
    /// Ticks since it yielded to the peer's claim (HEAL 1).
    pub yielded: u8,
}

impl Side {
    /// Switched off.
    pub fn off() -> Self {
        Self {
            node: None,
            frozen: false,
            up: false,
            step: None,
            wake: (Instant::FAR, Why::Beat),
            runs: 0,
            unheard: 0,
            claim: Term(0),
            yielded: u8::MAX,
        }
    }

    /// Running and scheduled.
    pub fn is_awake(&self) -> bool {
        self.node.is_some() && !self.frozen
    }

    /// A node is told something: that it was late by more than a keepalive is nobody's silence (L7).
    pub fn wakes_up(&mut self, now: Instant) {
        if self.late(now) > KEEPALIVE {
            self.unheard = self.unheard.saturating_sub(self.late(now));
        }
    }

    /// Ticks by which it is late.
    fn late(&self, now: Instant) -> u8 {
        let ticks = now.since(self.wake.0).as_micros() / pace::TICK.as_micros();
        u8::try_from(ticks).unwrap_or(u8::MAX)
    }

    /// How long it has heard nothing, as far as that matters once it is told something.
    pub fn unheard_told(&self, now: Instant) -> u64 {
        let late = self.late(now);
        let before = self.unheard.saturating_sub(late).min(DEADTIME);
        u64::from(before) << 8 | u64::from(late)
    }

    /// Off, at once.
    pub fn power_off(&mut self) {
        *self = Self { runs: self.runs, ..Self::off() };
    }
}
