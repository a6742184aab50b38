//! auto_failback: on, off and legacy.

use lubdub_cluster_tests::{
    FAILOVER, GROUP, HANDOVER, LONGER_THAN_F, SECOND, SERVICE, appliance, asking, exit_code, gap, running, said, says,
    sedentary, settled, stays, verdict_with,
};
use lubdub_lab::{Lab, Pair, Result, now};

#[test]
fn on_it_goes_home_once_after_f() -> Result<()> {
    let lab = widowed(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, two)?;
    let before = now();
    one.boot()?;
    judge.await_owner(one.mac(), SECOND * 10)?;
    let after = now() - before;
    assert!(after > SECOND * 3, "F is the larger initdead, 3 s, and it came after {after:?}");
    settled(&lab, one)?;
    let verdict = verdict_with(judge, one)?;
    assert!(gap("failback", &verdict) < HANDOVER);
    assert_eq!(verdict.doubles, []);
    assert_eq!(one.script(SERVICE).moves(), ["start"]);
    assert_eq!(two.script(SERVICE).moves(), ["start", "stop"]);
    Ok(())
}

#[test]
fn off_it_stays_until_it_is_ordered_home() -> Result<()> {
    let lab = widowed(sedentary())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, two)?;
    one.boot()?;
    settled(&lab, two)?;
    stays(&judge, two, LONGER_THAN_F)?;
    assert_eq!(said(one, "auto_failback"), 0);
    assert_eq!(exit_code(one, "lubdub takeover local")?, Some(0));
    settled(&lab, one)?;
    assert_eq!(verdict_with(judge, one)?.doubles, []);
    Ok(())
}

#[test]
fn legacy_is_on_with_a_warning() -> Result<()> {
    let lab = widowed(appliance().with_ha_cf("auto_failback on", "auto_failback legacy"))?;
    let [one, two] = lab.nodes();
    says(two, "ha.cf:2:15: warning")?;
    let judge = asking(&lab, two)?;
    one.boot()?;
    judge.await_owner(one.mac(), SECOND * 10)?;
    assert_eq!(verdict_with(judge, one)?.doubles, []);
    Ok(())
}

#[test]
fn a_preferred_node_that_is_not_ready_for_f_gets_nothing() -> Result<()> {
    let lab = widowed(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, two)?;
    // Two starts within F: the wait begins anew with the second.
    one.boot()?;
    lab.await_whole(SECOND * 10)?;
    stays(&judge, two, SECOND * 2)?;
    one.stop()?;
    let before = now();
    one.start()?;
    judge.await_owner(one.mac(), SECOND * 10)?;
    assert!(now() - before > SECOND * 3, "it came after {:?}", now() - before);
    assert_eq!(verdict_with(judge, one)?.doubles, []);
    Ok(())
}

/// A pair whose preferred node has lost its power: the other one holds the group.
fn widowed(pair: Pair) -> Result<Lab> {
    let lab = running(pair)?;
    lab.node1().power_off()?;
    lab.node2().await_status(FAILOVER * 2, |status| status.holds(GROUP))?;
    Ok(lab)
}
