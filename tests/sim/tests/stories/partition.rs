//! Every path is cut and both nodes live: two owners, as long as no third party can be asked. How it ends.

use lubdub::node::{Cause, Event, Order, PeerState, Verb};
use lubdub::time::Instant;
use lubdub::wire::beat::State;
use lubdub_sim::clock::Clock;
use lubdub_sim::story::*;

/// The documented limit: with every link cut there are two owners after deadtime, until a link is mended.
fn partitioned(mut pair: Pair) -> Pair {
    pair.expect_two_owners();
    pair.cut_all();
    pair.within(DEADTIME + FRAMES).that("both own the group", |pair| BOTH.iter().all(|side| pair.has(*side, GROUP)));
    pair.run(SECS(5));
    pair
}

#[test]
fn a_healed_partition_leaves_the_higher_claim_and_fails_back_once() {
    let mut pair = partitioned(Pair::active_active().settled());
    let healed = pair.now();
    pair.mend_all();
    // Both nodes took what was the other's.
    pair.within(KEEPALIVE + FRAMES)
        .that("one owner each", |pair| (pair.owner(GROUP), pair.owner(SECOND)) == (Some(NODE2), Some(NODE1)));
    pair.expect_one_owner();
    pair.throughout(INITDEAD - KEEPALIVE - FRAMES).owner(GROUP, NODE2);
    pair.run(SECS(10));
    assert_eq!((pair.owner(GROUP), pair.owner(SECOND)), (Some(NODE1), Some(NODE2)));
    assert_eq!((pair.starts(NODE1, GROUP, healed), pair.starts(NODE2, SECOND, healed)), (1, 1));
    assert_eq!(pair.moves(healed), 2, "each group is started once more, where it is at home");
}

/// Whichever of the two hears the other first, the verdict is the same.
#[test]
fn the_verdict_does_not_depend_on_who_hears_whom_first() {
    let mut kept = 0;
    for drift in [-500, 500] {
        for seconds in (0..100).step_by(10) {
            let mut pair = Pair::tutorial();
            pair.set_clock(NODE1, Clock::new(Instant::ZERO, drift));
            pair.set_clock(NODE2, Clock::new(Instant::ZERO, -drift));
            let mut pair = partitioned(pair.settled());
            pair.run(SECS(seconds));
            let healed = pair.now();
            pair.mend_all();
            pair.within(KEEPALIVE + FRAMES).owner(GROUP, NODE2);
            pair.expect_one_owner();
            pair.throughout(SECS(2)).owner(GROUP, NODE2);
            // Only a node that hears the other while both hold can say that it keeps.
            let keeps = |side| pair.noted(side, healed).any(|event| matches!(event, Event::Kept { group: 0, .. }));
            assert!(!keeps(NODE1));
            kept += u32::from(keeps(NODE2));
        }
    }
    assert!(kept > 0 && kept < 20, "{kept}: both orders are meant");
}

/// A failed stop is tried again later and later; but where the peer has taken the group by silence both run it, and the
/// next try is due as soon as that is heard.
#[test]
fn a_failed_stop_is_not_waited_with_once_the_peer_has_the_group() {
    let mut pair = Pair::tutorial().settled();
    pair.spoil(NODE1, GROUP, Verb::Stop, Fate::FAILS);
    pair.order(NODE1, Order::Standby(only(GROUP)));
    pair.within(SECS(10)).note(NODE1, "the stop fails", |event| matches!(event, Event::StopFailed { times: 4, .. }));
    pair.expect_two_owners();
    pair.cut_all();
    pair.within(DEADTIME + FRAMES).state(NODE2, GROUP, State::Held);
    pair.repair(NODE1);
    pair.mend_all();
    pair.within(KEEPALIVE + FRAMES).owner(GROUP, NODE2);
    pair.expect_one_owner();
    pair.throughout(SECS(10)).owner(GROUP, NODE2);
}

#[test]
fn the_loser_drops_its_vip_before_it_says_that_it_stops() {
    let mut pair = partitioned(Pair::tutorial().settled());
    pair.mend_all();
    pair.within(KEEPALIVE + FRAMES).state(NODE1, GROUP, State::Stopping);
    assert!(!pair.answers(NODE1, GROUP));
    assert!(pair.answers(NODE2, GROUP));
}

/// The verdict was on its way when the cables were pulled again: whoever sent it counts on it.
#[test]
fn a_heal_that_ends_with_a_frame_on_its_way_leaves_one_owner() {
    let pair = Pair::leased_with(|it| {
        Pair::with_lines(it);
        it.has_vip = vec![false];
    });
    let mut pair = partitioned(pair.settled());
    // node1 hears first, and node2 is the one that learns from the answer that both hold.
    pair.mend_from(NODE2);
    pair.within(KEEPALIVE + FRAMES).peer(NODE1, PeerState::Alive);
    pair.mend_all();
    pair.within(KEEPALIVE + FRAMES).note(NODE2, "node2 keeps it", |event| matches!(event, Event::Kept { .. }));
    assert!(pair.has(NODE1, GROUP), "the verdict is on its way");
    pair.unplug(SERIAL);
    pair.unplug(ETHERNET);
    pair.within(FRAMES).owner(GROUP, NODE2);
}

/// A handshake ends the silence, not a beat: the first beat of the session is answered at once too.
#[test]
fn a_partition_that_ends_with_a_new_session_heals_as_soon() {
    for phase in 0..20 {
        let mut pair = partitioned(Pair::with(|it| it.links.truncate(1)).settled());
        pair.run(MS(phase * 5));
        pair.reload(NODE2);
        pair.run(SECS(1));
        let healed = pair.now();
        pair.mend_all();
        let began = |event| matches!(event, Event::Session { .. });
        pair.within(KEEPALIVE.times(2) + FRAMES)
            .that("a session begins", |pair| BOTH.iter().any(|side| pair.noted(*side, healed).any(began)));
        pair.within(FRAMES).owner(GROUP, NODE2);
    }
}

#[test]
fn any_one_link_heals_a_partition() {
    for link in [SERIAL, ETHERNET] {
        let mut pair = partitioned(Pair::tutorial().settled());
        pair.mend(link);
        pair.within(KEEPALIVE + FRAMES).owner(GROUP, NODE2);
    }
}

/// One-way heal: the loser of the claims cannot hear that it has lost, so whoever hears yields.
#[test]
fn a_partition_that_heals_in_one_direction_leaves_the_deaf_owner() {
    for deaf in BOTH {
        let mut pair = partitioned(Pair::active_active().settled());
        pair.mend_from(deaf);
        for group in [GROUP, SECOND] {
            pair.within(SECS(1)).owner(group, deaf);
        }
        pair.expect_one_owner();
        pair.throughout(SECS(10)).owner(GROUP, deaf);
    }
}

/// A lone beat that got through long before the heal is none of the two in a row that prove a one-way heal.
#[test]
fn a_lone_beat_during_a_partition_does_not_turn_the_verdict_at_the_heal() {
    let mut pair = partitioned(
        Pair::with(|it| {
            second_line(it);
            it.auto_failback = false;
        })
        .settled(),
    );
    pair.mend_from(NODE1);
    pair.run(KEEPALIVE + MS(10));
    pair.cut_all();
    pair.run(SECS(5));
    assert!(pair.has(NODE1, GROUP) && pair.has(NODE2, GROUP));
    let healed = pair.now();
    pair.mend_all();
    pair.run(SECS(1));
    let unheard = |event| matches!(event, Event::Group { cause: Cause::Unheard, .. });
    assert!(BOTH.iter().all(|side| !pair.noted(*side, healed).any(unheard)));
    assert_eq!((pair.owner(GROUP), pair.owner(SECOND)), (Some(NODE2), Some(NODE1)), "the higher claims keep");
}

/// A session shows that there was a round trip. Until deadtime has gone by in it, no node is deaf.
#[test]
fn a_session_that_has_just_begun_makes_nobody_yield_as_unheard() {
    for turn in [BOTH, [NODE2, NODE1]] {
        let mut pair = Pair::with(|it| it.links.truncate(1));
        pair.expect_two_owners();
        pair.cut_all();
        for side in turn {
            pair.power_on(side);
            pair.run(SECS(10));
        }
        let healed = pair.now();
        pair.mend_all();
        let began = |pair: &Pair, side| pair.noted(side, healed).any(|event| matches!(event, Event::Session { .. }));
        pair.within(SECS(1)).that("a session begins", |pair| BOTH.iter().any(|side| began(pair, *side)));
        // Its first beat begins the other node's, of whom nothing is heard any more.
        let deaf = if began(&pair, NODE1) { NODE1 } else { NODE2 };
        pair.silence(1 - deaf);
        pair.within(FRAMES).that("so does the other", |pair| began(pair, 1 - deaf));
        pair.throughout(DEADTIME - FRAMES).that("both go on", |pair| BOTH.iter().all(|side| pair.has(*side, GROUP)));
        pair.within(KEEPALIVE + FRAMES).owner(GROUP, deaf);
    }
}

/// Age as tie-break, or any setting that is not in the beat: each node would see its own side win.
#[test]
fn equal_claims_leave_the_preferred_node_whatever_their_ages_and_timings() {
    for (first, second) in [(NODE1, NODE2), (NODE2, NODE1)] {
        for deadtime in [MS(300), MS(900)] {
            let mut pair = Pair::with(|it| it.timing[NODE2].deadtime = deadtime);
            pair.expect_two_owners();
            pair.cut_all();
            pair.power_on(first);
            pair.run(SECS(10));
            pair.power_on(second);
            pair.run(SECS(10));
            assert_eq!((pair.term(NODE1, GROUP), pair.term(NODE2, GROUP)), (1, 1));
            let healed = pair.now();
            pair.mend_all();
            // A hello, its answer, a beat.
            pair.within(KEEPALIVE.times(3)).owner(GROUP, NODE1);
            pair.expect_one_owner();
            pair.throughout(SECS(20)).owner(GROUP, NODE1);
            assert_eq!(pair.moves(healed), 0);
        }
    }
}

/// The beats on either side of a cut are up to a keepalive away from it.
#[test]
fn a_cut_two_keepalives_shorter_than_deadtime_moves_nothing() {
    let mut pair = Pair::with(|it| {
        second_line(it);
        it.timing.iter_mut().for_each(|timing| timing.deadtime = SECS(1));
    })
    .settled();
    let begin = pair.now();
    for _ in 0..50 {
        pair.cut_all();
        pair.run(SECS(1) - KEEPALIVE.times(2) - FRAMES);
        pair.mend_all();
        pair.run(MS(137));
    }
    assert_eq!(pair.moves(begin), 0);
    assert_eq!((pair.peer(NODE1), pair.peer(NODE2)), (PeerState::Alive, PeerState::Alive));
}
