//! What can be done to the crossover and to a node's interfaces, without lubdub.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use lubdub_lab::{Flood, Lab, Node, Pair, Payload, now};

const SECOND: Duration = Duration::from_secs(1);
const ONE: usize = 0;
const TWO: usize = 1;

fn lab(pair: Pair) -> Lab {
    Lab::new(pair.with_daemon("/bin/sleep")).unwrap()
}

fn sh(node: &Node, script: &str) -> String {
    node.exec_within(&["sh", "-c", script], SECOND * 30).unwrap().ok().unwrap()
}

/// A listener at port 694 of eth1: prints every datagram in hexadecimal until half a second is quiet.
const LISTEN: &str = r#"use Socket;
socket(S, PF_INET, SOCK_DGRAM, 0) && setsockopt(S, SOL_SOCKET, SO_RCVBUF, 4000000) && setsockopt(S, SOL_SOCKET, 25, "eth1\0")
    && bind(S, sockaddr_in(694, INADDR_ANY)) or die $!;
open(L, '>', '/run/listening') && close(L) or die $!;
for (;;) { $r = ''; vec($r, fileno(S), 1) = 1; select($r, undef, undef, 0.5) or last; recv(S, $b, 2000, 0); print unpack('H*', $b), "\n"; }"#;
/// 40 different beats from this node, one every 5 ms.
const BEATS: &str = r#"use Socket;
socket(S, PF_INET, SOCK_DGRAM, 0) && setsockopt(S, SOL_SOCKET, 25, "eth1\0") && setsockopt(S, SOL_SOCKET, SO_BROADCAST, 1) or die $!;
for $n (1..40) { send(S, "beat $n", 0, sockaddr_in(694, INADDR_BROADCAST)) or die $!; select(undef, undef, undef, 0.005); }"#;

/// What a node hears while something is done.
fn heard<R: Send>(node: &Node, what: impl FnOnce() -> R + Send) -> (Vec<String>, R) {
    node.remove("/run/listening").unwrap();
    std::thread::scope(|scope| {
        let listener = scope.spawn(|| sh(node, &format!("exec perl -e '{}'", LISTEN.replace('\'', "'\\''"))));
        sh(node, "until [ -e /run/listening ]; do sleep 0.01; done");
        let result = what();
        (listener.join().unwrap().lines().map(String::from).collect(), result)
    })
}

fn beat(node: &Node) {
    node.exec(&["perl", "-e", BEATS]).unwrap().ok().unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn flood(payload: Payload, per_second: Option<u32>, count: u64) -> Flood {
    Flood { payload, per_second, count, within: SECOND * 5, seed: 42 }
}

#[test]
fn a_flood_is_paced_counted_and_for_one_node_alone() {
    let lab = lab(Pair::appliance());
    let (others, (heard, flooded)) = heard(lab.node1(), || {
        heard(lab.node2(), || lab.flood(TWO, flood(Payload::Random, Some(1000), 300)).unwrap().wait())
    });
    assert_eq!((flooded.sent, flooded.refused), (300, 0));
    assert!((SECOND / 4..SECOND).contains(&flooded.took), "{flooded:?}");
    assert_eq!((heard.len(), others.len()), (300, 0));
    let lengths: std::collections::BTreeSet<usize> = heard.iter().map(String::len).collect();
    assert!(lengths.len() > 200 && lengths.iter().all(|length| (2..=2944).contains(length)), "{lengths:?}");
}

#[test]
fn a_flood_without_a_rate_is_as_fast_as_can_be_and_ends() {
    let lab = lab(Pair::appliance());
    let forever = Flood { within: SECOND / 5, ..flood(Payload::Random, None, u64::MAX) };
    let flooded = lab.flood(ONE, forever.clone()).unwrap().wait();
    assert!(flooded.sent > 2000 && flooded.took < SECOND, "{flooded:?}");
    let start = now();
    let stopped = lab.flood(ONE, Flood { within: SECOND * 60, ..forever }).unwrap().stop();
    assert!(now() - start < SECOND, "{stopped:?}");
}

#[test]
fn beats_are_recorded_replayed_and_forged() {
    let lab = lab(Pair::appliance());
    let recorded = std::thread::scope(|scope| {
        let recorder = scope.spawn(|| lab.record(ONE, 5, SECOND * 5));
        while !recorder.is_finished() {
            beat(lab.node1());
        }
        recorder.join().unwrap().unwrap()
    });
    assert!(recorded.iter().all(|bytes| bytes.starts_with(b"beat ")), "{recorded:?}");
    let play = |payload| heard(lab.node2(), || lab.flood(TWO, flood(payload, Some(1000), 10)).unwrap().wait()).0;
    let expected: Vec<String> = recorded.iter().chain(&recorded).map(|bytes| hex(bytes)).collect();
    assert_eq!(play(Payload::Replay(recorded.clone())), expected);
    let forged = play(Payload::Forged(recorded));
    assert!(
        forged.len() == 10 && forged.iter().zip(&expected).all(|(f, e)| f.len() == e.len() && f != e),
        "{forged:?}"
    );
    assert!(lab.flood(TWO, flood(Payload::Replay(vec![]), None, 1)).is_err());
    assert!(lab.record(TWO, 1, SECOND / 10).unwrap_err().to_string().contains("0 of 1 datagrams"));
}

#[test]
fn a_hub_loses_as_much_as_it_is_told() {
    let lab = lab(Pair::appliance().with_hub());
    let all = heard(lab.node2(), || beat(lab.node1())).0.len();
    lab.crossover().set_loss(0.5, 7).unwrap();
    let some = heard(lab.node2(), || beat(lab.node1())).0.len();
    lab.crossover().set_loss(1.0, 7).unwrap();
    let none = heard(lab.node2(), || beat(lab.node1())).0.len();
    assert!(all == 40 && (8..32).contains(&some) && none == 0, "{all}, {some}, {none}");
}

#[test]
fn an_interface_goes_down_and_up() {
    let lab = lab(Pair::appliance());
    let eth1 = lab.node1().interface("eth1");
    eth1.down().unwrap();
    assert_eq!(sh(lab.node2(), "cat /sys/class/net/eth1/carrier"), "0\n");
    eth1.up().unwrap();
    assert_eq!(sh(lab.node2(), "cat /sys/class/net/eth1/carrier"), "1\n");
    assert_eq!(heard(lab.node2(), || beat(lab.node1())).0.len(), 40);
    let missing = lab.node1().interface("eth7").down().unwrap_err().to_string();
    assert!(missing.contains("cannot take down eth7 of node1.a.com"), "{missing}");
}

#[test]
fn an_interface_is_renamed_and_comes_back() {
    let lab = lab(Pair::appliance());
    lab.node1().interface("eth1").rename("wan0").unwrap();
    assert_eq!(sh(lab.node1(), "ls /sys/class/net | tr '\\n' ' '"), "eth0 lo wan0 ");
    lab.node1().interface("wan0").rename("eth1").unwrap();
    assert_eq!(heard(lab.node2(), || beat(lab.node1())).0.len(), 40);
}

#[test]
fn an_interface_is_deleted_and_created_again() {
    for pair in [Pair::appliance(), Pair::appliance().with_hub()] {
        let lab = lab(pair);
        let node = lab.node1();
        let number = sh(node, "cat /sys/class/net/eth1/ifindex");
        node.interface("eth1").delete().unwrap();
        assert_eq!(sh(lab.node2(), "cat /sys/class/net/eth1/carrier"), "0\n");
        assert_eq!(sh(node, "ls /sys/class/net | tr '\\n' ' '"), "eth0 lo ");
        node.interface("eth1").create().unwrap();
        assert_ne!(sh(node, "cat /sys/class/net/eth1/ifindex"), number);
        assert_eq!(heard(lab.node2(), || beat(node)).0.len(), 40);
        lab.crossover().unplug();
        assert_eq!(sh(node, "cat /sys/class/net/eth1/carrier"), "0\n");

        node.interface("eth0").delete().unwrap();
        node.interface("eth0").create().unwrap();
        assert!(sh(node, "ip route").contains("default via 192.168.20.1"));
        let judge = lab.judge(node.address()).unwrap();
        judge.await_owner(node.mac(), SECOND).unwrap();
        assert!(node.interface("eth5").create().unwrap_err().to_string().contains("only for eth0 and eth1"));
    }
}
