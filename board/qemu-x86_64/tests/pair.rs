//! Two appliances of one image, joined by their crossover alone: the first step towards the pair.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use lubdub_lab::Pair;
use lubdub_qemu::{Appliance, BOOT, Bench, Hardware, Image, Lan, disk};

/// Two emulated machines share a processor with whatever else their host does.
const SOON: Duration = Duration::from_secs(90);
const ALIVE: &str = "lubdub status --json | grep -q '\"alive\"'";
const HAS_TABLE: &str = "ipvsadm -Ln | grep -q 192.168.20.40:80";

#[test]
fn the_other_appliance_loads_the_table_when_the_plug_is_pulled() {
    let image = Image::build().unwrap();
    let bench = Bench::new().unwrap();
    let [lan, crossover] = ["lan", "crossover"].map(|name| Lan::new(&bench, name).unwrap());
    // Times that two machines which now and then stand still can keep; nobody measures anything here.
    let pair = Pair::appliance()
        .with_ha_cf("warntime 200ms", "warntime 2")
        .with_ha_cf("deadtime 300ms", "deadtime 5")
        .with_ha_cf("initdead 3", "initdead 30");
    let power_on = |mut hardware: Hardware| {
        hardware.ethernet[0].plug = Some(lan.plug(&hardware.node).unwrap());
        hardware.ethernet[1].plug = Some(crossover.plug(&hardware.node).unwrap());
        hardware.configuration = Some(disk::of_pair(&bench, &hardware.node, &pair).unwrap());
        Appliance::power_on(&image, &hardware).unwrap()
    };
    let [mut node1, mut node2] = [Hardware::node1(), Hardware::node2()].map(power_on);
    for node in [&mut node1, &mut node2] {
        node.await_shell(BOOT).unwrap();
        node.await_success(ALIVE, SOON).unwrap();
    }
    node1.await_success(HAS_TABLE, SOON).unwrap();
    assert!(!node2.run(HAS_TABLE).unwrap().exit.success(), "only the preferred node has it");

    // An answer from the other side of the LAN.
    node2.await_success("ping -c 1 -W 2 192.168.20.100", SOON).unwrap();

    node1.power_off();
    node2.await_success(HAS_TABLE, SOON).unwrap();
    let log = node2.log().unwrap();
    assert!(log.contains("node1.a.com: alive -> dead"), "{log}");
}
