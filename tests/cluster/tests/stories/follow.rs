//! `status --follow`: the life of a pair as one JSON object a line.

use lubdub_cluster_tests::{GROUP, SERIAL, SOON, appliance, ran, running, sh, stays};
use lubdub_cluster_tests::{SECOND, asking};
use lubdub_lab::{Node, Result};
use serde_json::Value;

#[test]
fn a_program_sees_what_happens_and_why() -> Result<()> {
    let lab = running(appliance())?;
    let two = lab.node2();
    // It follows for as long as its reader wants: five seconds.
    two.exec(&["sh", "-c", "timeout 5 lubdub status --follow >/run/followed 2>&1 &"])?.ok()?;
    let judge = asking(&lab, lab.node1())?;
    lab.cable().cut();
    two.await_status(SOON, |status| !status.link_up(SERIAL))?;
    stays(&judge, lab.node1(), SECOND / 4)?;
    lab.node1().power_off()?;
    two.await_status(SOON, |status| status.holds(GROUP))?;
    let lines = events(two)?;
    let first = &lines[0];
    assert_eq!((first["event"].as_str(), first["status"]["node"].as_str()), (Some("status"), Some("node2.a.com")));
    for line in &lines {
        assert!(line["time"].is_string() && line["uptime_ms"].is_u64(), "{line}");
    }
    let is = |line: &&Value, event: &str, to: &str| line["event"] == event && line["to"] == to;
    let find = |event, to| lines.iter().find(|line| is(line, event, to)).unwrap_or_else(|| panic!("{event} {to}"));
    assert_eq!(find("link", "down")["link"], SERIAL);
    assert_eq!(find("peer", "dead")["node"], "node1.a.com");
    assert_eq!(find("group", "held")["group"], GROUP);
    Ok(())
}

/// What has been followed once the group is held.
fn events(node: &Node) -> Result<Vec<Value>> {
    let script = "until grep -q '\"to\":\"held\"' /run/followed; do read -t 0.05 _ </dev/zero; done; cat /run/followed";
    let text = node.exec_within(&["bash", "-c", script], SOON)?.ok()?;
    Ok(text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect())
}

#[test]
fn without_a_daemon_there_is_nothing_to_follow() -> Result<()> {
    let lab = lubdub_lab::Lab::new(appliance())?;
    assert_eq!(ran(lab.node1(), "lubdub status --follow")?.0, Some(69));
    assert!(sh(lab.node1(), "ls /run")?.find("lubdub").is_none());
    Ok(())
}
