//! L5 on a pair in virtual time: what is not fresh changes nothing, whoever said it and whenever.

use crate::pair::{MS, Pair, Side};
use lubdub::node::{Cause, Event, Input, Order, PeerState};

/// Frames of `side`, as they were sent.
fn recording(pair: &Pair, side: Side) -> Vec<(u8, Vec<u8>)> {
    pair.frames[side].iter().map(|(_, link, bytes)| (*link, bytes.clone())).collect()
}

fn sessions(pair: &Pair, side: Side) -> usize {
    pair.boxes[side].events.iter().filter(|(_, event)| matches!(event, Event::Session { .. })).count()
}

#[test]
fn recordings_of_any_run_do_not_renew_a_session_that_works() {
    let mut pair = Pair::settled();
    for side in [0, 1] {
        pair.power_off(side);
        pair.run(MS(1000));
        pair.boot(side);
        pair.run(MS(4000));
    }
    let told = [recording(&pair, 0), recording(&pair, 1)].concat();
    let before = [sessions(&pair, 0), sessions(&pair, 1)];
    for (link, bytes) in &told {
        for side in [0, 1] {
            pair.tell(side, Input::Bytes { link: *link, bytes });
        }
        pair.run(MS(1));
    }
    assert_eq!([sessions(&pair, 0), sessions(&pair, 1)], before, "{}", pair.story());
    assert_eq!((pair.peer(0), pair.peer(1)), (PeerState::Alive, PeerState::Alive));
}

#[test]
fn recordings_on_ethernet_do_not_keep_a_new_run_from_its_session() {
    let mut pair = Pair::new();
    pair.cut[0][0] = true;
    pair.cut[1][0] = true;
    pair.boot(0);
    // Hellos of six former runs.
    for _ in 0..6 {
        pair.boot(1);
        pair.run(MS(500));
        pair.power_off(1);
    }
    let told: Vec<_> = recording(&pair, 1).into_iter().filter(|(link, _)| *link == 1).collect();
    pair.run(MS(5000));
    pair.boot(1);
    let begun = pair.now;
    let mut feed = told.iter().cycle();
    while pair.peer(0) != PeerState::Alive {
        assert!(pair.now.since(begun) < MS(2000), "{}", pair.story());
        let (link, bytes) = feed.next().expect("something was said");
        pair.tell(0, Input::Bytes { link: *link, bytes });
        pair.run(MS(3));
    }
}

#[test]
fn a_goodbye_in_a_session_that_lay_in_a_buffer_grants_nothing() {
    // Frozen between its hello and the answer, it reads a whole life of its peer at once.
    let mut pair = Pair::new();
    pair.boot(0);
    pair.boot(1);
    pair.until(MS(1000), |pair| pair.peer(1) == PeerState::Alive);
    pair.freeze(0, MS(500));
    let thawed = pair.now + MS(500);
    pair.order(1, Order::Leave);
    pair.run(MS(8000));
    let goodbye = |event: &Event| matches!(event, Event::Group { cause: Cause::Goodbye, .. });
    let early = pair.boxes[0].events.iter().any(|(at, event)| goodbye(event) && *at <= thawed + MS(20));
    assert!(!early, "{}", pair.story());
    assert!(pair.doubles.is_empty(), "{}", pair.story());
}
