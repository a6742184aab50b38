//! The tutorial's cluster on two appliances: connections are forwarded to both real servers, before and after a failover.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that shows its figure")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use lubdub_lab::{Pair, now};
use lubdub_qemu::lines::{CTS, DCD, DSR};
use lubdub_qemu::{BOOT, Image, Rig, SOON};

const REAL_SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 168, 20, 30), Ipv4Addr::new(192, 168, 20, 40)];
/// An emulated machine, asked for a new connection, may first have to ask for the MAC of a real server.
const CONNECT: Duration = Duration::from_secs(60);

const DEADTIME: Duration = Duration::from_secs(5);
/// Lines that are down for less are not missed by the daemon.
const DIP: Duration = Duration::from_millis(20);

/// Waits until the node shows the cable's modem lines and the crossover's carrier like this.
fn await_shown(rig: &mut Rig, end: usize, shown: &str) {
    let deadline = now() + SOON;
    for link in ["/dev/ttyS1", "eth1"] {
        // No answer is none yet: the daemon may not have begun.
        while !rig.node(end).unwrap().status().is_ok_and(|status| status.link(link).unwrap().lines == shown) {
            assert!(now() < deadline, "{link} of node{} does not show {shown}:\n{}", end + 1, rig.logs());
        }
    }
}

/// What the node has said in its log of what a link shows: BEFORE -> AFTER, each time.
fn changes(rig: &mut Rig, end: usize, what: &str) -> Vec<String> {
    let log = rig.node(end).unwrap().log().unwrap();
    let said = log.lines().filter_map(|line| line.split_once(&format!("link {what}: ")));
    said.map(|(_, change)| change.split(':').next().unwrap_or_default().to_owned()).collect()
}

/// What the node has said of the modem lines, after so many times. The other end lets its own dip when it opens its port;
/// where its host stood still since then, a dip was long enough to be told, and that is left out.
fn lines_told(rig: &mut Rig, end: usize, after: usize, since: Instant) -> Vec<String> {
    let mut told = changes(rig, end, "/dev/ttyS1: lines").split_off(after);
    while let Some(dip) = told.windows(3).position(|three| three[1] == "up -> lost" && three[2] == "lost -> up") {
        assert!(rig.cable.fell(end, since).is_some_and(|fell| fell >= DIP), "{told:?}");
        told.drain(dip + 1..dip + 3);
    }
    told
}

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
    // A node whose peer has no power yet: nothing shows that there is one.
    rig.power_on(0).unwrap();
    rig.node(0).unwrap().await_shell(BOOT).unwrap();
    await_shown(&mut rig, 0, "none");
    let begun = now();
    rig.power_on(1).unwrap();
    rig.node(1).unwrap().await_shell(BOOT).unwrap();
    assert_eq!(rig.settle().unwrap(), 0, "the preferred node");
    for end in [0, 1] {
        await_shown(&mut rig, end, "up");
        assert_eq!(rig.cable.seen(end), CTS | DSR | DCD, "the lines of node{}", end + 1);
    }
    assert_eq!(changes(&mut rig, 0, "eth1: carrier"), ["unknown -> none", "none -> up"]);
    assert_eq!(lines_told(&mut rig, 0, 0, begun), ["unknown -> none", "none -> up"]);
    let told = changes(&mut rig, 1, "/dev/ttyS1: lines").len();
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
    println!("announced {took:.2?} after the last word of node1, which lost its power");
    assert!(took < DEADTIME / 2, "announced {took:?} after the last word of node1");
    assert!(rig.node(1).unwrap().log().unwrap().contains("node1.a.com: alive -> dead"));
    await_shown(&mut rig, 1, "lost");
    assert_eq!(lines_told(&mut rig, 1, told, now()), ["up -> lost"]);

    // Home again, as auto_failback says.
    let back = now();
    rig.power_on(0).unwrap();
    rig.client.await_owner(rig.mac(0), SOON).unwrap();
    assert_eq!(rig.settle().unwrap(), 0);
    serves(&rig, 0);
    assert!(rig.client.verdict().doubles.is_empty());
    assert_eq!(lines_told(&mut rig, 1, told, back), ["up -> lost", "lost -> up"]);

    // The other end is told of likewise.
    for end in [0, 1] {
        await_shown(&mut rig, end, "up");
    }
    rig.power_off(1).unwrap();
    await_shown(&mut rig, 0, "lost");
    rig.client.await_owner(rig.mac(0), SOON).unwrap();
}
