//! The files change while the daemon lives.

use crate::pair::{MS, Pair};
use lubdub::node::{Order, PeerState, Refusal, Untrusted};

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
fn a_group_that_a_reload_brings_during_the_goodbye_is_stopped_before_the_node_leaves() {
    let mut pair = Pair::settled();
    pair.cut_all(true);
    pair.order(0, Order::Leave);
    pair.run(MS(50));
    assert!(!pair.boxes[0].left, "the goodbye is not echoed");
    pair.groups = 3;
    pair.step_time = MS(600);
    pair.boxes[0].holds.push(true);
    pair.reload(0);
    pair.run(MS(500));
    assert!(!pair.boxes[0].left, "{}", pair.story());
    pair.run(MS(1000));
    assert!(pair.boxes[0].left && !pair.holding(0, 2), "{}", pair.story());
}
