//! Both heartbeat links are cut and the service LAN is whole: nothing moves, and both nodes say so.

use lubdub_cluster_tests::{
    SECOND, SERVICE, SOON, asking, exit_code, nothing_moved, running, says, sedentary, settled, stays,
};
use lubdub_lab::{Lab, Node, Result};

/// An address of the other family, and the key of its group.
const SIX: &str = "2001:db8:20::100/64/eth0";

#[test]
fn both_nodes_suspect_the_split_and_neither_moves_anything() -> Result<()> {
    let lab = running(sedentary())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    lab.cut_heartbeats()?;
    both_suspect(&lab)?;
    stays(&judge, one, SECOND * 3)?;
    // As long as it lasts.
    both_suspect(&lab)?;
    lab.mend_heartbeats()?;
    for node in [one, two] {
        await_peer(node, "alive")?;
    }
    settled(&lab, one)?;
    nothing_moved(judge, one)?;
    assert_eq!((one.script(SERVICE).moves().len(), two.script(SERVICE).moves().len()), (1, 0));
    Ok(())
}

/// The question for an IPv6 VIP does not name who asks; the frame does.
#[test]
fn an_ipv6_vip_tells_its_owner_too() -> Result<()> {
    let lab = Lab::new(sedentary().with_haresources(&format!("node1.a.com {SIX}\n")))?;
    let [one, two] = lab.nodes();
    lab.boot()?;
    lab.await_held(SIX, one, SOON)?;
    lab.await_whole(SOON)?;
    lab.cut_heartbeats()?;
    both_suspect(&lab)?;
    assert!(one.status()?.holds(SIX) && !two.status()?.holds(SIX));
    lab.mend_heartbeats()?;
    lab.await_whole(SOON)?;
    lab.await_held(SIX, one, SOON)
}

fn both_suspect(lab: &Lab) -> Result<()> {
    for node in lab.nodes() {
        await_peer(node, "split-suspected")?;
        assert_eq!(exit_code(node, "lubdub status")?, Some(1), "{}", node.name());
    }
    says(lab.node1(), "ALARM node node2.a.com: it asks for the VIPs of this node on the service LAN").map(drop)
}

fn await_peer(node: &Node, state: &str) -> Result<()> {
    node.await_status(SOON, |status| status.peer.state == state).map(drop)
}
