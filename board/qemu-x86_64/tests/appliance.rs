//! One appliance with a real kernel: the tutorial's IPVS table comes and goes with the group, from a read-only root.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use lubdub_lab::arp::Arp;
use lubdub_lab::{Pair, Status};
use lubdub_qemu::{Appliance, BOOT, Bench, Frame, Hardware, Image, Lan, Serial, disk};

const KEY: &str = "192.168.20.100/24/eth0";
const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 20, 100);
/// An emulated machine may stand still for as long as its host does something else.
const SOON: Duration = Duration::from_secs(60);
/// What `ipvsadm -Ln` shows of the tutorial's table, blanks squeezed.
const TABLE: [&str; 3] =
    ["TCP 192.168.20.100:80 rr", "-> 192.168.20.30:80 Route 1 0 0", "-> 192.168.20.40:80 Route 1 0 0"];
const HOLDS: &str = "lubdub status --json | grep -q '\"state\": *\"held\"'";
const SHOWS_VIP: &str = "ip -4 addr show dev eth0 | grep -q 'inet 192.168.20.100/24.* eth0:0'";
const HAS_TABLE: &str = "ipvsadm -Ln | grep -q 192.168.20.100:80";
const BREAK_IPVSADM: &str = "printf '#!/bin/sh\nkill -9 $$\n' >/tmp/broken && chmod 755 /tmp/broken && \
                            mount --bind /tmp/broken $(command -v ipvsadm) && ! ipvsadm -Ln";

/// A machine at a LAN and a crossover of its own, and the socket of its second serial port.
struct Alone {
    node: Appliance,
    lan: Lan,
    _crossover: Lan,
    bench: Bench,
}

fn power_on(pair: &Pair) -> Alone {
    let image = Image::build().unwrap();
    let bench = Bench::new().unwrap();
    let [lan, crossover] = ["lan", "crossover"].map(|name| Lan::new(&bench, name).unwrap());
    let mut hardware = Hardware::node1();
    hardware.ethernet[0].plug = Some(lan.plug("node1").unwrap());
    hardware.ethernet[1].plug = Some(crossover.plug("node1").unwrap());
    hardware.serial = Some(Serial::Socket(bench.folder().join("ttyS1")));
    hardware.configuration = Some(disk::of_pair(&bench, "node1", pair).unwrap());
    Alone { node: Appliance::power_on(&image, &hardware).unwrap(), lan, _crossover: crossover, bench }
}

fn announces_vip(frame: &Frame) -> bool {
    Arp::parse(&frame.bytes).is_some_and(|arp| arp.announces() && arp.sender == VIP)
}

/// The IPVS table as `ipvsadm -Ln` shows it, without its head, blanks squeezed.
fn table(node: &mut Appliance) -> Vec<String> {
    let shown = node.run("ipvsadm -Ln").unwrap().ok().unwrap();
    shown.lines().skip(3).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn serves(node: &mut Appliance) -> Status {
    node.await_success(HOLDS, SOON).unwrap();
    node.await_success(SHOWS_VIP, SOON).unwrap();
    assert_eq!(table(node), TABLE);
    let status = node.status().unwrap();
    assert_eq!(status.group(KEY).unwrap().owner.as_deref(), Some("node1.a.com"));
    status
}

fn fails(node: &mut Appliance, script: &str) -> String {
    let output = node.run(script).unwrap();
    assert!(!output.exit.success(), "{script} succeeded: {}", output.stdout);
    output.stderr
}

#[test]
fn the_tutorials_table_comes_and_goes_with_the_group() {
    let mut alone = power_on(&Pair::appliance());
    let node = &mut alone.node;
    node.await_shell(BOOT).unwrap();

    // The root is read-only, and not to be persuaded.
    assert!(fails(node, "echo x >/etc/x").contains("Read-only file system"));
    assert!(fails(node, "echo x >/etc/ha.d/ha.cf").contains("Read-only file system"));
    fails(node, "mount -o remount,rw /");

    let check = node.run("lubdub check").unwrap();
    assert!(check.exit.success(), "{}", check.stderr);
    assert!(check.stdout.contains("node1.a.com: would run"), "{}", check.stdout);

    // Alone for initdead, it takes its group.
    let status = serves(node);
    assert_eq!((status.peer.state.as_str(), status.peer_alive()), ("dead", false));
    let announced = alone.lan.await_frame(SOON, announces_vip).expect("the VIP is announced on the LAN");
    assert_eq!(announced.port, "node1");
    assert_eq!(node.run("lubdub status").unwrap().exit.code(), Some(1), "degraded: nobody else is there");

    // The table can be saved as the tutorial saves it.
    let saved = node.run("ipvsadm-save -n").unwrap().ok().unwrap();
    assert_eq!(saved.lines().next(), Some("-A -t 192.168.20.100:80 -s rr"));

    // Its beats leave by a real UART, at most 16 bytes of it at a time, each frame ended by a zero.
    let cable = UnixStream::connect(alone.bench.folder().join("ttyS1")).unwrap();
    cable.set_read_timeout(Some(SOON)).unwrap();
    let mut cable = BufReader::new(cable);
    for _ in 0..3 {
        let mut frame = Vec::new();
        cable.read_until(0, &mut frame).unwrap();
        assert!(frame.ends_with(&[0]) && frame.len() < 256, "a zero ends each frame: {frame:02x?}");
    }

    // Killed, it is started again by init and serves as before.
    let killed = alone.lan.count();
    node.run("cat /run/lubdub/pid >/tmp/killed; kill -9 $(cat /tmp/killed)").unwrap().ok().unwrap();
    node.await_success("! cmp -s /tmp/killed /run/lubdub/pid", SOON).unwrap();
    serves(node);
    assert!(alone.lan.await_frame_since(killed, SOON, announces_vip).is_some(), "the VIP is announced again");

    // Stopped, it leaves nothing behind; started, it has all of it again.
    node.run("service heartbeat stop").unwrap().ok().unwrap();
    assert_eq!(table(node), Vec::<String>::new());
    fails(node, SHOWS_VIP);
    assert_eq!(node.run("lubdub status").unwrap().exit.code(), Some(69), "no daemon");
    node.run("service heartbeat start").unwrap().ok().unwrap();
    serves(node);

    // With a program that dies the kernel is asked to empty its table: nothing is left all the same.
    node.run(BREAK_IPVSADM).unwrap().ok().unwrap();
    node.run("service heartbeat stop").unwrap().ok().unwrap();
    node.run("umount $(command -v ipvsadm)").unwrap().ok().unwrap();
    assert_eq!(table(node), Vec::<String>::new());
    node.run("service heartbeat start").unwrap().ok().unwrap();
    serves(node);

    // The plug: nothing of the machine is left.
    let count = alone.lan.count();
    alone.node.power_off();
    assert!(alone.lan.await_frame_since(count, Duration::from_millis(300), announces_vip).is_none());
}

#[test]
fn a_refused_configuration_takes_nothing_and_a_person_can_log_in_to_mend_it() {
    let mut alone = power_on(&Pair::appliance().with_ha_cf("auto_failback on", "auto_failback perhaps"));
    let node = &mut alone.node;
    node.await_shell(BOOT).unwrap();
    let check = node.run("lubdub check").unwrap();
    assert_eq!(check.exit.code(), Some(78), "{}", check.stderr);
    assert!(check.stderr.contains("ha.cf:2:"), "{}", check.stderr);
    // Said once, where a person looks: on the console and in the log.
    node.await_console("heartbeat does not run", SOON).unwrap();
    node.await_success("logread | grep -q 'auto_failback perhaps'", SOON).unwrap();
    assert_eq!(node.log().unwrap().matches("auto_failback perhaps").count(), 1);
    assert_eq!(node.run("service heartbeat status").unwrap().exit.code(), Some(3));
    fails(node, HAS_TABLE);
    fails(node, SHOWS_VIP);

    // Each key once the prompt is there: getty and login forget what was typed before.
    for (prompt, line) in [("node1.a.com login:", "root\n"), ("node1:/root#", "lubdub check\n")] {
        node.await_console(prompt, SOON).unwrap();
        node.type_in(line).unwrap();
    }
    node.await_console("auto_failback perhaps", SOON).unwrap();
}
