//! The VIP is the third link: what a node asks and hears on the service LAN, and what it takes or leaves for it.

use lubdub::node::{Cause, Event, Guard, Hold, PeerState};
use lubdub::time::Duration;
use lubdub::wire::beat::State;
use lubdub_sim::story::*;

/// Three probes, 10 ms apart, and the wait for the last answer.
const PROBES: Duration = Duration::from_millis(30);

fn hold(pair: &Pair, side: usize) -> Option<Hold> {
    pair.node(side).groups().next().and_then(|group| group.hold)
}

/// L9: both heartbeat links cut and the service LAN whole: nothing moves, and a real death then costs a few probes.
#[test]
fn two_cut_cables_move_nothing_and_a_death_then_does() {
    let mut pair = Pair::leased().settled();
    let begin = pair.now();
    pair.cut_all();
    pair.throughout(SECS(60)).server(GROUP, NODE1);
    assert_eq!(pair.moves(begin), 0);
    assert_eq!((pair.peer(NODE2), hold(&pair, NODE2)), (PeerState::SplitSuspected, Some(Hold::InUse)));
    assert_eq!((pair.peer(NODE1), hold(&pair, NODE1)), (PeerState::SplitSuspected, None));
    pair.power_off(NODE1);
    // The first probe of three may be as far off as slow ones are apart.
    pair.within(KEEPALIVE + PROBES + FRAMES).server(GROUP, NODE2);
    pair.power_on(NODE1);
    pair.mend_all();
    pair.throughout(SECS(2)).server(GROUP, NODE2);
}

/// L9 as the owner sees it: the standby's questions show that it lives. That is said and no more: nothing moves, and when
/// the questions stop the peer is dead again.
#[test]
fn the_owner_of_two_cut_cables_knows_a_split_from_a_death() {
    for death in [false, true] {
        let mut pair = Pair::leased().settled();
        let begin = pair.now();
        if death {
            pair.power_off(NODE2);
            pair.throughout(SECS(20)).that("no split", |pair| pair.peer(NODE1) != PeerState::SplitSuspected);
            continue;
        }
        pair.cut_all();
        pair.within(DEADTIME + KEEPALIVE + PROBES + FRAMES).peer(NODE1, PeerState::SplitSuspected);
        pair.throughout(SECS(60)).peer(NODE1, PeerState::SplitSuspected);
        let alarms = pair.noted(NODE1, begin).filter(|event| matches!(event, Event::Asked { .. })).count() as u64;
        let expected = SECS(60).as_micros() / INITDEAD.times(2).as_micros() + 1;
        assert!(alarms.abs_diff(expected) <= 1, "{alarms} alarms, not {expected}");
        pair.power_off(NODE2);
        pair.within(KEEPALIVE.times(6)).peer(NODE1, PeerState::Dead);
        pair.throughout(SECS(20)).peer(NODE1, PeerState::Dead);
        pair.power_on(NODE2);
        pair.mend_all();
        pair.within(SECS(2)).peer(NODE1, PeerState::Alive);
        assert_eq!(pair.moves(begin), 0);
    }
}

/// Rules 2.6: a claim of a full partition does not last when the service LAN heals before the cables.
#[test]
fn the_lan_heals_before_the_cables() {
    for seconds in 1..20 {
        let mut pair = Pair::leased().settled();
        pair.expect_two_owners();
        pair.cut_all();
        pair.split_lan();
        pair.within(DEADTIME + FRAMES).that("both answer", |pair| BOTH.iter().all(|side| pair.answers(*side, GROUP)));
        pair.run(SECS(seconds));
        pair.mend_lan();
        pair.within(SECS(1)).server(GROUP, NODE1);
        pair.expect_one_owner();
        pair.throughout(SECS(5)).server(GROUP, NODE1);
        pair.mend_all();
        pair.throughout(SECS(5)).server(GROUP, NODE1);
    }
}

/// Both took it by silence, and each in its own half of the LAN: the preferred node keeps it.
#[test]
fn of_two_provisional_owners_the_preferred_one_stays() {
    let mut pair = Pair::leased();
    pair.expect_two_owners();
    pair.cut_all();
    pair.split_lan();
    pair.power_on(NODE1);
    pair.power_on(NODE2);
    pair.within(INITDEAD + PROBES + FRAMES)
        .that("both answer", |pair| BOTH.iter().all(|side| pair.answers(*side, GROUP)));
    pair.mend_lan();
    pair.within(SECS(1)).server(GROUP, NODE1);
    pair.expect_one_owner();
    pair.throughout(SECS(10)).server(GROUP, NODE1);
}

/// The preferred node has never heard the one whose right is the better one.
#[test]
fn a_provisional_owner_yields_to_a_firm_one_although_it_is_preferred() {
    let mut pair = Pair::leased_with(|it| it.auto_failback = false).settled();
    pair.order(NODE2, lubdub::node::Order::Takeover(only(GROUP)));
    pair.within(SECS(1)).server(GROUP, NODE2);
    pair.run(SECS(1));
    pair.power_off(NODE1);
    pair.cut_all();
    pair.split_lan();
    pair.expect_two_owners();
    pair.power_on(NODE1);
    pair.within(INITDEAD + PROBES + FRAMES)
        .that("both answer", |pair| BOTH.iter().all(|side| pair.answers(*side, GROUP)));
    pair.mend_lan();
    pair.within(SECS(1)).server(GROUP, NODE2);
    pair.expect_one_owner();
    pair.throughout(SECS(10)).server(GROUP, NODE2);
}

/// Rules 2.11: one switch through which everything goes: both nodes see physical loss and a silent VIP.
#[test]
fn one_switch_reboots() {
    let mut pair = Pair::leased_with(Pair::with_lines).settled();
    let begin = pair.now();
    pair.unplug(SERIAL);
    pair.unplug(ETHERNET);
    pair.stop_switch();
    pair.run(SECS(10));
    assert_eq!(pair.starts(NODE2, GROUP, begin), 0, "it could not have heard an answer");
    pair.mend_lan();
    pair.plug_in();
    pair.within(SECS(1)).that("there is one owner", |pair| pair.server(GROUP).is_some());
    pair.throughout(SECS(2)).that("there is one owner", |pair| pair.server(GROUP).is_some());
}

/// Rules 2.11: a node whose port is dead or deaf takes nothing, and does when it sees again.
#[test]
fn a_blind_node_takes_nothing() {
    for deaf in [false, true] {
        let mut pair = Pair::leased().settled();
        if deaf {
            pair.deafen_port(NODE2)
        } else {
            pair.kill_port(NODE2)
        }
        pair.power_off(NODE1);
        pair.throughout(SECS(10)).that("nobody answers", |pair| pair.server(GROUP).is_none());
        assert_eq!(hold(&pair, NODE2), Some(Hold::Blind));
        pair.mend_lan();
        pair.within(SECS(1)).server(GROUP, NODE2);
    }
}

#[test]
fn an_owner_that_is_cut_off_from_everything_gives_up() {
    let mut pair = Pair::leased().settled();
    pair.cut_all();
    pair.kill_port(NODE1);
    let cut = pair.now();
    pair.expect_two_owners();
    pair.within(DEADTIME + KEEPALIVE + FRAMES).server(GROUP, NODE2);
    pair.expect_one_owner();
    assert!(pair.noted(NODE1, cut).any(|event| matches!(event, Event::Group { cause: Cause::Blind, .. })));
}

/// Rules 2.12: closing the tty drops DTR, so the modem lines fall although the VIP still answers.
#[test]
fn killed_daemon_living_kernel() {
    let serial_only = |it: &mut lubdub_sim::scenario::Scenario| {
        it.links.truncate(1);
        it.lines = vec![true];
    };
    for phase in 0..50 {
        let mut pair = Pair::leased_with(serial_only).settled();
        pair.run(MS(phase * 2));
        let killed = pair.now();
        pair.kill(NODE1);
        pair.run(MS(50));
        assert_eq!(pair.starts(NODE2, GROUP, killed), 0, "the VIP answers");
        // Silent for three probes after the kernel has ended it; the longer pause is between slow probes.
        pair.within(FINE + KEEPALIVE + PROBES + FRAMES).server(GROUP, NODE2);
    }
}

#[test]
fn a_power_cut_that_every_line_shows_is_a_takeover_within_milliseconds() {
    let mut pair = Pair::leased_with(Pair::with_lines).settled();
    pair.power_off(NODE1);
    let gap = pair.within(PROBES + FRAMES).server(GROUP, NODE2);
    assert!(gap < KEEPALIVE);
}

#[test]
fn two_pulled_cables_move_nothing_while_the_vip_answers() {
    let mut pair = Pair::leased_with(Pair::with_lines).settled();
    let begin = pair.now();
    pair.unplug(SERIAL);
    pair.unplug(ETHERNET);
    pair.throughout(SECS(20)).server(GROUP, NODE1);
    pair.plug_in();
    pair.within(SECS(1)).peer(NODE2, PeerState::Alive);
    assert_eq!(pair.moves(begin), 0);
}

fn fenced(device: Device) -> Pair {
    let guard = Guard { fencing: true, ..LEASED };
    let mut pair = Pair::leased_with(|it| (it.guard, it.hang) = ([guard; 2], SECS(5))).settled();
    pair.set_device(NODE2, device);
    pair
}

#[test]
fn fencing_is_awaited_and_tried_again() {
    for device in [Device::Fails, Device::Hangs] {
        let mut pair = fenced(device);
        pair.freeze(NODE1);
        pair.within(DEADTIME + FRAMES).that("it wants its peer fenced", |pair| pair.fences(NODE2));
        pair.throughout(SECS(20)).state(NODE2, GROUP, State::Stopped);
        assert_eq!(hold(&pair, NODE2), Some(Hold::Fencing));
        pair.set_device(NODE2, Device::Succeeds);
        pair.within(SECS(7)).server(GROUP, NODE2);
        assert!(pair.is_off(NODE1) && !pair.fences(NODE2));
    }
}

#[test]
fn nobody_is_fenced_while_the_vip_answers() {
    let mut pair = fenced(Device::Succeeds);
    pair.cut_all();
    pair.throughout(SECS(20)).that("nobody wants anybody fenced", |pair| !pair.fences(NODE2));
    assert!(pair.looks(NODE2) && pair.server(GROUP) == Some(NODE1));
}

/// A node that was frozen for longer than its lease drops its VIPs before anything else is said.
#[test]
fn a_thaw_after_the_lease_says_nothing_before_the_vip_is_gone() {
    let mut pair = Pair::leased().settled();
    pair.freeze(NODE1);
    pair.within(DEADTIME + FRAMES).server(GROUP, NODE2);
    let thawed = pair.now();
    pair.thaw(NODE1);
    pair.throughout(SECS(1)).server(GROUP, NODE2);
    for link in [SERIAL, ETHERNET] {
        let words = pair.frames(NODE1, link, thawed).filter_map(|frame| frame.beat.as_ref());
        assert!(words.into_iter().all(|beat| !beat.groups[GROUP].state.holds()));
    }
}

/// The goodbye of a run that is over says nothing of the next one, which nobody has heard.
#[test]
fn an_old_goodbye_is_believed_only_while_the_vip_is_silent() {
    for back in [false, true] {
        let mut pair = Pair::leased_with(|it| it.auto_failback = false).settled();
        pair.kill_port(NODE2);
        pair.run(MS(50));
        pair.order(NODE1, lubdub::node::Order::Leave);
        pair.within(SECS(2)).off(NODE1);
        pair.cut_all();
        if back {
            pair.power_on(NODE1);
            pair.within(INITDEAD + KEEPALIVE).server(GROUP, NODE1);
        }
        pair.run(SECS(1));
        pair.mend_lan();
        let server = if back { NODE1 } else { NODE2 };
        pair.within(SECS(1)).server(GROUP, server);
        pair.throughout(SECS(5)).server(GROUP, server);
    }
}
