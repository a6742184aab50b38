//! The owner is stopped in order.

use lubdub_cluster_tests::{
    FAILOVER, GROUP, HANDOVER, SERVICE, SOON, appliance, asking, gap, group_state, nothing_moved, running, says,
    verdict_with,
};
use lubdub_lab::{Exit, Result, VIP};

#[test]
fn sigterm_hands_the_group_over_without_a_wait() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    assert_eq!(one.stop()?, Exit::Code(0));
    assert!(!one.has_address(VIP), "the VIP is released");
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop"]);
    let verdict = verdict_with(judge, two)?;
    assert!(gap("clean stop", &verdict) < HANDOVER);
    assert_eq!(verdict.doubles, []);

    let status = two.await_status(SOON, |status| status.holds(GROUP))?;
    assert_eq!((status.peer.state.as_str(), status.peer.why.as_deref()), ("left", Some("goodbye")));
    says(two, "node1.a.com left with it stopped")?;
    assert_eq!(status.group(GROUP).unwrap().term, 1, "what was given needs no higher claim");
    Ok(())
}

#[test]
fn a_standby_leaves_without_a_trace_and_comes_back() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    assert_eq!(two.stop()?, Exit::Code(0));
    one.await_status(FAILOVER, |status| status.peer.state == "left")?;
    two.start()?;
    lab.await_whole(SOON)?;
    nothing_moved(judge, one)?;
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    Ok(())
}

#[test]
fn the_last_one_leaves_at_once() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    assert_eq!(two.stop()?, Exit::Code(0));
    assert_eq!(group_state(one)?, "held");
    let before = lubdub_lab::now();
    assert_eq!(one.stop()?, Exit::Code(0));
    let took = lubdub_lab::now() - before;
    assert!(took < HANDOVER, "nobody is there to hear a goodbye, yet it took {took:?}");
    assert!(!one.has_address(VIP) && !one.script(SERVICE).runs());
    Ok(())
}
