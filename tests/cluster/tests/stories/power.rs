//! The owner loses its power.

use lubdub_cluster_tests::{
    FAILOVER, GROUP, SERIAL, asking, exit_code, gap, nothing_moved, running, settled, verdict_with,
};
use lubdub_lab::{Lab, Pair, Result, Verdict};

#[test]
fn the_standby_takes_over_after_deadtime() -> Result<()> {
    let lab = running(Pair::appliance())?;
    let verdict = owner_dies(&lab, "power-off, B")?;
    assert!(verdict.announcements.iter().any(|a| a.mac == lab.node2().mac()), "the VIP was announced");
    let status = lab.node2().await_status(FAILOVER, |status| status.peer.state == "dead")?;
    assert_eq!(status.peer.why.as_deref(), Some("silence"));
    assert_eq!(status.group(GROUP).unwrap().term, 2, "a takeover without consent raises the term");
    assert_eq!(exit_code(lab.node2(), "lubdub status")?, Some(1));
    Ok(())
}

#[test]
fn it_takes_over_within_a_tenth_of_that_at_keepalive_20_ms() -> Result<()> {
    let pair = Pair::appliance()
        .with_ha_cf("keepalive 100ms", "keepalive 20ms")
        .with_ha_cf("warntime 200ms", "warntime 40ms")
        .with_ha_cf("deadtime 300ms", "deadtime 60ms");
    owner_dies(&running(pair)?, "power-off, 20ms/60ms").map(drop)
}

#[test]
fn the_cable_alone_is_enough() -> Result<()> {
    let lab = running(Pair::appliance().with_ha_cf("bcast eth1 # Linux\n", ""))?;
    let links = lab.node1().status()?.links;
    assert_eq!(links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), [SERIAL]);
    owner_dies(&lab, "power-off, serial alone, B").map(drop)
}

#[test]
fn the_crossover_alone_is_enough() -> Result<()> {
    let pair = Pair::appliance().with_ha_cf("baud 115200\nserial /dev/ttyS1\n", "");
    owner_dies(&running(pair)?, "power-off, crossover alone, B").map(drop)
}

#[test]
fn a_standby_that_dies_moves_nothing() -> Result<()> {
    let lab = running(Pair::appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    two.power_off()?;
    one.await_status(FAILOVER * 2, |status| status.peer.state == "dead")?;
    two.boot()?;
    settled(&lab, one)?;
    nothing_moved(judge, one)?;
    assert_eq!(one.status()?.group(GROUP).unwrap().term, 1);
    Ok(())
}

fn owner_dies(lab: &Lab, what: &str) -> Result<Verdict> {
    let [one, two] = lab.nodes();
    let judge = asking(lab, one)?;
    one.power_off()?;
    let verdict = verdict_with(judge, two)?;
    assert!(gap(what, &verdict) < FAILOVER);
    assert_eq!(verdict.doubles, []);
    Ok(verdict)
}
