//! Every path is cut, the owner's port at the service LAN too: what nobody can tell from its death. Both then own the
//! group until a heartbeat gets through again. (Where the service LAN is whole nothing moves; where it heals first see
//! `lease`.)

use lubdub_cluster_tests::{
    FAILOVER, GROUP, LONGER_THAN_F, SECOND, SERVICE, SOON, appliance, asking, await_state, running, said, says,
    sedentary, settled, stays,
};
use lubdub_lab::{Judge, Lab, Node, Pair, Result, VIP, Verdict, now};

#[test]
fn the_higher_claim_keeps_the_group() -> Result<()> {
    let (lab, judge) = healed(sedentary())?;
    let [one, two] = lab.nodes();
    settled(&lab, two)?;
    assert!(!one.has_address(VIP) && two.has_address(VIP));
    only_one_answers(judge, two, SECOND)?;
    says(one, "split brain: node2.a.com holds it too, with claim 2 against 1")?;
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop"], "the loser stops, once");
    assert_eq!(two.script(SERVICE).moves(), ["start"], "the winner restarts nothing");
    Ok(())
}

#[test]
fn with_auto_failback_it_goes_home_once_after_f() -> Result<()> {
    let (lab, judge) = healed(appliance())?;
    let [one, two] = lab.nodes();
    settled(&lab, two)?;
    judge.await_owner(one.mac(), LONGER_THAN_F * 2)?;
    settled(&lab, one)?;
    only_one_answers(judge, one, LONGER_THAN_F)?;
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop", "start"]);
    assert_eq!(two.script(SERVICE).moves(), ["start", "stop"]);
    assert_eq!(said(two, "failback, node1.a.com is preferred"), 1);
    Ok(())
}

#[test]
fn a_cut_shorter_than_deadtime_is_nothing() -> Result<()> {
    let long = |pair: Pair| pair.with_ha_cf("deadtime 300ms", "deadtime 2").with_ha_cf("warntime 200ms", "warntime 1");
    let lab = running(long(appliance()))?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    lab.cut_heartbeats()?;
    stays(&judge, one, SECOND * 13 / 10)?;
    lab.mend_heartbeats()?;
    lab.await_whole(SOON)?;
    lubdub_cluster_tests::nothing_moved(judge, one)?;
    says(one, "Late heartbeat: node node2.a.com")?;
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    Ok(())
}

/// Every path was cut until both nodes owned the group, and is whole again, the heartbeats first.
fn healed(pair: Pair) -> Result<(Lab, Judge)> {
    let lab = running(pair)?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    lab.lan().cut(0)?;
    lab.cut_heartbeats()?;
    let status = two.await_status(FAILOVER * 2, |status| status.holds(GROUP))?;
    assert_eq!(status.peer.state, "dead");
    // The burst of announcements of the takeover ends within 2 s.
    let asked = judge.so_far().asked;
    judge.await_verdict(SOON, |verdict| verdict.asked > asked + 2_200).unwrap();
    assert_eq!(await_state(one, "held")?.peer.state, "dead", "the old owner keeps what it holds");
    let mended = now();
    lab.mend_heartbeats()?;
    await_state(one, "stopped")?;
    let again = |verdict: &Verdict| verdict.announcements.iter().any(|a| a.mac == two.mac() && a.at > mended);
    judge.await_verdict(SECOND, again).expect("clients that the loser has answered are told of the winner again");
    lab.lan().mend(0)?;
    assert_eq!(judge.so_far().doubles, []);
    Ok((lab, judge))
}

/// From now on for a while there is one answer to each question, and it is this node's.
fn only_one_answers(judge: Judge, node: &Node, span: std::time::Duration) -> Result<()> {
    judge.await_owner(node.mac(), SOON)?;
    let doubles = judge.so_far().doubles.len();
    stays(&judge, node, span)?;
    assert_eq!(judge.verdict().doubles.len(), doubles);
    Ok(())
}
