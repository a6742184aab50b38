//! Resource scripts that fail and hang. The scripts' own time limit is 60 s; one story waits for it.

use std::thread;

use lubdub_cluster_tests::{
    FAILOVER, GROUP, SECOND, SERVICE, SOON, appliance, asking, await_state, exit_code, group_state, ran, running, said,
    says, sedentary, settled, silent, stays, verdict_with,
};
use lubdub_lab::script::{Misbehaviour, recording};
use lubdub_lab::{Exit, Lab, Pair, Result, VIP};

#[test]
fn a_start_that_fails_moves_the_group_once() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let [one, two] = lab.nodes();
    one.script(SERVICE).misbehave("start", Misbehaviour::Fail)?;
    let judge = lab.judge(VIP)?;
    lab.boot()?;
    let status = await_state(one, "failed")?;
    two.await_status(SOON, |status| status.holds(GROUP))?;
    judge.await_owner(two.mac(), SOON)?;
    assert_eq!(status.node, "node1.a.com");
    assert_eq!(exit_code(one, "lubdub status")?, Some(1));
    says(one, "service: told to fail at start")?;
    assert!(!one.has_address(VIP));
    stays(&judge, two, SECOND * 4)?;
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop", "start", "stop"], "it tried twice, and no more");
    assert_eq!(two.script(SERVICE).moves(), ["start"]);
    assert_eq!(group_state(one)?, "failed");

    let (code, _, stderr) = ran(one, "lubdub takeover")?;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("refused") && stderr.contains(&format!("lubdub clear {GROUP}")), "{stderr}");
    assert_eq!(exit_code(two, "lubdub standby")?, Some(1), "nobody is there to take it");
    stays(&judge, two, SECOND / 2)?;

    one.script(SERVICE).behave("start")?;
    assert_eq!(exit_code(one, &format!("lubdub clear {GROUP}"))?, Some(0));
    settled(&lab, one)?;
    assert_eq!(verdict_with(judge, one)?.doubles, []);
    Ok(())
}

#[test]
fn what_failed_here_is_tried_once_more_when_the_peer_dies() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let [one, two] = lab.nodes();
    one.script(SERVICE).misbehave("start", Misbehaviour::Fail)?;
    lab.boot()?;
    await_state(one, "failed")?;
    two.await_status(SOON, |status| status.holds(GROUP))?;
    one.script(SERVICE).behave("start")?;
    let judge = asking(&lab, two)?;
    two.power_off()?;
    assert_eq!(verdict_with(judge, one)?.doubles, []);
    Ok(())
}

#[test]
fn a_stop_that_fails_is_never_called_stopped() -> Result<()> {
    let lab = running(sedentary())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    one.script(SERVICE).misbehave("stop", Misbehaviour::Fail)?;
    let (code, _, stderr) = ran(two, "lubdub takeover --wait 4")?;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("takeover not done after 4") && stderr.contains("withdrawn"), "{stderr}");
    says(one, &format!("ALARM group {GROUP}: stop failed"))?;
    assert!(one.script(SERVICE).runs());
    assert_eq!((group_state(one)?.as_str(), group_state(two)?.as_str()), ("stopping", "stopped"));
    assert_eq!(exit_code(one, "lubdub status")?, Some(1));
    assert!(!one.has_address(VIP), "what answers for the group goes, whatever else still runs");
    silent(&judge, SECOND)?;

    // SIGTERM does not end it either, until the stop has succeeded.
    let alarms = said(one, "ALARM");
    one.terminate()?;
    let mark = one.log().mark();
    one.log().await_line(mark, SOON, "ALARM")?;
    assert!(said(one, "ALARM") > alarms && one.runs());
    assert_eq!(two.script(SERVICE).moves(), [""; 0], "the peer starts nothing that may still run");
    silent(&judge, SECOND / 2)?;

    one.script(SERVICE).behave("stop")?;
    assert_eq!(one.await_exit(SOON * 2)?, Exit::Code(0));
    assert!(!one.script(SERVICE).runs());
    assert_eq!(verdict_with(judge, two)?.doubles, []);
    Ok(())
}

#[test]
fn a_script_that_is_missing_moves_the_group_and_is_named() -> Result<()> {
    let lab = Lab::new(Pair::appliance().with_haresources(&format!("node1.a.com {GROUP} nosuchservice\n")))?;
    let [one, two] = lab.nodes();
    lab.boot()?;
    for node in [one, two] {
        says(node, "nosuchservice: no executable of that name in /etc/ha.d/resource.d")?;
        await_state(node, "failed")?;
        assert!(!node.has_address(VIP));
        assert_eq!(node.stop()?, Exit::Code(0));
    }
    Ok(())
}

#[test]
fn the_output_of_scripts_is_in_the_log_line_by_line() -> Result<()> {
    let chatty = recording(SERVICE).replace("start)\n", "start)\n    echo first; echo second >&2; printf third\n");
    let mut pair = appliance();
    pair.resource_d = vec![(SERVICE.into(), chatty)];
    let lab = running(pair)?;
    for word in ["first", "second", "third"] {
        let line = says(lab.node1(), &format!("{SERVICE}: {word}"))?;
        assert!(line.ends_with(word), "{line}");
    }
    Ok(())
}

/// Two groups: one hangs at start on its preferred node, the other one at stop. Both limits of 60 s run at once.
#[test]
fn what_hangs_is_killed_after_its_time() -> Result<()> {
    const RISING: &str = "192.168.20.101/24/eth0";
    let lines = format!("node1.a.com {GROUP} {SERVICE}\nnode1.a.com {RISING} rising\n");
    let pair = sedentary().with_haresources(&lines).with_script("rising", recording("rising"));
    let lab = Lab::new(pair)?;
    let [one, two] = lab.nodes();
    one.script("rising").misbehave("start", Misbehaviour::Hang)?;
    lab.boot()?;
    one.await_status(SOON, |status| status.holds(GROUP) && status.group(RISING).unwrap().state == "starting")?;
    let judge = asking(&lab, one)?;

    one.script(SERVICE).misbehave("stop", Misbehaviour::Hang)?;
    let order = format!("lubdub takeover {GROUP} --wait 90");
    thread::scope(|scope| {
        let order = scope.spawn(|| exit_code(two, &order));
        await_state(one, "stopping")?;
        one.log().await_line(Default::default(), SECOND * 70, "hung: killed after 60 s")?;
        // Until then nobody but the hanging node had anything of the two groups, and it never said `stopped`.
        assert_eq!(said(one, &format!("group {GROUP}: stopping -> stopped: every")), 0);
        assert_eq!(two.script(SERVICE).moves(), [""; 0]);
        assert_eq!(two.script("rising").moves(), [""; 0]);
        one.script(SERVICE).behave("stop")?;
        one.script("rising").behave("start")?;
        one.script("rising").misbehave("start", Misbehaviour::Fail)?;
        // The second try to stop succeeds; the second try to start fails, and that is enough.
        two.await_status(SOON, |status| status.holds(GROUP) && status.holds(RISING))?;
        assert_eq!(order.join().unwrap()?, Some(0));
        Ok::<_, lubdub_lab::Error>(())
    })?;
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop", "stop"]);
    assert_eq!(one.status()?.group(RISING).unwrap().state, "failed");
    assert_eq!(verdict_with(judge, two)?.doubles, []);
    let left = lab.node1().exec_within(&["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"], FAILOVER * 4)?;
    assert!(!left.stdout.contains("sleep 1000000"), "the whole process group is killed: {}", left.stdout);
    Ok(())
}
