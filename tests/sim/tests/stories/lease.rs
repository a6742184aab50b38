//! What the lease promises: a dead or frozen daemon is no second owner, and costs no more than it must.

use lubdub::lease::silence;
use lubdub::node::{Cause, Event, Guard};
use lubdub::wire::beat::State;
use lubdub_sim::kind::Kind;
use lubdub_sim::story::*;

fn because(pair: &Pair, side: usize, since: lubdub::time::Instant, wanted: impl Fn(&Cause) -> bool) -> bool {
    pair.noted(side, since).any(|event| matches!(event, Event::Group { cause, .. } if wanted(&cause)))
}

/// Rules 2.8: a kernel that ends an address late by all of g, and a taker that sees nothing of it.
#[test]
fn late_kernel_is_waited_for() {
    let second = SECS(1);
    for seed in 0..50 {
        let mut pair = Pair::leased_with(|it| {
            it.seed = seed;
            it.guard = [Guard { lease: Some(second), ..LEASED }; 2];
            it.kinds.insert(Kind::LateKernel);
        })
        .settled();
        pair.run(MS(seed * 7));
        pair.split_lan();
        pair.kill(NODE1);
        let gap = pair.within(silence(second) + FRAMES).server(GROUP, NODE2);
        assert!(gap + KEEPALIVE + FRAMES >= silence(second), "{gap:?}");
    }
}

/// Rules 2.9: whatever the moment of the death, the last renewal does not follow the last beat.
#[test]
fn renewal_apart_from_beats_never_happens() {
    for phase in 0..100 {
        for frozen in [false, true] {
            let mut pair = Pair::leased().settled();
            pair.run(MS(phase));
            // Nothing but time keeps the two apart.
            pair.split_lan();
            if frozen {
                pair.freeze(NODE1)
            } else {
                pair.kill(NODE1)
            }
            pair.within(DEADTIME + FRAMES).server(GROUP, NODE2);
            if frozen {
                pair.run(SECS(1));
                pair.thaw(NODE1);
                pair.throughout(SECS(1)).server(GROUP, NODE2);
            }
        }
    }
}

/// Rules 2.7: a respawn that has heard nothing goes on in the last third of the lease, and a taker that sees it holds off.
#[test]
fn adopt_at_once_is_for_nobody() {
    let mut pair = Pair::leased().settled();
    pair.cut_all();
    pair.kill(NODE1);
    let killed = pair.now();
    pair.run(MS(20));
    pair.power_on(NODE1);
    pair.throughout(FINE.part(3)).that("nothing is adopted yet", |pair| pair.state(NODE1, GROUP) == State::Stopping);
    pair.within(FINE).state(NODE1, GROUP, State::Held);
    assert!(because(&pair, NODE1, killed, |cause| *cause == Cause::Adopted));
    pair.throughout(SECS(10)).server(GROUP, NODE1);
    assert_eq!(pair.starts(NODE2, GROUP, killed), 0);
}

/// What cannot be verified may be a beat of the peer, in the session of the run before.
#[test]
fn a_respawn_that_hears_something_does_not_adopt_by_itself() {
    let lease = MS(1_999);
    let slow = |it: &mut lubdub_sim::scenario::Scenario| {
        it.guard = [Guard { lease: Some(lease), ..LEASED }; 2];
        it.timing.iter_mut().for_each(|timing| timing.deadtime = SECS(3));
    };
    for phase in 0..50 {
        let mut pair = Pair::leased_with(slow).settled();
        pair.run(MS(phase * 20));
        pair.silence(NODE1);
        pair.split_lan();
        pair.kill(NODE1);
        let killed = pair.now();
        pair.run(MS(20));
        pair.power_on(NODE1);
        pair.within(SECS(3) + FRAMES).server(GROUP, NODE2);
        assert!(!because(&pair, NODE1, killed, |cause| *cause == Cause::Adopted));
        pair.mend_from(NODE1);
        pair.throughout(SECS(1)).server(GROUP, NODE2);
    }
}

#[test]
fn a_respawn_within_the_lease_costs_nothing() {
    for phase in 0..30 {
        let mut pair = Pair::leased().settled();
        pair.run(MS(phase * 3));
        let killed = pair.now();
        pair.kill(NODE1);
        pair.run(MS(phase));
        pair.power_on(NODE1);
        pair.throughout(SECS(10)).server(GROUP, NODE1);
        assert!(because(&pair, NODE1, killed, |cause| *cause == Cause::Consent));
        assert_eq!(pair.starts(NODE2, GROUP, killed), 0);
    }
}

#[test]
fn a_respawn_after_the_lease_starts_clean() {
    let mut pair = Pair::leased().settled();
    pair.kill(NODE1);
    pair.within(DEADTIME + FRAMES).server(GROUP, NODE2);
    let respawned = pair.now();
    pair.power_on(NODE1);
    pair.throughout(INITDEAD - FRAMES).server(GROUP, NODE2);
    assert_eq!(pair.starts(NODE1, GROUP, respawned), 0);
    // After F it has it back, by consent.
    pair.within(SECS(5)).server(GROUP, NODE1);
}

/// Rules 2.13: what its own lease has removed is not put back.
#[test]
fn put_back_after_lapse_never_happens() {
    for millis in [290, 350, 1_000, 10_000] {
        let mut pair = Pair::leased().settled();
        let begin = pair.now();
        pair.freeze(NODE1);
        pair.run(MS(millis));
        pair.thaw(NODE1);
        pair.run(MS(100));
        assert!(because(&pair, NODE1, begin, |cause| *cause == Cause::Lapsed), "{millis}");
        pair.within(SECS(1)).that("there is one owner", |pair| pair.server(GROUP).is_some());
    }
}

/// Rules 2.14: a VIP that its lease has ended says nothing any more, neither asked nor by itself.
#[test]
fn gate_for_input_only_would_go_on_to_answer() {
    let mut pair = Pair::leased_with(|it| it.timing.iter_mut().for_each(|timing| timing.deadtime = SECS(2))).settled();
    pair.freeze(NODE1);
    pair.within(SECS(1)).that("the kernel has ended the VIP", |pair| !pair.answers(NODE1, GROUP));
    let ended = pair.now();
    pair.within(SECS(2) + FRAMES).server(GROUP, NODE2);
    assert!(!pair.noted(NODE2, ended).any(|event| matches!(event, Event::HeldOff { .. })));
}

/// Rules 2.16: a longer lease is not used before the peer knows of it.
#[test]
fn longer_lease_by_reload_waits_for_the_peer() {
    for (longer, known) in [(MS(2_500), false), (MS(2_500), true), (SECS(1), false)] {
        let mut pair = Pair::leased().settled();
        if !known {
            pair.cut_all();
            pair.split_lan();
        }
        pair.files(NODE1).guard.lease = Some(longer);
        pair.reload(NODE1);
        if known {
            pair.run(SECS(1));
            pair.split_lan();
        }
        pair.kill(NODE1);
        let wait = if known { silence(longer) } else { DEADTIME };
        let gap = pair.within(wait + FRAMES).server(GROUP, NODE2);
        assert!(gap + KEEPALIVE + FRAMES >= wait, "{gap:?}");
    }
}

/// A shorter lease is in force at once. What was renewed before it is waited for until it has run out, which further
/// sessions do not put off.
#[test]
fn a_lease_of_before_runs_out_however_many_sessions_follow() {
    let longest = MS(2_500);
    for sessions in [0, 3] {
        let mut pair = Pair::leased_with(|it| it.guard = [Guard { lease: Some(longest), ..LEASED }; 2]).settled();
        pair.files(NODE1).guard.lease = LEASED.lease;
        pair.reload(NODE1);
        let shortened = pair.now();
        for _ in 0..sessions {
            pair.run(MS(700));
            pair.reload(NODE1);
        }
        pair.split_lan();
        pair.kill(NODE1);
        let killed = pair.now();
        pair.within(silence(longest) + FRAMES).server(GROUP, NODE2);
        let due = (shortened + silence(longest)).max(killed + DEADTIME);
        assert!(pair.now() <= due + KEEPALIVE + FRAMES, "{:?} late", pair.now().since(due));
    }
}

/// A shorter lease of whole seconds may end later than a longer one of milliseconds.
#[test]
fn a_lease_of_the_other_kind_counts_by_its_end() {
    for seed in 0..20 {
        let mut pair = Pair::leased_with(|it| {
            it.seed = seed;
            it.guard = [Guard { lease: Some(MS(1_400)), ..LEASED }; 2];
            it.kinds.insert(Kind::LateKernel);
        })
        .settled();
        pair.cut_all();
        pair.split_lan();
        pair.files(NODE1).guard.lease = Some(SECS(1));
        pair.reload(NODE1);
        pair.run(MS(150));
        pair.kill(NODE1);
        pair.within(silence(MS(1_400)) + FRAMES).server(GROUP, NODE2);
    }
}

/// The session ends with an edit of haresources; the lease that was told in it does not.
#[test]
fn a_lease_outlives_the_session_that_told_it() {
    let second = SECS(1);
    let mut pair = Pair::leased_with(|it| it.guard = [Guard { lease: Some(second), ..LEASED }; 2]).settled();
    pair.split_lan();
    pair.files(NODE2).digest = [8; 8];
    pair.reload(NODE2);
    pair.kill(NODE1);
    let gap = pair.within(silence(second) + DEADTIME + FRAMES).server(GROUP, NODE2);
    assert!(gap + KEEPALIVE + FRAMES >= silence(second), "{gap:?}");
}
