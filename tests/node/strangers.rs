//! Strangers of whom nobody can tell whether they are there or a recording of them is.

use crate::pair::{MS, Pair};
use lubdub::node::{Input, LinkKind, Order, PeerState, Untrusted};
use lubdub::time::Instant;

#[test]
fn garbage_on_ethernet_delays_a_takeover_by_one_initdead_at_most_and_strangers_on_the_cable_forbid_it() {
    for link in [1, 0] {
        let mut pair = Pair::settled();
        pair.power_off(0);
        pair.run(MS(1000));
        pair.secret[0] = "other";
        pair.boot(0);
        pair.run(MS(500));
        let (_, _, hello) = pair.frames[0].iter().rev().find(|(_, l, _)| *l == link).unwrap().clone();
        let mut pair = Pair::settled();
        pair.power_off(0);
        let off = pair.now;
        while pair.now < off + MS(30_000) && pair.owner(0) != Some(1) {
            pair.tell(1, Input::Bytes { link, bytes: &hello });
            pair.run(MS(50));
        }
        let took = pair.now.since(off);
        if link == 1 {
            assert!(took >= MS(3200) && took <= MS(3400), "{took:?}\n{}", pair.story());
        } else {
            assert_eq!(pair.owner(0), None);
            assert_eq!(pair.peer(1), PeerState::Untrusted(Untrusted::WrongKey));
        }
    }
}

/// A beat of node1 over Ethernet, in a session that nobody else knows.
fn beat_of_another_session() -> Vec<u8> {
    let mut other = Pair::new();
    other.secret = ["other", "other"];
    other.boot(0);
    other.boot(1);
    other.run(MS(5000));
    other.frames[0].iter().rev().find(|(_, link, _)| *link == 1).unwrap().2.clone()
}

#[test]
fn beats_of_nobody_on_ethernet_delay_a_takeover_as_false_hellos_do_and_forbid_one_without_a_vip() {
    let beat = beat_of_another_session();
    for vips in [true, false] {
        let mut pair = Pair::new();
        pair.vips = vips;
        pair.boot(0);
        pair.boot(1);
        pair.run(MS(5000));
        pair.power_off(0);
        let off = pair.now;
        while pair.now < off + MS(30_000) && pair.owner(0) != Some(1) {
            pair.tell(1, Input::Bytes { link: 1, bytes: &beat });
            pair.run(MS(50));
        }
        if vips {
            let took = pair.now.since(off);
            assert!(took >= MS(3200) && took <= MS(3400), "{took:?}\n{}", pair.story());
        } else {
            assert_eq!(pair.owner(0), None, "{}", pair.story());
            let span = pair.until(MS(1000), |pair| pair.owner(0) == Some(1));
            assert!(span <= MS(310), "{span:?} after the last of them\n{}", pair.story());
        }
    }
}

/// A neighbour on the same segment beats on whether or not the peer lives. Who has heard it beside the peer for initdead
/// knows that it is somebody else.
#[test]
fn a_cluster_that_beats_beside_this_one_delays_no_takeover() {
    let beat = beat_of_another_session();
    for (vips, orderly) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut pair = Pair::new();
        pair.vips = vips;
        pair.boot(0);
        pair.boot(1);
        for turn in 0..300 {
            match turn {
                100 if orderly => pair.order(0, Order::Leave),
                100 => pair.power_off(0),
                _ => {}
            }
            if turn >= 100 && pair.owner(0) == Some(1) {
                break;
            }
            for side in [0, 1] {
                pair.tell(side, Input::Bytes { link: 1, bytes: &beat });
            }
            pair.run(MS(50));
        }
        let took = pair.now.since(Instant::from_micros(6_000_000));
        let most = if orderly { MS(50) } else { MS(350) };
        assert!(pair.owner(0) == Some(1) && took <= most, "{took:?}\n{}", pair.story());
    }
}

/// The owner beats on in the session with its peer's former run, which cannot answer it: its beats are all there is of it.
#[test]
fn an_owner_that_only_its_beats_over_ethernet_show_is_not_followed_where_there_is_no_vip_to_ask_for() {
    let mut pair = Pair::new();
    pair.vips = false;
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    pair.power_off(1);
    pair.cut = [vec![true, false], vec![true, true]];
    let off = pair.now;
    pair.boot(1);
    pair.run(MS(60_000));
    assert_eq!(pair.starts(1, 0, off), 0, "{}", pair.story());
    assert!(pair.doubles.is_empty());
    pair.cut_all(false);
    pair.run(MS(10_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
}

/// A goodbye that strangers have kept from being used is one of a run that may be over: they may be the next one, with
/// another key. It is worth no more than silence, which they delay by one initdead after deadtime.
#[test]
fn a_goodbye_that_garbage_on_ethernet_has_outlived_counts_no_more_than_silence() {
    let mut pair = Pair::settled();
    pair.power_off(0);
    pair.run(MS(1000));
    pair.secret[0] = "other";
    pair.boot(0);
    pair.run(MS(500));
    let (_, _, hello) = pair.frames[0].iter().rev().find(|(_, link, _)| *link == 1).unwrap().clone();
    let mut pair = Pair::settled();
    pair.tell(1, Input::Bytes { link: 1, bytes: &hello });
    let said = pair.now;
    pair.tell(0, Input::Order(Order::Leave));
    while pair.now < said + MS(30_000) && pair.owner(0) != Some(1) {
        pair.tell(1, Input::Bytes { link: 1, bytes: &hello });
        pair.run(MS(50));
    }
    let took = pair.now.since(said);
    assert!(took >= MS(3250) && took <= MS(3450), "{took:?}\n{}", pair.story());
}

#[test]
fn recorded_hellos_of_a_peer_with_another_haresources_cannot_stop_a_takeover_for_ever() {
    let mut pair = Pair::new();
    pair.digest[0] = [9; 8];
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    assert_eq!(pair.peer(1), PeerState::Untrusted(Untrusted::DifferentHaresources));
    assert_eq!((pair.owner(0), pair.owner(1)), (None, None), "{}", pair.story());
    let old: Vec<_> = pair.frames[0].iter().filter(|(_, link, _)| *link == 1).cloned().collect();
    pair.power_off(0);
    let off = pair.now;
    for (_, link, bytes) in old.iter().cycle().take(400) {
        pair.tell(1, Input::Bytes { link: *link, bytes });
        pair.run(MS(20));
        if pair.owner(0) == Some(1) {
            break;
        }
    }
    let took = pair.now.since(off);
    assert!(pair.owner(0) == Some(1) && took < MS(3700), "{took:?}\n{}", pair.story());
}

#[test]
fn a_bad_ethernet_alone_with_another_haresources_at_its_end_is_no_death() {
    let mut pair = Pair::new();
    pair.links = vec![LinkKind::Broadcast];
    pair.timing.deadtime = MS(1000);
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(10_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)));
    let before = pair.now;
    pair.digest[0] = [8; 8];
    pair.reload(0);
    pair.loss = 30;
    pair.run(MS(120_000));
    assert_eq!(pair.starts(1, 0, before) + pair.starts(0, 1, before), 0, "{}", pair.story());
    assert!(matches!(pair.peer(1), PeerState::Untrusted(Untrusted::DifferentHaresources)));
}
