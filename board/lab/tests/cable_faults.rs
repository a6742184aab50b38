//! What can be done to the null-modem cable while it runs, between two nodes that have nothing but a shell.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::thread::Scope;
use std::time::Duration;

use lubdub_lab::{Fault, Lab, Node, Pair, now};

const SECOND: Duration = Duration::from_secs(1);
const ONE: usize = 0;
const TWO: usize = 1;

fn lab() -> Lab {
    let lab = Lab::new(Pair::appliance().with_daemon("/bin/sleep")).unwrap();
    lab.nodes().iter().for_each(set_up);
    lab
}

fn set_up(node: &Node) {
    sh(node, "stty -F /dev/ttyS1 raw -echo 115200");
}

fn sh(node: &Node, script: &str) -> String {
    node.exec_within(&["sh", "-c", script], SECOND * 30).unwrap().ok().unwrap()
}

/// A node that has its port open and reads, in hexadecimal, so many bytes, or what has come after the time.
struct Reader<'s>(std::thread::ScopedJoinHandle<'s, String>);

impl<'s> Reader<'s> {
    fn new<'e>(scope: &'s Scope<'s, 'e>, node: &'s Node, bytes: usize, within: Duration) -> Self {
        node.remove("/run/open").unwrap();
        let seconds = within.as_secs_f64();
        let script = format!(
            "exec 3< /dev/ttyS1; touch /run/open; timeout {seconds} dd bs=1 count={bytes} status=none <&3 | od -An -v -tx1"
        );
        let reader = scope.spawn(move || sh(node, &script));
        sh(node, "until [ -e /run/open ]; do sleep 0.01; done");
        Self(reader)
    }

    fn bytes(self) -> Vec<u8> {
        let text = self.0.join().unwrap();
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }
}

/// node1 sends so many bytes `U`; what node2 has when `expected` have come, or after the time.
fn transfer(lab: &Lab, bytes: usize, expected: usize, within: Duration) -> Vec<u8> {
    std::thread::scope(|scope| {
        let reader = Reader::new(scope, lab.node2(), expected, within);
        sh(lab.node1(), &format!("head -c {bytes} /dev/zero | tr '\\0' U > /dev/ttyS1"));
        reader.bytes()
    })
}

#[test]
fn noise_is_counted_in_bits_and_repeats_itself() {
    let lab = lab();
    let noise = Fault::Noise { rate: 0.05, seed: 11 };
    let mut runs = Vec::new();
    for _ in 0..2 {
        lab.cable().set_fault(ONE, noise);
        let bytes = transfer(&lab, 2000, 2000, SECOND * 5);
        assert_eq!(bytes.len(), 2000);
        let flipped: Vec<u32> = bytes.iter().map(|byte| (byte ^ b'U').count_ones()).filter(|bits| *bits > 0).collect();
        assert!((60..140).contains(&flipped.len()) && flipped.iter().all(|bits| *bits == 1), "{flipped:?}");
        runs.push(bytes);
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(lab.cable().fault(ONE), noise);
    lab.cable().mend();
    assert_eq!(transfer(&lab, 2000, 2000, SECOND * 5), [b'U'; 2000]);
}

#[test]
fn a_burst_ruins_bytes_in_a_row() {
    let lab = lab();
    lab.cable().set_fault(ONE, Fault::Burst { rate: 0.002, length: 32, seed: 5 });
    let bytes = transfer(&lab, 2000, 2000, SECOND * 5);
    let first = bytes.iter().position(|byte| *byte != b'U').unwrap();
    assert!(bytes[first..first + 32].iter().filter(|byte| **byte != b'U').count() > 24, "{bytes:?}");
    assert!(bytes.iter().filter(|byte| **byte == b'U').count() > 1000);
}

#[test]
fn bytes_vanish_and_come_twice() {
    let lab = lab();
    lab.cable().set_fault(ONE, Fault::Drop { rate: 0.2, seed: 1 });
    let left = transfer(&lab, 1000, 1000, SECOND / 2).len();
    assert!((700..900).contains(&left), "{left}");
    assert_eq!(lab.cable().count(ONE).lost as usize, 1000 - left);
    lab.cable().set_fault(ONE, Fault::Double { rate: 0.2, seed: 1 });
    let more = transfer(&lab, 1000, 2000, SECOND / 2).len();
    assert_eq!(lab.cable().count(ONE).doubled as usize, more - 1000);
    assert!((1100..1300).contains(&more), "{more}");
}

#[test]
fn a_loop_and_an_echo_come_back() {
    let lab = lab();
    let both = |expected: [&str; 2]| {
        std::thread::scope(|scope| {
            let [one, two] = lab.nodes().each_ref().map(|node| Reader::new(scope, node, 5, SECOND / 2));
            sh(lab.node1(), "printf hello > /dev/ttyS1");
            assert_eq!([one.bytes(), two.bytes()].map(|heard| String::from_utf8(heard).unwrap()), expected);
        });
    };
    lab.cable().set_fault(ONE, Fault::Loop);
    both(["hello", ""]);
    lab.cable().set_fault(ONE, Fault::Echo);
    both(["hello", "hello"]);
    // A loopback plug needs no other box.
    lab.node2().power_off().unwrap();
    lab.cable().set_fault(ONE, Fault::Loop);
    let heard = std::thread::scope(|scope| {
        let reader = Reader::new(scope, lab.node1(), 5, SECOND / 2);
        sh(lab.node1(), "printf hello > /dev/ttyS1");
        reader.bytes()
    });
    assert_eq!(heard, b"hello");
}

#[test]
fn strange_text_arrives_on_a_cut_cable_too_and_only_where_it_was_put() {
    let lab = lab();
    lab.cable().cut();
    std::thread::scope(|scope| {
        let reader = Reader::new(scope, lab.node1(), 99, SECOND / 2);
        sh(lab.node2(), "printf unheard > /dev/ttyS1");
        lab.cable().inject(ONE, b"\r\nnode2 login: ").unwrap();
        assert_eq!(reader.bytes(), b"\r\nnode2 login: ");
    });
    assert_eq!((lab.cable().count(TWO).stray, lab.cable().count(ONE).stray), (15, 0));
    assert!(lab.cable().inject(ONE, &[0; 70_000]).unwrap_err().to_string().contains("room for 65536"));
}

#[test]
fn a_filled_line_runs_at_full_rate_and_lets_the_sender_in() {
    let lab = lab();
    let (bytes, took) = std::thread::scope(|scope| {
        let reader = Reader::new(scope, lab.node2(), 23_040 + 5, SECOND * 9);
        let start = now();
        lab.cable().fill(TWO, 23_040, 3);
        sh(lab.node1(), "printf hello > /dev/ttyS1");
        (reader.bytes(), now() - start)
    });
    let rate = bytes.len() as f64 / took.as_secs_f64();
    assert!((11_520.0 * 0.95..11_520.0 * 1.05).contains(&rate), "{rate} bytes a second");
    let at = bytes.windows(5).position(|five| five == b"hello").unwrap();
    assert!(at < 11_520, "hello came as byte {at}");
    assert_eq!(lab.cable().count(ONE).stray, 23_040);
}

#[test]
fn a_stalled_receiver_holds_the_writer_and_gets_everything_in_the_end() {
    let lab = lab();
    lab.cable().set_fault(ONE, Fault::Stall);
    // 64 bytes a millisecond, until the port takes no more.
    let flood = "exec > /dev/ttyS1; while :; do printf %064d 0; sleep 0.001; done";
    lab.node1().exec_within(&["sh", "-c", flood], SECOND).unwrap();
    let held = lab.cable().count(ONE);
    assert!((4096..4096 + 256).contains(&held.sent) && held.received == 0, "{held:?}");
    let (bytes, took) = std::thread::scope(|scope| {
        let reader = Reader::new(scope, lab.node2(), held.sent as usize, SECOND * 5);
        let start = now();
        lab.cable().mend();
        (reader.bytes(), now() - start)
    });
    assert!(bytes.iter().all(|byte| *byte == b'0') && bytes.len() >= 4096, "{}", bytes.len());
    assert!(took >= Duration::from_millis(350), "4096 bytes need 356 ms, not {took:?}");
}

#[test]
fn a_port_vanishes_with_a_hang_up_and_another_one_comes() {
    let lab = lab();
    let node = lab.node2();
    let hold = "exec 3< /dev/ttyS1; touch /run/open; cat <&3 > /run/heard; touch /run/hung-up";
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| sh(node, hold));
        sh(node, "until [ -e /run/open ]; do sleep 0.01; done");
        lab.cable().remove_port(TWO).unwrap();
        lab.cable().remove_port(TWO).unwrap();
        holder.join().unwrap();
    });
    assert!(node.has("/run/hung-up") && !lab.cable().has_port(TWO));
    let missing = node.exec(&["sh", "-c", ": < /dev/ttyS1"]).unwrap();
    assert!(!missing.exit.success() && missing.stderr.contains("No such file"), "{missing:?}");
    sh(lab.node1(), "printf lost > /dev/ttyS1");
    let start = now();
    while lab.cable().count(ONE).lost < 4 {
        assert!(now() - start < SECOND, "{:?}", lab.cable().count(ONE));
        std::thread::yield_now();
    }

    lab.cable().insert_port(TWO).unwrap();
    set_up(node);
    assert_eq!(transfer(&lab, 5, 5, SECOND), b"UUUUU");
    lab.cable().remove_port(TWO).unwrap();
    node.power_off().unwrap();
    node.power_on().unwrap();
    assert!(!node.has("/dev/ttyS1"), "the adapter is still out");
    lab.cable().insert_port(TWO).unwrap();
    set_up(node);
    assert_eq!(transfer(&lab, 5, 5, SECOND), b"UUUUU");
}

#[test]
fn a_speed_is_changed_from_outside() {
    let lab = lab();
    lab.cable().set_baud(TWO, 9600).unwrap();
    assert_eq!(sh(lab.node2(), "stty -F /dev/ttyS1 speed"), "9600\n");
    assert_ne!(transfer(&lab, 5, 5, SECOND), b"UUUUU");
    assert!(lab.cable().set_baud(TWO, 12_345).unwrap_err().to_string().contains("12345 bit/s"));
}
