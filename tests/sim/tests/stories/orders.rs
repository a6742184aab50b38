//! What an operator orders happens, and lasts.

use lubdub::node::{Order, PeerState, Refusal, Verb};
use lubdub::wire::beat::State;
use lubdub_sim::story::*;

const BOTH_GROUPS: u32 = only(GROUP) | only(SECOND);

#[test]
fn a_takeover_by_order_costs_a_few_frames() {
    let mut pair = Pair::tutorial().settled();
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.within(FRAMES + FRAMES).state(NODE2, GROUP, State::Held);
    assert_eq!(pair.owner(GROUP), Some(NODE2));
    assert_eq!(pair.term(NODE2, GROUP), 1, "consent keeps the term");
}

#[test]
fn a_takeover_by_order_outlasts_auto_failback_until_the_preferred_node_begins_a_new_run() {
    let mut pair = Pair::tutorial().settled();
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.within(FRAMES + FRAMES).state(NODE2, GROUP, State::Held);
    pair.throughout(SECS(60)).owner(GROUP, NODE2);
    pair.power_off(NODE1);
    pair.run(SECS(1));
    pair.power_on(NODE1);
    pair.within(INITDEAD + DEADTIME).owner(GROUP, NODE1);
}

#[test]
fn a_standby_by_order_stays_too() {
    let mut pair = Pair::tutorial().settled();
    pair.order(NODE1, Order::Standby(only(GROUP)));
    pair.within(FRAMES + FRAMES).state(NODE2, GROUP, State::Held);
    pair.throughout(SECS(60)).owner(GROUP, NODE2);
}

#[test]
fn orders_move_groups_there_and_back() {
    let mut pair = Pair::active_active().settled();
    for _ in 0..5 {
        pair.order(NODE2, Order::Takeover(BOTH_GROUPS));
        pair.within(SECS(1)).state(NODE2, GROUP, State::Held);
        pair.run(SECS(1));
        assert_eq!((pair.owner(GROUP), pair.owner(SECOND)), (Some(NODE2), Some(NODE2)));
        pair.order(NODE1, Order::Takeover(only(GROUP)));
        pair.within(SECS(1)).state(NODE1, GROUP, State::Held);
        pair.run(SECS(1));
        assert_eq!((pair.owner(GROUP), pair.owner(SECOND)), (Some(NODE1), Some(NODE2)));
    }
}

#[test]
fn orders_on_both_nodes_at_the_same_moment_leave_one_owner() {
    let mut pair = Pair::active_active().settled();
    pair.order(NODE1, Order::Takeover(BOTH_GROUPS));
    pair.order(NODE2, Order::Takeover(BOTH_GROUPS));
    pair.run(SECS(1));
    pair.within(SECS(1)).that("every group has an owner", |pair| {
        [GROUP, SECOND]
            .iter()
            .all(|group| pair.owner(*group).is_some_and(|side| pair.state(side, *group) == State::Held))
    });
    let settled = pair.now();
    pair.run(SECS(60));
    assert_eq!(pair.moves(settled), 0);
}

#[test]
fn a_standby_without_a_peer_is_refused() {
    let mut pair = Pair::tutorial().settled();
    pair.power_off(NODE2);
    pair.within(DEADTIME + FRAMES).peer(NODE1, PeerState::Dead);
    let refused = pair.refuses(NODE1, Order::Standby(only(GROUP)));
    assert_eq!(refused, Some(Refusal::NoPeer(PeerState::Dead)));
}

#[test]
fn a_standby_whose_peer_dies_before_it_asks_is_taken_back() {
    let mut pair = Pair::tutorial().settled();
    let begin = pair.now();
    pair.cut_all();
    pair.power_off(NODE2);
    pair.order(NODE1, Order::Standby(only(GROUP)));
    pair.within(FRAMES).state(NODE1, GROUP, State::Giving);
    pair.within(DEADTIME + FRAMES).state(NODE1, GROUP, State::Held);
    assert_eq!(pair.moves(begin), 0);
}

#[test]
fn an_order_that_is_withdrawn_moves_nothing() {
    let mut pair = Pair::tutorial().settled();
    pair.cut_all();
    let begin = pair.now();
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.run(MS(100));
    pair.order(NODE2, Order::Withdraw(only(GROUP)));
    pair.mend_all();
    pair.throughout(SECS(10)).owner(GROUP, NODE1);
    assert_eq!(pair.moves(begin), 0);
}

/// The node that gives dies while it stops: the order is not forgotten, and no stop is believed that nobody reported.
#[test]
fn a_power_failure_in_the_middle_of_a_handover_costs_deadtime() {
    let mut pair = Pair::tutorial().settled();
    pair.spoil(NODE1, GROUP, Verb::Stop, Fate::takes(SECS(1)));
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.within(FRAMES).state(NODE1, GROUP, State::Stopping);
    pair.run(MS(20));
    pair.power_off(NODE1);
    pair.within(DEADTIME + FRAMES).owner(GROUP, NODE2);
}
