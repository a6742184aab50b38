//! What `lubdub status` shows, to people and to programs.

use lubdub_cluster_tests::{ETHERNET, FAILOVER, GROUP, SERIAL, appliance, exit_code, ran, running};
use lubdub_lab::{Node, Result};
use serde_json::Value;

#[test]
fn a_healthy_pair_as_a_table() -> Result<()> {
    let lab = running(appliance())?;
    let (code, table, stderr) = ran(lab.node2(), "lubdub status")?;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(table.starts_with("node2.a.com  healthy  (up "), "{table}");
    assert_eq!(rows[1][..3], ["peer", "node1.a.com", "alive,"]);
    assert_eq!(rows[3], ["LINK", "STATE", "WHY", "RECEIVED", "SENT", "ERRORS", "DROPPED", "LINES"]);
    assert_eq!(rows[4][..3], [SERIAL, "up", "-"]);
    assert_eq!(rows[5][..3], [ETHERNET, "up", "-"]);
    assert_eq!(rows[7], ["GROUP", "PREFERRED", "OWNER", "STATE", "HERE", "TERM"]);
    assert_eq!(rows[8], [GROUP, "node1.a.com", "node1.a.com", "stopped", "1"]);
    assert_eq!(rows.len(), 9, "{table}");
    Ok(())
}

#[test]
fn a_healthy_pair_as_json() -> Result<()> {
    let lab = running(appliance())?;
    let json = json(lab.node1(), 0)?;
    assert_eq!(json["node"], "node1.a.com");
    assert_eq!(json["peer"]["node"], "node2.a.com");
    assert_eq!(json["peer"]["state"], "alive");
    assert_eq!(json["peer"].get("why"), None);
    for (link, (name, kind)) in [(SERIAL, "serial"), (ETHERNET, "bcast")].into_iter().enumerate() {
        let link = &json["links"][link];
        assert_eq!((&link["name"], &link["kind"], &link["state"]), (&name.into(), &kind.into(), &"up".into()));
        assert!(link["rx_frames"].as_u64() > Some(0) && link["tx_frames"].as_u64() > Some(0), "{link}");
        assert!(link["rx_errors"].is_u64() && link.get("why").is_none(), "{link}");
    }
    let group = &json["groups"][0];
    assert_eq!((&group["key"], &group["preferred"]), (&GROUP.into(), &"node1.a.com".into()));
    assert_eq!((&group["owner"], &group["state"]), (&"node1.a.com".into(), &"held".into()));
    assert_eq!(group["term"], 1);
    assert_eq!((json["links"].as_array().unwrap().len(), json["groups"].as_array().unwrap().len()), (2, 1));
    Ok(())
}

#[test]
fn a_node_alone_is_degraded_and_says_why() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    one.power_off()?;
    two.await_status(FAILOVER * 2, |status| status.holds(GROUP) && !status.link_up(SERIAL))?;
    let json = json(two, 1)?;
    assert_eq!((&json["peer"]["state"], &json["peer"]["why"]), (&"dead".into(), &"silence".into()));
    assert_eq!((&json["links"][0]["state"], &json["links"][0]["why"]), (&"down".into(), &"silence".into()));
    assert_eq!(json["groups"][0]["owner"], "node2.a.com");
    let (code, table, _) = ran(two, "lubdub status")?;
    assert_eq!(code, Some(1));
    assert!(table.lines().next().unwrap().contains("DEGRADED: link /dev/ttyS1 is down"), "{table}");
    Ok(())
}

#[test]
fn a_node_that_has_never_heard_its_peer_waits_for_it() -> Result<()> {
    let lab = lubdub_lab::Lab::new(appliance().with_ha_cf("initdead 3", "initdead 60"))?;
    let one = lab.node1();
    one.start()?;
    one.await_status(FAILOVER * 4, |status| status.group(GROUP).is_some_and(|group| group.state == "stopped"))?;
    let json = json(one, 1)?;
    assert_eq!((&json["peer"]["state"], &json["peer"]["why"]), (&"unknown".into(), &"silence".into()));
    assert_eq!(json["groups"][0]["owner"], Value::Null);
    assert_eq!(exit_code(one, "lubdub status")?, Some(1));
    Ok(())
}

fn json(node: &Node, expected: i32) -> Result<Value> {
    let (code, stdout, stderr) = ran(node, "lubdub status --json")?;
    assert_eq!((code, stderr.as_str()), (Some(expected), ""), "{stdout}");
    assert_eq!(stdout.lines().count(), 1, "one object on one line");
    Ok(serde_json::from_str(&stdout)?)
}
