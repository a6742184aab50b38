//! The tutorial's cluster on two appliances: connections are forwarded to both real servers, before and after a failover.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use lubdub_lab::{Pair, now};
use lubdub_qemu::lines::{CTS, DCD, DSR};
use lubdub_qemu::{Image, Rig, SOON};

const REAL_SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 168, 20, 30), Ipv4Addr::new(192, 168, 20, 40)];
/// An emulated machine, asked for a new connection, may first have to ask for the MAC of a real server.
const CONNECT: Duration = Duration::from_secs(60);

/// Every one of four connections was forwarded by this node, two to each real server.
fn serves(rig: &Rig, end: usize) {
    let served: Vec<_> = (0..4).map(|_| rig.client.connect(CONNECT).unwrap()).collect();
    assert!(served.iter().all(|one| one.via == rig.mac(end)), "{served:?}");
    let servers: BTreeSet<Ipv4Addr> = served.iter().map(|one| one.server).collect();
    assert_eq!(servers, BTreeSet::from(REAL_SERVERS), "{served:?}");
}

#[test]
fn connections_are_forwarded_before_and_after_the_plug_is_pulled() {
    // The tutorial's lines with the cable beside them; times that two machines which now and then stand still can keep.
    let pair = Pair::appliance()
        .with_ha_cf("warntime 200ms", "warntime 1")
        .with_ha_cf("deadtime 300ms", "deadtime 5")
        .with_ha_cf("initdead 3", "initdead 10");
    let mut rig = Rig::new(&Image::build().unwrap(), &pair).unwrap();
    rig.boot().unwrap();
    assert_eq!(rig.owner().unwrap(), 0, "the preferred node");
    for end in [0, 1] {
        assert_eq!(rig.cable.seen(end), CTS | DSR | DCD, "the lines of node{}", end + 1);
    }
    let speed = rig.node(0).unwrap().clock_speed(Duration::from_secs(5)).unwrap();
    assert!((0.8..1.2).contains(&speed), "its clock runs {speed} times as fast as ours");
    serves(&rig, 0);

    rig.client.begin();
    rig.power_off(0).unwrap();
    let pulled = now();
    assert!(rig.cable.await_seen(1, SOON, |seen| seen == 0), "its lines fall with its power");
    rig.client.await_owner(rig.mac(1), SOON).unwrap();
    serves(&rig, 1);
    let verdict = rig.client.verdict();
    assert!(verdict.doubles.is_empty(), "{:?}", verdict.doubles);
    let last_word = rig.last_word(0, pulled).unwrap();
    let took = verdict.announcements.iter().find(|one| one.mac == rig.mac(1)).expect("an announcement").at - last_word;
    assert!(took < Duration::from_secs(15), "announced {took:?} after the last word of node1");
    assert!(rig.node(1).unwrap().log().unwrap().contains("node1.a.com: alive -> dead"));

    // Home again, as auto_failback says.
    rig.power_on(0).unwrap();
    rig.client.await_owner(rig.mac(0), SOON).unwrap();
    assert_eq!(rig.settle().unwrap(), 0);
    serves(&rig, 0);
    assert!(rig.client.verdict().doubles.is_empty());
}
