//! A node loses its power.

use lubdub::node::{Cause, Event, LinkState, LinkWhy, Owner, PeerState};
use lubdub_sim::story::*;

#[test]
fn power_off_is_a_takeover_after_deadtime_of_silence() {
    let mut pair = Pair::tutorial().settled();
    let off = pair.now();
    pair.power_off(NODE1);
    let took = pair.within(DEADTIME + FRAMES).owner(GROUP, NODE2);
    assert!(took >= DEADTIME - KEEPALIVE, "{took:?}: nobody is dead sooner");
    assert_eq!(pair.peer(NODE2), PeerState::Dead);
    assert_eq!(pair.term(NODE2, GROUP), 2, "a takeover without consent is a new claim");
    let silence = |event| matches!(event, Event::Group { cause: Cause::Silence(_), .. });
    assert!(pair.noted(NODE2, off).any(silence));
}

#[test]
fn the_standbys_death_moves_nothing() {
    let mut pair = Pair::tutorial().settled();
    let off = pair.now();
    pair.power_off(NODE2);
    pair.within(DEADTIME + FRAMES).peer(NODE1, PeerState::Dead);
    pair.throughout(SECS(60)).owner(GROUP, NODE1);
    assert_eq!(pair.moves(off), 0);
    assert_eq!(pair.owner_in_the_eyes_of(NODE1, GROUP), Owner::Me);
}

#[test]
fn in_an_active_active_pair_the_survivor_holds_both_groups() {
    for dead in BOTH {
        let mut pair = Pair::active_active().settled();
        pair.power_off(dead);
        for group in [GROUP, SECOND] {
            pair.within(DEADTIME + FRAMES).owner(group, 1 - dead);
        }
    }
}

#[test]
fn one_death_moves_a_group_once_and_once_back() {
    let mut pair = Pair::active_active().settled();
    let off = pair.now();
    pair.power_off(NODE1);
    pair.run(SECS(1));
    pair.power_on(NODE1);
    pair.run(SECS(120));
    assert_eq!(pair.owner(GROUP), Some(NODE1));
    assert_eq!((pair.starts(NODE2, GROUP, off), pair.starts(NODE1, GROUP, off)), (1, 1));
    assert_eq!(pair.moves(off), 2, "the other group stays");
}

#[test]
fn a_death_shows_every_link_as_down_and_none_as_one_way() {
    let mut pair = Pair::active_active().settled();
    let off = pair.now();
    pair.power_off(NODE1);
    pair.run(SECS(2));
    for link in [SERIAL, ETHERNET] {
        let seen = pair.link(NODE2, link);
        assert_eq!((seen.state, seen.why), (LinkState::Down, Some(LinkWhy::Silence)));
    }
    let one_way = |event| matches!(event, Event::Link { to: LinkState::OneWay, .. });
    assert!(!pair.noted(NODE2, off).any(one_way));
}

/// A box that returns before it was missed has lost what it held all the same.
#[test]
fn a_reboot_faster_than_deadtime_leaves_no_group_without_owner() {
    let mut pair = Pair::active_active().settled();
    pair.power_off(NODE1);
    pair.run(MS(50));
    pair.power_on(NODE1);
    pair.within(DEADTIME + FRAMES).that("the group has an owner again", |pair| pair.owner(GROUP).is_some());
    pair.throughout(SECS(10)).owner(SECOND, NODE2);
}
