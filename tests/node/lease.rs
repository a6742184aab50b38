//! One owner by lease (L9, EYES, ADOPT, HEAL 3): a pair in virtual time with a service LAN, and kernels that end a VIP
//! which nobody renews.

use crate::pair::{MS, Pair};
use lubdub::lease;
use lubdub::node::{ASKED_MIN, Cause, Event, Eyes, Guard, Hold, Input, Order, PeerState, Refusal, STOP_PATIENCE};
use lubdub::time::{Duration, Instant};
use lubdub::wire::beat::State;

const FINE: Duration = Duration::from_millis(279);

/// Configuration B with a fine lease that fits its deadtime.
fn leased() -> Pair {
    let mut pair = Pair::new();
    pair.guard = Guard { lease: Some(FINE), outlast: true, probes: true, fencing: false };
    pair
}

fn settled() -> Pair {
    let mut pair = leased();
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    pair
}

fn cause(pair: &Pair, side: usize, group: u8, wanted: impl Fn(&Cause) -> bool) -> bool {
    pair.has_event(side, |event| matches!(event, Event::Group { group: g, cause, .. } if *g == group && wanted(cause)))
}

#[test]
fn a_healthy_pair_renews_and_nothing_lapses() {
    let mut pair = settled();
    pair.run(MS(600_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    assert!(!cause(&pair, 0, 0, |cause| *cause == Cause::Lapsed) && pair.doubles.is_empty());
    assert_eq!(pair.boxes[0].probes + pair.boxes[1].probes, 0, "nobody asks while the peer is heard");
}

#[test]
fn power_off_costs_no_more_than_deadtime() {
    let mut pair = settled();
    pair.power_off(0);
    let gap = pair.until(MS(1000), |pair| pair.owner(0) == Some(1));
    assert!(gap <= MS(302), "{gap:?}\n{}", pair.story());
    assert!(cause(&pair, 1, 0, |cause| matches!(cause, Cause::Silence(_))));
}

#[test]
fn a_killed_daemon_is_followed_after_its_lease_and_never_doubled() {
    for phase in 0..100 {
        let mut pair = settled();
        pair.run(MS(phase));
        pair.kill(0);
        pair.until(MS(1000), |pair| pair.owner(0) == Some(1));
        assert!(pair.doubles.is_empty(), "phase {phase}: {}", pair.story());
    }
}

#[test]
fn a_frozen_owner_loses_its_vip_and_thaws_as_standby() {
    for span in [150, 250, 290, 310, 500, 3000] {
        let mut pair = settled();
        pair.freeze(0, MS(span));
        pair.run(MS(8000));
        assert!(pair.doubles.is_empty(), "{span} ms: {}", pair.story());
        assert!(pair.owner(0).is_some(), "{span} ms: {}", pair.story());
    }
}

#[test]
fn a_lease_that_does_not_fit_deadtime_is_waited_for() {
    let mut pair = leased();
    let slow = Duration::from_secs(1);
    pair.guard.lease = Some(slow);
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    pair.kill(0);
    let gap = pair.until(MS(5000), |pair| pair.state(1, 0) == State::Held);
    let silence = lease::silence(slow);
    assert!(gap <= silence + MS(5) && gap + MS(105) >= silence, "{gap:?} {silence:?}");
    assert!(pair.doubles.is_empty());
}

#[test]
fn two_cut_cables_move_nothing_while_the_service_lan_is_whole_and_a_death_then_does() {
    let mut pair = settled();
    pair.cut_all(true);
    pair.run(MS(20_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    assert_eq!((pair.peer(0), pair.peer(1)), (PeerState::SplitSuspected, PeerState::SplitSuspected));
    assert_eq!(pair.node(1).groups().next().unwrap().hold, Some(Hold::InUse));
    let alarms = |pair: &Pair| {
        pair.boxes[1].events.iter().filter(|(_, event)| matches!(event, Event::HeldOff { group: 0, .. })).count()
    };
    assert!((3..=5).contains(&alarms(&pair)), "once, and again after each two initdeads: {}", alarms(&pair));
    pair.power_off(0);
    let gap = pair.until(MS(1000), |pair| pair.owner(0) == Some(1));
    assert!(gap <= MS(100), "the VIP has gone silent, and that is all it takes: {gap:?}");
    pair.boot(0);
    pair.cut_all(false);
    pair.run(MS(20_000));
    assert!(pair.doubles.is_empty() && pair.owner(0).is_some(), "{}", pair.story());
}

/// What the questions of a peer are worth to whoever holds what it asks for.
#[test]
fn seven_rounds_of_questions_show_a_split_until_they_stop() {
    let mut pair = settled();
    pair.power_off(1);
    pair.run(MS(1_000));
    assert_eq!(pair.peer(0), PeerState::Dead);
    let ask = |pair: &mut Pair, rounds: u32| {
        for _ in 0..rounds {
            // One for each VIP, a moment apart.
            for group in [0, 1, 0] {
                pair.tell(0, Input::Asked { group });
                pair.run(Duration::from_micros(200));
            }
            pair.run(MS(100));
        }
    };
    // What a daemon asks at its start and when its carrier is back is no search.
    ask(&mut pair, ASKED_MIN - 1);
    assert_eq!(pair.peer(0), PeerState::Dead, "{}", pair.story());
    pair.run(MS(500));
    ask(&mut pair, ASKED_MIN);
    assert_eq!(pair.peer(0), PeerState::SplitSuspected, "{}", pair.story());
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(0)), "nothing moves");
    assert_eq!(pair.node(0).refuses(Order::Standby(1)), Some(Refusal::NoPeer(PeerState::SplitSuspected)));
    // Five slow rounds without one.
    pair.run(MS(350));
    assert_eq!(pair.peer(0), PeerState::SplitSuspected);
    pair.run(MS(60));
    assert_eq!(pair.peer(0), PeerState::Dead, "{}", pair.story());
    // A stall of its own is nobody's silence.
    ask(&mut pair, ASKED_MIN);
    pair.freeze(0, MS(250));
    pair.run(MS(500));
    assert_eq!(pair.peer(0), PeerState::SplitSuspected, "{}", pair.story());
    pair.run(MS(200));
    assert_eq!(pair.peer(0), PeerState::Dead, "{}", pair.story());
    // A beat ends it, and what was asked before is forgotten.
    ask(&mut pair, ASKED_MIN - 1);
    pair.boot(1);
    pair.run(MS(1_000));
    assert_eq!(pair.peer(0), PeerState::Alive);
    ask(&mut pair, ASKED_MIN);
    assert_eq!(pair.peer(0), PeerState::Alive, "{}", pair.story());
}

/// ADOPT (ii): not before the last third of what is left of the lease, not before a hello is on every link, and never once
/// it is over.
#[test]
fn a_leftover_is_adopted_in_the_last_third_with_a_hello_on_every_link() {
    for left in [279, 200, 93, 50, 5] {
        let mut pair = leased();
        pair.boot(0);
        pair.kill(0);
        pair.give(0, 0, MS(left));
        let (begin, ends) = (pair.now, pair.now + MS(left));
        pair.boot(0);
        pair.until(MS(300), |pair| pair.state(0, 0) != State::Stopping || pair.now > ends);
        let adopted = pair.boxes[0].events.iter().find_map(|(at, event)| match event {
            Event::Group { group: 0, cause: Cause::Adopted, .. } if *at >= begin => Some(*at),
            _ => None,
        });
        let at = adopted.unwrap_or_else(|| panic!("{left} ms left: {}", pair.story()));
        assert!(at < ends && at + FINE.part(3) + MS(1) >= ends, "{left} ms left: {}", pair.story());
        for link in [0, 1] {
            let hello = pair.frames[0].iter().find(|(sent, on, _)| *on == link && *sent >= begin);
            assert!(hello.is_some_and(|(sent, ..)| *sent <= at), "{left} ms left, link {link}");
        }
    }
}

/// L3: the peer is told of a stop that fails, and starts nothing until it is confirmed.
#[test]
fn a_stop_that_fails_is_told_on_both_nodes_and_waited_for() {
    let mut pair = settled();
    let stops = |pair: &Pair| {
        let told = pair.boxes[1].events.iter().filter_map(|(_, event)| match event {
            Event::PeerStops { group: 0, lasts } => Some(*lasts),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    pair.order(0, Order::Standby(1));
    pair.run(MS(4_000));
    assert_eq!((pair.owner(0), stops(&pair)), (Some(1), vec![]), "a stop that works is not worth a word");
    pair.order(0, Order::Takeover(1));
    pair.run(MS(4_000));
    pair.boxes[0].trouble[0].stop_fails = true;
    let begin = pair.now;
    pair.order(0, Order::Standby(1));
    pair.run(MS(10_000));
    assert!(pair.has_event(0, |event| matches!(event, Event::StopFailed { group: 0, times: 3, .. })));
    let told = stops(&pair);
    assert!(told.len() == 1 && told[0] >= STOP_PATIENCE && told[0] < STOP_PATIENCE + MS(1_000), "{told:?}");
    assert_eq!((pair.state(0, 0), pair.starts(1, 0, begin)), (State::Stopping, 0), "{}", pair.story());
    pair.boxes[0].trouble[0].stop_fails = false;
    pair.run(MS(10_000));
    assert_eq!((pair.owner(0), stops(&pair).len()), (Some(1), 1), "{}", pair.story());
}

fn lose_devices(pair: &mut Pair, side: usize, lost: bool) {
    for link in 0..2 {
        pair.tell(side, Input::Carrier { link, up: !lost });
    }
}

/// An owner without any device cannot speak: its lease is not renewed, its peer counts it out, and it does not stay.
#[test]
fn an_owner_whose_every_link_device_is_gone_gives_up_and_its_peer_takes_over() {
    for outlived in [false, true] {
        let mut pair = settled();
        if outlived {
            pair.power_off(1);
            pair.run(MS(2_000));
        }
        let begin = pair.now;
        pair.cut_all(true);
        lose_devices(&mut pair, 0, true);
        let span = pair.until(MS(1_000), |pair| pair.state(0, 0) == State::Stopped);
        // Half of deadtime, so that the other half is left to stop scripts.
        assert!(span <= MS(160), "{span:?}: {}", pair.story());
        assert!(cause(&pair, 0, 0, |cause| *cause == Cause::Mute), "{}", pair.story());
        pair.run(MS(20_000));
        assert!(!pair.holding(0, 0) && pair.starts(0, 0, begin) == 0, "it takes nothing back: {}", pair.story());
        assert!(pair.doubles.is_empty());
        assert_eq!(pair.owner(0), (!outlived).then_some(1), "{}", pair.story());
        pair.cut_all(false);
        lose_devices(&mut pair, 0, false);
        pair.run(MS(20_000));
        assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
        assert!(pair.doubles.is_empty());
    }
}

/// The peer takes over after its own deadtime, so an owner that has no device goes by that where it is the shorter one:
/// what it holds without a lease must be stopped by then.
#[test]
fn an_owner_without_a_device_gives_up_within_the_shorter_deadtime_of_the_two() {
    for side in [0, 1] {
        let mut pair = leased();
        pair.timing.deadtime = if side == 0 { MS(3_000) } else { MS(300) };
        pair.boot(0);
        pair.timing.deadtime = if side == 0 { MS(300) } else { MS(3_000) };
        pair.boot(1);
        pair.run(MS(5_000));
        assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
        pair.cut_all(true);
        lose_devices(&mut pair, 0, true);
        let span = pair.until(MS(2_000), |pair| pair.state(0, 0) == State::Stopped);
        assert!(span <= MS(160), "{span:?}: {}", pair.story());
    }
}

/// One device that is left is enough, and one that is back in time is, too.
#[test]
fn an_owner_with_a_device_left_stays() {
    let mut pair = settled();
    let begin = pair.now;
    pair.tell(0, Input::Carrier { link: 0, up: false });
    pair.run(MS(5_000));
    lose_devices(&mut pair, 0, true);
    pair.run(MS(100));
    lose_devices(&mut pair, 0, false);
    pair.run(MS(5_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    assert_eq!(pair.starts(0, 0, begin) + pair.starts(1, 1, begin), 0);
}

/// A node that boots without a device takes nothing, so that a watchdog has nothing to reset it for.
#[test]
fn a_node_that_boots_without_a_device_takes_nothing_until_there_is_one() {
    let mut pair = leased();
    pair.boot(0);
    lose_devices(&mut pair, 0, true);
    pair.run(MS(20_000));
    assert!((0..2).all(|group| pair.state(0, group) == State::Stopped), "{}", pair.story());
    pair.tell(0, Input::Carrier { link: 1, up: true });
    pair.run(MS(1_000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(0)), "{}", pair.story());
}

#[test]
fn a_blind_node_takes_nothing() {
    for eyes in [Eyes::Closed, Eyes::Cut] {
        let mut pair = settled();
        pair.see(1, eyes);
        pair.power_off(0);
        pair.run(MS(5000));
        assert_eq!(pair.owner(0), None, "{}", pair.story());
        assert_eq!(pair.node(1).groups().next().unwrap().hold, Some(Hold::Blind));
        pair.see(1, Eyes::Open);
        pair.run(MS(100));
        assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
    }
}

#[test]
fn an_owner_that_is_cut_off_from_everything_gives_up_after_deadtime() {
    let mut pair = settled();
    pair.cut_all(true);
    pair.lan_cut = true;
    pair.see(0, Eyes::Cut);
    let span = pair.until(MS(1000), |pair| pair.state(0, 0) == State::Stopped);
    assert!(span <= MS(400), "{span:?}");
    assert!(cause(&pair, 0, 0, |cause| *cause == Cause::Blind), "{}", pair.story());
    pair.run(MS(2000));
    assert_eq!(pair.owner(0), Some(1));
}

#[test]
fn a_quiet_lan_never_makes_an_owner_drop() {
    let mut pair = settled();
    pair.see(0, Eyes::Closed);
    pair.power_off(1);
    pair.run(MS(10_000));
    assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
}

#[test]
fn when_the_service_lan_heals_before_the_cables_the_provisional_owner_yields() {
    let mut pair = settled();
    pair.cut_all(true);
    pair.lan_cut = true;
    pair.run(MS(3000));
    assert!(pair.holding(0, 0) && pair.holding(1, 0), "nobody can tell this from death: {}", pair.story());
    pair.lan_cut = false;
    let span = pair.until(MS(1000), |pair| !pair.holding(1, 0) && !pair.holding(0, 1));
    assert!(span <= MS(50), "{span:?}");
    assert!(cause(&pair, 1, 0, |cause| *cause == Cause::Answered), "{}", pair.story());
    pair.run(MS(5000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    let announced = [0, 1].map(|side| pair.boxes[side].announced);
    pair.cut_all(false);
    pair.run(MS(5000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    // Clients may still have the other node's MAC (L6).
    assert_eq!([0, 1].map(|side| pair.boxes[side].announced), announced.map(|before| before + 1));
}

#[test]
fn a_respawn_within_the_lease_adopts_by_consent() {
    let mut pair = settled();
    pair.run(MS(37));
    let before = pair.now;
    pair.kill(0);
    pair.run(MS(20));
    pair.boot(0);
    while pair.now < before + MS(3000) {
        pair.run(MS(1));
        assert_eq!(pair.owner(0), Some(0), "at {:?}\n{}", pair.now.since(before), pair.story());
    }
    assert!(cause(&pair, 0, 0, |cause| *cause == Cause::Consent), "{}", pair.story());
    assert_eq!(pair.starts(1, 0, before), 0, "the peer took nothing");
}

#[test]
fn a_respawn_alone_adopts_in_the_last_third_of_the_lease() {
    let mut pair = settled();
    pair.power_off(1);
    pair.run(MS(2000));
    pair.kill(0);
    pair.run(MS(20));
    pair.boot(0);
    for _ in 0..1000 {
        pair.run(MS(1));
        assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(0)), "{}", pair.story());
    }
    assert!(cause(&pair, 0, 0, |cause| *cause == Cause::Adopted), "{}", pair.story());
}

#[test]
fn a_respawn_after_the_lease_finds_nothing_and_asks() {
    let mut pair = settled();
    pair.kill(0);
    pair.run(MS(600));
    pair.boot(0);
    pair.run(MS(10_000));
    assert!(pair.doubles.is_empty());
    assert_eq!(pair.owner(0), Some(0), "after F it is back: {}", pair.story());
}

#[test]
fn what_a_former_run_left_is_removed_when_the_peer_owns_it() {
    let mut pair = settled();
    pair.power_off(0);
    pair.run(MS(1000));
    // A VIP that an operator's hand or another daemon's lease left in the kernel.
    pair.give(0, 0, MS(250));
    pair.boot(0);
    pair.run(MS(100));
    assert!(!pair.holding(0, 0) && pair.holding(1, 0), "{}", pair.story());
}

#[test]
fn fencing_is_awaited_where_it_is_configured() {
    let mut pair = leased();
    pair.guard.fencing = true;
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    pair.power_off(0);
    pair.run(MS(5000));
    assert!(pair.boxes[1].fences, "{}", pair.story());
    assert_eq!(pair.owner(0), None);
    pair.tell(1, Input::Fenced);
    pair.run(MS(10));
    assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
    assert!(!pair.boxes[1].fences);
    assert!(cause(&pair, 1, 0, |cause| *cause == Cause::Fenced));
}

/// ACQUIRE: also with a confirmation every link is read before anything is taken.
#[test]
fn a_confirmed_fencing_waits_for_what_the_links_have() {
    let mut pair = leased();
    pair.guard.fencing = true;
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    pair.power_off(0);
    pair.run(MS(5000));
    let now = pair.now;
    pair.tell(1, Input::Fenced);
    assert_eq!(pair.starts(1, 0, now), 0, "{}", pair.story());
    pair.run(MS(1));
    assert_eq!(pair.starts(1, 0, now), 1, "{}", pair.story());
}

/// L7: a fenced peer may have come back while this node slept, and hold everything. What was confirmed before or during a
/// stall proves nothing after it, whichever of the two the daemon reads first; the device is asked again.
#[test]
fn what_fencing_confirmed_before_a_stall_grants_nothing_after_it() {
    for (first, before) in [(true, false), (false, false), (false, true)] {
        let mut pair = leased();
        (pair.vips, pair.groups) = (false, 1);
        pair.guard.fencing = true;
        pair.boot(0);
        pair.boot(1);
        pair.run(MS(5000));
        // Where it was confirmed before, nothing was taken yet: no device of a link was there.
        lose_devices(&mut pair, 1, before);
        pair.run(MS(1000));
        pair.power_off(0);
        pair.run(MS(5000));
        if before {
            pair.tell(1, Input::Fenced);
            assert!(pair.node(1).is_peer_fenced());
        }
        assert!(!pair.holding(1, 0), "{}", pair.story());
        // Somebody switches it on again, and vouches for the sleeper.
        pair.freeze(1, MS(10_000));
        pair.cut_all(true);
        pair.boot(0);
        pair.run(MS(4000));
        pair.tell(0, Input::Fenced);
        pair.run(MS(5999));
        assert!(pair.holding(0, 0), "{}", pair.story());
        pair.cut_all(false);
        pair.boxes[1].fences = false;
        if first {
            pair.tell(1, Input::Fenced);
            assert!(pair.boxes[1].fences, "the device is asked again");
        }
        pair.run(MS(1));
        lose_devices(&mut pair, 1, false);
        if !first && !before {
            pair.tell(1, Input::Fenced);
        }
        pair.run(MS(1));
        assert!(!pair.node(1).is_peer_fenced() && pair.doubles.is_empty(), "{}", pair.story());
        pair.run(MS(10_000));
        assert!(pair.doubles.is_empty(), "{}", pair.story());
        assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
    }
}

#[test]
fn a_live_peer_cannot_be_vouched_dead() {
    let mut pair = settled();
    pair.tell(1, Input::Fenced);
    pair.run(MS(1000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
}

#[test]
fn every_line_lost_and_a_silent_vip_is_a_takeover_within_milliseconds() {
    let mut pair = settled();
    pair.power_off(0);
    pair.tell(1, Input::Line { link: 0, lost: true });
    pair.run(MS(20));
    assert_eq!(pair.owner(0), None, "one pulled cable is not evidence");
    pair.tell(1, Input::Line { link: 1, lost: true });
    let gap = pair.until(MS(300), |pair| pair.owner(0) == Some(1));
    assert!(gap <= MS(40), "{gap:?}\n{}", pair.story());
}

#[test]
fn two_pulled_cables_with_the_vip_answering_move_nothing() {
    let mut pair = settled();
    pair.cut_all(true);
    for side in [0, 1] {
        for link in [0, 1] {
            pair.tell(side, Input::Line { link, lost: true });
        }
    }
    pair.run(MS(5000));
    assert_eq!((pair.owner(0), pair.owner(1)), (Some(0), Some(1)), "{}", pair.story());
    assert!(pair.doubles.is_empty());
    for side in [0, 1] {
        for link in [0, 1] {
            pair.tell(side, Input::Line { link, lost: false });
        }
    }
    pair.cut_all(false);
    pair.run(MS(1000));
    assert_eq!(pair.peer(0), PeerState::Alive);
}

#[test]
fn an_order_moves_a_leased_group_and_nothing_doubles() {
    let mut pair = settled();
    for (side, order) in
        [(1, Order::Takeover(1)), (1, Order::Standby(1)), (0, Order::Standby(1)), (0, Order::Takeover(1))]
    {
        pair.order(side, order);
        pair.run(MS(1000));
    }
    assert_eq!(pair.owner(0), Some(0), "{}", pair.story());
    assert!(pair.doubles.is_empty());
}

#[test]
fn a_longer_lease_waits_until_the_peer_knows_it() {
    let mut pair = settled();
    pair.guard.lease = Some(MS(2000));
    pair.reload(0);
    pair.kill(0);
    let before: Instant = pair.now;
    pair.until(MS(5000), |pair| pair.holding(1, 0));
    assert!(pair.doubles.is_empty(), "{}", pair.story());
    assert!(pair.now.since(before) < MS(400), "the peer waited for the lease that it knows");
}

#[test]
fn two_that_take_at_the_same_moment_hear_each_other_on_the_lan() {
    let mut pair = leased();
    pair.timing.deadtime = MS(10_000);
    pair.guard.lease = Some(MS(3000));
    pair.boot(0);
    pair.boot(1);
    pair.run(MS(5000));
    pair.order(0, Order::Takeover(3));
    pair.run(MS(1000));
    // Both see the cables go, and nobody holds anything.
    pair.step_time = Duration::ZERO;
    pair.cut_all(true);
    for group in [0, 1] {
        pair.tell(0, Input::Lapsed { group });
    }
    pair.run(Duration::ZERO);
    for side in [0, 1] {
        for link in [0, 1] {
            pair.tell(side, Input::Line { link, lost: true });
        }
    }
    pair.run(MS(500));
    let owners = |group| (pair.holding(0, group), pair.holding(1, group));
    assert_eq!([owners(0), owners(1)], [(true, false), (false, true)], "{}", pair.story());
}

/// A deaf owner whose power fails with its last beat on the way: what it said is no rival of the claim that follows.
#[test]
fn a_last_beat_of_a_deaf_owner_does_not_make_its_heir_start_again_and_again() {
    for deaf in [false, true] {
        let mut pair = settled();
        if deaf {
            pair.cut[1].fill(true);
            pair.run(MS(2_000));
            assert!(pair.holding(0, 0), "{}", pair.story());
        }
        let begin = pair.now;
        let sent = pair.frames[0].len();
        pair.until(MS(200), |pair| pair.frames[0].len() >= sent + 2);
        pair.power_off(0);
        for link in [0, 1] {
            pair.tell(1, Input::Line { link, lost: true });
        }
        pair.run(MS(5_000));
        assert_eq!(pair.owner(0), Some(1), "{}", pair.story());
        assert_eq!(pair.starts(1, 0, begin), 1, "deaf {deaf}: {}", pair.story());
        assert!(!pair.has_event(1, |event| matches!(event, Event::Kept { .. })), "deaf {deaf}: {}", pair.story());
    }
}

/// Anybody on the LAN can send a probe in the peer's name: that fills no log.
#[test]
fn forged_questions_that_come_and_go_do_not_fill_the_log() {
    let mut pair = settled();
    pair.power_off(1);
    pair.run(MS(5_000));
    let before = pair.boxes[0].events.len();
    for _ in 0..20 {
        for _ in 0..ASKED_MIN {
            pair.tell(0, Input::Asked { group: 0 });
            pair.run(MS(10));
        }
        pair.run(MS(600));
    }
    let asked = pair.boxes[0].events[before..].iter().filter(|(_, event)| matches!(event, Event::Asked { .. })).count();
    assert!(asked <= 1 + 14 / 6, "{asked}: {}", pair.story());
}

/// HEAL 3 does not wait for the beat that came with the loss of the lines to grow old.
#[test]
fn who_took_it_with_a_beat_on_its_way_yields_as_soon_as_the_vip_is_answered() {
    let mut pair = settled();
    let sent = pair.frames[0].len();
    pair.until(MS(200), |pair| pair.frames[0].len() >= sent + 2);
    pair.cut_all(true);
    pair.lan_cut = true;
    for side in [0, 1] {
        for link in [0, 1] {
            pair.tell(side, Input::Line { link, lost: true });
        }
    }
    pair.until(MS(60), |pair| pair.holding(1, 0));
    pair.run(MS(20));
    pair.lan_cut = false;
    let span = pair.until(MS(1_000), |pair| !pair.holding(1, 0) && !pair.holding(0, 1));
    assert!(span <= MS(50), "{span:?}: {}", pair.story());
}
