//! The first seconds of a daemon: alone, with its peer, after a crash.

use lubdub::node::{Event, PeerState, Verb};
use lubdub::time::Instant;
use lubdub::wire::beat::State;
use lubdub_sim::clock::Clock;
use lubdub_sim::story::*;

#[test]
fn both_booted_at_once_each_takes_what_it_is_preferred_for() {
    let mut pair = Pair::active_active();
    pair.power_on(NODE1);
    pair.power_on(NODE2);
    pair.within(KEEPALIVE + FRAMES).owner(GROUP, NODE1);
    pair.within(KEEPALIVE + FRAMES).owner(SECOND, NODE2);
    pair.run(SECS(60));
    assert_eq!(pair.moves(Instant::ZERO), 2, "each group is started once");
}

#[test]
fn one_booted_alone_takes_everything_after_initdead() {
    let mut pair = Pair::active_active();
    pair.power_on(NODE2);
    pair.throughout(INITDEAD - MS(1)).no_owner(GROUP);
    pair.within(FRAMES).owner(GROUP, NODE2);
    pair.within(FRAMES).owner(SECOND, NODE2);
    assert_eq!(pair.peer(NODE2), PeerState::Dead);
}

#[test]
fn the_second_to_boot_gets_its_group_back_only_after_f() {
    let mut pair = Pair::active_active();
    pair.power_on(NODE2);
    pair.within(INITDEAD + FRAMES).owner(GROUP, NODE2);
    pair.power_on(NODE1);
    pair.throughout(INITDEAD - MS(50)).owner(GROUP, NODE2);
    // A keepalive to meet, and one at most until the grant is known to be fresh.
    pair.within(MS(50) + KEEPALIVE.times(2) + FRAMES).owner(GROUP, NODE1);
    pair.throughout(SECS(60)).owner(SECOND, NODE2);
}

#[test]
fn a_restart_within_deadtime_is_settled_by_the_handshake() {
    let mut pair = Pair::active_active().settled();
    pair.kill(NODE1);
    pair.run(MS(100));
    pair.power_on(NODE1);
    pair.within(KEEPALIVE + FRAMES).state(NODE1, GROUP, State::Held);
    pair.throughout(SECS(10)).owner(GROUP, NODE1);
    assert_eq!(pair.owner(SECOND), Some(NODE2));
}

/// A killed daemon leaves its VIP to the kernel; without a lease the peer's is a second answer until it is started again.
#[test]
fn a_killed_daemon_that_returns_removes_what_it_left_before_it_says_anything() {
    let mut pair = Pair::tutorial().settled();
    pair.kill(NODE1);
    pair.expect_two_owners();
    pair.within(DEADTIME + FRAMES).state(NODE2, GROUP, State::Held);
    assert!(pair.answers(NODE1, GROUP), "nobody has told that kernel");
    pair.run(SECS(1));
    pair.power_on(NODE1);
    assert!(!pair.answers(NODE1, GROUP));
    pair.within(FRAMES).owner(GROUP, NODE2);
    pair.expect_one_owner();
    pair.throughout(INITDEAD - FRAMES).owner(GROUP, NODE2);
    pair.within(KEEPALIVE).owner(GROUP, NODE1);
}

/// False release: a new run that says `stopped` before it has looked.
#[test]
fn a_new_run_says_stopping_until_its_leftovers_are_gone() {
    let mut pair = Pair::tutorial().settled();
    pair.kill(NODE1);
    pair.run(MS(50));
    pair.spoil(NODE1, GROUP, Verb::Drop, Fate::takes(SECS(2)));
    pair.power_on(NODE1);
    pair.throughout(SECS(2) - MS(1)).state(NODE1, GROUP, State::Stopping);
    assert_eq!(pair.state(NODE2, GROUP), State::Stopped);
    pair.within(FRAMES).state(NODE1, GROUP, State::Held);
}

#[test]
fn a_new_run_that_cannot_remove_its_leftovers_never_says_stopped() {
    let mut pair = Pair::tutorial().settled();
    pair.kill(NODE1);
    pair.run(MS(50));
    pair.spoil(NODE1, GROUP, Verb::Drop, Fate::FAILS);
    pair.power_on(NODE1);
    pair.throughout(SECS(30)).that("the peer starts nothing that may still run", |pair| {
        pair.state(NODE1, GROUP) == State::Stopping && pair.state(NODE2, GROUP) == State::Stopped
    });
    pair.repair(NODE1);
    pair.within(SECS(60)).state(NODE1, GROUP, State::Held);
}

#[test]
fn deadtimes_that_differ_are_reported_on_both_nodes() {
    let mut pair = Pair::with(|it| it.timing[NODE2].deadtime = MS(500));
    pair.power_on(NODE1);
    pair.power_on(NODE2);
    pair.run(SECS(1));
    for side in BOTH {
        assert!(pair.noted(side, Instant::ZERO).any(|event| matches!(event, Event::DeadtimesDiffer { .. })));
    }
}

/// Nothing depends on what time it is: the two clocks are years apart, and do not run alike.
#[test]
fn clocks_that_differ_by_years_and_drift_apart_move_nothing() {
    let mut pair = Pair::active_active();
    pair.set_clock(NODE1, Clock::new(Instant::from_micros(30 * 365 * 86_400 * 1_000_000), 500));
    pair.set_clock(NODE2, Clock::new(Instant::from_micros(1), -500));
    let mut pair = pair.settled();
    let settled = pair.now();
    pair.run(SECS(600));
    assert_eq!(pair.moves(settled), 0);
    pair.power_off(NODE1);
    pair.within(DEADTIME + FRAMES).owner(GROUP, NODE2);
}
