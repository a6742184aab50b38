//! Sequences of inputs to two nodes that talk to each other.

use crate::choices::Choices;
use crate::frame::{HEADER_LEN, framed, payload, signed, unframed};
use crate::setup::{Plan, choose_guard};
use crate::watched::{START, Watched};
use lubdub::node::{By, Eyes, Input, Order, Verb, Why};
use lubdub::time::{Duration, Instant};
use lubdub::wire::envelope::Kind;
use std::collections::VecDeque;

/// Frames under way in one direction at most, and frames kept to be replayed.
const FRAMES_MAX: usize = 64;
/// Wakes of one step of time at most.
const WAKES_MAX: usize = 64;

/// Whatever happens to two nodes, each keeps the contract of `lubdub::node`.
pub fn node(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut pair = Pair::new(Plan::choose(&mut choices));
    while !choices.is_done() {
        pair.step(&mut choices);
    }
}

struct Pair {
    plan: Plan,
    now: Instant,
    nodes: [Watched; 2],
    /// What each node has sent and the other has not heard yet.
    air: [VecDeque<(u8, Vec<u8>)>; 2],
    /// What each node has sent earlier.
    record: [VecDeque<(u8, Vec<u8>)>; 2],
    runs: u64,
}

impl Pair {
    fn new(plan: Plan) -> Self {
        let nodes = [0, 1].map(|side| Watched::new(START, plan.setup(side, side as u64 + 1)));
        Self { plan, now: START, nodes, air: Default::default(), record: Default::default(), runs: 2 }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let side = choices.below(2);
        match choices.below(20) {
            0..4 => self.live(choices, [true, true]),
            4 => self.live(choices, [side == 0, side == 1]),
            5..8 => self.deliver(side, usize::MAX),
            8 => self.deliver(side, 1 + choices.below(4)),
            9 => drop(self.air[side].pop_front()),
            10 => self.air[side].rotate_left(usize::from(self.air[side].len() > 1)),
            11 => self.damage(side, choices),
            12 => self.replay(side, choices),
            13 => self.forge(side, choices),
            14..16 => self.end_steps(side, choices),
            16 => self.order(side, choices),
            17 => self.disturb(side, choices),
            18 => self.reload(side, choices),
            _ => self.boot(side),
        }
        for side in [0, 1] {
            self.collect(side);
        }
    }

    /// Time passes; a node that is awake is woken whenever it wanted to be, and hears what the other says.
    fn live(&mut self, choices: &mut Choices<'_>, awake: [bool; 2]) {
        let end = self.now + Duration::from_micros(choices.span());
        let hears = choices.flag();
        for _ in 0..WAKES_MAX {
            let next = [0, 1].into_iter().filter(|side| awake[*side] && !self.nodes[*side].left);
            let Some(side) = next.min_by_key(|side| self.nodes[*side].wait.0) else { break };
            if self.nodes[side].wait.0 > end {
                break;
            }
            self.now = self.now.max(self.nodes[side].wait.0);
            if hears {
                self.deliver(1 - side, usize::MAX);
            }
            let (until, why) = self.nodes[side].wait;
            if until <= self.now {
                self.nodes[side].handle(self.now, Input::Wake { swept: why == Why::Judge });
            }
            self.collect(side);
        }
        self.now = end;
    }

    /// What `from` has sent reaches the other node, at most `count` frames of it.
    fn deliver(&mut self, from: usize, count: usize) {
        for _ in 0..count.min(FRAMES_MAX) {
            let Some((link, frame)) = self.air[from].pop_front() else { break };
            self.nodes[1 - from].handle(self.now, Input::Bytes { link, bytes: &frame });
        }
    }

    fn collect(&mut self, side: usize) {
        for frame in std::mem::take(&mut self.nodes[side].sent) {
            for frames in [&mut self.air[side], &mut self.record[side]] {
                if frames.len() == FRAMES_MAX {
                    frames.pop_front();
                }
                frames.push_back(frame.clone());
            }
        }
    }

    /// The next frame arrives changed, or bytes come that are none.
    fn damage(&mut self, side: usize, choices: &mut Choices<'_>) {
        let (link, mut bytes) = self.air[side].pop_front().unwrap_or_default();
        choices.mutate(&mut bytes);
        self.nodes[1 - side].handle(self.now, Input::Bytes { link, bytes: &bytes });
    }

    /// A frame from before, of either node and on any link.
    fn replay(&mut self, side: usize, choices: &mut Choices<'_>) {
        let record = &self.record[choices.below(2)];
        let Some((_, bytes)) = record.get(choices.below(FRAMES_MAX)) else { return };
        self.nodes[side].handle(self.now, Input::Bytes { link: choices.below(3) as u8, bytes });
    }

    /// The next hello with another payload, signed again; a beat cannot be, without the session.
    fn forge(&mut self, side: usize, choices: &mut Choices<'_>) {
        let key = self.plan.key();
        let is_hello = |body: &Vec<u8>| body[0] & 0xf == Kind::Hello as u8;
        let hello = self.record[side].iter().rev().find_map(|(_, frame)| unframed(frame).filter(is_hello));
        let Some((hello, link)) = hello.map(|hello| (hello, choices.below(3) as u8)) else { return };
        let mut bytes = payload(&key, &hello).unwrap_or_default().to_vec();
        choices.mutate(&mut bytes);
        let header: [u8; HEADER_LEN] = [hello[0], hello[1] & 0x1f | link << 5];
        let frame = framed(&signed(&key, header, &bytes, &[]));
        self.nodes[1 - side].handle(self.now, Input::Bytes { link, bytes: &frame });
    }

    fn end_steps(&mut self, side: usize, choices: &mut Choices<'_>) {
        let failures = choices.byte() & choices.byte();
        let steps: Vec<_> = self.nodes[side].steps().collect();
        steps.iter().for_each(|(number, _)| self.nodes[side].end_step(self.now, *number, failures >> number & 1 == 0));
    }

    fn order(&mut self, side: usize, choices: &mut Choices<'_>) {
        let groups = u32::from(choices.byte());
        let order = match choices.below(9) {
            0..3 => Order::Takeover(groups),
            3..5 => Order::Standby(groups),
            5 => Order::Withdraw(groups),
            6..8 => Order::Clear(groups),
            _ => Order::Leave,
        };
        self.nodes[side].node().refuses(order);
        self.nodes[side].handle(self.now, Input::Order(order));
    }

    /// Inputs that mean nothing, or little.
    fn disturb(&mut self, side: usize, choices: &mut Choices<'_>) {
        let (link, up, number) = (choices.below(4) as u8, choices.flag(), choices.below(5) as u8);
        let verb = [Verb::Start, Verb::Stop, Verb::Drop, Verb::Announce, Verb::Inventory][choices.below(5)];
        let node = &mut self.nodes[side];
        match choices.below(11) {
            2 => node.handle(self.now, Input::Line { link, lost: up }),
            3..5 => node.handle(self.now, Input::Probed { group: number }),
            5 => {
                let by = if up { By::Peer } else { By::Stranger };
                node.handle(self.now, Input::Answered { group: number, by });
            }
            6 if up => node.handle(self.now, Input::Asked { group: number }),
            6..8 => {
                let eyes = [Eyes::Open, Eyes::Open, Eyes::Closed, Eyes::Cut][usize::from(link)];
                node.handle(self.now, Input::Eyes { group: number, eyes });
            }
            8 => node.handle(self.now, Input::Lapsed { group: number }),
            9 => node.find(self.now, number, Duration::from_micros(choices.span())),
            10 => node.handle(self.now, Input::Fenced),
            0 => node.handle(self.now, Input::Carrier { link, up }),
            1 => node.handle(self.now, Input::Wake { swept: up }),
            _ => {
                // First whatever time alone would change, so that a change after it is the answer's.
                (0..4).for_each(|_| node.handle(self.now, Input::Wake { swept: false }));
                if node.steps().all(|step| step != (number, verb)) {
                    let before = node.states();
                    node.handle(self.now, Input::Done { group: number, verb, ok: up });
                    assert_eq!(node.states(), before, "a step ended that was not under way");
                }
            }
        }
    }

    /// SIGHUP with other groups, another digest, another key, or nothing new.
    fn reload(&mut self, side: usize, choices: &mut Choices<'_>) {
        if choices.flag() {
            self.plan.secret = choices.byte() & 1;
        }
        if choices.flag() {
            (self.plan.digest, self.plan.groups) = (choices.byte() & 1, choices.below(5));
        }
        if choices.flag() {
            self.plan.guard = choose_guard(choices, self.plan.timing.keepalive);
        }
        let old = self.nodes[side].states().len();
        let shift = choices.below(3);
        let kept = |number: usize| Some(number + shift).filter(|number| *number < old).map(|number| number as u8);
        let kept: Vec<_> = (0..self.plan.groups).map(kept).collect();
        self.nodes[side].reload(self.now, self.plan.setup(side, 0), &kept);
    }

    /// The daemon ends and begins a new life.
    fn boot(&mut self, side: usize) {
        self.runs += 1;
        self.nodes[side] = Watched::new(self.now, self.plan.setup(side, self.runs));
    }
}
