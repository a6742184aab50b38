//! cluster-glue's own plug-ins and program, as far as they run without hardware. In a network namespace with nothing in
//! it: whatever they would like to reach, nobody is there.

use std::io::{self, Write};
use std::path::Path;

use super::bench::{Bench, bench};
use crate::host::fence::{Limits, PLUGINS};
use crate::host::netlink::namespace::inside;
use crate::host::script::executable;

/// Whether this machine has what a test needs; says so when it has not.
fn has(program: &str) -> bool {
    let there = executable(Path::new(program));
    if !there {
        // Past the harness, which shows nothing of tests that pass.
        let _ = writeln!(io::stderr(), "SKIPPED: {program} is not there; install cluster-glue");
    }
    there
}

fn with_glue(program: &'static str, devices: &'static [(&str, &str)], test: impl AsyncFnOnce(Bench) + Send + 'static) {
    if has(program) {
        inside(move || {
            bench(async |directory| {
                test(Bench::with(&directory, Path::new(PLUGINS), Limits::default(), devices)).await;
            });
        });
    }
}

#[test]
fn external_ssh_resets_a_host_that_does_not_answer() {
    let ssh = "/usr/lib/stonith/plugins/external/ssh";
    with_glue(ssh, &[("external/ssh", "alpha beta")], async |mut node| {
        node.begin();
        assert_eq!(node.success().await, "external/ssh");
    });
    with_glue(ssh, &[("external/ssh", "hostlist=alpha,beta livedangerously=yes")], async |mut node| {
        node.begin();
        assert_eq!(node.success().await, "external/ssh");
    });
    with_glue(ssh, &[("external/ssh", "alpha gamma")], async |mut node| {
        node.begin();
        assert!(node.failure().await.0.contains("beta is not among its hosts"));
    });
}

#[test]
fn external_ipmi_without_a_bmc_fails_and_its_messages_are_in_our_log() {
    let devices = &[("external/ipmi", "beta 192.0.2.1 admin hunter2 lan")];
    with_glue("/usr/lib/stonith/plugins/external/ipmi", devices, async |mut node| {
        node.begin();
        let (text, _) = node.failure().await;
        assert!(text.starts_with("external/ipmi: reset: "), "{text}");
        let logged = node.logged();
        assert!(logged.contains("ERROR: ") && !logged.contains("hunter2"), "{logged}");
    });
    let short = &[("external/ipmi", "beta 192.0.2.1 admin")];
    with_glue("/usr/lib/stonith/plugins/external/ipmi", short, async |mut node| {
        node.begin();
        let expected =
            "its parameter passwd is missing; it has, in this order: hostname ipaddr userid passwd interface";
        assert!(node.failure().await.0.contains(expected));
    });
}

#[test]
fn the_program_confirms_for_the_hosts_of_its_type_alone() {
    with_glue("/usr/sbin/stonith", &[("null", "alpha beta")], async |mut node| {
        node.begin();
        assert_eq!(node.success().await, "null");
    });
    // By itself it would confirm a host that it does not know.
    with_glue("/usr/sbin/stonith", &[("null", "gamma")], async |mut node| {
        node.begin();
        assert!(node.failure().await.0.contains("null: beta is not among its hosts"));
    });
}
