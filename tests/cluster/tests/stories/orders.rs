//! Orders by command: what they do, what they print, how they end.

use lubdub_cluster_tests::{
    FAILOVER, GROUP, HANDOVER, LONGER_THAN_F, SERVICE, SOON, appliance, asking, exit_code, gap, nothing_moved, ran,
    running, said, sedentary, settled, stays, verdict_with,
};
use lubdub_lab::{Exit, Lab, Node, Result};

#[test]
fn takeover_brings_the_group_here_and_outlasts_auto_failback() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    moves(&lab, one, two, two, "lubdub takeover")?;
    let judge = asking(&lab, two)?;
    stays(&judge, two, LONGER_THAN_F)?;
    drop(judge);
    moves(&lab, two, one, two, "lubdub standby")?;
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop", "start"]);
    assert_eq!(two.script(SERVICE).moves(), ["start", "stop"]);
    Ok(())
}

#[test]
fn heartbeats_own_commands_do_the_same() -> Result<()> {
    let lab = running(sedentary())?;
    let [one, two] = lab.nodes();
    moves(&lab, one, two, two, "hb_takeover all")?;
    moves(&lab, two, one, two, "hb_standby")?;
    moves(&lab, one, two, two, "hb_takeover foreign")?;
    moves(&lab, two, one, one, "hb_takeover failback")?;
    let (code, _, stderr) = ran(one, "hb_takeover everything")?;
    assert_eq!((code, stderr.as_str()), (Some(1), "usage: hb_takeover [all|foreign|local|failback]\n"));
    Ok(())
}

#[test]
fn heartbeats_tools_tell_what_there_is() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let pair = "node1.a.com\nnode2.a.com\n";
    let links = "\t/dev/ttyS1\tup\n\teth1\tup\n";
    for (words, code, text) in [
        ("cl_status hbstatus", 0, "Heartbeat is running on this machine.\n"),
        ("cl_status listnodes", 0, pair),
        ("cl_status listnodes -n", 0, pair),
        ("cl_status listnodes -p", 0, ""),
        ("cl_status nodestatus node2.a.com", 0, "active\n"),
        ("cl_status nodestatus -m node2.a.com", 0, "The cluster node node2.a.com is active\n"),
        ("cl_status nodetype node2.a.com", 0, "normal\n"),
        ("cl_status nodestatus nobody", 11, ""),
        ("cl_status nodestatus", 11, ""),
        ("cl_status listhblinks node2.a.com -v", 0, links),
        ("cl_status hblinkstatus node2.a.com eth1", 0, "up\n"),
        ("cl_status hblinkstatus node2.a.com eth7", 13, ""),
        ("cl_status rscstatus", 0, "local\n"),
        ("cl_status clientstatus node2.a.com ipfail", 1, "offline\n"),
        ("cl_status hbparameter -p deadtime", 0, "300ms\n"),
        ("cl_status hbparameter -p hopfudge", 1, ""),
        ("cl_status bogus", 11, ""),
        ("heartbeat -r", 0, ""),
    ] {
        let (exit, stdout, stderr) = ran(one, words)?;
        assert_eq!((exit, stdout.as_str()), (Some(code), text), "{words}: {stderr}");
    }
    let (code, stdout, _) = ran(one, "heartbeat -s")?;
    assert!(code == Some(0) && stdout.starts_with("heartbeat OK [pid "), "{stdout}");
    let (code, stdout, _) = ran(one, "heartbeat -k")?;
    assert_eq!((code, stdout.as_str()), (Some(0), ""));
    assert_eq!(one.await_exit(SOON)?, Exit::Code(0), "everything is released");
    two.await_status(SOON, |status| status.holds(GROUP))?;
    assert_eq!(ran(two, "cl_status rscstatus")?.1, "all\n");
    assert_eq!(ran(two, "cl_status nodestatus node1.a.com")?, (Some(1), "dead\n".into(), String::new()));
    assert_eq!(ran(one, "cl_status hbstatus")?.0, Some(1));
    assert_eq!(ran(one, "heartbeat -s")?, (Some(3), "heartbeat is stopped. No process\n".into(), String::new()));
    // It goes into the background, and the command ends when the daemon answers.
    assert_eq!(exit_code(one, "heartbeat")?, Some(0));
    lab.await_whole(SOON)?;
    assert_eq!(exit_code(one, "heartbeat -k")?, Some(0));
    Ok(())
}

/// The order is given on `at`, and moves the group with its name in what is printed.
fn moves(lab: &Lab, from: &Node, to: &Node, at: &Node, command: &str) -> Result<()> {
    let judge = asking(lab, from)?;
    let (code, stdout, stderr) = ran(at, command)?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{command}");
    let verb = if command.contains("takeover") { "takeover" } else { "standby" };
    assert!(stdout.starts_with(&format!("{verb} done in ")), "{stdout}");
    assert!(stdout.ends_with(&format!("ms: {GROUP} on {}\n", to.name())), "{stdout}");
    assert!(to.status()?.holds(GROUP), "{command} returns when it has happened");
    let verdict = verdict_with(judge, to)?;
    assert!(gap(command, &verdict) < HANDOVER);
    assert_eq!(verdict.doubles, []);
    settled(lab, to)
}

#[test]
fn an_order_without_anything_to_do_is_done() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    assert_eq!(ran(two, "lubdub standby")?, (Some(0), "standby: nothing to do\n".into(), String::new()));
    assert_eq!(exit_code(one, &format!("lubdub takeover {GROUP}"))?, Some(0));
    assert_eq!(exit_code(one, "lubdub takeover local")?, Some(0));
    assert_eq!(exit_code(one, "lubdub clear")?, Some(0));
    assert_eq!(one.script(SERVICE).moves(), ["start"]);
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    Ok(())
}

#[test]
fn nonsense_is_refused_with_the_choices() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    for verb in ["takeover", "standby", "clear"] {
        let (code, stdout, stderr) = ran(one, &format!("lubdub {verb} 10.0.0.1"))?;
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{verb}");
        assert!(stderr.contains("no group `10.0.0.1`") && stderr.contains(GROUP), "{stderr}");
    }
    for words in ["", "takeovre", "takeover --wait soon", "takeover a b", "status --colour"] {
        let (code, _, stderr) = ran(one, &format!("lubdub {words}"))?;
        assert_eq!(code, Some(64), "lubdub {words}");
        assert!(!stderr.is_empty());
    }
    let (code, stdout, _) = ran(one, "lubdub --version")?;
    assert!(code == Some(0) && stdout.starts_with("lubdub "), "{stdout}");
    Ok(())
}

#[test]
fn without_a_daemon_every_command_says_so() -> Result<()> {
    let lab = Lab::new(appliance())?;
    for words in ["lubdub status", "lubdub takeover", "lubdub standby", "lubdub clear", "hb_takeover", "hb_standby"] {
        let (code, stdout, stderr) = ran(lab.node1(), words)?;
        assert_eq!((code, stdout.as_str()), (Some(69), ""), "{words}");
        assert!(stderr.contains("is the daemon running?"), "{stderr}");
    }
    Ok(())
}

#[test]
fn standby_without_a_peer_is_refused() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    two.power_off()?;
    one.await_status(FAILOVER * 2, |status| status.peer.state == "dead")?;
    for words in ["lubdub standby", "hb_standby"] {
        let (code, _, stderr) = ran(one, words)?;
        assert_eq!(code, Some(1));
        assert!(stderr.contains("refused: node2.a.com is dead") && stderr.contains("keeps what it holds"), "{stderr}");
    }
    nothing_moved(judge, one)?;
    assert_eq!(one.script(SERVICE).moves(), ["start"]);
    Ok(())
}

#[test]
fn a_second_daemon_is_turned_away() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    let (code, _, stderr) = ran(one, "lubdub run")?;
    assert_eq!(code, Some(75));
    assert!(stderr.contains("another instance runs in /run/lubdub"), "{stderr}");
    assert_eq!(exit_code(one, "lubdub status")?, Some(0), "the first one does not mind");
    nothing_moved(judge, one)?;
    Ok(())
}

#[test]
fn the_socket_of_a_killed_daemon_is_in_nobodys_way() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    assert_eq!(one.kill()?, Exit::Signal(9));
    assert!(one.has("/run/lubdub/control"));
    assert_eq!(exit_code(one, "lubdub status")?, Some(69));
    one.start()?;
    settled(&lab, one)?;
    assert_eq!(exit_code(one, "lubdub status")?, Some(0));
    Ok(())
}

#[test]
fn only_root_is_served() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    const NOBODY: &str = "setpriv --reuid 65534 --clear-groups";
    if exit_code(one, &format!("{NOBODY} true"))? != Some(0) {
        eprintln!("an ordinary user's lab has only one user: nothing to see here");
        return Ok(());
    }
    for words in ["lubdub status", "lubdub takeover", "hb_standby"] {
        let (code, stdout, stderr) = ran(one, &format!("{NOBODY} {words}"))?;
        assert_eq!((code, stdout.as_str()), (Some(77), ""), "{words}");
        assert!(stderr.contains("only root may talk to the daemon"), "{stderr}");
    }
    assert_eq!(said(one, "order:"), 0);
    one.await_status(SOON, |status| status.holds(GROUP))?;
    Ok(())
}
