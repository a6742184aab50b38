//! What a beat costs on the cable.

use lubdub_cluster_tests::{SERIAL, SOON};
use lubdub_lab::script::recording;
use lubdub_lab::{Lab, Pair, Result};

/// Design: an MD5-authenticated steady-state beat of a two-group cluster, delimiters included.
const MOST: u64 = 32;
/// Enough that one frame more or less does not hide a byte.
const FRAMES: u64 = 250;

#[test]
fn of_two_groups_it_is_at_most_32_bytes() -> Result<()> {
    let pair = Pair::appliance()
        .with_haresources("node1.a.com 192.168.20.100/24/eth0 a\nnode2.a.com 192.168.20.101/24/eth0 b\n")
        .with_script("a", recording("a"))
        .with_script("b", recording("b"))
        .with_ha_cf("keepalive 100ms", "keepalive 10ms")
        .with_ha_cf("warntime 200ms", "warntime 100ms");
    let lab = Lab::new(pair)?;
    lab.boot()?;
    lab.await_whole(SOON)?;
    for (key, node) in ["192.168.20.100/24/eth0", "192.168.20.101/24/eth0"].into_iter().zip(lab.nodes()) {
        lab.await_held(key, node, SOON)?;
    }
    // Frames are counted before the bytes at the start and after them at the end: the quotient is never too large.
    let sent = || lab.node1().status().map(|status| status.link(SERIAL).map_or(0, |link| link.tx_frames));
    let (first_frame, first_byte) = (sent()?, lab.cable().count(0).sent);
    lab.node1().await_status(SOON, |s| s.link(SERIAL).is_some_and(|link| link.tx_frames >= first_frame + FRAMES))?;
    let bytes = lab.cable().count(0).sent - first_byte;
    let frames = sent()? - first_frame;
    eprintln!("{bytes} bytes in {frames} frames: {:.2} a frame", bytes as f64 / frames as f64);
    assert!(frames >= FRAMES && bytes > frames * 16, "beats flow: {bytes} bytes in {frames} frames");
    assert!(bytes <= frames * MOST, "{bytes} bytes in {frames} frames");
    Ok(())
}
