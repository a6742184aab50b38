//! Two groups, each at home on a node of its own, that move independently.

use std::net::Ipv4Addr;

use lubdub_cluster_tests::{FAILOVER, HANDOVER, SOON, exit_code, gap, nothing_moved, verdict_with};
use lubdub_lab::script::recording;
use lubdub_lab::{Judge, Lab, Node, Pair, Result, VIP};

const WEB: &str = "192.168.20.100/24/eth0";
const FILES: &str = "192.168.20.101/24/eth0";
const SECOND_VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 20, 101);

#[test]
fn each_is_served_at_home_and_moves_by_itself() -> Result<()> {
    let lab = two_groups()?;
    let [one, two] = lab.nodes();
    let [web, files] = judges(&lab)?;
    assert_eq!(exit_code(one, &format!("lubdub takeover {FILES}"))?, Some(0));
    held(one, &[WEB, FILES])?;
    held(two, &[])?;
    nothing_moved(web, one)?;
    moved(files, one)?;

    let web = lab.judge(VIP)?;
    web.await_owner(one.mac(), SOON)?;
    assert_eq!(exit_code(one, "lubdub standby foreign")?, Some(0));
    held(one, &[WEB])?;
    held(two, &[FILES])?;
    nothing_moved(web, one)?;
    assert_eq!(one.script("httpd").moves(), ["start"]);
    assert_eq!(one.script("vsftpd").moves(), ["start", "stop"]);
    assert_eq!(two.script("vsftpd").moves(), ["start", "stop", "start"]);
    Ok(())
}

#[test]
fn node1_dies_and_node2_serves_both() -> Result<()> {
    let lab = two_groups()?;
    let [web, files] = judges(&lab)?;
    widow(&lab, lab.node1(), lab.node2(), web, files)
}

#[test]
fn node2_dies_and_node1_serves_both() -> Result<()> {
    let lab = two_groups()?;
    let [web, files] = judges(&lab)?;
    widow(&lab, lab.node2(), lab.node1(), files, web)
}

/// The group of the dead is taken over, the other one does not notice; back at home the dead gets its own again, once.
fn widow(lab: &Lab, dead: &Node, left: &Node, its: Judge, others: Judge) -> Result<()> {
    dead.power_off()?;
    let verdict = verdict_with(its, left)?;
    assert!(gap("power-off of one of two owners", &verdict) < FAILOVER);
    assert_eq!(verdict.doubles, []);
    nothing_moved(others, left)?;
    held(left, &[WEB, FILES])?;

    dead.boot()?;
    held(lab.node1(), &[WEB])?;
    held(lab.node2(), &[FILES])?;
    let script = |node: &Node| if node.name() == "node1.a.com" { "httpd" } else { "vsftpd" };
    assert_eq!(left.script(script(dead)).moves(), ["start", "stop"]);
    assert_eq!(left.script(script(left)).moves(), ["start"]);
    assert_eq!(dead.script(script(dead)).moves(), ["start"]);
    Ok(())
}

fn two_groups() -> Result<Lab> {
    let lines = format!("node1.a.com {WEB} httpd\nnode2.a.com {FILES} vsftpd\n");
    let pair = Pair::appliance().with_haresources(&lines);
    let pair = pair.with_script("httpd", recording("httpd")).with_script("vsftpd", recording("vsftpd"));
    let lab = lubdub_lab::Lab::new(pair)?;
    lab.boot()?;
    lab.await_whole(SOON)?;
    held(lab.node1(), &[WEB])?;
    held(lab.node2(), &[FILES])?;
    Ok(lab)
}

fn judges(lab: &Lab) -> Result<[Judge; 2]> {
    let judges = [lab.judge(VIP)?, lab.judge(SECOND_VIP)?];
    for (judge, node) in judges.iter().zip(lab.nodes()) {
        judge.await_owner(node.mac(), SOON)?;
        judge.await_verdict(SOON, |verdict| verdict.ping.answers > 20).unwrap();
    }
    Ok(judges)
}

fn moved(judge: Judge, to: &Node) -> Result<()> {
    let verdict = verdict_with(judge, to)?;
    assert!(gap("takeover of one of two groups", &verdict) < HANDOVER);
    assert_eq!(verdict.doubles, []);
    Ok(())
}

/// Waits until the node holds these groups and no others.
fn held(node: &Node, groups: &[&str]) -> Result<()> {
    let wanted = |key: &str| if groups.contains(&key) { "held" } else { "stopped" };
    node.await_status(SOON, |status| status.groups.iter().all(|group| group.state == wanted(&group.key))).map(drop)
}
