//! How sudden the power goes. Alone in its file, because the kernel's lock for interfaces is one for the whole machine:
//! labs that are built at the same time would delay it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use lubdub_lab::arp::Arp;
use lubdub_lab::{Lab, Pair, VIP, now};

#[test]
fn power_off_silences_within_ten_milliseconds() {
    let lab = Lab::new(Pair::appliance().with_daemon("/bin/sleep")).unwrap();
    let node = lab.node1();
    node.start_as(&["sleep", "1000000"]).unwrap();
    node.exec(&["ip", "addr", "add", "192.168.20.100/24", "dev", "eth0"]).unwrap().ok().unwrap();
    node.send_frame("eth0", &Arp::announcement(node.mac(), VIP).broadcast()).unwrap();
    let judge = lab.judge(VIP).unwrap();
    let beating = "while :; do printf x; done > /dev/ttyS1 < /dev/null 2>&1 &";
    node.exec(&["sh", "-c", beating]).unwrap().ok().unwrap();
    judge.await_verdict(Duration::from_secs(5), |v| v.ping.answers > 100 && v.owner == Some(node.mac())).unwrap();

    let before = now();
    node.power_off().unwrap();
    let verdict = judge.verdict();
    for last in [verdict.arp.last(), verdict.ping.last()] {
        let lasted = last.unwrap().saturating_duration_since(before);
        assert!(lasted < Duration::from_millis(10), "answered for {lasted:?}");
    }
    let received = lab.cable().count(0).received;
    lab.node2().exec(&["true"]).unwrap();
    assert_eq!(lab.cable().count(0).received, received, "the serial end is silent");
}
