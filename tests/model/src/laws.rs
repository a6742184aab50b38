//! What must hold in every state and after every act.

use crate::canon::Tokens;
use crate::frame::Frame;
use crate::pace::{DEADTIME, KEEPALIVE};
use crate::world::{LINKS_MAX, World};
use lubdub::node::{Cause, Digest, Event, Verb};
use lubdub::wire::beat::State;

/// Ticks that a whole path may take to settle what a fault left: a beat, the beat that echoes it, and a tick of phase.
const ROUND: u8 = 2 * KEEPALIVE + 1;
/// Ticks in which two owners that hear each other in one direction must become one: deadtime until the beats of one are
/// old, and two of its beats (HEAL 2), with a tick of phase for each.
const ONE_WAY: u8 = DEADTIME + 2 * KEEPALIVE + 3;

/// Ticks that a handshake may take on a whole path: a hello of one, one of the other, a beat, with a tick of phase each.
const HANDSHAKE: u8 = 3 * KEEPALIVE + 3;

/// A law that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// L1: two owners although beats make the round trip.
    TwoOwners,
    /// HANDSHAKE: no session although hellos make the round trip.
    NoSession,
    /// L6, HEAL 2: two owners although one hears the other.
    TwoOwnersOneWay,
    /// ACQUIRE a, b: a start by consent or goodbye while the other holds the group.
    FalseConsent,
    /// ACQUIRE c: a start by silence although a beat was read within deadtime.
    FalseSilence,
    /// L3: a beat says that it is stopped or granted, and it still runs.
    FalseRelease,
    /// A step begins while another runs.
    TwoSteps,
    /// ACQUIRE: a start without the claim on every link before.
    UnsaidClaim,
    /// L6: the higher claim, or at equal claims the preferred node, yields.
    WrongYield,
    /// HEAL 1: both nodes yield to the other's claim. (By HEAL 2 they may: one that was not heard yields, and its beat
    /// before, which now is heard, makes the other yield too; they agree by consent in a few frames.)
    BothYield,
    /// Frames without end within one tick.
    EndlessTalk,
    /// A wish that only a node with a lease, probes or fencing has.
    Unguarded,
    /// L2: when all is well again nobody owns the group.
    NoOwner,
    /// L1: when all is well again both own the group.
    TwoOwnersLasting,
    /// L6: when all is well again the nodes do not agree who owns it.
    Disagreement,
    /// L4: when all is well again the group moves on and on.
    Restless,
}

/// For how many ticks what the laws speak of has lasted, as far as it matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clocks {
    /// Both nodes run, in one session, and a path in each direction is whole.
    whole: u8,
    /// Both nodes run and a path in each direction is whole, but they are not in one session.
    strange: u8,
    /// Both nodes run, in one session, and the path from this node is whole.
    way: [u8; 2],
    /// The resources run on both.
    double: u8,
}

impl Clocks {
    /// A loss, a start or a thaw: the round trip begins anew.
    pub fn disturbed(&mut self) {
        (self.whole, self.strange) = (0, 0);
    }

    /// A tick passes.
    pub fn tick(&mut self, ways: [bool; 2], session: bool, double: bool) {
        let count = |clock: u8, runs: bool| if runs { (clock + 1).min(ONE_WAY) } else { 0 };
        let works = ways[0] && ways[1];
        self.whole = count(self.whole, works && session);
        self.strange = count(self.strange, works && !session);
        // Without a session nothing that is heard is believed: HEAL 3 is for that, and its probes are not in the core.
        self.way = [count(self.way[0], ways[0] && session), count(self.way[1], ways[1] && session)];
        self.double = count(self.double, double);
    }

    /// For the hash; the ways matter only while both own it or might soon.
    pub fn digest(&self, out: &mut Tokens) {
        out.word(u64::from(self.strange) << 8 | u64::from(self.whole.min(ROUND)));
        let way = |clock: u8| if self.double > 0 { clock } else { clock.min(1) };
        out.word(u64::from(self.double) << 16 | u64::from(way(self.way[0])) << 8 | u64::from(way(self.way[1])));
    }
}

/// The links on which a node has said `starting` in this turn.
#[derive(Default)]
pub struct Said {
    starting: [bool; LINKS_MAX],
}

impl Said {
    /// A frame goes out.
    pub fn note(&mut self, link: u8, frame: &Frame) {
        if let Some((_, beat)) = &frame.beat {
            self.starting[usize::from(link)] = beat.groups.iter().any(|word| word.state == State::Starting);
        }
    }
}

fn ensure(holds: bool, otherwise: Violation) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(otherwise) }
}

impl World {
    /// After every act.
    pub(crate) fn check(&self) -> Result<(), Violation> {
        let both = (0..2).all(|side| self.owns(side));
        let clocks = &self.clocks;
        ensure(!(both && clocks.whole >= ROUND), Violation::TwoOwners)?;
        ensure(clocks.strange < HANDSHAKE, Violation::NoSession)?;
        let lasting = clocks.double.min(clocks.way[0].max(clocks.way[1])) >= ONE_WAY;
        ensure(!(both && lasting), Violation::TwoOwnersOneWay)
    }

    /// Its resources run, on their way down too.
    pub(crate) fn owns(&self, side: usize) -> bool {
        let it = &self.sides[side];
        it.is_awake() && it.up
    }

    /// Before a frame goes out.
    pub(crate) fn check_frame(&self, side: usize, frame: &Frame) -> Result<(), Violation> {
        let Some((_, beat)) = &frame.beat else { return Ok(()) };
        let released = beat.goodbye || beat.groups.iter().any(|word| word.state.is_down() || word.granted);
        let it = &self.sides[side];
        ensure(!released || !it.up && it.step.is_none(), Violation::FalseRelease)
    }

    /// Before a step begins.
    pub(crate) fn check_step(&self, side: usize, verb: Verb, said: &Said) -> Result<(), Violation> {
        let it = &self.sides[side];
        let free = match it.step {
            None => true,
            Some((running, _)) => running != Verb::Drop && verb == Verb::Drop,
        };
        ensure(free, Violation::TwoSteps)?;
        let session = it.node.as_ref().is_some_and(|live| live.node.outbound().is_some());
        let unsaid = verb == Verb::Start && session && !said.starting[..self.config.links].iter().all(|said| *said);
        ensure(!unsaid, Violation::UnsaidClaim)
    }

    /// After a turn in which a node told of this.
    pub(crate) fn check_event(&mut self, side: usize, event: &Event) -> Result<(), Violation> {
        if matches!(event, Event::Session { .. }) {
            self.clocks.disturbed();
        }
        let Event::Group { to, cause, .. } = event else { return Ok(()) };
        match (to, cause) {
            (State::Starting, Cause::Consent | Cause::Goodbye) => {
                self.claim(side);
                let holds = self.state(1 - side).is_some_and(State::holds);
                ensure(!holds && !self.sides[1 - side].up, Violation::FalseConsent)
            }
            (State::Starting, _) => {
                self.claim(side);
                ensure(self.sides[side].unheard >= DEADTIME, Violation::FalseSilence)
            }
            (State::Stopping, Cause::Yielded { .. }) => self.check_yield(side),
            _ => Ok(()),
        }
    }

    fn claim(&mut self, side: usize) {
        let term = self.sides[side].node.as_ref().and_then(|live| live.node.groups().next()).map(|group| group.term);
        self.sides[side].claim = term.unwrap_or_default();
    }

    fn check_yield(&mut self, side: usize) -> Result<(), Violation> {
        self.sides[side].yielded = 0;
        let (mine, other) = (self.sides[side].claim, &self.sides[1 - side]);
        if self.state(1 - side).is_some_and(State::holds) {
            ensure(other.claim.after(mine) || other.claim == mine && side == 1, Violation::WrongYield)
        } else {
            ensure(!other.is_awake() || other.yielded > ROUND, Violation::BothYield)
        }
    }
}
