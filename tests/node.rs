//! Short stories of ownership: two real nodes with real frames in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod pair;

use lubdub::node::{Cause, Event, LinkKind, LinkState, LinkWhy, Order, Owner, PeerState, Refusal, Untrusted};
use lubdub::wire::beat::State;
use pair::{MS, Pair};

#[test]
fn both_booted_at_once_each_takes_what_it_is_preferred_for() {
    let mut pair = Pair::new();
    pair.boot(0);
    pair.boot(1);
    let took = pair.until(MS(1000), |p| p.state(0, 0) == State::Held && p.state(1, 1) == State::Held);
    assert!(took < MS(200), "{took:?}\n{}", pair.story());
    pair.run(MS(60_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)));
    assert_eq!(pair.starts(1, 0, lubdub::time::Instant::ZERO), 0, "{}", pair.story());
    assert!(pair.doubles.is_empty());
}

#[test]
fn one_booted_alone_takes_everything_after_initdead() {
    let mut pair = Pair::new();
    pair.boot(1);
    pair.run(MS(2990));
    assert_eq!((pair.owner(0), pair.owner(1)), (None, None));
    pair.run(MS(20));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(1), Some(1)));
    assert_eq!(pair.peer(1), PeerState::Dead);
}

#[test]
fn power_off_is_a_takeover_after_deadtime_and_failback_comes_once() {
    let mut pair = Pair::settled();
    pair.power_off(0);
    let took = pair.until(MS(1000), |p| p.owner(0) == Some(1));
    assert!(took <= MS(310), "{took:?}");
    assert!(took >= MS(200));
    assert_eq!(pair.term(1, 0), 2);
    pair.run(MS(1000));
    let back = pair.now;
    pair.boot(0);
    pair.run(MS(2900));
    assert_eq!(pair.owner(0), Some(1), "not before F");
    pair.run(MS(60_000));
    assert_eq!(pair.owner(0), Some(0));
    assert_eq!(pair.starts(0, 0, back), 1);
    assert_eq!(pair.starts(1, 0, back), 0);
    assert!(pair.doubles.is_empty());
}

#[test]
fn without_auto_failback_groups_stay() {
    let mut pair = Pair::new();
    pair.auto_failback = false;
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    pair.power_off(0);
    pair.run(MS(2000));
    pair.boot(0);
    pair.run(MS(60_000));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
}

#[test]
fn a_clean_stop_hands_over_at_once() {
    let mut pair = Pair::settled();
    pair.order(0, Order::Leave);
    let took = pair.until(MS(1000), |p| p.owner(0) == Some(1));
    assert!(took < MS(20), "{took:?}");
    pair.until(MS(1000), |p| p.boxes[0].left);
    pair.run(MS(3000));
    assert_eq!(pair.peer(1), PeerState::Left);
    assert_eq!(pair.term(1, 0), 1, "consent keeps the term");
    assert!(pair.doubles.is_empty());
}

#[test]
fn the_standby_leaves_within_a_few_frames() {
    let mut pair = Pair::settled();
    pair.power_off(0);
    pair.run(MS(1000));
    pair.boot(0);
    pair.run(MS(500));
    pair.order(0, Order::Leave);
    let took = pair.until(MS(1000), |p| p.boxes[0].left);
    assert!(took < MS(20), "{took:?}");
}

#[test]
fn a_takeover_by_order_outlasts_auto_failback_until_a_new_run() {
    let mut pair = Pair::settled();
    pair.order(1, Order::Takeover(1));
    let took = pair.until(MS(1000), |p| p.state(1, 0) == State::Held);
    assert!(took < MS(30), "{took:?}");
    assert!(pair.doubles.is_empty());
    pair.run(MS(60_000));
    assert_eq!(pair.owner(0), Some(1));
    pair.power_off(0);
    pair.run(MS(1000));
    pair.boot(0);
    pair.run(MS(10_000));
    assert_eq!(pair.owner(0), Some(0), "the preferred node began a new run\n{}", pair.story());
}

#[test]
fn orders_move_groups_there_and_back() {
    let mut pair = Pair::settled();
    for _ in 0..5 {
        pair.order(1, Order::Takeover(3));
        pair.until(MS(1000), |p| p.state(1, 0) == State::Held && p.state(1, 1) == State::Held);
        pair.run(MS(1000));
        pair.order(0, Order::Takeover(1));
        pair.until(MS(1000), |p| p.state(0, 0) == State::Held);
        pair.run(MS(1000));
        assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)));
    }
    assert!(pair.doubles.is_empty());
}

#[test]
fn a_standby_by_order_stays_too() {
    let mut pair = Pair::settled();
    pair.order(0, Order::Standby(1));
    let took = pair.until(MS(1000), |p| p.state(1, 0) == State::Held);
    assert!(took < MS(30), "{took:?}");
    pair.run(MS(60_000));
    assert_eq!(pair.owner(0), Some(1));
}

#[test]
fn standby_without_a_peer_is_refused() {
    let mut pair = Pair::settled();
    pair.power_off(1);
    pair.run(MS(1000));
    assert_eq!(pair.node(0).refuses(Order::Standby(1)), Some(Refusal::NoPeer(PeerState::Dead)));
    assert_eq!(pair.owner(0), Some(0));
}

#[test]
fn one_link_cut_moves_nothing_and_is_shown() {
    for link in [0, 1] {
        let mut pair = Pair::settled();
        let before = pair.now;
        pair.cut[0][link] = true;
        pair.cut[1][link] = true;
        pair.run(MS(320));
        for side in [0, 1] {
            let seen = pair.node(side).links().nth(link).unwrap();
            assert_eq!((seen.state, seen.why), (LinkState::Down, Some(LinkWhy::Silence)));
        }
        pair.run(MS(20_000));
        assert_eq!(pair.starts(0, 1, before) + pair.starts(1, 0, before), 0);
        pair.cut_all(false);
        pair.run(MS(320));
        assert_eq!(pair.node(0).links().nth(link).unwrap().state, LinkState::Up);
    }
}

#[test]
fn a_link_broken_in_one_direction_is_one_way_on_both_nodes() {
    let mut pair = Pair::settled();
    pair.cut[0][0] = true;
    pair.run(MS(500));
    for side in [0, 1] {
        assert_eq!(pair.node(side).links().next().unwrap().state, LinkState::OneWay);
    }
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)));
}

#[test]
fn two_one_way_links_in_opposite_directions_are_a_session() {
    let mut pair = Pair::settled();
    let before = pair.now;
    pair.cut[0][0] = true;
    pair.cut[1][1] = true;
    pair.run(MS(20_000));
    assert_eq!((pair.peer(0), pair.peer(1)), (PeerState::Alive, PeerState::Alive));
    assert_eq!(pair.starts(0, 1, before) + pair.starts(1, 0, before), 0);
}

#[test]
fn a_healed_partition_leaves_the_higher_claim_and_fails_back_once() {
    let mut pair = Pair::settled();
    pair.cut_all(true);
    pair.run(MS(5000));
    assert!(pair.holding(0, 0) && pair.holding(1, 0), "every path cut: two owners");
    let healed = pair.now;
    pair.cut_all(false);
    let took = pair.until(MS(1000), |p| p.owner(0) == Some(1) && p.owner(1) == Some(0));
    assert!(took < MS(150), "{took:?}: both nodes took what was the other's\n{}", pair.story());
    pair.run(MS(2800));
    assert_eq!(pair.owner(0), Some(1), "not before F");
    pair.run(MS(10_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)));
    assert_eq!((pair.starts(0, 0, healed), pair.starts(1, 1, healed)), (1, 1));
    assert_eq!((pair.starts(1, 0, healed), pair.starts(0, 1, healed)), (0, 0));
    assert!(pair.has_event(1, |e| matches!(e, Event::Kept { group: 0, .. })));
}

#[test]
fn a_partition_that_heals_in_one_direction_leaves_one_owner() {
    for deaf in [0, 1] {
        let mut pair = Pair::settled();
        pair.cut_all(true);
        pair.run(MS(5000));
        // Only frames of the deaf node arrive.
        pair.cut[deaf].fill(false);
        pair.run(MS(1000));
        assert_eq!((pair.owner(0), pair.owner(1)), (Some(deaf), Some(deaf)), "{}", pair.story());
    }
}

#[test]
fn a_thawed_owner_yields_to_the_higher_claim() {
    let mut pair = Pair::settled();
    let begin = pair.now;
    pair.freeze(0, MS(2000));
    pair.run(MS(1900));
    assert!(pair.holding(1, 0));
    pair.run(MS(300));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
    assert!(pair.has_event(0, |e| matches!(e, Event::Stalled { .. })));
    let thawed = pair.doubles.iter().filter(|at| **at > begin + MS(2050)).count();
    assert_eq!(thawed, 0, "a double answer outlasts a round trip\n{}", pair.story());
}

#[test]
fn a_frozen_standby_takes_nothing_when_it_thaws() {
    let mut pair = Pair::settled();
    pair.power_off(1);
    pair.run(MS(1000));
    pair.boot(1);
    pair.run(MS(1000));
    let before = pair.now;
    for _ in 0..20 {
        pair.freeze(1, MS(1234));
        pair.run(MS(1500));
    }
    assert_eq!(pair.starts(1, 0, before), 0, "{}", pair.story());
}

#[test]
fn a_goodbye_that_waited_during_a_stall_grants_nothing() {
    let mut pair = Pair::settled();
    pair.freeze(1, MS(150));
    pair.order(0, Order::Leave);
    pair.run(MS(149));
    let before = pair.now;
    pair.run(MS(5000));
    assert_eq!(pair.owner(0), Some(1));
    let goodbye = |e: &Event| matches!(e, Event::Group { group: 0, cause: Cause::Goodbye, .. });
    let silence = |e: &Event| matches!(e, Event::Group { group: 0, cause: Cause::Silence(_), .. });
    let consent = |e: &Event| matches!(e, Event::Group { group: 0, cause: Cause::Consent, .. });
    assert!(!pair.has_event(1, goodbye) || pair.boxes[1].events.iter().any(|(at, e)| goodbye(e) && *at > before));
    assert!(pair.has_event(1, silence) || pair.has_event(1, goodbye) || pair.has_event(1, consent));
}

#[test]
fn a_failed_start_moves_the_group_once_and_stays_failed() {
    let mut pair = Pair::new();
    pair.boot(0);
    pair.boxes[0].trouble[0].start_fails = true;
    pair.boot(1);
    pair.run(MS(60_000));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
    assert_eq!(pair.state(0, 0), State::Failed);
    assert_eq!(pair.starts(0, 0, lubdub::time::Instant::ZERO), 2);
    assert_eq!(pair.starts(1, 0, lubdub::time::Instant::ZERO), 1);
    assert_eq!(pair.node(0).refuses(Order::Takeover(1)), Some(Refusal::Failed(0)));
    pair.boxes[0].trouble[0].start_fails = false;
    pair.order(0, Order::Clear(1));
    pair.run(MS(60_000));
    assert_eq!(pair.owner(0), Some(0), "cleared, and failed back");
}

#[test]
fn a_start_that_fails_on_both_ends_failed_on_both() {
    let mut pair = Pair::new();
    for side in [0, 1] {
        pair.boot(side);
        pair.boxes[side].trouble[0].start_fails = true;
    }
    pair.run(MS(60_000));
    assert_eq!((pair.state(0, 0), pair.state(1, 0)), (State::Failed, State::Failed));
    assert_eq!((pair.starts(0, 0, Default::default()), pair.starts(1, 0, Default::default())), (2, 2));
}

#[test]
fn a_failed_node_tries_once_for_each_death_of_its_peer() {
    let mut pair = Pair::new();
    pair.boot(0);
    pair.boxes[0].trouble[0].start_fails = true;
    pair.boot(1);
    pair.run(MS(5000));
    let before = pair.now;
    pair.power_off(1);
    pair.run(MS(30_000));
    assert_eq!(pair.starts(0, 0, before), 1, "{}", pair.story());
    assert_eq!(pair.state(0, 0), State::Failed);
}

#[test]
fn a_failed_stop_is_never_reported_stopped() {
    let mut pair = Pair::settled();
    pair.boxes[0].trouble[0].stop_fails = true;
    pair.order(1, Order::Takeover(1));
    pair.run(MS(20_000));
    assert_eq!(pair.state(0, 0), State::Stopping);
    assert_eq!(pair.owner(0), Some(0), "the peer starts nothing that may still run");
    assert!(pair.has_event(0, |e| matches!(e, Event::StopFailed { group: 0, .. })));
    pair.boxes[0].trouble[0].stop_fails = false;
    pair.run(MS(60_000));
    assert_eq!(pair.owner(0), Some(1), "the order still stands");
}

#[test]
fn a_node_whose_stop_failed_does_not_leave() {
    let mut pair = Pair::settled();
    pair.boxes[0].trouble[0].stop_fails = true;
    pair.order(0, Order::Leave);
    pair.run(MS(30_000));
    assert!(!pair.boxes[0].left);
    assert_eq!(pair.peer(1), PeerState::Alive, "it beats on");
    assert_eq!(pair.owner(0), Some(0));
    assert_eq!(pair.owner(1), Some(1));
}

#[test]
fn leftovers_of_a_former_run_are_removed_before_anything_is_said() {
    let mut pair = Pair::settled();
    pair.kill(0);
    pair.run(MS(1000));
    assert!(pair.holding(0, 0) && pair.holding(1, 0), "a killed daemon leaves its VIP until the lease comes");
    pair.boot(0);
    assert!(!pair.holding(0, 0));
    pair.run(MS(1000));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
}

#[test]
fn a_restart_within_deadtime_is_settled_by_the_handshake() {
    let mut pair = Pair::settled();
    pair.kill(0);
    pair.run(MS(100));
    pair.boot(0);
    pair.run(MS(10_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    assert!(pair.doubles.is_empty());
}

#[test]
fn untrusted_peers_are_named_and_take_nothing() {
    let wrong_key = |pair: &mut Pair| pair.secret[1] = "other";
    let other_file = |pair: &mut Pair| pair.digest[1] = [9; 8];
    let cases = [(wrong_key as fn(&mut Pair), Untrusted::WrongKey), (other_file, Untrusted::DifferentHaresources)];
    for (differ, why) in cases {
        let mut pair = Pair::settled();
        pair.power_off(1);
        pair.run(MS(1000));
        assert_eq!(pair.owner(1), Some(0));
        differ(&mut pair);
        pair.boot(1);
        pair.run(MS(2000));
        assert_eq!(pair.peer(0), PeerState::Untrusted(why));
        assert_eq!(pair.peer(1), PeerState::Untrusted(why));
        pair.run(MS(60_000));
        assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(0)), "{}", pair.story());
        pair.power_off(0);
        pair.run(MS(5000));
        assert_eq!((pair.owner(0), pair.owner(1)), (Some(1), Some(1)), "the waits of a silent peer");
    }
}

#[test]
fn a_looped_cable_and_a_broadcast_that_hears_itself_are_named() {
    for link in [0, 1] {
        let mut pair = Pair::new();
        pair.boot(0);
        pair.run(MS(500));
        let sent = pair.frames[0].clone();
        let (_, _, bytes) = sent.iter().rev().find(|(_, on, _)| *on == link).unwrap();
        pair.tell(0, lubdub::node::Input::Bytes { link, bytes });
        let seen = pair.node(0).links().nth(usize::from(link)).unwrap();
        assert_eq!((seen.why, seen.counters.looped), (Some(LinkWhy::Looped), 1));
        assert_eq!(pair.peer(0), PeerState::Unknown);
    }
}

#[test]
fn replayed_traffic_of_any_age_changes_nothing() {
    let mut pair = Pair::settled();
    pair.run(MS(1000));
    let old: Vec<_> = [0, 1].map(|side| pair.frames[side].clone()).concat();
    pair.power_off(1);
    pair.run(MS(1000));
    pair.boot(1);
    pair.run(MS(1000));
    let before = pair.now;
    for (_, link, bytes) in &old {
        for side in [0, 1] {
            pair.tell(side, lubdub::node::Input::Bytes { link: *link, bytes });
        }
        pair.run(MS(1));
    }
    assert_eq!((pair.peer(0), pair.peer(1)), (PeerState::Alive, PeerState::Alive), "{}", pair.story());
    assert_eq!(pair.starts(0, 0, before), 0);
    // The survivor must still notice a death while it is fed recordings.
    pair.power_off(1);
    let end = pair.now + MS(2000);
    let mut feed = old.iter().cycle();
    while pair.now < end {
        let (_, link, bytes) = feed.next().unwrap();
        pair.tell(0, lubdub::node::Input::Bytes { link: *link, bytes });
        pair.run(MS(3));
    }
    assert_eq!(pair.owner(1), Some(0), "{}", pair.story());
    assert_eq!(pair.sees_owner(0, 1), Owner::Me);
}

#[test]
fn a_late_heartbeat_is_reported_with_its_interval() {
    let mut pair = Pair::settled();
    pair.cut_all(true);
    pair.run(MS(230));
    pair.cut_all(false);
    pair.run(MS(200));
    assert!(pair.has_event(0, |e| matches!(e, Event::Late { interval } if *interval > MS(200))), "{}", pair.story());
}

#[test]
fn a_beat_of_two_groups_with_md5_takes_at_most_32_bytes_on_the_cable() {
    let pair = Pair::settled();
    let beat = pair.frames[0].iter().rev().find(|(_, link, _)| *link == 0).unwrap();
    assert!(beat.2.len() <= 32, "{} bytes", beat.2.len());
}

#[test]
fn keys_rotate_without_a_gap() {
    let mut pair = Pair::settled();
    let before = pair.now;
    let late =
        |pair: &Pair| pair.has_event(0, |e| matches!(e, Event::Late { .. } | Event::Peer { to: PeerState::Dead, .. }));
    pair.extra_key[0] = Some((4, "new"));
    pair.reload(0);
    pair.run(MS(1000));
    let key = |pair: &Pair, side: usize| {
        let (_, _, bytes) = pair.frames[side].iter().rev().find(|(_, link, _)| *link == 0).unwrap().clone();
        bytes[3] >> 1 & 0xf
    };
    assert_eq!((key(&pair, 0), key(&pair, 1)), (3, 3), "the peer does not accept the new key yet");
    pair.extra_key[1] = Some((4, "new"));
    pair.reload(1);
    pair.run(MS(1000));
    assert_eq!((key(&pair, 0), key(&pair, 1)), (4, 4));
    // The old key leaves one file, then the other.
    for side in [0, 1] {
        (pair.secret[side], pair.extra_key[side]) = ("third", Some((4, "new")));
        pair.reload(side);
        pair.run(MS(1000));
        assert_eq!(pair.peer(0), PeerState::Alive);
    }
    assert!(!late(&pair), "{}", pair.story());
    assert_eq!(pair.starts(0, 0, before) + pair.starts(1, 0, before), 0);
}

#[test]
fn a_key_replaced_at_once_is_kept_until_the_peer_has_left_it() {
    let mut pair = Pair::settled();
    let before = pair.now;
    for side in [0, 1] {
        pair.secret[side] = "new";
        pair.reload(side);
        pair.run(MS(side as u64 * 1000 + 200));
    }
    assert_eq!((pair.peer(0), pair.peer(1)), (PeerState::Alive, PeerState::Alive), "{}", pair.story());
    assert_eq!(pair.starts(0, 0, before) + pair.starts(1, 0, before), 0);
}

#[test]
fn a_rolling_edit_of_haresources_moves_nothing_and_is_no_trap() {
    let mut pair = Pair::settled();
    let before = pair.now;
    pair.digest[0] = [8; 8];
    pair.reload(0);
    pair.run(MS(5000));
    let differ = PeerState::Untrusted(Untrusted::DifferentHaresources);
    assert_eq!((pair.peer(0), pair.peer(1)), (differ, differ), "{}", pair.story());
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)));
    assert!(pair.doubles.is_empty());
    assert_eq!(pair.node(1).refuses(Order::Takeover(1)), Some(Refusal::Untrusted(Untrusted::DifferentHaresources)));
    pair.digest[1] = [8; 8];
    pair.reload(1);
    pair.run(MS(1000));
    assert_eq!((pair.peer(0), pair.peer(1)), (PeerState::Alive, PeerState::Alive));
    pair.run(MS(20_000));
    assert_eq!(pair.starts(0, 0, before) + pair.starts(1, 1, before), 0, "{}", pair.story());
    // In the middle of an edit a death is a death.
    pair.digest[0] = [9; 8];
    pair.reload(0);
    pair.run(MS(1000));
    pair.power_off(0);
    pair.run(MS(1000));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
}

#[test]
fn each_failback_within_an_hour_doubles_the_wait_for_the_next() {
    let mut pair = Pair::settled();
    let mut waits = Vec::new();
    for _ in 0..4 {
        pair.power_off(0);
        pair.run(MS(1000));
        pair.boot(0);
        waits.push(pair.until(MS(60_000), |p| p.owner(0) == Some(0)).as_millis() / 1000);
        pair.run(MS(1000));
    }
    assert_eq!(waits, [3, 6, 12, 24]);
}

#[test]
fn other_deadtimes_are_reported() {
    let mut pair = Pair::new();
    pair.boot(0);
    pair.timing.deadtime = MS(500);
    pair.boot(1);
    pair.run(MS(1000));
    for side in [0, 1] {
        assert!(pair.has_event(side, |e| matches!(e, Event::DeadtimesDiffer { .. })));
    }
}

#[test]
fn bytes_at_another_speed_are_told_from_text_and_from_noise() {
    let mut pair = Pair::settled();
    pair.cut[0][0] = true;
    pair.cut[1][0] = true;
    let why = |pair: &Pair| pair.node(0).links().next().unwrap().why;
    let feed = |pair: &mut Pair, bytes: &[u8]| {
        for _ in 0..20 {
            pair.tell(0, lubdub::node::Input::Bytes { link: 0, bytes });
            pair.run(MS(50));
        }
    };
    feed(&mut pair, b"\r\nnode1 login: \0");
    assert_eq!(why(&pair), Some(LinkWhy::Noise));
    pair.cut_all(false);
    pair.run(MS(500));
    pair.cut[0][0] = true;
    pair.cut[1][0] = true;
    pair.run(MS(400));
    feed(&mut pair, &[0xe6, 0x80, 0x9e, 0x00, 0xf8, 0x06, 0x98]);
    assert_eq!(why(&pair), Some(LinkWhy::WrongBaud));
}

#[test]
fn a_group_that_a_reload_brings_during_the_goodbye_is_stopped_before_the_node_leaves() {
    let mut pair = Pair::settled();
    pair.cut_all(true);
    pair.order(0, Order::Leave);
    pair.run(MS(50));
    assert!(!pair.boxes[0].left, "the goodbye is not echoed");
    pair.groups = 3;
    pair.step_time = MS(600);
    pair.boxes[0].holds.push(true);
    pair.boxes[0].trouble.push(Default::default());
    pair.reload(0);
    pair.run(MS(500));
    assert!(!pair.boxes[0].left, "{}", pair.story());
    pair.run(MS(1000));
    assert!(pair.boxes[0].left && !pair.holding(0, 2), "{}", pair.story());
}

#[test]
fn bytes_behind_a_frame_count_whether_or_not_they_come_with_it() {
    let why = |pieces: usize| {
        let mut pair = Pair::new();
        pair.boot(0);
        let now = pair.now;
        let mut buf = [0; 16];
        let mut room = &mut buf[..];
        lubdub::wire::frame::encode(b"whole", &mut room).unwrap();
        let len = 16 - room.len();
        let mut bytes = buf[..len].to_vec();
        bytes.extend([0xe6; 80]);
        for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
            pair.tell(0, lubdub::node::Input::Bytes { link: 0, bytes: piece });
        }
        pair.run(MS(300));
        assert_eq!(pair.now, now + MS(300));
        pair.node(0).links().next().unwrap().why
    };
    assert_eq!(why(1), Some(LinkWhy::WrongBaud));
    assert_eq!(why(1), why(17));
}

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
            pair.tell(1, lubdub::node::Input::Bytes { link, bytes: &hello });
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
        pair.tell(1, lubdub::node::Input::Bytes { link: *link, bytes });
        pair.run(MS(20));
        if pair.owner(0) == Some(1) {
            break;
        }
    }
    let took = pair.now.since(off);
    assert!(pair.owner(0) == Some(1) && took < MS(3700), "{took:?}\n{}", pair.story());
}

/// HEAL 2 needs beats in a row: one that got through long before the heal is none of them.
#[test]
fn a_lone_beat_during_a_partition_does_not_turn_the_verdict_at_the_heal() {
    let mut pair = Pair::new();
    pair.auto_failback = false;
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    pair.cut_all(true);
    pair.run(MS(5000));
    // One beat of the loser, or two at most, and no round trip.
    pair.cut[0].fill(false);
    pair.run(MS(110));
    pair.cut_all(true);
    pair.run(MS(5000));
    assert!(pair.holding(0, 0) && pair.holding(1, 0), "{}", pair.story());
    let healed = pair.now;
    pair.cut_all(false);
    pair.run(MS(1000));
    let unheard = |e: &Event| matches!(e, Event::Group { cause: Cause::Unheard, .. });
    let all = || [0, 1].into_iter().flat_map(|side| &pair.boxes[side].events);
    assert_eq!(all().filter(|(at, event)| *at >= healed && unheard(event)).count(), 0, "{}", pair.story());
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(1), Some(0)), "the higher claims keep");
}

#[test]
fn a_preferred_node_that_restarts_within_deadtime_gets_its_group_back_after_f() {
    let mut pair = Pair::settled();
    pair.order(1, Order::Takeover(1));
    pair.until(MS(1000), |p| p.state(1, 0) == State::Held);
    pair.run(MS(5000));
    pair.power_off(0);
    pair.run(MS(50));
    pair.boot(0);
    pair.run(MS(2900));
    assert_eq!(pair.owner(0), Some(1), "not before F");
    pair.run(MS(500));
    assert_eq!(pair.owner(0), Some(0), "a new run ends the order\n{}", pair.story());
}

#[test]
fn a_cleared_failure_is_no_reason_to_hurry_the_failback() {
    let mut pair = Pair::new();
    pair.boot(0);
    pair.boxes[0].trouble[0].start_fails = true;
    pair.boot(1);
    pair.run(MS(20_000));
    assert_eq!((pair.owner(0), pair.state(0, 0)), (Some(1), State::Failed));
    pair.boxes[0].trouble[0].start_fails = false;
    pair.order(0, Order::Clear(1));
    pair.run(MS(2800));
    assert_eq!(pair.owner(0), Some(1), "not before the preferred node was sound for F\n{}", pair.story());
    pair.run(MS(500));
    assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
}

#[test]
fn a_goodbye_stands_for_as_long_as_the_peer_is_away() {
    let mut pair = Pair::settled();
    pair.boxes[0].trouble[0].start_fails = true;
    pair.order(1, Order::Leave);
    pair.until(MS(1000), |p| p.boxes[1].left);
    pair.order(0, Order::Leave);
    pair.until(MS(1000), |p| p.boxes[0].left);
    pair.boot(0);
    pair.boot(1);
    pair.until(MS(5000), |p| p.state(0, 0) == State::Failed);
    pair.order(1, Order::Leave);
    pair.until(MS(5000), |p| p.boxes[1].left);
    // Longer than sequence numbers last without an answer.
    pair.run(MS(100 * (1 << 15) + 10_000));
    assert_eq!((pair.peer(0), pair.state(0, 0)), (PeerState::Left, State::Failed));
    pair.boxes[0].trouble[0].start_fails = false;
    pair.order(0, Order::Clear(1));
    pair.run(MS(5000));
    assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
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

#[test]
fn an_ask_that_waited_during_a_stall_stops_nothing() {
    let mut pair = Pair::settled();
    // node2 asks by order while node1 is frozen, and is gone when node1 thaws.
    pair.freeze(0, MS(250));
    pair.run(MS(10));
    pair.order(1, Order::Takeover(1));
    pair.run(MS(200));
    pair.power_off(1);
    pair.run(MS(150));
    let stopped = |e: &Event| matches!(e, Event::Group { group: 0, to: State::Stopping, .. });
    let late = pair.boxes[0].events.iter().filter(|(at, e)| stopped(e) && at.as_micros() > 5_000_000).count();
    assert_eq!((pair.owner(0), late), (Some(0), 0), "{}", pair.story());
}

/// The same beat comes over the cable some milliseconds after it came over Ethernet; that proves no direction.
#[test]
fn a_death_shows_no_link_as_one_way() {
    let mut pair = Pair::settled();
    let off = pair.now;
    pair.power_off(0);
    pair.run(MS(2000));
    let one_way = |e: &Event| matches!(e, Event::Link { to: LinkState::OneWay, .. });
    let shown = pair.boxes[1].events.iter().filter(|(at, event)| *at > off && one_way(event)).count();
    assert_eq!(shown, 0, "{}", pair.story());
}
