//! A `ping` node on the service LAN, the client: the third party that tells an isolated node from a live one.

use std::time::Duration;

use lubdub_cluster_tests::{
    FAILOVER, GROUP, LONGER_THAN_F, SECOND, SERVICE, SOON, appliance, asking, await_state, exit_code, gap,
    nothing_moved, ran, running, said, says, sedentary, settled, stays, verdict_with,
};
use lubdub_lab::{Lab, Node, Pair, Result, VIP, now};

/// The pair with the client as its `ping` node.
fn pinging(pair: Pair) -> Pair {
    pair.with_ha_cf("initdead 3\n", "initdead 3\nping 192.168.20.1\n")
}

/// A second between two questions, deadtime, and what a busy machine adds.
const NOTICED: Duration = Duration::from_secs(5);

/// Waits until `status` says so of the `ping` node.
fn ping_is(node: &Node, state: &str) -> Result<()> {
    node.await_status(SOON, |status| status.pings.iter().any(|ping| ping.state == state)).map(drop)
}

fn whole(pair: Pair) -> Result<Lab> {
    let lab = running(pinging(pair))?;
    lab.nodes().iter().try_for_each(|node| ping_is(node, "answering"))?;
    Ok(lab)
}

/// The client answers no echo requests any more, or again.
fn client_is_deaf(lab: &Lab, deaf: bool) -> Result<()> {
    let value = if deaf { "1" } else { "0" };
    let script = format!("echo {value} > /proc/sys/net/ipv4/icmp_echo_ignore_all");
    lab.client_exec(&["sh", "-c", &script], SECOND * 10)?.ok().map(drop)
}

#[test]
fn an_isolated_owner_gives_up_and_the_other_one_takes_over() -> Result<()> {
    let lab = whole(sedentary())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    lab.lan().cut(0)?;
    lab.cut_heartbeats()?;
    await_state(one, "stopped")?;
    says(one, "the service LAN and node2.a.com are both out of reach")?;
    lab.await_held(GROUP, two, SOON)?;
    assert!(!one.has_address(VIP) && two.has_address(VIP));
    judge.await_owner(two.mac(), SOON)?;
    assert_eq!(exit_code(one, "lubdub status")?, Some(1));
    assert!(ran(one, "lubdub status")?.1.contains("192.168.20.1"), "the table has the node");
    // Back on the service LAN it answers for nothing, and knows that it may not take what is in use there.
    lab.lan().mend(0)?;
    ping_is(one, "answering")?;
    stays(&judge, two, SECOND)?;
    lab.mend_heartbeats()?;
    settled(&lab, two)?;
    let verdict = verdict_with(judge, two)?;
    assert_eq!(verdict.doubles, []);
    let gap = gap("an isolated owner", &verdict);
    assert!(gap <= FAILOVER + verdict.late, "{gap:?}");
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop"]);
    assert_eq!(two.script(SERVICE).moves(), ["start"]);
    Ok(())
}

#[test]
fn an_isolated_standby_takes_nothing() -> Result<()> {
    let lab = whole(sedentary())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    lab.lan().cut(1)?;
    lab.cut_heartbeats()?;
    two.await_status(SOON, |status| {
        status.group(GROUP).is_some_and(|group| group.held_off.as_deref() == Some("blind"))
    })?;
    ping_is(two, "silent")?;
    stays(&judge, one, SECOND * 2)?;
    assert!(!two.has_address(VIP));
    lab.lan().mend(1)?;
    ping_is(two, "answering")?;
    stays(&judge, one, SECOND)?;
    lab.mend_heartbeats()?;
    settled(&lab, one)?;
    nothing_moved(judge, one)?;
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    Ok(())
}

#[test]
fn an_owner_that_loses_the_service_lan_hands_over_across_the_cable_and_takes_it_back_after_f() -> Result<()> {
    for unplugged in [false, true] {
        let lab = whole(appliance())?;
        let [one, two] = lab.nodes();
        let judge = asking(&lab, one)?;
        let begun = now();
        if unplugged {
            lab.lan().unplug(0)?
        } else {
            lab.lan().cut(0)?
        }
        judge.await_owner(two.mac(), NOTICED)?;
        eprintln!("answered again {:?} after the service LAN was lost (unplugged: {unplugged})", now() - begun);
        says(one, "the service LAN is out of reach here: node2.a.com may have it")?;
        lab.await_held(GROUP, two, SOON)?;
        assert_eq!(await_state(two, "held")?.peer.state, "alive");
        // It has no better use of it as long as it is blind.
        stays(&judge, two, LONGER_THAN_F)?;
        if unplugged {
            lab.lan().replug(0)?
        } else {
            lab.lan().mend(0)?
        }
        judge.await_owner(one.mac(), SOON)?;
        settled(&lab, one)?;
        assert_eq!(judge.verdict().doubles, []);
        assert_eq!(one.script(SERVICE).moves(), ["start", "stop", "start"]);
        assert_eq!(two.script(SERVICE).moves(), ["start", "stop"]);
    }
    Ok(())
}

#[test]
fn a_ping_node_that_is_dead_for_both_moves_nothing() -> Result<()> {
    let lab = whole(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    client_is_deaf(&lab, true)?;
    lab.nodes().iter().try_for_each(|node| ping_is(node, "silent"))?;
    for node in [one, two] {
        says(node, "ping node 192.168.20.1: silent for")?;
        assert!(ran(node, "lubdub status")?.1.contains("DEGRADED: ping node 192.168.20.1 is silent"));
    }
    stays(&judge, one, SECOND * 2)?;
    client_is_deaf(&lab, false)?;
    lab.nodes().iter().try_for_each(|node| ping_is(node, "answering"))?;
    says(two, "ping node 192.168.20.1: answers again")?;
    stays(&judge, one, SECOND)?;
    nothing_moved(judge, one)?;
    assert_eq!(one.script(SERVICE).moves(), ["start"]);
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    assert_eq!(said(two, "starting"), 0);
    lab.nodes().iter().try_for_each(|node| {
        assert_eq!(exit_code(node, "lubdub status")?, Some(0), "{}", ran(node, "lubdub status")?.1);
        Ok(())
    })
}

#[test]
fn a_dead_owner_is_succeeded_as_quickly_as_without() -> Result<()> {
    let lab = whole(sedentary())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    one.power_off()?;
    let verdict = verdict_with(judge, two)?;
    let gap = gap("power off, with a ping node", &verdict);
    assert!(gap <= FAILOVER + verdict.late && verdict.doubles.is_empty(), "{gap:?}");
    Ok(())
}
