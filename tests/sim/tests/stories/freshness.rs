//! What was said in an earlier session, or comes a second time, changes nothing.

use lubdub::node::{LinkState, PeerState};
use lubdub_sim::story::*;

/// Replayed session: with one nonce a run the survivor's would never change, and a recorded hello with the beats after it
/// would verify again when the peer has restarted.
#[test]
fn a_recorded_session_is_nobodys_life_when_its_peer_has_restarted() {
    for (restarts, survivor) in [(NODE1, NODE2), (NODE2, NODE1)] {
        let mut pair = Pair::active_active().settled();
        let recording = pair.recording().only(|frame| frame.from == restarts);
        for _ in 0..2 {
            pair.power_off(restarts);
            pair.run(MS(50));
            pair.power_on(restarts);
            pair.run(SECS(1));
        }
        pair.power_off(restarts);
        pair.within(DEADTIME + FRAMES).peer(survivor, PeerState::Dead);
        for frame in recording.frames() {
            pair.play(frame, survivor);
            pair.check(pair.peer(survivor) == PeerState::Dead, "a recording is taken for life");
            pair.run(MS(20));
        }
        assert_eq!(pair.owner(GROUP), Some(survivor));
        assert_eq!(pair.owner(SECOND), Some(survivor));
    }
}

#[test]
fn replayed_traffic_of_any_age_and_either_node_moves_nothing() {
    let mut pair = Pair::active_active().settled();
    let recording = pair.recording();
    pair.power_off(NODE2);
    pair.run(SECS(1));
    pair.power_on(NODE2);
    pair.run(INITDEAD + SECS(1));
    let begin = pair.now();
    for frame in recording.frames() {
        BOTH.into_iter().for_each(|side| pair.play(frame, side));
        pair.run(MS(1));
    }
    assert_eq!((pair.peer(NODE1), pair.peer(NODE2)), (PeerState::Alive, PeerState::Alive));
    assert_eq!(pair.moves(begin), 0);
}

/// Over Ethernet, where anybody can play them: whoever calls on the cable is there.
#[test]
fn a_death_is_noticed_in_time_by_a_node_that_is_fed_recordings() {
    let mut pair = Pair::tutorial().settled();
    let recording = pair.recording().only(|frame| frame.from == NODE1 && usize::from(frame.link) == ETHERNET);
    pair.power_off(NODE1);
    let off = pair.now();
    let mut feed = recording.cycle();
    while pair.owner(GROUP) != Some(NODE2) && pair.now().since(off) < SECS(5) {
        if let Some(frame) = feed.next() {
            pair.play(frame, NODE2);
        }
        pair.run(MS(3));
    }
    assert!(pair.now().since(off) <= DEADTIME + FRAMES);
}

/// Even in the session in which it was said.
#[test]
fn a_recording_of_this_session_holds_no_link_up() {
    for link in [SERIAL, ETHERNET] {
        let mut pair = Pair::active_active().settled();
        let recording = pair.recording().only(|frame| frame.from == NODE2 && usize::from(frame.link) == link);
        pair.cut(link);
        pair.run(DEADTIME + FRAMES);
        for frame in recording.frames() {
            pair.play(frame, NODE1);
            pair.check(pair.link(NODE1, link).state == LinkState::Down, "a recording is taken for a link");
            pair.run(MS(20));
        }
        assert!(pair.link(NODE1, link).counters.replayed > 0);
    }
}
