//! L10 from outside: what an order has moved stays until the preferred node begins a new run or another order comes.
//!
//! Only orders that have surely been kept count: one that a failure, a withdrawal or a new life came between is forgotten.

use super::{Oracle, Scene};
use crate::Side;
use lubdub::node::{Cause, Order};
use lubdub::wire::beat::State;

/// What operators want of one group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mandate {
    /// An order is on its way: the group is to be held by this node.
    pending: Option<Side>,
    /// This node holds it by order.
    holder: Option<Side>,
}

impl Oracle {
    /// A node is about to obey.
    pub fn ordered(&mut self, scene: &Scene<'_>, side: Side, order: Order) {
        let (Order::Takeover(mask) | Order::Standby(mask) | Order::Withdraw(mask) | Order::Clear(mask)) = order else {
            return self.mandates.fill(Mandate::default());
        };
        for group in (0..scene.groups()).filter(|group| mask >> group & 1 != 0) {
            let state = scene.boxes[side].state(group);
            let holds = state.is_some_and(State::holds);
            self.mandates[group] = match order {
                Order::Takeover(_) if holds => Mandate { holder: Some(side), ..Mandate::default() },
                Order::Takeover(_) => Mandate { pending: Some(side), ..Mandate::default() },
                Order::Standby(_) if state == Some(State::Held) => {
                    Mandate { pending: Some(1 - side), ..Mandate::default() }
                }
                Order::Clear(_) => self.mandates[group],
                _ => Mandate::default(),
            };
        }
    }

    /// A new life of either daemon, or the other node hears of it: orders do not outlast that.
    pub(super) fn forget_orders(&mut self) {
        self.mandates.fill(Mandate::default());
    }

    /// A group begins to be held by a node, or no longer is.
    pub(super) fn moved(&mut self, scene: &Scene<'_>, side: Side, group: usize, to: State, cause: Cause) {
        let mandate = &mut self.mandates[group];
        match to {
            State::Starting => {
                let kept = mandate.pending == Some(side) && cause == Cause::Consent;
                *mandate = Mandate { holder: kept.then_some(side), ..Mandate::default() };
            }
            // The one that was to give it away has thought better of it.
            State::Held if mandate.pending == Some(1 - side) => *mandate = Mandate::default(),
            // A heal, a failure or a failback came between.
            State::Stopping if mandate.pending.is_some() && cause != Cause::Handover => *mandate = Mandate::default(),
            State::Stopping if mandate.holder == Some(side) => {
                mandate.holder = None;
                if cause == Cause::Failback {
                    self.accuse(
                        scene.now,
                        "L10",
                        format_args!("node{} gives group {group} back, which it holds by order", side + 1),
                    );
                }
            }
            _ => {}
        }
    }
}
