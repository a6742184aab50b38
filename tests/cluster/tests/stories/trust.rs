//! A node that must not be trusted is named on both nodes, and nothing moves while it is there. When it falls silent, the
//! waits of a silent peer begin.

use lubdub_cluster_tests::{
    FAILOVER, GROUP, SECOND, SOON, appliance, asking, exit_code, nothing_moved, ran, says, silent, stays,
};
use lubdub_lab::{Lab, Node, Result, VIP};

#[test]
fn another_key() -> Result<()> {
    strangers("wrong-key", |two| {
        two.configure("authkeys", "auth 3\n3 md5 fedora\n")?;
        two.start()
    })
}

#[test]
fn another_haresources() -> Result<()> {
    strangers("different-haresources", |two| {
        two.configure("haresources", &format!("node2.a.com {GROUP} service\n"))?;
        two.start()
    })
}

#[test]
fn another_cluster() -> Result<()> {
    strangers("other-cluster", |two| {
        let ha_cf = two.read("/etc/ha.d/ha.cf")?;
        two.configure("ha.cf", &format!("{ha_cf}cluster other\n"))?;
        two.start()
    })
}

#[test]
fn the_same_name() -> Result<()> {
    strangers("same-name", |two| two.start_as(&["lubdub", "run", "--node", "node1.a.com"]))
}

/// node1 runs alone and holds the group when `begin` starts something else on node2.
fn strangers(why: &str, begin: impl Fn(&Node) -> Result<()>) -> Result<()> {
    let lab = Lab::new(appliance())?;
    let [one, two] = lab.nodes();
    one.start()?;
    one.await_status(SOON, |status| status.holds(GROUP))?;
    let judge = asking(&lab, one)?;
    begin(two)?;
    for node in [one, two] {
        let status = node.await_status(SOON, |status| status.peer.state == "untrusted")?;
        assert_eq!(status.peer.why.as_deref(), Some(why), "{}", node.name());
        says(node, why)?;
        assert_eq!(exit_code(node, "lubdub status")?, Some(1));
    }
    let (code, _, stderr) = ran(two, "lubdub takeover --wait 5")?;
    assert_eq!(code, Some(1));
    assert!(stderr.contains(why), "{stderr}");
    // Longer than initdead and deadtime together.
    stays(&judge, one, SECOND * 5)?;
    nothing_moved(judge, one)?;
    one.power_off()?;
    let judge = lab.judge(VIP)?;
    judge.await_owner(two.mac(), SOON)?;
    two.await_status(SOON, |status| status.holds(GROUP) && status.peer.state == "dead")?;
    assert_eq!(judge.verdict().doubles, []);
    Ok(())
}

#[test]
fn both_strangers_from_the_start_take_nothing_until_one_is_gone() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let [one, two] = lab.nodes();
    two.configure("authkeys", "auth 3\n3 md5 fedora\n")?;
    lab.boot()?;
    let judge = lab.judge(VIP)?;
    for node in [one, two] {
        node.await_status(SOON, |status| status.peer.state == "untrusted")?;
    }
    silent(&judge, SECOND * 5)?;
    two.power_off()?;
    judge.await_owner(one.mac(), FAILOVER * 2)?;
    assert_eq!(judge.verdict().doubles, []);
    Ok(())
}
