//! The null-modem cable, between two nodes that have nothing but a shell.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use lubdub_lab::{Exit, Fault, Lab, Node, Pair, now};

const SECOND: Duration = Duration::from_secs(1);

fn lab() -> Lab {
    let lab = Lab::new(Pair::appliance().with_daemon("/bin/sleep")).unwrap();
    lab.nodes().iter().for_each(|node| speed(node, 115_200));
    lab
}

fn speed(node: &Node, baud: u32) {
    node.exec(&["stty", "-F", "/dev/ttyS1", "raw", "-echo", &baud.to_string()]).unwrap().ok().unwrap();
}

/// Sends with `from` what `script` prints; what `to` has received when `bytes` have come, or after a while.
fn transfer(from: &Node, to: &Node, script: &str, bytes: u32, within: Duration) -> String {
    let receive = format!("exec 3< /dev/ttyS1; touch /run/open; timeout {} head -c {bytes} <&3", within.as_secs_f64());
    std::thread::scope(|scope| {
        let received = scope.spawn(|| to.exec(&["sh", "-c", &receive]).unwrap().stdout);
        to.exec(&["sh", "-c", "until [ -e /run/open ]; do sleep 0.01; done"]).unwrap().ok().unwrap();
        from.exec(&["sh", "-c", &format!("({script}) > /dev/ttyS1")]).unwrap().ok().unwrap();
        let received = received.join().unwrap();
        to.remove("/run/open").unwrap();
        received
    })
}

fn greet(from: &Node, to: &Node) -> String {
    transfer(from, to, "printf hello", 5, SECOND / 2)
}

#[test]
fn throughput_is_the_baud_rate() {
    let lab = lab();
    for (baud, bytes) in [(115_200, 23_040), (19_200, 1_920)] {
        lab.nodes().iter().for_each(|node| speed(node, baud));
        let before = now();
        let received = transfer(lab.node1(), lab.node2(), &format!("head -c {bytes} /dev/zero"), bytes, SECOND * 9);
        let rate = f64::from(bytes) / (now() - before).as_secs_f64();
        assert_eq!(received.len(), bytes as usize);
        let line = f64::from(baud) / 10.0;
        assert!((line * 0.95..line * 1.05).contains(&rate), "{rate} bytes a second at {baud} baud");
    }
}

#[test]
fn both_directions_are_cut_and_mended() {
    let lab = lab();
    let [one, two] = lab.nodes();
    assert_eq!([greet(one, two), greet(two, one)], ["hello", "hello"]);
    lab.cable().cut();
    assert_eq!([greet(one, two), greet(two, one)], ["", ""]);
    lab.cable().mend();
    assert_eq!([greet(one, two), greet(two, one)], ["hello", "hello"]);
    lab.cable().set_fault(0, Fault::Cut);
    assert_eq!([greet(one, two), greet(two, one)], ["", "hello"]);
    assert_eq!(lab.cable().count(0).lost, 10);
}

#[test]
fn a_full_transmit_buffer_holds_the_writer() {
    let lab = lab();
    lab.nodes().iter().for_each(|node| speed(node, 1200));
    // 64 bytes a millisecond, until the port takes no more.
    let script = "exec > /dev/ttyS1; while :; do printf %064d 0; sleep 0.001; done";
    let exit = lab.node1().exec_within(&["sh", "-c", script], SECOND).unwrap().exit;
    assert_eq!(exit, Exit::Signal(9));
    // What has left meanwhile made room again: 120 bytes a second.
    let sent = lab.cable().count(0).sent;
    assert!((4096..=4096 + 512).contains(&sent), "{sent} bytes taken");
}

#[test]
fn different_speeds_give_garbage() {
    let lab = lab();
    speed(lab.node2(), 9600);
    let received = transfer(lab.node1(), lab.node2(), "printf hello", 5, SECOND);
    assert!(!received.is_empty() && received != "hello");
    assert_eq!(lab.cable().count(0).garbled, 5);
}

#[test]
fn an_end_without_power_is_silent_and_a_new_boot_finds_an_empty_port() {
    let lab = lab();
    let [one, two] = lab.nodes();
    one.exec(&["sh", "-c", "head -c 2000 /dev/zero > /dev/ttyS1"]).unwrap().ok().unwrap();
    one.power_off().unwrap();
    assert_eq!(transfer(two, two, "printf into the dark", 99, SECOND / 5).trim_matches('\0'), "");
    one.power_on().unwrap();
    speed(one, 115_200);
    assert_eq!([greet(one, two).trim_start_matches('\0'), &greet(two, one)], ["hello", "hello"]);
}

#[test]
fn a_killed_holder_leaves_the_port_to_the_next() {
    // TIOCEXCL, as the daemon sets it: another open is refused until the port is closed.
    const HOLD: &str = r#"use Fcntl; $| = 1;
sysopen(F, '/dev/ttyS1', O_RDWR | O_NOCTTY | O_NONBLOCK) && ioctl(F, 0x540C, 0) or die $!;
print "held\n"; sleep"#;
    let lab = Lab::new(Pair::appliance().with_daemon("/bin/sleep")).unwrap();
    let node = lab.node1();
    for _ in 0..2 {
        let mark = node.log().mark();
        node.start_as(&["perl", "-e", HOLD]).unwrap();
        node.log().await_line(mark, SECOND * 5, "held").unwrap();
        assert_eq!(node.kill().unwrap(), Exit::Signal(9));
    }
}
