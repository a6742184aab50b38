//! A daemon is stopped in order.

use lubdub::node::{Cause, Event, Order, PeerState, Verb};
use lubdub::wire::beat::State;
use lubdub_sim::story::*;

#[test]
fn a_clean_stop_hands_over_at_once() {
    let mut pair = Pair::active_active().settled();
    pair.order(NODE1, Order::Leave);
    pair.within(FRAMES).owner(GROUP, NODE2);
    pair.within(FRAMES).off(NODE1);
    pair.run(SECS(3));
    assert_eq!(pair.peer(NODE2), PeerState::Left);
    assert_eq!(pair.term(NODE2, GROUP), 1, "who is told needs no new claim");
}

#[test]
fn the_standby_leaves_within_a_few_frames() {
    let mut pair = Pair::tutorial().settled();
    pair.order(NODE2, Order::Leave);
    pair.within(FRAMES).off(NODE2);
    pair.throughout(SECS(10)).owner(GROUP, NODE1);
}

#[test]
fn a_slow_stop_is_over_before_the_peer_starts() {
    let mut pair = Pair::tutorial().settled();
    pair.spoil(NODE1, GROUP, Verb::Stop, Fate::takes(SECS(2)));
    pair.order(NODE1, Order::Leave);
    pair.throughout(SECS(2) - MS(1)).state(NODE2, GROUP, State::Stopped);
    pair.within(FRAMES).owner(GROUP, NODE2);
}

/// Goodbye lost: then it is a death like any other.
#[test]
fn a_goodbye_that_nobody_hears_costs_deadtime_and_nothing_more() {
    let mut pair = Pair::tutorial().settled();
    let left = pair.now();
    pair.order(NODE1, Order::Leave);
    pair.silence(NODE1);
    pair.within(DEADTIME + FRAMES).off(NODE1);
    pair.within(DEADTIME + FRAMES).owner(GROUP, NODE2);
    assert!(pair.now().since(left) <= DEADTIME + FRAMES);
    assert_eq!(pair.peer(NODE2), PeerState::Dead);
    let silence = |event| matches!(event, Event::Group { cause: Cause::Silence(_), .. });
    assert!(pair.noted(NODE2, left).any(silence));
}

#[test]
fn a_goodbye_whose_first_copies_are_lost_is_repeated() {
    let mut pair = Pair::tutorial().settled();
    pair.order(NODE1, Order::Leave);
    pair.silence(NODE1);
    pair.within(FRAMES).state(NODE1, GROUP, State::Stopped);
    pair.run(KEEPALIVE.part(2));
    pair.mend_all();
    pair.within(KEEPALIVE + FRAMES).owner(GROUP, NODE2);
    assert_eq!(pair.peer(NODE2), PeerState::Left);
}

#[test]
fn a_node_whose_peer_is_dead_leaves_without_waiting_for_an_echo() {
    let mut pair = Pair::tutorial().settled();
    pair.power_off(NODE2);
    pair.run(SECS(1));
    pair.order(NODE1, Order::Leave);
    pair.within(FRAMES).off(NODE1);
}

#[test]
fn a_node_whose_stop_failed_does_not_leave() {
    let mut pair = Pair::active_active().settled();
    pair.spoil(NODE1, GROUP, Verb::Stop, Fate::FAILS);
    pair.order(NODE1, Order::Leave);
    pair.throughout(SECS(30)).that("it beats on, and its peer starts nothing", |pair| {
        !pair.is_off(NODE1) && pair.peer(NODE2) == PeerState::Alive && pair.owner(GROUP) == Some(NODE1)
    });
    assert_eq!(pair.owner(SECOND), Some(NODE2));
    pair.repair(NODE1);
    pair.within(SECS(60)).off(NODE1);
    pair.within(FRAMES).owner(GROUP, NODE2);
}

/// The daemon that said it may be another by then, and nobody can be asked for a group without a VIP: such a goodbye counts
/// no more than silence.
#[test]
fn a_goodbye_that_was_not_used_at_once_waits_for_deadtime() {
    for late in [0, 150, 220, 260] {
        let mut pair = Pair::tutorial().settled();
        pair.spoil(NODE1, GROUP, Verb::Stop, Fate::takes(MS(late)));
        pair.order(NODE1, Order::Standby(only(GROUP)));
        pair.within(FRAMES).state(NODE1, GROUP, State::Stopping);
        pair.order(NODE2, Order::Leave);
        let said = pair.now();
        pair.within(FRAMES).off(NODE2);
        pair.within(SECS(1)).state(NODE1, GROUP, State::Held);
        let waited = pair.now().since(said);
        assert_eq!(waited >= DEADTIME, late > 200, "{late} ms: {waited:?}");
    }
}

#[test]
fn an_edit_after_the_goodbye_leaves_no_orphan() {
    let mut pair = Pair::tutorial();
    pair.spoil(NODE1, GROUP, Verb::Start, Fate::FAILS);
    pair.power_on(NODE1);
    pair.power_on(NODE2);
    pair.within(SECS(5)).owner(GROUP, NODE2);
    pair.order(NODE2, Order::Leave);
    pair.within(FRAMES).off(NODE2);
    pair.files(NODE1).digest = [8; 8];
    pair.reload(NODE1);
    pair.within(DEADTIME + FRAMES).peer(NODE1, PeerState::Dead);
    pair.repair(NODE1);
    pair.order(NODE1, Order::Clear(only(GROUP)));
    pair.within(SECS(5)).owner(GROUP, NODE1);
}

/// Longer than sequence numbers last without an answer.
#[test]
fn a_goodbye_stands_for_as_long_as_the_peer_is_away() {
    let mut pair = Pair::tutorial();
    pair.spoil(NODE1, GROUP, Verb::Start, Fate::FAILS);
    pair.power_on(NODE1);
    pair.power_on(NODE2);
    pair.within(SECS(5)).owner(GROUP, NODE2);
    assert_eq!(pair.state(NODE1, GROUP), State::Failed);
    pair.order(NODE2, Order::Leave);
    pair.within(FRAMES).off(NODE2);
    pair.run(KEEPALIVE.times((1 << 15) + 100));
    assert_eq!((pair.peer(NODE1), pair.state(NODE1, GROUP)), (PeerState::Left, State::Failed));
    pair.repair(NODE1);
    pair.order(NODE1, Order::Clear(only(GROUP)));
    pair.within(SECS(5)).owner(GROUP, NODE1);
}
