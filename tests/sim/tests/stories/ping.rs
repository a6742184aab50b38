//! `ping` nodes on the service LAN: what an isolated node and one that has lost the LAN alone do.

use lubdub::node::{Cause, Event, Hold};
use lubdub::time::Duration;
use lubdub_sim::story::*;

/// Between two questions to a `ping` node when nothing is wrong.
const PAUSE: Duration = Duration::from_secs(1);

fn pinging() -> Pair {
    Pair::leased_with(|it| it.pings = true).settled()
}

/// Every path to the owner is cut, the LAN of its peer is whole: the owner gives up, the other one takes over.
#[test]
fn an_isolated_owner_gives_up() {
    let mut pair = pinging();
    let cut = pair.now();
    pair.cut_all();
    pair.deafen_port(NODE1);
    pair.expect_two_owners();
    pair.within(DEADTIME.max(PAUSE) + KEEPALIVE.times(2) + FRAMES).server(GROUP, NODE2);
    pair.expect_one_owner();
    assert!(pair.noted(NODE1, cut).any(|event| matches!(event, Event::Group { cause: Cause::Blind, .. })));
    pair.throughout(SECS(20)).server(GROUP, NODE2);
    pair.mend_lan();
    pair.mend_all();
    pair.run(SECS(1));
    pair.throughout(SECS(1)).that("there is one owner", |pair| pair.server(GROUP).is_some());
}

/// Every path to the standby is cut: it takes nothing, however long that lasts.
#[test]
fn an_isolated_standby_takes_nothing() {
    let mut pair = pinging();
    let cut = pair.now();
    pair.cut_all();
    pair.deafen_port(NODE2);
    pair.throughout(SECS(30)).server(GROUP, NODE1);
    assert_eq!(pair.starts(NODE2, GROUP, cut), 0);
    assert_eq!(pair.node(NODE2).groups().next().unwrap().hold, Some(Hold::Blind));
    pair.mend_lan();
    pair.throughout(SECS(10)).server(GROUP, NODE1);
    pair.mend_all();
    pair.throughout(SECS(10)).server(GROUP, NODE1);
    assert_eq!(pair.starts(NODE2, GROUP, cut), 0);
}

/// The owner loses the service LAN alone: its group moves across the cable, once, and home after F.
#[test]
fn the_service_lan_lost_on_the_owner_is_a_handover() {
    for carrier in [false, true] {
        let mut pair = pinging();
        let begin = pair.now();
        if carrier {
            pair.kill_port(NODE1)
        } else {
            pair.deafen_port(NODE1)
        }
        pair.within(DEADTIME + PAUSE + KEEPALIVE.times(2)).server(GROUP, NODE2);
        assert!(pair.noted(NODE1, begin).any(|event| matches!(event, Event::Group { cause: Cause::LanLost, .. })));
        pair.throughout(SECS(20)).server(GROUP, NODE2);
        assert_eq!(pair.starts(NODE2, GROUP, begin), 1);
        pair.mend_lan();
        pair.within(SECS(10)).server(GROUP, NODE1);
        pair.throughout(SECS(10)).server(GROUP, NODE1);
        assert_eq!((pair.starts(NODE1, GROUP, begin), pair.starts(NODE2, GROUP, begin)), (1, 1));
    }
}

/// Every `ping` node dies, for both: nothing moves, and nothing moves when they are back.
#[test]
fn what_both_have_lost_moves_nothing() {
    let mut pair = pinging();
    let begin = pair.now();
    for _ in 0..5 {
        pair.hush_lan(true);
        pair.throughout(SECS(20)).server(GROUP, NODE1);
        pair.hush_lan(false);
        pair.throughout(SECS(20)).server(GROUP, NODE1);
    }
    assert_eq!(pair.moves(begin), 0);
}
