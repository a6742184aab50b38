//! What is asked of the devices, and in which order.

use super::bench::{Bench, bench};
use crate::host::fence::FenceState;

#[test]
fn the_first_device_that_confirms_ends_the_attempt() {
    bench(async |directory| {
        directory.plugin("first", "exit 3");
        directory.plugin("second", "exit 0");
        directory.plugin("third", "exit 0");
        let devices = ["external/first", "external/second", "external/third"].map(|name| (name, "beta s3cret"));
        let mut node = Bench::new(&directory, &devices);
        node.begin();
        assert_eq!(node.success().await, "external/second");
        let asked = |name| ["getconfignames", "gethosts", "reset beta"].map(|verb| format!("{name} {verb}"));
        assert_eq!(directory.calls(), [asked("first"), asked("second")].concat());
        assert!(matches!(node.fence.state(), FenceState::Confirmed { by: "external/second", .. }));
        assert!(node.logged().contains("fencing beta: external/first: reset: exit code 3"), "{}", node.logged());
        assert_eq!(node.fence.wake_at(), None, "it is over");
    });
}

#[test]
fn a_plugin_that_hangs_is_killed_and_the_next_one_tried() {
    bench(async |directory| {
        directory.plugin("stuck", "sleep 1000 & echo $! > $T/child; wait");
        directory.plugin("good", "exit 0");
        let mut node = Bench::new(&directory, &[("external/stuck", "beta x"), ("external/good", "beta x")]);
        node.begin();
        assert_eq!(node.success().await, "external/good");
        assert!(node.logged().contains("external/stuck: reset: hung: killed after 2 s"), "{}", node.logged());
        assert!(!alive(&directory.read("child")), "its children go with it");
    });
}

#[test]
fn a_plugin_that_hangs_at_a_question_is_killed_too() {
    bench(async |directory| {
        directory.script("external/stuck", "exec sleep 1000");
        let mut node = Bench::new(&directory, &[("external/stuck", "")]);
        node.begin();
        let (text, _) = node.failure().await;
        assert_eq!(text, "external/stuck: getconfignames: hung: killed after 2 s");
    });
}

#[test]
fn a_device_of_other_hosts_is_never_fired() {
    bench(async |directory| {
        directory.plugin("mine", "touch $T/suicide");
        directory.plugin("listed", "exit 0");
        // Upper case, and commas as several of cluster-glue's plug-ins print them.
        let mut node = Bench::new(&directory, &[("external/mine", "alpha x"), ("external/listed", "alpha,BETA x")]);
        node.begin();
        assert_eq!(node.success().await, "external/listed");
        assert!(!directory.0.join("suicide").exists());
        assert!(!directory.calls().contains(&"mine reset beta".to_owned()));
    });
}

#[test]
fn what_keeps_a_device_from_working_is_told() {
    bench(async |directory| {
        directory.plugin("short", "exit 0");
        directory.script("external/usage", "echo 'usage: x {on|off}'");
        let devices = [
            ("external/short", "beta"),
            ("external/missing", "beta x"),
            ("external/usage", "beta x"),
            ("meatware", "beta"),
        ];
        let mut node = Bench::new(&directory, &devices);
        node.begin();
        let (text, _) = node.failure().await;
        for expected in [
            "external/short: its parameter secret is missing; it has, in this order: hosts secret",
            "external/missing is not there or not executable",
            "external/usage: getconfignames gives something else than names",
            "meatware: switch beta off by hand, then: lubdub fence confirm beta",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert_eq!(directory.calls(), ["short getconfignames"]);
    });
}

#[test]
fn other_types_go_through_the_program_with_the_parameters_on_standard_input() {
    bench(async |directory| {
        directory.script(
            "bin/stonith",
            "echo \"$*\" >> $T/calls; cat /dev/stdin >> $T/input; case $* in *-l) echo beta;; esac",
        );
        let mut node = Bench::new(&directory, &[("apcmaster", "10.0.0.9 admin s3cret"), ("never", "")]);
        node.begin();
        assert_eq!(node.success().await, "apcmaster");
        let call = "-t apcmaster -F /dev/stdin";
        assert_eq!(directory.calls(), [format!("{call} -l"), format!("{call} -T reset beta")]);
        assert_eq!(directory.read("input"), "10.0.0.9 admin s3cret\n".repeat(2));
    });
}

#[test]
fn a_type_without_parameters_gets_none() {
    bench(async |directory| {
        directory.script("bin/stonith", "echo \"$*\" >> $T/calls; case $* in *-l) echo alpha beta;; esac");
        let mut node = Bench::new(&directory, &[("rps10", "")]);
        node.begin();
        assert_eq!(node.success().await, "rps10");
        assert_eq!(directory.calls(), ["-t rps10 -l", "-t rps10 -T reset beta"]);
    });
}

/// Whether the process of this number runs. A zombie does not.
pub fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
