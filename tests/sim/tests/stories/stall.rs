//! My own lateness proves nothing about the peer.

use lubdub::node::{Event, PeerState};
use lubdub::time::Instant;
use lubdub::wire::beat::State;
use lubdub_sim::story::*;

/// Merged term: a stale owner that adopts the term it hears would win as the preferred node.
#[test]
fn a_thawed_owner_yields_to_the_higher_claim_although_it_is_preferred() {
    for seed in 0..20 {
        let mut pair = Pair::with(|it| it.seed = seed).settled();
        let begin = pair.now();
        pair.freeze(NODE1);
        // Without a lease a frozen daemon's kernel answers on.
        pair.expect_two_owners();
        pair.within(DEADTIME + FRAMES).state(NODE2, GROUP, State::Held);
        pair.run(SECS(2));
        pair.thaw(NODE1);
        pair.within(KEEPALIVE + FRAMES).owner(GROUP, NODE2);
        pair.expect_one_owner();
        assert!(pair.noted(NODE1, begin).any(|event| matches!(event, Event::Stalled { .. })));
        pair.throughout(SECS(2)).owner(GROUP, NODE2);
    }
}

#[test]
fn a_frozen_standby_takes_nothing_when_it_thaws() {
    for seed in 0..20 {
        let mut pair = Pair::with(|it| it.seed = seed).settled();
        let begin = pair.now();
        for millis in [350, 1_234, 5_000] {
            pair.freeze(NODE2);
            pair.run(MS(millis));
            pair.thaw(NODE2);
            pair.run(SECS(1));
        }
        assert_eq!(pair.moves(begin), 0);
    }
}

#[test]
fn a_stall_shorter_than_deadtime_is_nobodys_death() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    for side in [NODE1, NODE2].repeat(20) {
        pair.freeze(side);
        pair.run(MS(180));
        pair.thaw(side);
        pair.run(MS(150));
    }
    assert_eq!(pair.moves(begin), 0);
    assert!(!pair.noted(NODE1, begin).any(|event| matches!(event, Event::Peer { .. })));
}

/// CPU starvation: each turn of the loop is late, by up to half a keepalive.
#[test]
fn a_starved_daemon_takes_nothing_by_mistake() {
    let mut pair = Pair::with(|it| {
        second_line(it);
        it.lag = KEEPALIVE.part(2);
    });
    pair = pair.settled();
    let begin = pair.now();
    pair.run(SECS(600));
    assert_eq!(pair.moves(begin), 0);
    assert_eq!((pair.peer(NODE1), pair.peer(NODE2)), (PeerState::Alive, PeerState::Alive));
}

/// No clock of its own shows a paused machine that it was away: two answers, for a keepalive and a frame.
#[test]
fn a_machine_that_was_paused_gives_way_within_a_keepalive_and_a_frame() {
    for seed in 0..20 {
        let mut pair = Pair::with(|it| it.seed = seed).settled();
        pair.pause(NODE1);
        pair.expect_two_owners();
        pair.within(DEADTIME + FRAMES).state(NODE2, GROUP, State::Held);
        pair.run(SECS(2));
        let resumed = pair.now();
        pair.thaw(NODE1);
        pair.within(KEEPALIVE + FRAMES).owner(GROUP, NODE2);
        pair.expect_one_owner();
        assert_eq!(pair.starts(NODE1, GROUP, resumed), 0);
        pair.throughout(SECS(2)).owner(GROUP, NODE2);
    }
}

#[test]
fn a_late_beat_is_reported_with_its_interval() {
    let mut pair = Pair::tutorial().settled();
    pair.cut_all();
    pair.run(MS(230));
    pair.mend_all();
    pair.within(MS(200)).note(
        NODE1,
        "a late beat",
        |event| matches!(event, Event::Late { interval } if *interval > MS(200) && *interval < DEADTIME + FRAMES),
    );
    let dead = |event| matches!(event, Event::Peer { to: PeerState::Dead, .. });
    assert!(!pair.noted(NODE1, Instant::ZERO).any(dead));
}
