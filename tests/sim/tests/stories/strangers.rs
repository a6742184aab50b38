//! Somebody is there who is not to be trusted: a state of its own, never taken for death.

use lubdub::node::{Order, PeerState, Refusal, Untrusted};
use lubdub_sim::story::*;
use std::mem::discriminant;

const WHYS: [Untrusted; 5] = [
    Untrusted::WrongKey,
    Untrusted::OtherCluster,
    Untrusted::SameName,
    Untrusted::DifferentHaresources,
    Untrusted::OtherVersion(0),
];

fn is_named(pair: &Pair, side: usize, why: Untrusted) -> bool {
    matches!(pair.peer(side), PeerState::Untrusted(seen) if discriminant(&seen) == discriminant(&why))
}

#[test]
fn each_kind_of_stranger_is_named_on_both_nodes_and_nothing_moves_while_it_is_there() {
    for why in WHYS {
        let mut pair = Pair::active_active().settled();
        pair.power_off(NODE2);
        pair.within(DEADTIME + FRAMES).owner(SECOND, NODE1);
        pair.power_on_as(NODE2, why);
        pair.within(KEEPALIVE.times(2) + FRAMES)
            .that("the stranger is named", |pair| BOTH.iter().all(|side| is_named(pair, *side, why)));
        pair.throughout(SECS(60)).that("nothing moves, and it stays named", |pair| {
            let owned = (pair.owner(GROUP), pair.owner(SECOND)) == (Some(NODE1), Some(NODE1));
            owned && BOTH.iter().all(|side| is_named(pair, *side, why))
        });
        let refused = pair.refuses(NODE2, Order::Takeover(only(SECOND)));
        assert!(matches!(refused, Some(Refusal::Untrusted(_))), "{why:?}: {refused:?}");
    }
}

#[test]
fn when_a_stranger_falls_silent_the_waits_of_a_silent_peer_begin() {
    for why in WHYS {
        let mut pair = Pair::active_active().settled();
        pair.power_off(NODE2);
        pair.within(DEADTIME + FRAMES).owner(SECOND, NODE1);
        pair.power_on_as(NODE2, why);
        pair.run(SECS(20));
        pair.power_off(NODE1);
        for group in [GROUP, SECOND] {
            let took = pair.within(DEADTIME + KEEPALIVE + FRAMES).owner(group, NODE2);
            assert!(group == SECOND || took >= DEADTIME - KEEPALIVE, "{why:?}: {took:?}");
        }
    }
}

#[test]
fn two_strangers_that_boot_together_take_nothing_from_each_other() {
    let mut pair = Pair::tutorial();
    pair.power_on_as(NODE1, Untrusted::DifferentHaresources);
    pair.power_on(NODE2);
    pair.throughout(SECS(60)).no_owner(GROUP);
}

/// Digest change, then death: a rolling edit is no trap.
#[test]
fn in_the_middle_of_an_edit_a_death_is_a_death() {
    for (edited, dies) in [(NODE1, NODE1), (NODE2, NODE1)] {
        let mut pair = Pair::tutorial().settled();
        pair.files(edited).digest = [8; 8];
        pair.reload(edited);
        pair.run(SECS(20));
        pair.power_off(dies);
        pair.within(DEADTIME + KEEPALIVE + FRAMES).owner(GROUP, NODE2);
    }
}

/// Whatever the phases of the two nodes' beats are: a beat or two after the files agree, and before anybody could take
/// the other for dead.
#[test]
fn two_strangers_that_become_a_pair_meet_soon() {
    for phase in 0..40 {
        let mut pair = Pair::with(|it| it.links = vec![lubdub::node::LinkKind::Broadcast]).settled();
        pair.files(NODE1).digest = [8; 8];
        pair.reload(NODE1);
        pair.run(MS(1000 + phase * 37));
        pair.files(NODE2).digest = [8; 8];
        pair.reload(NODE2);
        pair.within(KEEPALIVE.times(2) + FRAMES)
            .that("both are alive", |pair| BOTH.iter().all(|side| pair.peer(*side) == PeerState::Alive));
    }
}

/// Whatever the phases of the two nodes' beats are when the files change.
#[test]
fn a_rolling_edit_of_haresources_moves_nothing() {
    for phase in 0..40 {
        let mut pair = Pair::active_active().settled();
        let begin = pair.now();
        pair.run(MS(phase * 5 % 100));
        pair.files(NODE1).digest = [8; 8];
        pair.reload(NODE1);
        pair.within(DEADTIME + FRAMES).that("the difference is named", |pair| {
            BOTH.iter().all(|side| is_named(pair, *side, Untrusted::DifferentHaresources))
        });
        assert_eq!(
            pair.refuses(NODE2, Order::Takeover(only(GROUP))),
            Some(Refusal::Untrusted(Untrusted::DifferentHaresources))
        );
        pair.run(MS(1000 + phase * 37));
        pair.files(NODE2).digest = [8; 8];
        pair.reload(NODE2);
        for side in BOTH {
            pair.within(SECS(1)).peer(side, PeerState::Alive);
        }
        pair.run(SECS(60));
        assert_eq!(pair.moves(begin), 0);
    }
}
