//! The daemon dies or freezes while its kernel lives and goes on answering for the VIP, until the lease ends.

use lubdub_cluster_tests::{
    FAILOVER, GROUP, SECOND, SERVICE, SOON, appliance, asking, await_state, group_state, nothing_moved, running, said,
    says, sedentary, settled, silent, stays, verdict_with,
};
use lubdub_lab::script::Misbehaviour;
use lubdub_lab::{Exit, Judge, Pair, Result, VIP, Verdict};

#[test]
fn killed_and_restarted_after_deadtime() -> Result<()> {
    let lab = running(sedentary())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    assert_eq!(one.kill()?, Exit::Signal(9));
    two.await_status(FAILOVER * 2, |status| status.holds(GROUP))?;
    assert!(one.has_address(VIP) && one.script(SERVICE).runs(), "a dead daemon releases nothing");
    watch(&judge, 300);
    one.start()?;
    settled(&lab, two)?;
    assert!(!one.has_address(VIP) && !one.script(SERVICE).runs(), "the leftovers are removed");
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop"]);
    assert_eq!(two.script(SERVICE).moves(), ["start"]);
    healed(judge, two)
}

#[test]
fn killed_and_restarted_within_deadtime() -> Result<()> {
    let lab = running(patient(appliance()))?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    one.kill()?;
    one.start()?;
    settled(&lab, one)?;
    assert_eq!(verdict(judge, one)?.doubles, []);
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop", "start"]);
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    Ok(())
}

#[test]
fn nothing_is_called_stopped_before_the_leftovers_are_gone() -> Result<()> {
    let lab = running(patient(appliance()))?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    one.kill()?;
    one.script(SERVICE).misbehave("stop", Misbehaviour::Fail)?;
    one.start()?;
    says(one, "ALARM")?;
    assert_eq!(group_state(one)?, "stopping");
    assert_eq!(group_state(two)?, "stopped");
    assert!(!one.has_address(VIP), "the VIP goes first");
    silent(&judge, SECOND / 2)?;
    one.script(SERVICE).behave("stop")?;
    settled(&lab, one)?;
    assert_eq!(two.script(SERVICE).moves(), [""; 0], "the peer never started what might still run");
    assert_eq!(verdict(judge, one)?.doubles, []);
    Ok(())
}

#[test]
fn a_killed_standby_moves_nothing() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    two.kill()?;
    one.await_status(FAILOVER * 2, |status| status.peer.state == "dead")?;
    two.start()?;
    settled(&lab, one)?;
    nothing_moved(judge, one).map(drop)
}

#[test]
fn an_owner_frozen_longer_than_deadtime_has_lost_its_group_when_it_thaws() -> Result<()> {
    let lab = running(sedentary())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    one.freeze()?;
    two.await_status(FAILOVER * 2, |status| status.holds(GROUP))?;
    judge.await_owner(two.mac(), SOON)?;
    one.thaw()?;
    stays(&judge, two, SECOND)?;
    await_state(one, "stopped")?;
    says(one, "ALARM the lease ran out before this node renewed it")?;
    says(one, "this node was not scheduled for")?;
    settled(&lab, two)?;
    assert!(!one.has_address(VIP));
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop"]);
    assert_eq!(two.script(SERVICE).moves(), ["start"]);
    assert_eq!(said(one, "split brain"), 0);
    assert_eq!(verdict(judge, two)?.doubles, []);
    Ok(())
}

#[test]
fn a_standby_frozen_longer_than_deadtime_takes_nothing_when_it_thaws() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    // What it reads first when it thaws is chance.
    for _ in 0..8 {
        two.freeze()?;
        one.await_status(FAILOVER * 2, |status| status.peer.state == "dead")?;
        stays(&judge, one, SECOND / 4)?;
        two.thaw()?;
        settled(&lab, one)?;
    }
    nothing_moved(judge, one)?;
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    assert_eq!(one.status()?.group(GROUP).unwrap().term, 1);
    Ok(())
}

#[test]
fn an_owner_frozen_for_less_than_deadtime_keeps_its_group() -> Result<()> {
    let lab = running(patient(appliance()))?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    one.freeze()?;
    stays(&judge, one, SECOND)?;
    one.thaw()?;
    lab.await_whole(SOON)?;
    nothing_moved(judge, one)?;
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    Ok(())
}

/// deadtime 2.5 s: a restart is well within it.
fn patient(pair: Pair) -> Pair {
    pair.with_ha_cf("deadtime 300ms", "deadtime 2500ms").with_ha_cf("warntime 200ms", "warntime 2")
}

fn watch(judge: &Judge, questions: u64) {
    let asked = judge.so_far().asked;
    judge.await_verdict(SOON, |verdict| verdict.asked > asked + questions).unwrap();
    let verdict = judge.so_far();
    eprintln!("{} of {} questions had two answers so far", verdict.doubles.len(), verdict.asked);
}

/// From now on there is one answer to each question, and it is this node's.
fn healed(judge: Judge, node: &lubdub_lab::Node) -> Result<()> {
    judge.await_owner(node.mac(), SOON)?;
    let doubles = judge.so_far().doubles.len();
    stays(&judge, node, SECOND)?;
    assert_eq!(judge.verdict().doubles.len(), doubles);
    Ok(())
}

fn verdict(judge: Judge, node: &lubdub_lab::Node) -> Result<Verdict> {
    verdict_with(judge, node)
}
