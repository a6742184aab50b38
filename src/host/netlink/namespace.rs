//! A network namespace for each test, so that tests disturb neither this machine nor each other.

use std::process::Command;
use std::thread;

use lubdub::time::Duration;
use nix::sched::{CloneFlags, unshare};

use crate::host::clock;

/// No carrier takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a test in a thread with an empty network namespace of its own; the kernel takes it down with the thread.
pub fn inside(test: impl FnOnce() + Send + 'static) {
    let outcome = thread::spawn(|| {
        if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
            panic!("this test needs a network namespace (CAP_SYS_ADMIN): {errno}; run it as root or under unshare -r");
        }
        ip("link set lo up");
        test();
    })
    .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// `eth0`, with `lan0` at the other end of its cable, both up and running.
pub fn ethernet() {
    ip("link add eth0 type veth peer name lan0");
    ip("link set lan0 up");
    ip("link set eth0 up");
    let begun = clock::now();
    // The kernel notes a carrier up to a second later (net/core/link_watch.c).
    while ip("link show").matches("state UP").count() < 2 {
        assert!(clock::now().since(begun) < PATIENCE, "no carrier: {}", ip("link show"));
    }
}

/// `ip ARGUMENTS` of iproute2, which must succeed; returns what it printed.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("iproute2 is installed");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "ip {arguments}: {err}");
    out.into_owned()
}

/// The addresses of an interface as `ip` shows them, one a line: address, broadcast, flags and label.
pub fn addresses(interface: &str) -> Vec<String> {
    let shown = ip(&format!("-4 -o address show dev {interface}"));
    shown.lines().filter_map(|line| Some(line.split_once("inet ")?.1.split_once('\\')?.0.trim().to_owned())).collect()
}
