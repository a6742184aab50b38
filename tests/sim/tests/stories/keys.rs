//! Keys change without a gap.

use lubdub::node::{Event, PeerState};
use lubdub::time::Instant;
use lubdub_sim::story::*;

/// The number of the key that a node last signed with: bits 1 to 4 of the second byte behind the delimiter and the code
/// byte.
fn key(pair: &Pair, side: usize) -> Option<u8> {
    let last = pair.frames(side, SERIAL, Instant::ZERO).max_by_key(|frame| frame.number)?;
    Some(last.bytes.get(3)? >> 1 & 0xf)
}

fn late(pair: &Pair, since: Instant) -> bool {
    let late = |event| matches!(event, Event::Late { .. } | Event::Peer { .. });
    BOTH.iter().any(|side| pair.noted(*side, since).any(late))
}

#[test]
fn a_new_key_is_used_when_both_nodes_list_it() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    pair.files(NODE1).keys.insert(0, (4, "new"));
    pair.reload(NODE1);
    pair.run(SECS(1));
    assert_eq!((key(&pair, NODE1), key(&pair, NODE2)), (Some(3), Some(3)), "node2 does not accept it yet");
    pair.files(NODE2).keys.insert(0, (4, "new"));
    pair.reload(NODE2);
    pair.run(SECS(1));
    assert_eq!((key(&pair, NODE1), key(&pair, NODE2)), (Some(4), Some(4)));
    for side in BOTH {
        pair.files(side).keys.retain(|(id, _)| *id == 4);
        pair.reload(side);
        pair.run(SECS(1));
    }
    assert_eq!((key(&pair, NODE1), key(&pair, NODE2)), (Some(4), Some(4)));
    assert!(!late(&pair, begin));
    assert_eq!(pair.moves(begin), 0);
}

/// Key dropped before the peer left it.
#[test]
fn a_key_that_is_replaced_at_once_is_kept_until_the_peer_has_left_it() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    for side in BOTH {
        pair.files(side).keys = vec![(3, "new")];
        pair.reload(side);
        pair.run(SECS(1));
    }
    for side in BOTH {
        assert_eq!(pair.peer(side), PeerState::Alive);
    }
    let dead = |event| matches!(event, Event::Peer { .. });
    assert!(BOTH.iter().all(|side| !pair.noted(*side, begin).any(dead)));
    assert_eq!(pair.moves(begin), 0);
}

#[test]
fn a_reload_that_changes_nothing_costs_no_beat() {
    let mut pair = Pair::active_active().settled();
    let begin = pair.now();
    for side in BOTH.repeat(10) {
        pair.reload(side);
        pair.run(MS(170));
    }
    assert!(!late(&pair, begin));
    assert_eq!(pair.moves(begin), 0);
}
