//! Ways to two owners that a naive consent leaves open, and to a group that is stopped for nobody.

use lubdub::node::{Cause, Event, LinkKind, Order, PeerState, Verb};
use lubdub::time::Instant;
use lubdub::wire::auth::Method;
use lubdub::wire::beat::State;
use lubdub_sim::story::*;

/// Why a node last began to start the group.
fn reason(pair: &Pair, side: usize, since: Instant) -> Option<Cause> {
    let start = |event| match event {
        Event::Group { to: State::Starting, cause, .. } => Some(cause),
        _ => None,
    };
    pair.noted(side, since).filter_map(start).last()
}

/// Stale consent: the asker is frozen with the grant unread, the granter takes its group back by silence, the asker thaws
/// and reads the grant.
#[test]
fn a_grant_that_waited_for_a_frozen_asker_is_no_consent() {
    for seed in 0..20 {
        let mut pair = Pair::with(|it| it.seed = seed).settled();
        pair.order(NODE2, Order::Takeover(only(GROUP)));
        pair.within(FRAMES).state(NODE1, GROUP, State::Stopping);
        pair.freeze(NODE2);
        pair.within(FRAMES).state(NODE1, GROUP, State::Stopped);
        let granted = pair.now();
        pair.within(DEADTIME.times(2) + FRAMES).state(NODE1, GROUP, State::Held);
        assert!(matches!(reason(&pair, NODE1, granted), Some(Cause::Silence(_))));
        let thawed = pair.now();
        pair.thaw(NODE2);
        // The order stands, so that it is asked for again, and given.
        pair.within(KEEPALIVE + FRAMES).state(NODE2, GROUP, State::Held);
        assert_eq!(reason(&pair, NODE2, thawed), Some(Cause::Consent));
        assert_eq!(pair.owner(GROUP), Some(NODE2));
    }
}

/// The same without a stall: a line so bad that a grant composed late gets through between two cuts, to an asker whom the
/// granter is about to miss.
#[test]
fn a_grant_that_a_flaky_link_lets_through_late_is_no_consent() {
    for late in [210, 230, 250, 270, 290] {
        let mut pair = Pair::tutorial().settled();
        pair.order(NODE2, Order::Takeover(only(GROUP)));
        pair.within(FRAMES).state(NODE1, GROUP, State::Stopping);
        let asked = pair.now();
        pair.cut_all();
        pair.run(MS(late - KEEPALIVE.as_millis()));
        // One beat or two of the granter, who hears nothing, get through.
        pair.mend_from(NODE1);
        pair.run(KEEPALIVE + MS(5));
        pair.cut_all();
        pair.within(DEADTIME).state(NODE1, GROUP, State::Held);
        assert_eq!(pair.starts(NODE2, GROUP, asked), 0, "late by {late} ms");
        pair.mend_all();
        pair.within(DEADTIME).state(NODE2, GROUP, State::Held);
        assert_eq!(reason(&pair, NODE2, asked), Some(Cause::Consent));
    }
}

/// A group is stopped only for somebody who is there to take it.
#[test]
fn no_group_is_stopped_for_a_frozen_asker() {
    let mut pair = Pair::tutorial();
    pair.spoil(NODE1, GROUP, Verb::Start, Fate::takes(SECS(5)));
    pair.power_on(NODE1);
    pair.within(INITDEAD + FRAMES).state(NODE1, GROUP, State::Starting);
    pair.power_on(NODE2);
    pair.run(SECS(5) - MS(250));
    // node2 wants it while node1 still starts it, and freezes before it could be given.
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.run(MS(5));
    let frozen = pair.now();
    pair.freeze(NODE2);
    pair.within(MS(250)).state(NODE1, GROUP, State::Held);
    assert_eq!(pair.peer(NODE1), PeerState::Alive, "it is not missed yet");
    pair.throughout(SECS(5)).state(NODE1, GROUP, State::Held);
    assert_eq!(pair.moves(frozen), 0);
    pair.thaw(NODE2);
    pair.within(KEEPALIVE.times(2) + FRAMES).state(NODE2, GROUP, State::Held);
}

/// What a thawed owner finds in its buffers may be the wish of a peer that is long gone.
#[test]
fn an_ask_that_waited_for_a_frozen_owner_stops_nothing() {
    let mut pair = Pair::tutorial().settled();
    let begin = pair.now();
    pair.freeze(NODE1);
    pair.run(MS(10));
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.run(MS(200));
    pair.power_off(NODE2);
    pair.run(MS(40));
    pair.thaw(NODE1);
    pair.throughout(SECS(2)).state(NODE1, GROUP, State::Held);
    assert_eq!(pair.moves(begin), 0);
}

#[test]
fn a_goodbye_that_waited_for_a_frozen_standby_is_none() {
    let mut pair = Pair::tutorial().settled();
    pair.freeze(NODE2);
    pair.order(NODE1, Order::Leave);
    pair.within(DEADTIME + FRAMES).off(NODE1);
    pair.run(SECS(1));
    let thawed = pair.now();
    pair.thaw(NODE2);
    pair.within(DEADTIME + KEEPALIVE + FRAMES).owner(GROUP, NODE2);
    assert!(matches!(reason(&pair, NODE2, thawed), Some(Cause::Silence(_))), "who has come back since?");
}

/// The asker dies with the grant: whoever gave takes its group again, after the wait of a silent peer.
#[test]
fn a_grant_to_a_node_that_dies_comes_back() {
    let mut pair = Pair::tutorial().settled();
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.within(FRAMES).state(NODE1, GROUP, State::Stopping);
    pair.power_off(NODE2);
    pair.within(DEADTIME.times(2) + FRAMES).state(NODE1, GROUP, State::Held);
    pair.throughout(SECS(10)).state(NODE1, GROUP, State::Held);
}

/// On a cable that is never free a beat waits for the one before. It grows old on its way, not while it waits: a consent
/// that echoes it would be stale for ever.
#[test]
fn a_cable_that_beats_fill_carries_consent() {
    let mut pair = Pair::with(|it| {
        it.links = vec![LinkKind::Serial { baud: 1_200 }];
        it.method = Method::Crc;
        for timing in &mut it.timing {
            (timing.keepalive, timing.warntime, timing.deadtime) = (MS(400), MS(800), MS(900));
        }
    })
    .settled();
    pair.order(NODE1, Order::Standby(only(GROUP)));
    pair.within(SECS(2)).owner(GROUP, NODE2);
}

/// A beat that one link took at once and that waited for the other is as old as its first way.
#[test]
fn a_beat_that_waits_for_the_cable_is_as_old_as_on_the_segment() {
    let mut pair = Pair::with(|it| {
        it.links = vec![LinkKind::Serial { baud: 1_200 }, LinkKind::Broadcast];
        it.method = Method::Crc;
        for timing in &mut it.timing {
            (timing.keepalive, timing.warntime, timing.deadtime) = (MS(400), MS(800), MS(900));
        }
    })
    .settled();
    pair.spoil(NODE1, GROUP, Verb::Stop, Fate::takes(MS(170)));
    // node2 has just beaten on both links, and the cable is busy with it.
    pair.within(SECS(5)).that("node2 beats on both links at once", |pair| {
        let just = |link| pair.frames(NODE2, link, pair.now()).next().is_some();
        just(SERIAL) && just(ETHERNET)
    });
    pair.run(MS(3));
    pair.order(NODE2, Order::Takeover(only(GROUP)));
    pair.run(MS(3));
    assert_ne!(pair.state(NODE1, GROUP), State::Held, "the ask has arrived over the segment");
    pair.cut_all();
    pair.run(MS(540));
    pair.mend_from(NODE1);
    pair.run(MS(130));
    assert_eq!(pair.state(NODE2, GROUP), State::Stopped, "consent to an ask of more than 500 ms is stale");
}
