//! The beat itself: how often, how soon, how long.

use lubdub::node::{Order, PeerState};
use lubdub::wire::beat::State;
use lubdub_sim::story::*;

#[test]
fn each_link_carries_a_beat_each_keepalive() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    pair.run(KEEPALIVE.times(100));
    for (side, link) in [(NODE1, SERIAL), (NODE1, ETHERNET), (NODE2, SERIAL), (NODE2, ETHERNET)] {
        let beats = pair.frames(side, link, begin).filter(|frame| frame.beat.is_some()).count();
        assert!((100..=101).contains(&beats), "{beats} beats of node{} on link {link}", side + 1);
    }
}

#[test]
fn what_changes_is_said_at_once() {
    let mut pair = Pair::tutorial().settled();
    pair.order(NODE1, Order::Standby(only(GROUP)));
    assert_eq!(pair.state(NODE1, GROUP), State::Giving);
    let begin = pair.now();
    let giving = |frame: &lubdub_sim::frame::Frame| {
        frame.beat.as_ref().is_some_and(|beat| beat.groups[GROUP].state == State::Giving)
    };
    assert!(pair.frames(NODE1, ETHERNET, begin).any(giving));
    // On the cable a frame begins when the one before has left.
    pair.run(MS(12));
    assert!(pair.frames(NODE1, SERIAL, begin).any(|frame| frame.beat.is_some()));
}

#[test]
fn a_beat_of_two_groups_with_md5_takes_29_bytes_on_the_cable() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    pair.run(SECS(1));
    let lens: Vec<_> = pair.frames(NODE1, SERIAL, begin).map(|frame| frame.bytes.len()).collect();
    assert!(!lens.is_empty() && lens.iter().all(|len| *len == 29), "{lens:?}");
}

/// Every beat tells everything, so that no single one is needed.
#[test]
fn losing_every_other_beat_costs_time_and_nothing_else() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    for _ in 0..10 {
        pair.cut_all();
        pair.run(KEEPALIVE - MS(5));
        pair.mend_all();
        pair.run(KEEPALIVE + MS(5));
    }
    pair.within(KEEPALIVE.times(3)).state(NODE2, GROUP, State::Held);
    for side in BOTH {
        assert_eq!(pair.peer(side), PeerState::Alive);
    }
    assert_eq!(pair.moves(begin), 1);
}

/// 19200 baud carry a keepalive of 100 ms.
#[test]
fn a_slow_cable_alone_is_enough() {
    let mut pair = Pair::with(|it| {
        second_line(it);
        it.links = vec![lubdub::node::LinkKind::Serial { baud: 19_200 }];
    })
    .settled();
    let begin = pair.now();
    pair.run(SECS(60));
    assert_eq!(pair.moves(begin), 0);
    pair.power_off(NODE1);
    pair.within(DEADTIME + MS(50)).owner(GROUP, NODE2);
}
