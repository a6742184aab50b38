//! A cable that goes wrong in every other way than by being cut: nothing moves, and both what it is and how bad are shown.

use lubdub_cluster_tests::{
    GROUP, SECOND, SERIAL, SOON, appliance, asking, exit_code, nothing_moved, running, says, settled, stays,
};
use lubdub_lab::{Fault, Lab, Node, Result, VIP};

/// node1's end.
const ONE: usize = 0;
/// node2's end.
const TWO: usize = 1;

#[test]
fn noise_at_rising_rates_is_counted_and_never_a_change() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    let mut before = 0;
    for rate in [0.001, 0.01, 0.1, 0.5] {
        for end in [ONE, TWO] {
            lab.cable().set_fault(end, Fault::Noise { rate, seed: 7 });
        }
        let errors = one.await_status(SOON, |status| errors(status) > before)?;
        before = self::errors(&errors);
        stays(&judge, one, SECOND)?;
    }
    for burst in [Fault::Burst { rate: 0.01, length: 40, seed: 1 }, Fault::Drop { rate: 0.05, seed: 2 }] {
        lab.cable().set_fault(TWO, burst);
        stays(&judge, one, SECOND)?;
    }
    lab.cable().mend();
    settled(&lab, one)?;
    nothing_moved(judge, one).map(drop)
}

fn errors(status: &lubdub_lab::Status) -> u64 {
    status.link(SERIAL).map_or(0, |link| link.rx_errors)
}

#[test]
fn a_looped_cable_is_named() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    for end in [ONE, TWO] {
        lab.cable().set_fault(end, Fault::Loop);
    }
    for node in lab.nodes() {
        why(node, "down", "looped")?;
    }
    stays(&judge, one, SECOND * 2)?;
    lab.cable().mend();
    settled(&lab, one)?;
    nothing_moved(judge, one).map(drop)
}

/// A node that hears itself and nobody else is alone, and takes its own beats for nobody's.
#[test]
fn a_loop_is_no_peer() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let two = lab.node2();
    lab.cable().set_fault(TWO, Fault::Loop);
    two.start()?;
    two.await_status(SOON, |status| status.holds(GROUP))?;
    let status = two.status()?;
    assert_eq!((status.peer.state.as_str(), status.peer.why.as_deref()), ("dead", Some("silence")));
    assert_eq!(status.link(SERIAL).and_then(|link| link.why.as_deref()), Some("looped"));
    Ok(())
}

#[test]
fn console_text_and_a_getty_between_frames_change_nothing() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    let before = errors(&one.status()?);
    for _ in 0..20 {
        lab.cable().inject(ONE, b"\r\nDebian GNU/Linux 12 node1 ttyS1\r\n\r\nnode1 login: ")?;
        lab.cable().inject(ONE, b"[   12.345678] eth0: link becomes ready\r\n\0\xff\xfe\0\0")?;
        stays(&judge, one, SECOND / 20)?;
    }
    one.await_status(SOON, |status| errors(status) > before)?;
    settled(&lab, one)?;
    nothing_moved(judge, one).map(drop)
}

#[test]
fn a_port_that_vanishes_and_returns() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    lab.cable().remove_port(ONE)?;
    why(one, "down", "no-device")?;
    why(lab.node2(), "down", "silence")?;
    says(one, "link /dev/ttyS1: ")?;
    stays(&judge, one, SECOND)?;
    assert!(one.status()?.link_up("eth1"));
    lab.cable().insert_port(ONE)?;
    settled(&lab, one)?;
    nothing_moved(judge, one).map(drop)
}

#[test]
fn a_peer_that_stops_reading_blocks_nobody() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    // Nobody takes what node1 writes: its line is full within the second.
    lab.cable().set_fault(ONE, Fault::Stall);
    two.await_status(SOON, |status| !status.link_up(SERIAL))?;
    stays(&judge, one, SECOND * 4)?;
    // The other link carries orders as ever.
    assert_eq!(exit_code(two, "lubdub takeover")?, Some(0));
    judge.await_owner(two.mac(), SOON)?;
    lab.cable().mend();
    settled(&lab, two)?;
    assert_eq!(judge.verdict().doubles, []);
    Ok(())
}

#[test]
fn another_speed_is_suspected_by_name() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    lab.node2().stop()?;
    let ha_cf = lab.node2().read("/etc/ha.d/ha.cf")?.replace("baud 115200", "baud 57600");
    lab.node2().configure("ha.cf", &ha_cf)?;
    lab.node2().start()?;
    for node in lab.nodes() {
        why(node, "down", "wrong-baud")?;
    }
    nothing_moved(judge, one).map(drop)
}

#[test]
fn random_bytes_that_fill_the_cable_do_not_disturb_the_other_link() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    let judge = asking(&lab, one)?;
    for end in [ONE, TWO] {
        lab.cable().fill(end, 120_000, 3);
    }
    stays(&judge, one, SECOND * 5)?;
    for node in lab.nodes() {
        assert!(node.status()?.link_up("eth1") && node.status()?.peer_alive());
    }
    lab.cable().mend();
    settled(&lab, one)?;
    nothing_moved(judge, one)?;
    assert!(one.has_address(VIP));
    Ok(())
}

/// Waits until the cable is so at this node, for this reason, and `status` says that the pair is degraded.
fn why(node: &Node, state: &str, why: &str) -> Result<()> {
    node.await_status(SOON, |status| {
        status.link(SERIAL).is_some_and(|link| link.state == state && link.why.as_deref() == Some(why))
    })?;
    assert_eq!(exit_code(node, "lubdub status")?, Some(1));
    Ok(())
}
