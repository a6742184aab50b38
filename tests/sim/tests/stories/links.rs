//! One link is broken in some way: shown on both nodes, and nothing moves while any beat makes the round trip.

use lubdub::node::{LinkState, LinkWhy, PeerState};
use lubdub_sim::story::*;

#[test]
fn one_link_cut_moves_nothing_and_is_shown_within_deadtime() {
    for link in [SERIAL, ETHERNET] {
        let mut pair = Pair::active_active().settled();
        let begin = pair.now();
        pair.cut(link);
        pair.run(DEADTIME + FRAMES);
        for side in BOTH {
            let seen = pair.link(side, link);
            assert_eq!((seen.state, seen.why), (LinkState::Down, Some(LinkWhy::Silence)));
            assert_eq!(pair.link(side, 1 - link).state, LinkState::Up);
        }
        pair.run(SECS(60));
        pair.mend(link);
        for side in BOTH {
            pair.within(KEEPALIVE.times(2) + FRAMES).link(side, link, LinkState::Up, None);
        }
        assert_eq!(pair.moves(begin), 0);
    }
}

#[test]
fn a_link_broken_in_one_direction_is_one_way_on_both_nodes_within_deadtime() {
    for link in [SERIAL, ETHERNET] {
        for from in BOTH {
            let mut pair = Pair::active_active().settled();
            let begin = pair.now();
            pair.cut_from(from, link);
            pair.run(DEADTIME + FRAMES);
            for side in BOTH {
                assert_eq!(pair.link(side, link).state, LinkState::OneWay);
            }
            pair.run(SECS(60));
            assert_eq!(pair.moves(begin), 0);
        }
    }
}

#[test]
fn two_one_way_links_in_opposite_directions_are_a_session() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    pair.cut_from(NODE1, SERIAL);
    pair.cut_from(NODE2, ETHERNET);
    pair.throughout(SECS(60)).that("both live", |pair| BOTH.iter().all(|side| pair.peer(*side) == PeerState::Alive));
    assert_eq!(pair.moves(begin), 0);
}

#[test]
fn noise_and_a_consoles_text_are_counted_and_named_and_change_nothing() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    pair.cut(SERIAL);
    pair.run(DEADTIME + FRAMES);
    for text in [&b"\r\nnode1 login: \0"[..], &b"[12.345678] usb 1-1: new device\0"[..]] {
        for _ in 0..20 {
            pair.inject(NODE1, SERIAL, text);
            pair.run(MS(50));
        }
        assert_eq!(pair.link(NODE1, SERIAL).why, Some(LinkWhy::Noise));
    }
    assert!(pair.link(NODE1, SERIAL).counters.noise >= 40);
    assert_eq!(pair.moves(begin), 0);
}

#[test]
fn a_console_between_the_beats_costs_no_beat_but_those_that_it_cuts() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    pair.cut(ETHERNET);
    for _ in 0..100 {
        pair.inject(NODE1, SERIAL, b"\r\nnode1 login: ");
        pair.run(MS(73));
    }
    assert_eq!((pair.peer(NODE1), pair.link(NODE1, SERIAL).state), (PeerState::Alive, LinkState::Up));
    assert_eq!(pair.moves(begin), 0);
}

#[test]
fn ends_of_a_cable_at_different_speeds_are_named_on_both_nodes() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    pair.garble(SERIAL);
    for side in BOTH {
        pair.within(SECS(3)).link(side, SERIAL, LinkState::Down, Some(LinkWhy::WrongBaud));
    }
    pair.run(SECS(20));
    assert_eq!(pair.moves(begin), 0);
    pair.mend(SERIAL);
    pair.within(KEEPALIVE.times(3)).link(NODE1, SERIAL, LinkState::Up, None);
}

#[test]
fn a_looped_cable_is_named_and_is_nobodys_life() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    pair.loop_back(NODE1, SERIAL);
    pair.within(DEADTIME + FRAMES).link(NODE1, SERIAL, LinkState::Down, Some(LinkWhy::Looped));
    pair.run(SECS(20));
    assert_eq!(pair.link(NODE1, SERIAL).why, Some(LinkWhy::Looped));
    assert_eq!(pair.moves(begin), 0);
    // With the other path gone too, hearing oneself is hearing nobody.
    pair.expect_two_owners();
    pair.cut(ETHERNET);
    pair.loop_back(NODE1, SERIAL);
    pair.within(DEADTIME + FRAMES).peer(NODE1, PeerState::Dead);
}

#[test]
fn a_node_alone_on_a_looped_cable_meets_nobody() {
    let mut pair = Pair::tutorial();
    pair.loop_back(NODE1, SERIAL);
    pair.power_on(NODE1);
    pair.throughout(INITDEAD - MS(1)).peer(NODE1, PeerState::Unknown);
    assert_eq!(pair.link(NODE1, SERIAL).why, Some(LinkWhy::Looped));
    pair.within(FRAMES).owner(GROUP, NODE1);
}

#[test]
fn a_broadcast_interface_that_reflects_is_named_and_still_carries_beats() {
    let mut pair = Pair::with(|it| it.hears_itself = true);
    pair.power_on(NODE1);
    pair.throughout(INITDEAD - MS(1)).peer(NODE1, PeerState::Unknown);
    assert_eq!(pair.link(NODE1, ETHERNET).why, Some(LinkWhy::Looped));
    pair.power_on(NODE2);
    pair.within(KEEPALIVE + FRAMES).link(NODE1, ETHERNET, LinkState::Up, None);
}

#[test]
fn in_a_flood_of_garbage_and_forged_frames_the_true_beats_still_pass() {
    for link in [SERIAL, ETHERNET] {
        let mut pair = Pair::active_active().settled();
        let begin = pair.now();
        BOTH.into_iter().for_each(|side| pair.flood(side, link, 5_000));
        pair.run(SECS(10));
        for side in BOTH {
            assert_eq!(pair.peer(side), PeerState::Alive);
            assert_eq!(pair.link(side, 1 - link).state, LinkState::Up, "the other link is unaffected");
            let counters = pair.link(side, link).counters;
            assert!(counters.noise > 500 && counters.unauthentic > 50, "{counters:?}");
        }
        assert_eq!(pair.moves(begin), 0);
    }
}

#[test]
fn a_flood_does_not_hide_a_death() {
    let mut pair = Pair::tutorial().settled();
    pair.flood(NODE2, ETHERNET, 5_000);
    pair.run(SECS(1));
    pair.power_off(NODE1);
    // On Ethernet anybody may have sent that: it delays a takeover by one initdead at most.
    pair.within(DEADTIME + INITDEAD + FRAMES).owner(GROUP, NODE2);
}
