//! The service LAN out of reach of one node or of both, as lost carriers and silent `ping` nodes show it.

use crate::pair::{MS, Pair};
use lubdub::node::{Cause, Event, Eyes, Guard, Order};
use lubdub::time::Duration;
use lubdub::wire::beat::State;

/// Both on, with leases, and settled: node1 holds group 0, node2 group 1.
fn settled() -> Pair {
    let mut pair = Pair::new();
    pair.guard = Guard { lease: Some(MS(279)), outlast: true, probes: true, fencing: false };
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    pair
}

fn moves(pair: &Pair) -> usize {
    let events = pair.boxes.iter().flat_map(|it| &it.events);
    events.filter(|(_, event)| matches!(event, Event::Group { to: State::Starting, .. })).count()
}

fn went(pair: &Pair, side: usize, wanted: Cause) -> bool {
    pair.boxes[side].events.iter().any(|(_, event)| matches!(event, Event::Group { cause, .. } if *cause == wanted))
}

#[test]
fn an_isolated_owner_gives_up_at_once_when_its_ping_nodes_have_been_silent_for_deadtime() {
    let mut pair = settled();
    pair.cut_all(true);
    pair.lan_cut = true;
    // The shell tells it deadtime after the last answer.
    pair.run(MS(300));
    assert!(pair.holding(0, 0), "no carrier is lost, and nothing is told yet");
    pair.see(0, Eyes::Silent);
    let span = pair.until(MS(1000), |pair| pair.state(0, 0) == State::Stopped);
    assert!(span <= MS(100), "{span:?}");
    assert!(went(&pair, 0, Cause::Blind), "{}", pair.story());
    pair.run(MS(2000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(1), Some(1)), "{}", pair.story());
    assert!(!pair.holding(0, 0));
}

#[test]
fn an_isolated_standby_takes_nothing() {
    let mut pair = settled();
    let cut = pair.now;
    pair.cut_all(true);
    pair.lan_cut = true;
    pair.see(1, Eyes::Closed);
    pair.run(MS(300));
    pair.see(1, Eyes::Silent);
    pair.run(MS(20_000));
    assert!(pair.holding(0, 0) && !pair.holding(1, 0), "{}", pair.story());
    assert!(!pair.holding(1, 1), "it gave up its own group too");
    pair.lan_cut = false;
    pair.see(1, Eyes::Open);
    pair.cut_all(false);
    pair.run(MS(5_000));
    assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
    assert_eq!(pair.starts(1, 0, cut), 0, "{}", pair.story());
}

#[test]
fn a_node_with_silent_ping_nodes_asks_for_nothing_and_an_order_waits() {
    let mut pair = settled();
    pair.see(1, Eyes::Silent);
    pair.order(1, Order::Takeover(1));
    pair.run(MS(2000));
    assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
    pair.see(1, Eyes::Open);
    pair.run(MS(1000));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
}

#[test]
fn an_owner_that_loses_the_service_lan_hands_over_across_the_cable() {
    for eyes in [Eyes::Cut, Eyes::Silent] {
        let mut pair = settled();
        pair.see(0, eyes);
        let wait = if eyes == Eyes::Cut { pair.timing.deadtime } else { Duration::ZERO };
        let span = pair.until(MS(2000), |pair| pair.owner(0) == Some(1));
        assert!(span >= wait && span <= wait + MS(50), "{eyes:?}: {span:?}\n{}", pair.story());
        assert!(went(&pair, 0, Cause::LanLost) && went(&pair, 0, Cause::Handover), "{}", pair.story());
        assert!(pair.doubles.is_empty());
        // It goes home by F, counted from when the preferred node sees again.
        pair.run(MS(10_000));
        assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
        pair.see(0, Eyes::Open);
        let back = pair.until(MS(10_000), |pair| pair.owner(0) == Some(0));
        assert!(back >= pair.timing.initdead && back <= pair.timing.initdead + MS(300), "{back:?}");
        assert!(pair.doubles.is_empty());
    }
}

#[test]
fn a_carrier_that_is_back_within_deadtime_moves_nothing() {
    let mut pair = settled();
    let before = moves(&pair);
    for _ in 0..10 {
        pair.see(0, Eyes::Cut);
        pair.run(MS(250));
        pair.see(0, Eyes::Closed);
        pair.run(MS(250));
    }
    assert_eq!(moves(&pair), before, "{}", pair.story());
}

#[test]
fn what_both_have_lost_moves_nothing_whoever_notices_first_and_whoever_sees_first_again() {
    for (first, second) in [(0, 1), (1, 0)] {
        let mut pair = settled();
        let before = moves(&pair);
        for _ in 0..3 {
            for eyes in [Eyes::Silent, Eyes::Open] {
                pair.see(first, eyes);
                if eyes == Eyes::Silent {
                    // Nothing answers the other one either, though that is not enough to say so yet.
                    pair.see(second, Eyes::Closed);
                }
                pair.run(MS(900));
                pair.see(second, eyes);
                pair.run(MS(20_000));
            }
        }
        assert_eq!(moves(&pair), before, "{}", pair.story());
        assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    }
}

#[test]
fn without_a_proof_that_it_sees_more_the_peer_takes_nothing_and_an_order_moves_it_all_the_same() {
    let mut pair = settled();
    pair.see(1, Eyes::Closed);
    pair.see(0, Eyes::Silent);
    pair.run(MS(5000));
    assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
    assert!(pair.boxes[1].probes > 0, "it looks whether it sees more");
    pair.order(0, Order::Standby(1));
    pair.run(MS(100));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
}

#[test]
fn an_owner_that_sees_again_before_anybody_took_it_keeps_it() {
    let mut pair = settled();
    pair.see(1, Eyes::Closed);
    pair.see(0, Eyes::Silent);
    pair.run(MS(500));
    assert_eq!(pair.state(0, 0), State::Giving, "{}", pair.story());
    pair.see(0, Eyes::Closed);
    pair.see(1, Eyes::Open);
    pair.run(MS(500));
    assert_eq!(pair.state(0, 0), State::Held, "{}", pair.story());
    assert!(went(&pair, 0, Cause::LanNoBetter));
    let probes = pair.boxes[1].probes;
    pair.run(MS(500));
    assert_eq!(pair.boxes[1].probes, probes, "nothing is left to look for");
}

#[test]
fn a_group_that_was_ordered_here_moves_too_and_stays_where_it_went_without_auto_failback() {
    let mut pair = Pair::new();
    pair.guard = Guard { lease: Some(MS(279)), outlast: true, probes: true, fencing: false };
    pair.auto_failback = false;
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    pair.order(1, Order::Takeover(1));
    pair.run(MS(1000));
    assert_eq!(pair.owner(0), Some(1));
    pair.see(1, Eyes::Silent);
    pair.run(MS(500));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(0)), "{}", pair.story());
    pair.see(1, Eyes::Open);
    pair.run(MS(60_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(0)), "{}", pair.story());
}

/// What an earlier looking has proved is no proof for this one: the shell tells anew what the eyes are when it begins, and
/// by then nothing may have been asked for.
#[test]
fn eyes_that_were_open_when_something_else_was_looked_for_prove_nothing() {
    let mut pair = settled();
    let before = moves(&pair);
    // Their one ping node dies: node1 says so first.
    pair.see(1, Eyes::Open);
    pair.see(0, Eyes::Silent);
    pair.until(MS(100), |pair| pair.is_looking(1));
    pair.see(1, Eyes::Closed);
    pair.run(MS(900));
    pair.see(1, Eyes::Silent);
    pair.run(MS(20_000));
    assert_eq!(moves(&pair), before, "{}", pair.story());
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
}

/// The same with a stop that takes as long as the other node needs to notice: nobody would have the group then.
#[test]
fn a_ping_node_that_dies_leaves_no_group_without_an_owner() {
    let mut pair = settled();
    pair.step_time = MS(1000);
    pair.see(0, Eyes::Silent);
    pair.until(MS(100), |pair| pair.is_looking(1));
    pair.see(1, Eyes::Closed);
    pair.run(MS(900));
    pair.see(1, Eyes::Silent);
    pair.run(MS(20_000));
    assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
}

/// An ask that was open for a failback is no proof of what the offer asks for, and F is not cut short by it.
#[test]
fn an_ask_that_waits_for_its_failback_is_no_answer_to_the_offer() {
    let mut pair = settled();
    for _ in 0..2 {
        pair.power_off(0);
        pair.run(MS(2_000));
        pair.boot(0);
        pair.until(MS(60_000), |pair| pair.owner(0) == Some(0));
    }
    pair.power_off(0);
    pair.run(MS(2_000));
    pair.boxes[0].eyes = Eyes::Closed;
    pair.boot(0);
    // F is 12 s for the holder, and 3 s for the one that asks.
    pair.run(MS(6_000));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
    pair.see(1, Eyes::Silent);
    pair.run(MS(1_000));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
}

/// L4: a ping node that answers now one and now the other moves a group less and less often.
#[test]
fn a_ping_node_that_flaps_between_the_two_is_damped() {
    let mut pair = Pair::new();
    pair.guard = Guard { lease: Some(MS(279)), outlast: true, probes: true, fencing: false };
    pair.auto_failback = false;
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    let before = moves(&pair);
    for _ in 0..75 {
        for side in [0, 1] {
            pair.see(1 - side, Eyes::Open);
            pair.run(MS(3_500));
            pair.see(side, Eyes::Silent);
            pair.run(MS(500));
        }
    }
    // Of two groups, in ten minutes: 3, 6, 12, ... seconds on each side.
    assert!(moves(&pair) - before <= 2 * 14, "{}", moves(&pair) - before);
}
