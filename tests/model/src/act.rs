//! What can come next in a state.

use crate::pace;
use crate::world::{LINKS_MAX, World};
use lubdub::node::{Order, Why};

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The node that sends.
    pub from: usize,
    /// The link.
    pub link: usize,
}

/// One step of the world. Sides and links are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The oldest frame is read by the node that it was sent to.
    Deliver(Way),
    /// A node is woken at the time it asked for.
    Wake(usize),
    /// The step of a node's resources ends, as it should.
    Done(usize),
    /// Half a keepalive passes.
    Tick,
    /// A stalled node goes on.
    Thaw(usize),
    /// A node that is off or has left starts a new run.
    Boot(usize),
    /// A direction of a link works again.
    Mend(Way),
    /// The oldest frame is lost.
    Lose(Way),
    /// Frames in one direction vanish from now on.
    Cut(Way),
    /// Frames in both directions vanish from now on.
    Unplug(usize),
    /// A node loses power.
    Crash(usize),
    /// A node is not scheduled; frames to it wait, as far as its buffer holds them.
    Stall(usize),
    /// The step of a node's resources fails.
    Fail(usize),
    /// An operator's order.
    Order(usize, Order),
}

/// Which kinds of faults a search tries.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    /// Frames are lost one by one.
    pub losses: bool,
    /// Links are cut, in one direction or both.
    pub cuts: bool,
    /// Nodes lose power, and come back.
    pub crashes: bool,
    /// Nodes are stalled.
    pub stalls: bool,
    /// Operators order.
    pub orders: bool,
    /// Starts and stops fail.
    pub failures: bool,
}

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self { losses: true, cuts: true, crashes: true, stalls: true, orders: true, failures: true };
}

/// The orders that are tried.
const ORDERS: [Order; 3] = [Order::Takeover(1), Order::Standby(1), Order::Leave];

impl Act {
    /// Whether it costs one of the faults of the search.
    pub fn is_fault(self) -> bool {
        use Act::{Crash, Cut, Fail, Lose, Order, Stall, Unplug};
        matches!(self, Lose(_) | Cut(_) | Unplug(_) | Crash(_) | Stall(_) | Fail(_) | Order(..))
    }
}

impl World {
    /// Every act that can come next.
    pub fn acts(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        for side in [0, 1] {
            self.work(side, &mut acts);
        }
        if self.is_quiet() {
            if self.may_tick() {
                acts.push(Act::Tick);
            }
            self.repairs(&mut acts);
        }
        if self.faults > 0 {
            self.faults(&mut acts);
        }
        acts
    }

    /// What a running node has to do within this tick.
    pub fn work(&self, side: usize, acts: &mut Vec<Act>) {
        let it = &self.sides[side];
        if !it.is_awake() {
            return;
        }
        let before = acts.len();
        for link in 0..self.config.links {
            if !self.wires[1 - side][link].is_empty() {
                acts.push(Act::Deliver(Way { from: 1 - side, link }));
            }
        }
        // Where silence is to be judged every link is read first.
        let unread = acts.len() > before;
        let (at, why) = it.wake;
        if at <= pace::moment(self.tick) && !(unread && why == Why::Judge) {
            acts.push(Act::Wake(side));
        }
        if it.step.is_some() {
            acts.push(Act::Done(side));
        }
    }

    /// Whether every running node has read everything and was woken.
    pub fn is_quiet(&self) -> bool {
        (0..2).filter(|side| self.sides[*side].is_awake()).all(|side| {
            let due = self.sides[side].wake.0 <= pace::moment(self.tick);
            !due && self.wires[1 - side].iter().all(std::collections::VecDeque::is_empty)
        })
    }

    /// A step of resources may last one tick.
    fn may_tick(&self) -> bool {
        self.sides.iter().all(|side| !side.is_awake() || side.step.is_none_or(|(_, ticks)| ticks < 1))
    }

    fn repairs(&self, acts: &mut Vec<Act>) {
        for side in [0, 1] {
            let it = &self.sides[side];
            if it.frozen {
                acts.push(Act::Thaw(side));
            } else if it.node.is_none() {
                acts.push(Act::Boot(side));
            }
            for link in 0..self.config.links {
                if self.cut[side][link] {
                    acts.push(Act::Mend(Way { from: side, link }));
                }
            }
        }
    }

    fn faults(&self, acts: &mut Vec<Act>) {
        let kinds = self.config.kinds;
        for side in [0, 1] {
            let it = &self.sides[side];
            let lossy = (0..LINKS_MAX).filter(|link| kinds.losses && !self.wires[side][*link].is_empty());
            acts.extend(lossy.map(|link| Act::Lose(Way { from: side, link })));
            if it.node.is_some() && kinds.crashes {
                acts.push(Act::Crash(side));
            }
            if !it.is_awake() {
                continue;
            }
            if kinds.stalls {
                acts.push(Act::Stall(side));
            }
            if kinds.failures && it.step.is_some() {
                acts.push(Act::Fail(side));
            }
            if kinds.orders {
                let node = it.node.as_ref();
                let kept = ORDERS.into_iter().filter(|order| node.is_some_and(|n| n.node.refuses(*order).is_none()));
                acts.extend(kept.map(|order| Act::Order(side, order)));
            }
        }
        if kinds.cuts && self.is_quiet() {
            self.cuts(acts);
        }
    }

    fn cuts(&self, acts: &mut Vec<Act>) {
        for link in 0..self.config.links {
            let whole = (0..2).filter(|from| !self.cut[*from][link]);
            acts.extend(whole.map(|from| Act::Cut(Way { from, link })));
            if !self.cut[0][link] && !self.cut[1][link] {
                acts.push(Act::Unplug(link));
            }
        }
    }
}
