//! SIGHUP: keys, timings and haresources change while the pair lives, and no resource moves.

use lubdub_cluster_tests::{
    GROUP, SECOND, SERVICE, SOON, appliance, asking, nothing_moved, running, said, says, settled, sh, stays,
};
use lubdub_lab::script::recording;
use lubdub_lab::{Lab, Node, Pair, Result};

const OTHER: &str = "192.168.20.101/24/eth0";

#[test]
fn keys_rotate_without_a_gap() -> Result<()> {
    let lab = running(appliance())?;
    let judge = asking(&lab, lab.node1())?;
    let steps = ["auth 4\n3 md5 redhat\n4 sha256 a-longer-secret\n", "auth 4\n4 sha256 a-longer-secret\n"];
    for keys in steps {
        for node in lab.nodes() {
            reloaded(node, "authkeys", keys)?;
            for node in lab.nodes() {
                assert!(node.status()?.peer_alive());
            }
        }
    }
    stays(&judge, lab.node1(), SECOND)?;
    settled(&lab, lab.node1())?;
    for node in lab.nodes() {
        assert_eq!((said(node, "Late heartbeat"), said(node, "untrusted"), said(node, "-> dead")), (0, 0, 0));
    }
    unmoved(&lab)?;
    nothing_moved(judge, lab.node1()).map(drop)
}

/// A daemon that had no VIP gets its first one: it is there with a lease from its first moment, never for ever.
#[test]
fn the_first_vip_that_a_reload_brings_has_a_lease_from_its_first_moment() -> Result<()> {
    let slow = Pair::appliance()
        .with_haresources("")
        .with_ha_cf("keepalive 100ms", "keepalive 1")
        .with_ha_cf("warntime 200ms", "warntime 5")
        .with_ha_cf("deadtime 300ms", "deadtime 10")
        .with_ha_cf("initdead 3", "initdead 20");
    let lab = Lab::new(slow)?;
    lab.boot()?;
    lab.await_whole(SOON)?;
    let one = lab.node1();
    sh(one, "timeout 60 ip -o monitor address > /tmp/addresses 2>/dev/null < /dev/null &")?;
    for node in lab.nodes() {
        reloaded(node, "haresources", &format!("node1.a.com {OTHER}\n"))?;
    }
    lab.await_held(OTHER, one, SOON)?;
    let seen = one.read("/tmp/addresses")?;
    let first = seen.lines().find(|line| line.contains("192.168.20.101")).unwrap_or_else(|| panic!("{seen}"));
    assert!(first.contains("valid_lft") && first.contains("sec") && !first.contains("valid_lft forever"), "{seen}");
    Ok(())
}

#[test]
fn a_key_replaced_on_one_node_after_the_other_is_no_gap_either() -> Result<()> {
    let lab = running(appliance())?;
    let judge = asking(&lab, lab.node1())?;
    for node in lab.nodes() {
        reloaded(node, "authkeys", "auth 3\n3 md5 a-new-secret\n")?;
        stays(&judge, lab.node1(), SECOND)?;
    }
    settled(&lab, lab.node1())?;
    unmoved(&lab)?;
    nothing_moved(judge, lab.node1()).map(drop)
}

#[test]
fn timings_change_one_node_after_the_other_and_the_difference_is_told() -> Result<()> {
    let lab = running(appliance())?;
    let judge = asking(&lab, lab.node1())?;
    for node in lab.nodes() {
        let ha_cf = node.read("/etc/ha.d/ha.cf")?.replace("deadtime 300ms", "deadtime 900ms");
        reloaded(node, "ha.cf", &ha_cf)?;
        says(lab.node1(), "deadtime is")?;
    }
    settled(&lab, lab.node1())?;
    unmoved(&lab)?;
    nothing_moved(judge, lab.node1())?;
    lab.node1().power_off()?;
    let line = says(lab.node2(), "silent on every link")?;
    assert!(line.contains("deadtime 900 ms"), "{line}");
    Ok(())
}

#[test]
fn a_group_more_starts_when_both_know_it_and_a_group_less_stops() -> Result<()> {
    let lab = running(appliance().with_script("other", recording("other")))?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    let both = format!("node1.a.com {GROUP} {SERVICE}\nnode2.a.com {OTHER} other\n");
    reloaded(one, "haresources", &both)?;
    for node in lab.nodes() {
        let status = node.await_status(SOON, |status| status.peer.state == "untrusted")?;
        assert_eq!(status.peer.why.as_deref(), Some("different-haresources"));
    }
    stays(&judge, one, SECOND * 4)?;
    reloaded(two, "haresources", &both)?;
    lab.await_held(OTHER, two, SOON)?;
    lab.await_whole(SOON)?;
    assert_eq!(two.script("other").moves(), ["start"]);
    let one_group = format!("node1.a.com {GROUP} {SERVICE}\n");
    for node in lab.nodes() {
        reloaded(node, "haresources", &one_group)?;
    }
    settled(&lab, one)?;
    assert!(!sh(two, "ip -4 address show dev eth0")?.contains("192.168.20.101"));
    assert_eq!(two.script("other").moves(), ["start", "stop"]);
    unmoved(&lab)?;
    nothing_moved(judge, one).map(drop)
}

#[test]
fn a_resource_that_leaves_its_line_stops_and_one_that_comes_starts() -> Result<()> {
    let lab = running(appliance().with_script("other", recording("other")))?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    let other = format!("node1.a.com {GROUP} other\n");
    for node in lab.nodes() {
        reloaded(node, "haresources", &other)?;
    }
    says(one, "other: started")?;
    settled(&lab, one)?;
    assert_eq!(one.script(SERVICE).moves(), ["start", "stop"]);
    assert_eq!(one.script("other").moves(), ["start"]);
    assert_eq!((two.script("other").moves().len(), two.script(SERVICE).moves().len()), (0, 0));
    nothing_moved(judge, one).map(drop)
}

#[test]
fn a_bad_file_keeps_the_old_configuration_and_says_why() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    for (file, text, why) in [
        ("ha.cf", "node node1.a.com\n", "/etc/ha.d/ha.cf:"),
        ("haresources", "node1.a.com 192.168.20.300\n", "/etc/ha.d/haresources:1:13: "),
        ("authkeys", "auth 7\n3 md5 redhat\n", "/etc/ha.d/authkeys:1:6: "),
    ] {
        let good = one.read(&format!("/etc/ha.d/{file}"))?;
        let mark = one.log().mark();
        one.configure(file, text)?;
        one.hang_up()?;
        one.log().await_line(mark, SOON, why)?;
        one.log().await_line(mark, SOON, "the configuration in force is kept")?;
        one.configure(file, &good)?;
    }
    settled(&lab, one)?;
    unmoved(&lab)?;
    nothing_moved(judge, one).map(drop)
}

#[test]
fn what_check_refuses_a_reload_refuses_too_in_one_line() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    let (ha_cf, haresources) = (one.read("/etc/ha.d/ha.cf")?, one.read("/etc/ha.d/haresources")?);
    let no_script = format!("node1.a.com {GROUP} {SERVICE} no-such-script\n");
    let no_plugin = format!("{ha_cf}stonith_host node1.a.com external/no-such-plugin node2.a.com\n");
    let bad_and_doubtful = ha_cf.replace("warntime 200ms", "warntime 50ms").replace("deadtime 300ms", "deadtim 1");
    for (file, good, bad, why) in [
        ("haresources", &haresources, no_script, "reload: no script for the resource no-such-script"),
        ("ha.cf", &ha_cf, no_plugin, "external/no-such-plugin is not there or not executable"),
        ("ha.cf", &ha_cf, bad_and_doubtful, "reload: /etc/ha.d/ha.cf:"),
        ("authkeys", &one.read("/etc/ha.d/authkeys")?, String::new(), "reload: /etc/ha.d/authkeys"),
    ] {
        let mark = one.log().mark();
        one.configure(file, &bad)?;
        one.hang_up()?;
        let kept = one.log().await_line(mark, SOON, "reload: refused, the configuration in force is kept");
        let said: Vec<_> = one.log().since(mark).into_iter().map(|line| line.text).collect();
        assert!(kept.is_ok(), "{bad}: {said:#?}");
        let reasons: Vec<_> = said.iter().filter(|line| line.contains("remedy: ")).collect();
        assert!(reasons.iter().any(|line| line.contains(why)), "{said:#?}");
        for reason in reasons {
            // How bad it is says the line's own level.
            assert!(!["error: ", "warning: ", "?  "].iter().any(|part| reason.contains(part)), "{reason}");
        }
        assert!(!said.iter().any(|line| line.contains("reload: done")), "{said:#?}");
        one.configure(file, good)?;
    }
    settled(&lab, one)?;
    unmoved(&lab)?;
    nothing_moved(judge, one).map(drop)
}

#[test]
fn links_and_a_watchdog_that_change_need_a_restart() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    let good = one.read("/etc/ha.d/ha.cf")?;
    for (line, instead) in [
        ("bcast eth1", "bcast eth0"),
        ("bcast eth1", ""),
        ("bcast eth1", "bcast eth1 eth0"),
        ("baud 115200", "baud 57600"),
        ("bcast eth1", "udpport 695\nbcast eth1"),
        ("bcast eth1", "bcast eth1\nwatchdog /dev/null"),
    ] {
        let line = format!("\n{line}");
        assert!(good.contains(&line), "{good}");
        let mark = one.log().mark();
        one.configure("ha.cf", &good.replace(&line, &format!("\n{instead}")))?;
        one.hang_up()?;
        one.log().await_line(mark, SOON, "that needs a restart")?;
        one.log().await_line(mark, SOON, "the configuration in force is kept")?;
    }
    one.configure("ha.cf", &good)?;
    settled(&lab, one)?;
    unmoved(&lab)?;
    nothing_moved(judge, one).map(drop)
}

fn reloaded(node: &Node, file: &str, text: &str) -> Result<()> {
    let mark = node.log().mark();
    node.configure(file, text)?;
    node.hang_up()?;
    node.log().await_line(mark, SOON, "reload: done").map(drop)
}

/// The service was started once, on its preferred node, and never touched again.
fn unmoved(lab: &Lab) -> Result<()> {
    assert_eq!(lab.node1().script(SERVICE).moves(), ["start"]);
    assert_eq!(lab.node2().script(SERVICE).moves().len(), 0);
    Ok(())
}

#[test]
fn a_reload_that_changes_nothing_changes_nothing() -> Result<()> {
    let lab = running(Pair::appliance())?;
    let judge = asking(&lab, lab.node1())?;
    for _ in 0..3 {
        for node in lab.nodes() {
            let mark = node.log().mark();
            node.hang_up()?;
            node.log().await_line(mark, SOON, "reload: done")?;
        }
    }
    settled(&lab, lab.node1())?;
    nothing_moved(judge, lab.node1()).map(drop)
}
