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

/// A whole frame of protocol version 2, as a later release would send it: no release of ours has one yet.
const LATER_VERSION: [u8; 15] =
    [0x00, 0x0d, 0x20, 0x06, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0xeb, 0x1f, 0x00];

#[test]
fn another_version_is_a_state_of_its_own_and_no_silence() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let one = lab.node1();
    let judge = lab.judge(VIP)?;
    one.start()?;
    // Twice as long as initdead.
    for _ in 0..60 {
        lab.cable().inject(0, &LATER_VERSION)?;
        silent(&judge, SECOND / 10)?;
    }
    let status = one.status()?;
    assert_eq!((status.peer.state.as_str(), status.peer.why.as_deref()), ("untrusted", Some("other-version")));
    says(one, "Install the same release")?;
    judge.await_owner(one.mac(), SOON)?;
    Ok(())
}
