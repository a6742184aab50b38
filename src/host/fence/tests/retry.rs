//! Attempts again, and what ends them.

use std::future::poll_fn;
use std::task::Poll;

use lubdub::conf::{self, Config, Diagnostics, Source};
use lubdub::time::Duration;

use super::bench::{Bench, bench};
use super::calls::alive;
use crate::host::fence::{FenceEvent, FenceState};

#[test]
fn a_failed_attempt_is_made_again_ever_later_up_to_a_minute() {
    bench(async |directory| {
        directory.plugin("fickle", "[ -e $T/works ]");
        let mut node = Bench::new(&directory, &[("external/fickle", "beta x")]);
        node.begin();
        let mut pauses = Vec::new();
        for failed in 1..=8 {
            let (text, again_in) = node.failure().await;
            assert_eq!(text, "external/fickle: reset: exit code 1");
            pauses.push(again_in);
            assert!(matches!(node.fence.state(), FenceState::Fencing { device: None, failed: n, .. } if n == failed));
            node.skip_pause();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60].map(Duration::from_secs));
        std::fs::write(directory.0.join("works"), "").unwrap();
        // The ninth attempt may have begun before it works.
        if matches!(node.next().await, FenceEvent::Failed { .. }) {
            node.skip_pause();
            assert_eq!(node.success().await, "external/fickle");
        }
    });
}

#[test]
fn nothing_runs_before_the_pause_is_over() {
    bench(async |directory| {
        directory.plugin("bad", "exit 1");
        let mut node = Bench::new(&directory, &[("external/bad", "beta x")]);
        node.begin();
        node.failure().await;
        directory.calls();
        let due = node.fence.wake_at().unwrap();
        let early = due - Duration::from_micros(1);
        assert!(poll_fn(|cx| Poll::Ready(node.fence.poll(cx, early))).await.is_pending());
        assert!(matches!(node.fence.state(), FenceState::Fencing { device: None, .. }));
        assert!(poll_fn(|cx| Poll::Ready(node.fence.poll(cx, due))).await.is_pending());
        assert!(matches!(node.fence.state(), FenceState::Fencing { device: Some("external/bad"), .. }));
    });
}

#[test]
fn a_second_begin_changes_nothing() {
    bench(async |directory| {
        directory.plugin("bad", "exit 1");
        let mut node = Bench::new(&directory, &[("external/bad", "beta x")]);
        node.begin();
        node.begin();
        node.failure().await;
        let before = (format!("{:?}", node.fence.state()), node.fence.wake_at());
        node.begin();
        assert_eq!((format!("{:?}", node.fence.state()), node.fence.wake_at()), before);
        assert_eq!(directory.calls().iter().filter(|call| call.contains("reset")).count(), 1);
    });
}

#[test]
fn giving_up_kills_what_runs_before_it_can_fire() {
    bench(async |directory| {
        let child = r#"sh -c "echo \$\$ > $T/child.new; mv $T/child.new $T/child; exec sleep 1000""#;
        directory.plugin("slow", &format!("{child}; touch $T/fired"));
        let mut node = Bench::new(&directory, &[("external/slow", "beta x")]);
        node.begin();
        let child = directory.0.join("child");
        node.wait(|_| child.exists()).await;
        let pid = directory.read("child");
        assert!(alive(&pid));
        node.fence.give_up();
        assert_eq!(node.fence.state(), FenceState::Idle);
        node.wait(|_| !alive(&pid)).await;
        // And nothing of it is left to be waited for.
        node.wait(|fence| fence.killed.borrow().is_empty()).await;
        assert!(!directory.0.join("fired").exists());
        // It can begin anew.
        directory.plugin("slow", "exit 0");
        node.begin();
        assert_eq!(node.success().await, "external/slow");
        node.fence.give_up();
        assert!(matches!(node.fence.state(), FenceState::Confirmed { .. }), "what was confirmed stays so");
    });
}

#[test]
fn a_human_ends_it() {
    bench(async |directory| {
        directory.plugin("bad", "exit 1");
        let mut node = Bench::new(&directory, &[("external/bad", "beta x")]);
        node.begin();
        node.failure().await;
        let now = node.now();
        node.fence.vouch(now);
        assert_eq!(node.fence.state(), FenceState::Confirmed { by: "operator", at: now });
        assert_eq!(node.fence.wake_at(), None);
    });
}

#[test]
fn a_configuration_has_the_devices_of_this_node_and_a_reload_others() {
    bench(async |directory| {
        for name in ["first", "second", "theirs", "new"] {
            directory.plugin(name, "exit 1");
        }
        let lines = |lines: [(&str, &str); 3]| {
            lines.map(|(host, name)| format!("stonith_host {host} external/{name} beta x\n"))
        };
        let old = lines([("*", "first"), ("beta", "theirs"), ("ALPHA", "second")]).concat();
        let new = lines([("alpha", "new"), ("beta", "theirs"), ("beta", "first")]).concat();
        let mut node = Bench::new(&directory, &[]);
        with_config(&old, |config| node.fence.reload(config));
        node.begin();
        assert_eq!(node.failure().await.0, "external/first: reset: exit code 1; external/second: reset: exit code 1");
        with_config(&new, |config| node.fence.reload(config));
        node.skip_pause();
        assert_eq!(node.failure().await.0, "external/new: reset: exit code 1");
    });
}

fn with_config(stonith: &str, take: impl FnOnce(&Config<'_>)) {
    let ha_cf = format!("node alpha beta\nbaud 115200\nserial /dev/ttyS1\nbcast eth1\nauto_failback on\n{stonith}");
    let source = |name, text| Source { name, text };
    let (groups, keys) = (source("haresources", "alpha 10.0.0.1/24/eth0\n"), source("authkeys", "auth 1\n1 md5 x\n"));
    let mut found = Diagnostics::new();
    let config = conf::read(source("ha.cf", &ha_cf), groups, keys, "alpha", &mut found);
    take(&config.unwrap_or_else(|| panic!("{found:?}")));
}

#[test]
fn without_a_device_there_is_nothing_to_begin() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[]);
        node.begin();
        assert_eq!((node.fence.state(), node.fence.wake_at()), (FenceState::Idle, None));
    });
}
