//! The tutorial of 2009, step by step, with its files byte for byte: heartbeats on eth1 alone, Heartbeat's own times.

use std::time::Duration;

use lubdub_cluster_tests::{GROUP, SECOND, SOON, asking, gap, ran, says, settled, sh, verdict_with};
use lubdub_lab::{Exit, Lab, Node, Pair, Result, TUTORIAL_AUTHKEYS, TUTORIAL_HA_CF, TUTORIAL_HARESOURCES, VIP};

/// Heartbeat's default.
const DEADTIME: Duration = Duration::from_secs(30);

#[test]
fn tutorial() -> Result<()> {
    let mut pair = Pair::tutorial();
    pair.authkeys_mode = 0o644;
    let lab = Lab::new(pair)?;
    let [one, two] = lab.nodes();
    for (file, text) in
        [("ha.cf", TUTORIAL_HA_CF), ("haresources", TUTORIAL_HARESOURCES), ("authkeys", TUTORIAL_AUTHKEYS)]
    {
        assert_eq!(one.read(&format!("/etc/ha.d/{file}"))?, text);
    }

    // "Copy the three files." As listed there authkeys is 0644.
    for node in lab.nodes() {
        node.start()?;
        assert_eq!(node.await_exit(SOON)?, Exit::Code(78));
        says(node, "chmod 600")?;
        node.chmod("authkeys", 0o600)?;
    }

    // "service heartbeat start" on both.
    lab.boot()?;
    settled(&lab, one)?;
    served_by(&lab, one, two)?;

    // "/usr/lib/heartbeat/hb_takeover" on node2, then on node1.
    for (from, to) in [(one, two), (two, one)] {
        let judge = asking(&lab, from)?;
        let (code, stdout, _) = ran(to, "hb_takeover")?;
        assert_eq!(code, Some(0));
        assert!(stdout.contains(GROUP) && stdout.contains(to.name()), "{stdout}");
        let verdict = verdict_with(judge, to)?;
        assert!(gap("hb_takeover, A", &verdict) < SECOND);
        assert_eq!(verdict.doubles, []);
        served_by(&lab, to, from)?;
    }

    // Pull the plug of node1. Its crossover cable loses the carrier with it, and the VIP is silent: nobody waits for the end
    // of deadtime.
    let judge = asking(&lab, one)?;
    one.power_off()?;
    judge.await_owner(two.mac(), DEADTIME + SOON)?;
    let verdict = verdict_with(judge, two)?;
    let gap = gap("power-off, A", &verdict);
    assert!(gap < SECOND * 5, "{gap:?}");
    says(two, "every link lost its other end")?;
    assert_eq!(verdict.doubles, []);
    assert!(is_balanced(&lab, two)?);
    Ok(())
}

/// The VIP as `eth0:0` with its broadcast address and the IPVS table: on one node, and not on the other.
fn served_by(lab: &Lab, owner: &Node, other: &Node) -> Result<()> {
    lab.await_held(GROUP, owner, SOON)?;
    let addresses = sh(owner, "ip -o -4 addr show dev eth0")?;
    let vip = addresses.lines().find(|line| line.contains(" 192.168.20.100/24 ")).unwrap_or_default();
    assert!(vip.contains(" brd 192.168.20.255 ") && vip.contains(" eth0:0"), "{addresses}");
    assert!(!other.has_address(VIP));
    assert!(is_balanced(lab, owner)? && !is_balanced(lab, other)?);
    Ok(())
}

/// Whether the node's table has both real servers.
fn is_balanced(lab: &Lab, node: &Node) -> Result<bool> {
    let table = if lab.has_ipvs() {
        sh(node, "ipvsadm -S -n")?
    } else {
        node.read("/run/lab/ipvsadm.table").unwrap_or_default()
    };
    Ok(["192.168.20.30", "192.168.20.40"].iter().all(|server| table.contains(server)))
}
