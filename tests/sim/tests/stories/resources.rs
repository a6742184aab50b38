//! Starts and stops that fail or hang.

use lubdub::node::{Event, Order, PeerState, Refusal, Verb};
use lubdub::time::Instant;
use lubdub::wire::beat::State;
use lubdub_sim::story::*;

/// Both nodes are switched on, and starts end like this on node1.
fn started_with(fate: Fate) -> Pair {
    let mut pair = Pair::tutorial();
    pair.spoil(NODE1, GROUP, Verb::Start, fate);
    pair.power_on(NODE1);
    pair.power_on(NODE2);
    pair
}

#[test]
fn a_start_that_fails_moves_the_group_once_and_stays_failed_until_cleared() {
    let mut pair = started_with(Fate::FAILS);
    pair.run(SECS(60));
    assert_eq!((pair.owner(GROUP), pair.state(NODE1, GROUP)), (Some(NODE2), State::Failed));
    assert_eq!(pair.starts(NODE1, GROUP, Instant::ZERO), 2, "a bounded retry");
    assert_eq!(pair.starts(NODE2, GROUP, Instant::ZERO), 1, "one move");
    assert_eq!(pair.refuses(NODE1, Order::Takeover(only(GROUP))), Some(Refusal::Failed(0)));
    pair.repair(NODE1);
    pair.order(NODE1, Order::Clear(only(GROUP)));
    pair.within(INITDEAD + DEADTIME).owner(GROUP, NODE1);
}

#[test]
fn a_start_that_hangs_moves_the_group_when_it_is_given_up() {
    let mut pair = started_with(Fate::hangs(SECS(5)));
    pair.throughout(SECS(9)).that("node2 starts nothing that node1 may yet start", |pair| !pair.has(NODE2, GROUP));
    pair.within(SECS(2)).owner(GROUP, NODE2);
    assert_eq!(pair.state(NODE1, GROUP), State::Failed);
}

#[test]
fn a_start_that_fails_on_both_ends_failed_on_both() {
    let mut pair = started_with(Fate::FAILS);
    pair.spoil(NODE2, GROUP, Verb::Start, Fate::FAILS);
    pair.run(SECS(60));
    for side in BOTH {
        assert_eq!((pair.state(side, GROUP), pair.starts(side, GROUP, Instant::ZERO)), (State::Failed, 2));
    }
}

#[test]
fn a_failed_node_tries_once_for_each_death_of_its_peer() {
    let mut pair = started_with(Fate::FAILS);
    pair.run(SECS(5));
    let off = pair.now();
    pair.power_off(NODE2);
    pair.run(SECS(30));
    assert_eq!((pair.state(NODE1, GROUP), pair.starts(NODE1, GROUP, off)), (State::Failed, 1));
}

#[test]
fn the_group_of_a_node_that_dies_in_the_middle_of_a_start_is_taken_after_deadtime() {
    let mut pair = started_with(Fate::takes(SECS(20)));
    pair.within(SECS(1)).state(NODE1, GROUP, State::Starting);
    pair.run(SECS(2));
    pair.power_off(NODE1);
    pair.within(DEADTIME + FRAMES).owner(GROUP, NODE2);
}

#[test]
fn a_stop_that_fails_is_never_reported_stopped() {
    let mut pair = Pair::tutorial().settled();
    let begin = pair.now();
    pair.spoil(NODE1, GROUP, Verb::Stop, Fate::FAILS);
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.within(FRAMES).state(NODE1, GROUP, State::Stopping);
    pair.throughout(SECS(20)).that("the peer starts nothing that may still run", |pair| {
        pair.state(NODE1, GROUP) == State::Stopping && pair.owner(GROUP) == Some(NODE1)
    });
    assert!(pair.noted(NODE1, begin).any(|event| matches!(event, Event::StopFailed { group: 0, .. })));
    pair.repair(NODE1);
    // The order still stands.
    pair.within(SECS(60)).owner(GROUP, NODE2);
}

#[test]
fn a_stop_that_hangs_is_waited_for() {
    let mut pair = Pair::tutorial().settled();
    pair.spoil(NODE1, GROUP, Verb::Stop, Fate::hangs(SECS(5)));
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.within(FRAMES).state(NODE1, GROUP, State::Stopping);
    pair.throughout(SECS(15)).that("it beats, and its peer waits", |pair| {
        pair.peer(NODE2) == PeerState::Alive && pair.state(NODE2, GROUP) == State::Stopped
    });
    pair.repair(NODE1);
    pair.within(SECS(60)).owner(GROUP, NODE2);
}

#[test]
fn what_an_operator_clears_is_tried_at_once() {
    let mut pair = Pair::tutorial().settled();
    pair.spoil(NODE1, GROUP, Verb::Stop, Fate::FAILS);
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    // By now the waits between two tries have grown.
    pair.run(SECS(20));
    pair.repair(NODE1);
    pair.order(NODE1, Order::Clear(only(GROUP)));
    pair.within(FRAMES + FRAMES).owner(GROUP, NODE2);
}
