//! Floods on the crossover: true beats pass, the cable is undisturbed, nobody takes anything over, and what it costs is
//! bounded.

use lubdub_cluster_tests::{
    ETHERNET, SECOND, SERIAL, appliance, asking, gap, nothing_moved, running, settled, stays, verdict_with,
};
use lubdub_lab::{Flood, Lab, Node, Payload, Result};

#[test]
fn random_datagrams() -> Result<()> {
    flooded(|_| Ok(Payload::Random))
}

#[test]
fn forged_ones() -> Result<()> {
    flooded(|lab| Ok(Payload::Forged(lab.record(1, 20, SECOND * 10)?)))
}

#[test]
fn recorded_ones() -> Result<()> {
    flooded(|lab| Ok(Payload::Replay(lab.record(1, 20, SECOND * 10)?)))
}

/// As fast as the machine can make them, at the owner, for some seconds.
fn flooded(payload: impl Fn(&Lab) -> Result<Payload>) -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    let before = memory(one)?;
    let flood = Flood { payload: payload(&lab)?, per_second: None, count: 3_000_000, within: SECOND * 4, seed: 5 };
    let flooding = lab.flood(0, flood)?;
    stays(&judge, one, SECOND * 3)?;
    for node in [one, two] {
        let status = node.status()?;
        assert!(
            status.peer_alive() && status.link_up(SERIAL) && status.link_up(ETHERNET),
            "{}: {status:?}",
            node.name()
        );
    }
    let sent = flooding.wait();
    assert!(sent.sent > 20_000, "a flood: {sent:?}");
    settled(&lab, one)?;
    let after = memory(one)?;
    assert!(after <= before + 256, "{before} kB before, {after} kB after {} datagrams", sent.sent);
    assert!(one.runs() && two.runs());
    nothing_moved(judge, one).map(drop)
}

/// A flood at the standby while the owner dies: the takeover comes all the same.
#[test]
fn a_death_in_a_flood_is_noticed() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    let payload = Payload::Replay(lab.record(0, 20, SECOND * 10)?);
    let _flooding = lab.flood(1, Flood { payload, per_second: None, count: 3_000_000, within: SECOND * 6, seed: 5 })?;
    one.power_off()?;
    let verdict = verdict_with(judge, two)?;
    // Unauthentic Ethernet frames delay a takeover by one initdead (3 s) at most; recorded beats not at all.
    assert!(gap("power off in a flood", &verdict) < SECOND * 3);
    assert_eq!(verdict.doubles, []);
    Ok(())
}

/// Resident memory in kB.
fn memory(node: &Node) -> Result<u64> {
    // The daemon is the process that holds the lock of the run directory.
    let shown = lubdub_cluster_tests::sh(
        node,
        "sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$(cat /run/lubdub/pid)/status",
    )?;
    shown.trim().parse().map_err(|_| lubdub_lab::Error::new(format!("VmRSS {shown:?}")))
}
