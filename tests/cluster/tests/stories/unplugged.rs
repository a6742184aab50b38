//! Every link loses its other end: the VIP tells a dead peer from a pulled cable.

use lubdub_cluster_tests::{
    ETHERNET, SECOND, SOON, appliance, asking, nothing_moved, running, said, says, settled, stays, verdict_with,
};
use lubdub_lab::{Pair, Result};

/// A crossover as the only link, and a deadtime of which nothing here waits for the end.
fn crossover() -> Pair {
    appliance()
        .with_ha_cf("baud 115200\nserial /dev/ttyS1\n", "")
        .with_ha_cf("warntime 200ms", "warntime 10")
        .with_ha_cf("deadtime 300ms", "deadtime 30")
        .with_ha_cf("initdead 3", "initdead 60")
}

const GONE: &str = "link eth1: carrier: up -> lost";

#[test]
fn a_power_cut_needs_no_deadtime_where_the_carrier_shows_it() -> Result<()> {
    let lab = running(crossover())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    one.power_off()?;
    says(two, GONE)?;
    says(two, "is off: every link lost its other end")?;
    let verdict = verdict_with(judge, two)?;
    let gap = lubdub_cluster_tests::gap("power-off, crossover alone, deadtime 30 s", &verdict);
    assert!(verdict.doubles.is_empty() && gap < SECOND * 10, "{gap:?}");
    assert!(two.exec(&["lubdub", "status", "--json"])?.stdout.contains("\"carrier\":\"lost\""));
    Ok(())
}

#[test]
fn a_pulled_cable_is_no_death_while_the_vip_answers() -> Result<()> {
    let lab = running(crossover())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    lab.crossover().unplug();
    says(two, GONE)?;
    two.await_status(SOON, |status| status.peer.state == "split-suspected")?;
    stays(&judge, one, SECOND * 3)?;
    lab.crossover().replug();
    settled(&lab, one)?;
    nothing_moved(judge, one).map(drop)
}

#[test]
fn one_of_two_cables_is_no_death_either() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    lab.crossover().unplug();
    two.await_status(SOON, |status| !status.link_up(ETHERNET))?;
    says(two, GONE)?;
    stays(&judge, one, SECOND)?;
    assert!(two.status()?.peer_alive());
    lab.crossover().replug();
    settled(&lab, one)?;
    says(two, "link eth1: carrier: lost -> up")?;
    // A pty has no modem lines: nothing is said of them.
    assert_eq!(said(two, "link /dev/ttyS1: lines"), 0);
    assert!(two.exec(&["lubdub", "status", "--json"])?.stdout.contains("\"lines\":\"unknown\""));
    nothing_moved(judge, one).map(drop)
}
