//! The equipment itself, without lubdub: what a test on the lab relies on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::time::Duration;

use lubdub_lab::arp::Arp;
use lubdub_lab::{Exit, Lab, Node, Pair, VIP};

const SECOND: Duration = Duration::from_secs(1);

/// A pair whose daemon is a shell script.
fn lab(daemon: &str) -> Lab {
    let file =
        std::env::temp_dir().join(format!("lab-stand-in-{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::write(&file, format!("#!/bin/sh\n{daemon}\n")).unwrap();
    let lab = Lab::new(Pair::appliance().with_daemon(&file));
    std::fs::remove_file(&file).unwrap();
    lab.unwrap()
}

fn idle_lab() -> Lab {
    lab("exec sleep 1000000")
}

fn sh(node: &Node, script: &str) -> String {
    node.exec_within(&["sh", "-c", script], SECOND * 30).unwrap().ok().unwrap()
}

fn add_vip(node: &Node) {
    sh(node, "ip addr add 192.168.20.100/24 brd + dev eth0 label eth0:0");
    node.send_frame("eth0", &Arp::announcement(node.mac(), VIP).broadcast()).unwrap();
}

fn remove_vip(node: &Node) {
    sh(node, "ip addr del 192.168.20.100/24 dev eth0");
}

#[test]
fn a_node_is_an_appliance() {
    let lab = idle_lab();
    let node = lab.node1();
    assert_eq!(sh(node, "uname -n"), "node1.a.com\n");
    assert_eq!(sh(node, "id -u"), "0\n");
    assert_eq!(sh(node, "cat /proc/1/comm"), "lab-guard\n");
    assert_eq!(sh(node, "cat /etc/ha.d/haresources"), lubdub_lab::TUTORIAL_HARESOURCES);
    assert_eq!(sh(node, "stat -c %a /etc/ha.d/authkeys"), "600\n");
    assert_eq!(sh(node, "ls /sys/class/net | tr '\\n' ' '"), "eth0 eth1 lo ");
    assert_eq!(sh(node, "ip -o -4 addr show dev eth1"), "");
    assert_eq!(sh(node, "ls -l /lab/bin/hb_takeover | wc -l"), "1\n");
    assert!(sh(node, "ping -c 1 -W 1 192.168.20.1 || true").contains(" 0% packet loss"));
}

#[test]
fn only_run_and_tmp_can_be_written() {
    let lab = idle_lab();
    let script = "for d in / /etc /etc/ha.d /usr /var /root /home /lab /lab/bin /dev /sys; do \
                  if touch $d/x; then echo $d; fi; done; touch /run/x /tmp/x";
    assert_eq!(sh(lab.node1(), &format!("({script}) 2>/dev/null")), "");
}

#[test]
fn commands_return_what_happened() {
    let lab = idle_lab();
    let output = lab.node1().exec(&["sh", "-c", "echo out; echo err >&2; exit 3"]).unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.exit), ("out\n", "err\n", Exit::Code(3)));
    let hung = lab.node1().exec_within(&["sleep", "100"], SECOND / 10).unwrap();
    assert_eq!(hung.exit, Exit::Signal(9));
    let missing = lab.node1().exec(&["no-such-program"]).unwrap_err().to_string();
    assert!(missing.contains("no-such-program") && missing.contains("No such file"), "{missing}");
}

#[test]
fn the_daemon_is_started_frozen_killed_and_stopped() {
    let lab = lab("trap 'echo bye; exit 0' TERM; echo up >&2; while :; do sleep 0.01; done");
    let node = lab.node1();
    node.start().unwrap();
    let mark = lubdub_lab::Mark::default();
    node.log().await_line(mark, SECOND * 5, "up").unwrap();
    assert!(node.runs());
    assert!(node.start().is_err());
    node.freeze().unwrap();
    node.thaw().unwrap();
    assert_eq!(node.stop().unwrap(), Exit::Code(0));
    node.log().await_line(mark, SECOND, "bye").unwrap();
    node.start().unwrap();
    assert_eq!(node.kill().unwrap(), Exit::Signal(9));
    assert!(!node.runs());
}

#[test]
fn syslog_goes_to_the_log_too() {
    let lab = lab("exec logger -t lubdub -p local0.info hello from syslog");
    lab.node1().start().unwrap();
    let line = lab.node1().log().await_line(Default::default(), SECOND * 5, "hello from syslog").unwrap();
    assert_eq!((line.way, line.text.as_str()), (lubdub_lab::Way::Syslog, "hello from syslog"));
}

#[test]
fn broadcasts_pass_the_crossover_until_it_is_cut() {
    let lab = idle_lab();
    assert_eq!(beats_heard(&lab), "beat\n");
    lab.crossover().cut().unwrap();
    assert_eq!(beats_heard(&lab), "");
    assert_eq!(sh(lab.node1(), "cat /sys/class/net/eth1/carrier"), "1\n");
    lab.crossover().mend().unwrap();
    assert_eq!(beats_heard(&lab), "beat\n");
    lab.crossover().unplug();
    assert_eq!(sh(lab.node1(), "cat /sys/class/net/eth1/carrier"), "0\n");
    lab.crossover().replug();
    assert_eq!(sh(lab.node2(), "cat /sys/class/net/eth1/carrier"), "1\n");
    assert_eq!(beats_heard(&lab), "beat\n");
}

/// A datagram to 255.255.255.255 from node1's eth1, which has no address, as it arrives at node2's.
fn beats_heard(lab: &Lab) -> String {
    // SO_BINDTODEVICE is 25 in <asm-generic/socket.h>; Perl is on every Debian.
    const LISTEN: &str = r#"use Socket;
socket(S, PF_INET, SOCK_DGRAM, 0) && setsockopt(S, SOL_SOCKET, 25, "eth1\0") && bind(S, sockaddr_in(694, INADDR_ANY)) or die $!;
open(L, '>', '/run/listening') or die $!;
vec($r, fileno(S), 1) = 1;
if (select($r, undef, undef, 0.5)) { recv(S, $b, 99, 0); print "$b\n" }"#;
    const SEND: &str = r#"use Socket;
socket(S, PF_INET, SOCK_DGRAM, 0) && setsockopt(S, SOL_SOCKET, 25, "eth1\0") or die $!;
setsockopt(S, SOL_SOCKET, SO_BROADCAST, 1) && send(S, "beat", 0, sockaddr_in(694, INADDR_BROADCAST)) or die $!;"#;
    let listening = || lab.node2().has("/run/listening");
    std::thread::scope(|scope| {
        let heard = scope.spawn(|| lab.node2().exec(&["perl", "-e", LISTEN]).unwrap().ok().unwrap());
        sh(lab.node2(), "until [ -e /run/listening ]; do sleep 0.01; done");
        assert!(listening());
        lab.node1().exec(&["perl", "-e", SEND]).unwrap().ok().unwrap();
        let heard = heard.join().unwrap();
        lab.node2().remove("/run/listening").unwrap();
        heard
    })
}

#[test]
fn power_on_brings_the_same_node_back() {
    let lab = idle_lab();
    lab.node1().start().unwrap();
    add_vip(lab.node1());
    lab.node1().script("x").misbehave("start", lubdub_lab::script::Misbehaviour::Fail).unwrap();
    lab.node1().power_off().unwrap();
    assert!(lab.node1().exec(&["true"]).is_err() && !lab.node1().runs());
    assert_eq!(sh(lab.node2(), "cat /sys/class/net/eth1/carrier"), "0\n");

    lab.node1().power_on().unwrap();
    assert_eq!(sh(lab.node1(), "uname -n; ls /run/lab"), "node1.a.com\n");
    assert_eq!(sh(lab.node2(), "cat /sys/class/net/eth1/carrier"), "1\n");
    assert!(!lab.node1().runs() && !lab.node1().has_address(VIP));
    assert_eq!(beats_heard(&lab), "beat\n");
    for node in lab.nodes() {
        node.power_off().unwrap();
    }
    lab.node2().power_on().unwrap();
    assert_eq!(sh(lab.node2(), "cat /sys/class/net/eth1/carrier"), "0\n");
    lab.node1().power_on().unwrap();
    assert_eq!(beats_heard(&lab), "beat\n");
}

#[test]
fn the_judge_sees_a_move_and_counts_double_answers() {
    let lab = idle_lab();
    let [one, two] = lab.nodes();
    add_vip(one);
    let judge = lab.judge(VIP).unwrap();
    judge.await_owner(one.mac(), SECOND).unwrap();
    remove_vip(one);
    judge.await_silence(Duration::from_millis(50), SECOND * 5).unwrap();
    add_vip(two);
    let answers = judge.so_far().ping.answers;
    judge.await_owner(two.mac(), SECOND).unwrap();
    judge.await_verdict(SECOND * 5, |verdict| verdict.ping.answers > answers).unwrap();
    let moved = judge.so_far();
    assert_eq!(moved.doubles, []);
    assert_eq!(moved.announcements.iter().map(|a| (a.mac, a.reply)).collect::<Vec<_>>(), [(two.mac(), false)]);
    assert!(moved.arp.longest() >= Duration::from_millis(50), "{moved:?}");
    assert!(moved.gap() >= Duration::from_millis(50), "{moved:?}");

    add_vip(one);
    judge.await_verdict(SECOND * 5, |verdict| verdict.doubles.len() > 10).unwrap();
    remove_vip(one);
    let asked = judge.so_far().asked;
    judge.await_verdict(SECOND * 5, |verdict| verdict.asked > asked + 50).unwrap();
    let verdict = judge.verdict();
    assert!(verdict.double_time() > Duration::from_millis(5));
    assert_eq!(verdict.owner, Some(two.mac()));
}

#[test]
fn the_end_of_a_judge_is_no_gap() {
    let lab = idle_lab();
    add_vip(lab.node1());
    let gapless = || {
        let judge = lab.judge(VIP).unwrap();
        judge.await_verdict(SECOND * 5, |verdict| verdict.ping.answers > 50).unwrap();
        judge.verdict().gap().is_zero()
    };
    let count = (0..10).filter(|_| gapless()).count();
    assert!(count > 5, "{count} of 10");
}

#[test]
fn a_client_that_was_not_told_keeps_a_gap() {
    let lab = idle_lab();
    let [one, two] = lab.nodes();
    add_vip(one);
    let judge = lab.judge(VIP).unwrap();
    judge.await_verdict(SECOND * 5, |verdict| verdict.ping.answers > 20).unwrap();
    lab.lan().cut(0).unwrap();
    sh(two, "ip addr add 192.168.20.100/24 brd + dev eth0");
    judge.await_owner(two.mac(), SECOND).unwrap();
    let asked = judge.so_far().asked;
    judge.await_verdict(SECOND * 5, |verdict| verdict.asked > asked + 300).unwrap();
    let untold = judge.so_far();
    two.send_frame("eth0", &Arp::announcement(two.mac(), VIP).broadcast()).unwrap();
    judge.await_verdict(SECOND * 5, |verdict| verdict.ping.answers > untold.ping.answers).unwrap();
    let told = judge.verdict();
    assert!(told.gap() > told.arp.longest() + Duration::from_millis(200), "{told:?}");
}

#[test]
fn the_service_lan_is_cut_for_one_node() {
    let lab = idle_lab();
    let vip = Ipv4Addr::new(192, 168, 20, 10);
    lab.lan().cut(0).unwrap();
    let judge = lab.judge(vip).unwrap();
    judge.await_verdict(SECOND * 5, |verdict| verdict.asked > 100).unwrap();
    assert_eq!(judge.so_far().owner, None);
    lab.lan().mend(0).unwrap();
    judge.await_owner(lab.node1().mac(), SECOND).unwrap();
}

#[test]
fn scripts_record_and_misbehave() {
    use lubdub_lab::script::{Misbehaviour, recording};
    let pair = Pair::appliance().with_script("svc", recording("svc")).with_daemon("/bin/true");
    let lab = Lab::new(pair).unwrap();
    let (node, script) = (lab.node1(), lab.node1().script("svc"));
    let call = |verb| node.exec_within(&["/etc/ha.d/resource.d/svc", "a", verb], SECOND / 2).unwrap();
    assert_eq!(call("status").stdout, "stopped\n");
    assert!(call("start").exit.success() && script.runs());
    assert_eq!(call("status").stdout, "running\n");
    script.misbehave("stop", Misbehaviour::Fail).unwrap();
    assert_eq!(call("stop").exit, Exit::Code(1));
    script.behave("stop").unwrap();
    script.misbehave("stop", Misbehaviour::Hang).unwrap();
    assert_eq!(call("stop").exit, Exit::Signal(9));
    assert!(script.runs());
    script.behave("stop").unwrap();
    assert!(call("stop").exit.success() && !script.runs());
    assert_eq!(script.moves(), ["start", "stop", "stop", "stop"]);
    assert_eq!(script.calls()[0].words, ["a", "status"]);
}
