//! The state of both appliances and the wires between them, and what each act does to it.

use crate::act::{Act, Kinds, Way};
use crate::canon::{self, Tokens};
use crate::frame::Frame;
use crate::laws::{Clocks, Said, Violation};
use crate::pace;
use crate::side::{Live, Side};
use lubdub::node::{Digest, Event, GroupSetup, Input, LinkKind, Name, Node, Output, Setup, Verb, Why};
use lubdub::wire::auth::{Key, Keyring, Method};
use lubdub::wire::beat::State;
use std::collections::VecDeque;
use std::sync::Arc;

/// Links at most.
pub const LINKS_MAX: usize = 2;
/// Frames that a stalled node's buffer holds for each link; later ones are lost.
const BUFFER: usize = 2;
/// Frames on the way to a node that reads; more within a tick means that two nodes talk without end.
const IN_FLIGHT_MAX: usize = 16;

/// What a search is about.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// One or two.
    pub links: usize,
    /// Of both nodes.
    pub auto_failback: bool,
    /// What may go wrong.
    pub kinds: Kinds,
}

/// A state.
#[derive(Clone)]
pub struct World {
    /// What this is about.
    pub config: Arc<Config>,
    keys: Arc<Keyring>,
    /// Time.
    pub tick: u32,
    /// The appliances; 0 is preferred.
    pub sides: [Side; 2],
    /// Frames on their way, by sender and link, the oldest first.
    pub wires: [[VecDeque<Arc<Frame>>; LINKS_MAX]; 2],
    /// Directions that are cut, by sender and link.
    pub cut: [[bool; LINKS_MAX]; 2],
    /// Faults that may still happen.
    pub faults: u8,
    /// How long what the laws speak of has lasted.
    pub clocks: Clocks,
}

/// What the nodes said and did in the last act.
pub type Told = Vec<(usize, Event)>;

impl World {
    /// Both off.
    pub fn off(config: Config, faults: u8) -> Self {
        Self {
            config: Arc::new(config),
            keys: Arc::new(keys()),
            tick: 0,
            sides: [Side::off(), Side::off()],
            wires: Default::default(),
            cut: Default::default(),
            faults,
            clocks: Clocks::default(),
        }
    }

    /// Does `act`, which is one of [`World::acts`], and checks the laws. What the nodes said goes to `told`.
    ///
    /// # Errors
    /// The law that is broken.
    pub fn act(&mut self, act: Act, told: &mut Told) -> Result<(), Violation> {
        self.faults -= u8::from(act.is_fault());
        match act {
            Act::Deliver(Way { from, link }) => self.deliver(from, link, told)?,
            Act::Wake(side) => {
                let swept = self.sides[side].wake.1 == Why::Judge;
                self.tell(side, Input::Wake { swept }, told)?;
            }
            Act::Done(side) => self.done(side, true, told)?,
            Act::Fail(side) => self.done(side, false, told)?,
            Act::Tick => self.tick()?,
            Act::Thaw(side) => {
                self.sides[side].frozen = false;
                self.clocks.disturbed();
            }
            Act::Boot(side) => self.boot(side, told)?,
            Act::Mend(Way { from, link }) => self.cut[from][link] = false,
            Act::Lose(Way { from, link }) => {
                self.wires[from][link].pop_front();
                self.clocks.disturbed();
            }
            Act::Cut(Way { from, link }) => self.sever(from, link),
            Act::Unplug(link) => [0, 1].into_iter().for_each(|from| self.sever(from, link)),
            Act::Crash(side) => self.crash(side),
            Act::Stall(side) => {
                self.sides[side].frozen = true;
                self.wires[1 - side].iter_mut().for_each(|wire| wire.truncate(BUFFER));
            }
            Act::Order(side, order) => self.tell(side, Input::Order(order), told)?,
        }
        self.check()
    }

    fn setup(&self, side: usize) -> Setup {
        let name = |side: usize| Name::try_from(["node1", "node2"][side]).expect("short");
        let run = self.sides[side].runs * 2 + side as u64 + 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&run.to_le_bytes());
        // A cable so fast that a frame never waits for the one before: the model's ticks are far longer than frames.
        let kinds = [LinkKind::Serial { baud: u32::MAX }, LinkKind::Broadcast];
        Setup {
            name: name(side),
            peer: name(1 - side),
            cluster: "model".try_into().expect("short"),
            timing: pace::timing(),
            auto_failback: self.config.auto_failback,
            links: kinds.into_iter().take(self.config.links).collect(),
            groups: [GroupSetup { preferred: side == 0, has_vip: true }].into_iter().collect(),
            macs: Default::default(),
            guard: Default::default(),
            digest: [7; 8],
            keys: (*self.keys).clone(),
            run,
            seed,
        }
    }

    fn boot(&mut self, side: usize, told: &mut Told) -> Result<(), Violation> {
        let node = Node::new(pace::moment(self.tick), self.setup(side));
        let it = &mut self.sides[side];
        it.runs += 1;
        it.unheard = 0;
        it.node = Some(Arc::new(Live { node, tokens: Tokens::default() }));
        self.clocks.disturbed();
        self.drain(side, told)
    }

    fn sever(&mut self, from: usize, link: usize) {
        self.cut[from][link] = true;
        if self.cut[from][..self.config.links].iter().all(|cut| *cut) {
            self.clocks.disturbed();
        }
    }

    fn crash(&mut self, side: usize) {
        self.sides[side].power_off();
        self.wires[1 - side].iter_mut().for_each(VecDeque::clear);
    }

    fn deliver(&mut self, from: usize, link: usize, told: &mut Told) -> Result<(), Violation> {
        let to = 1 - from;
        let Some(frame) = self.wires[from][link].pop_front() else { return Ok(()) };
        self.tell(to, Input::Bytes { link: link as u8, bytes: &frame.bytes }, told)?;
        let session = self.sides[to].node.as_ref().and_then(|live| live.node.outbound());
        if let (Some((beat, _)), Some((own, _))) = (&frame.beat, session)
            && (beat.sender, beat.receiver) == (own.receiver, own.sender)
        {
            self.sides[to].unheard = 0;
        }
        Ok(())
    }

    fn done(&mut self, side: usize, ok: bool, told: &mut Told) -> Result<(), Violation> {
        let it = &mut self.sides[side];
        let Some((verb, _)) = it.step.take() else { return Ok(()) };
        if ok {
            it.up = verb == Verb::Start;
        }
        self.tell(side, Input::Done { group: 0, verb, ok }, told)
    }

    fn tell(&mut self, side: usize, input: Input<'_>, told: &mut Told) -> Result<(), Violation> {
        let now = pace::moment(self.tick);
        self.sides[side].wakes_up(now);
        if let Some(live) = &mut self.sides[side].node {
            Arc::make_mut(live).node.handle(now, input);
        }
        self.drain(side, told)
    }

    /// Does what a node wants, in its order.
    fn drain(&mut self, side: usize, told: &mut Told) -> Result<(), Violation> {
        let mut said = Said::default();
        let before = told.len();
        while let Some(live) = &mut self.sides[side].node {
            match Arc::make_mut(live).node.poll() {
                Output::Transmit { link, frame } => {
                    let frame = Frame::sent_by(&live.node, &self.keys, frame.bytes());
                    self.check_frame(side, &frame)?;
                    said.note(link, &frame);
                    self.transmit(side, usize::from(link), frame)?;
                }
                Output::Run { verb, .. } => self.run(side, verb, &said)?,
                Output::Note(event) => told.push((side, event)),
                // Nothing here has a lease, asks for a VIP or fences.
                Output::Renew { .. } | Output::Look { .. } | Output::Fence { .. } => return Err(Violation::Unguarded),
                Output::Left => {
                    self.crash(side);
                    break;
                }
                Output::Wait { until, why } => {
                    self.sides[side].wake = (until, why);
                    break;
                }
            }
        }
        if let Some(live) = &mut self.sides[side].node {
            Arc::make_mut(live).refresh();
        }
        for (side, event) in told[before..].iter().copied() {
            self.check_event(side, &event)?;
        }
        Ok(())
    }

    fn transmit(&mut self, from: usize, link: usize, frame: Frame) -> Result<(), Violation> {
        let to = &self.sides[1 - from];
        let room = if to.frozen { BUFFER } else { IN_FLIGHT_MAX };
        let wire = &mut self.wires[from][link];
        if self.cut[from][link] || to.node.is_none() || to.frozen && wire.len() >= room {
            return Ok(());
        }
        wire.push_back(Arc::new(frame));
        if wire.len() > room { Err(Violation::EndlessTalk) } else { Ok(()) }
    }

    fn run(&mut self, side: usize, verb: Verb, said: &Said) -> Result<(), Violation> {
        if verb == Verb::Announce {
            return Ok(());
        }
        self.check_step(side, verb, said)?;
        let it = &mut self.sides[side];
        it.step = Some((verb, 0));
        match verb {
            Verb::Start => it.up = true,
            // The VIPs are gone at once, and with them what clients can see.
            Verb::Drop => it.up = false,
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Violation> {
        self.tick += 1;
        for side in &mut self.sides {
            side.yielded = side.yielded.saturating_add(1);
            side.unheard = side.unheard.saturating_add(1);
            if !side.is_awake() {
                continue;
            }
            if let Some((_, ticks)) = &mut side.step {
                *ticks += 1;
            }
        }
        let awake = self.sides.iter().all(Side::is_awake);
        let ways = [0, 1].map(|from| awake && (0..self.config.links).any(|link| !self.cut[from][link]));
        let both = (0..2).all(|side| self.owns(side));
        self.clocks.tick(ways, self.is_session(), both);
        Ok(())
    }

    /// Whether each node is in a session with the other's present run.
    fn is_session(&self) -> bool {
        let pairing = |side: usize| self.sides[side].node.as_ref().and_then(|live| live.node.outbound());
        match (pairing(0), pairing(1)) {
            (Some((one, _)), Some((two, _))) => one.sender == two.receiver && one.receiver == two.sender,
            _ => false,
        }
    }

    /// What tells this state from others; the tick does not.
    pub fn hash(&self) -> u64 {
        let mut own = Tokens::default();
        own.word(u64::from(self.faults));
        for side in &self.sides {
            own.word(u64::from(side.node.is_some()) << 2 | u64::from(side.frozen) << 1 | u64::from(side.up));
            own.word(side.step.map_or(9, |(verb, ticks)| (verb as u64) << 8 | u64::from(ticks)));
            // How late it is: the node does not know yet.
            let (now, until) = (pace::moment(self.tick), side.wake.0);
            own.word(if side.node.is_some() { now.since(until).as_micros() } else { 0 });
            own.word(if side.node.is_some() { until.since(now).as_micros().min(pace::HORIZON.as_micros()) } else { 0 });
            own.word(side.unheard_told(now));
            own.word(u64::from(side.claim.0) << 8 | u64::from(side.yielded.min(6)));
        }
        for (cut, wires) in self.cut.iter().zip(&self.wires) {
            cut.iter().zip(wires).for_each(|(cut, wire)| own.word((wire.len() as u64) << 1 | u64::from(*cut)));
        }
        self.clocks.digest(&mut own);
        let nodes = self.sides.iter().filter_map(|side| side.node.as_deref()).flat_map(|live| &live.tokens.0);
        let frames = self.wires.iter().flatten().flatten().flat_map(|frame| &frame.tokens.0);
        canon::hash(own.0.iter().chain(nodes).chain(frames))
    }

    /// The state of the group on a node that runs.
    pub fn state(&self, side: usize) -> Option<State> {
        Some(self.sides[side].node.as_ref()?.node.groups().next()?.state)
    }
}

fn keys() -> Keyring {
    // CRC-32: who signs is not what this is about, and it is fast.
    let key = Key::new(1, Method::Crc, b"").expect("a short secret");
    Keyring::new(1, [key]).expect("a ring of one key")
}
