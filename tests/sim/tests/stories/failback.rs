//! auto_failback: once, not too soon, and less and less often.

use lubdub::node::{Order, Verb};
use lubdub::time::Duration;
use lubdub::wire::beat::State;
use lubdub_sim::story::*;

#[test]
fn a_group_goes_home_when_its_node_has_been_back_for_initdead() {
    let mut pair = Pair::tutorial().settled();
    pair.power_off(NODE1);
    pair.run(SECS(1));
    pair.power_on(NODE1);
    pair.throughout(INITDEAD - MS(1)).owner(GROUP, NODE2);
    pair.within(KEEPALIVE + FRAMES).owner(GROUP, NODE1);
}

/// Also where the stop takes less time than a beat on the cable.
#[test]
fn a_failback_costs_frames_and_not_a_keepalive() {
    for phase in 0..25 {
        let mut pair = Pair::with(|it| it.step = Duration::from_micros(1)).settled();
        pair.power_off(NODE1);
        pair.run(MS(1000 + phase * 4));
        pair.power_on(NODE1);
        pair.within(SECS(10)).no_owner(GROUP);
        pair.within(FRAMES.times(2)).owner(GROUP, NODE1);
    }
}

#[test]
fn without_auto_failback_groups_stay() {
    let mut pair = Pair::with(|it| it.auto_failback = false).settled();
    pair.power_off(NODE1);
    pair.within(DEADTIME + FRAMES).owner(GROUP, NODE2);
    pair.power_on(NODE1);
    pair.throughout(SECS(60)).owner(GROUP, NODE2);
}

#[test]
fn each_failback_within_an_hour_doubles_the_wait_for_the_next() {
    let mut pair = Pair::tutorial().settled();
    let mut waits = Vec::new();
    for _ in 0..4 {
        pair.power_off(NODE1);
        pair.run(SECS(1));
        pair.power_on(NODE1);
        waits.push(pair.within(SECS(60)).owner(GROUP, NODE1).as_millis() / 1_000);
        pair.run(SECS(1));
    }
    assert_eq!(waits, [3, 6, 12, 24]);
}

#[test]
fn a_preferred_node_that_restarts_within_deadtime_gets_its_group_back_after_f() {
    let mut pair = Pair::tutorial().settled();
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.within(SECS(1)).state(NODE2, GROUP, State::Held);
    pair.run(SECS(5));
    pair.power_off(NODE1);
    pair.run(MS(50));
    pair.power_on(NODE1);
    pair.throughout(INITDEAD - MS(1)).owner(GROUP, NODE2);
    // A new run ends the order.
    pair.within(MS(500)).owner(GROUP, NODE1);
}

#[test]
fn a_cleared_failure_is_no_reason_to_hurry() {
    let mut pair = Pair::tutorial();
    pair.spoil(NODE1, GROUP, Verb::Start, Fate::FAILS);
    pair.power_on(NODE1);
    pair.power_on(NODE2);
    pair.run(SECS(20));
    assert_eq!((pair.owner(GROUP), pair.state(NODE1, GROUP)), (Some(NODE2), State::Failed));
    pair.repair(NODE1);
    pair.order(NODE1, Order::Clear(only(GROUP)));
    pair.throughout(INITDEAD - MS(200)).owner(GROUP, NODE2);
    pair.within(MS(500)).owner(GROUP, NODE1);
}

#[test]
fn a_node_that_dies_again_before_its_group_is_home_starts_the_wait_anew() {
    let mut pair = Pair::tutorial().settled();
    pair.power_off(NODE1);
    pair.within(DEADTIME + FRAMES).owner(GROUP, NODE2);
    for _ in 0..5 {
        pair.power_on(NODE1);
        pair.throughout(INITDEAD - MS(100)).owner(GROUP, NODE2);
        pair.power_off(NODE1);
        pair.run(SECS(1));
    }
    assert_eq!(pair.owner(GROUP), Some(NODE2));
}
