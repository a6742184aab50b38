//! What a configuration guarantees, and what `exclusive on` refuses, through the public interface.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use lubdub::conf::{self, Config, Diagnostics, Fault, Guarantee, Means, Source, Ward};

const LINKS: &str = "baud 115200\nserial /dev/ttyS1\nbcast eth1\nnode alpha beta\nauto_failback on\ninitdead 60\n";
const TUTORIAL: &str = "alpha 192.168.20.100/24/eth0 ipvsadm\n";

/// Reads the files and hands the configuration to `judge`, with what it guarantees and the refusals as the console
/// shows them.
fn with(ha_cf: &str, haresources: &str, judge: impl FnOnce(&Config<'_>, &Guarantee, &str)) {
    let ha_cf = format!("{LINKS}{ha_cf}");
    let source = |name, text| Source { name, text };
    let (ha_cf, haresources) = (source("ha.cf", ha_cf.as_str()), source("haresources", haresources));
    let mut found = Diagnostics::new();
    let config = conf::read(ha_cf, haresources, source("authkeys", "auth 1\n1 md5 secret\n"), "alpha", &mut found);
    let config = config.unwrap_or_else(|| panic!("{found:?}"));
    let guarantee = Guarantee::of(&config, true);
    let mut refusals = Diagnostics::new();
    guarantee.judge(&config, &ha_cf, &haresources, &mut refusals);
    let shown: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(refusals.errors(), shown.len(), "each refusal is an error");
    judge(&config, &guarantee, &shown.join("\n"));
}

fn refusals(ha_cf: &str, haresources: &str) -> String {
    let mut all = String::new();
    with(ha_cf, haresources, |_, _, shown| shown.clone_into(&mut all));
    all
}

#[test]
fn exclusive_on_refuses_a_script_that_nothing_ends() {
    let expected = "haresources:1:30: error: `exclusive on`: nothing ends `ipvsadm` when the daemon is killed or frozen
  1 | alpha 192.168.20.100/24/eth0 ipvsadm
    |                              ^^^^^^^
  remedy: add `watchdog /dev/watchdog` or a `stonith_host` line to ha.cf";
    assert_eq!(refusals("deadtime 10\nexclusive on\n", TUTORIAL), expected);
    for guarded in ["watchdog /dev/watchdog", "stonith_host * external/ssh beta"] {
        assert_eq!(refusals(&format!("deadtime 10\nexclusive on\n{guarded}\n"), TUTORIAL), "");
    }
    assert_eq!(refusals("deadtime 10\nexclusive on\n", "alpha 192.168.20.100/24/eth0\n"), "");
    for lenient in ["auto", "off"] {
        assert_eq!(refusals(&format!("deadtime 10\nexclusive {lenient}\n"), TUTORIAL), "");
    }
}

#[test]
fn exclusive_on_refuses_a_watchdog_that_bites_too_late() {
    let fast = "keepalive 100ms\ndeadtime 300ms\nwatchdog /dev/watchdog\nexclusive on\n";
    let shown = refusals(fast, TUTORIAL);
    assert!(shown.contains("the watchdog bites too late: make deadtime at least 4369.350 ms"), "{shown}");
    // The remedy is one.
    assert_eq!(refusals(&fast.replace("300ms", "4370ms"), TUTORIAL), "");
    assert_eq!(refusals(&fast.replace("watchdog /dev/watchdog", ""), "alpha 10.0.0.1/24/eth0\n"), "");
}

#[test]
fn exclusive_on_refuses_a_deadtime_that_the_lease_outlasts() {
    let shown = refusals("keepalive 20ms\ndeadtime 60ms\nexclusive on\n", "alpha 10.0.0.1/24/eth0\n");
    assert!(shown.starts_with("ha.cf:9:11: error: `exclusive on`: deadtime (60 ms) ends before"), "{shown}");
    assert!(shown.contains("make deadtime at least 70.055 ms"), "{shown}");
    assert_eq!(refusals("keepalive 20ms\ndeadtime 71ms\nexclusive on\n", "alpha 10.0.0.1/24/eth0\n"), "");
}

#[test]
fn exclusive_on_refuses_what_no_probe_can_ask_for() {
    let groups = "# first\nalpha 10.0.0.1/24/eth1 \\\n web\nbeta backup\n";
    let shown = refusals("deadtime 10\nwatchdog /dev/watchdog\nexclusive on\n", groups);
    for place in ["haresources:2:7: ", "haresources:3:2: ", "haresources:4:6: "] {
        assert!(shown.contains(place), "{place} in\n{shown}");
    }
    assert!(shown.contains("send the beats over another interface"), "{shown}");
    assert_eq!(refusals("deadtime 10\nstonith_host * external/ssh beta\nexclusive on\n", groups), "");
}

#[test]
fn each_fault_has_its_guard() {
    with("deadtime 10\n", TUTORIAL, |config, guarantee, _| {
        let group = &config.groups[0];
        let wards: Vec<Ward> = group.resources().map(|resource| Ward::of(config, group, &resource)).collect();
        assert_eq!(wards, [Ward::Vip, Ward::Companion]);
        let means = |ward, fault| guarantee.guard(ward, fault).map(|guard| guard.means);
        assert_eq!(
            Fault::ALL.map(|fault| means(Ward::Vip, fault)),
            [Some(Means::Lease), Some(Means::Lease), None, Some(Means::Probes)]
        );
        assert_eq!(Fault::ALL.map(|fault| means(Ward::Companion, fault)), [None, None, None, Some(Means::Probes)]);
        assert_eq!(Fault::ALL.map(|fault| means(Ward::Lone, fault)), [None; 4]);
        assert_eq!(means(Ward::VipBesideBeats, Fault::CablesCut), None);
    });
    with("deadtime 10\nstonith_host * external/ssh beta\nwatchdog /dev/watchdog\n", TUTORIAL, |_, guarantee, _| {
        for ward in [Ward::Vip, Ward::VipBesideBeats, Ward::Companion, Ward::Lone] {
            assert_eq!(guarantee.gap(ward), None);
            assert!(Fault::ALL.into_iter().all(|fault| guarantee.guard(ward, fault).is_some()), "{ward:?}");
            let paused = guarantee.guard(ward, Fault::MachineFrozen).unwrap();
            assert_eq!(paused.means, Means::Stonith, "the one that a pause does not stop");
        }
    });
}

/// Nobody takes over before what ends by itself has ended.
#[test]
fn no_guard_is_later_than_the_takeover() {
    for deadtime in ["30ms", "60ms", "300ms", "1", "2", "2100ms", "3", "5", "10", "30", "3600"] {
        for exclusive in ["auto", "on", "off"] {
            let ha_cf = format!("keepalive 10ms\ndeadtime {deadtime}\ninitdead 3600\nwatchdog /dev/watchdog\n");
            with(&format!("{ha_cf}exclusive {exclusive}\n"), "alpha 10.0.0.1/24/eth0\n", |_, guarantee, _| {
                for ward in [Ward::Vip, Ward::VipBesideBeats, Ward::Companion, Ward::Lone] {
                    for guard in Fault::ALL.into_iter().filter_map(|fault| guarantee.guard(ward, fault)) {
                        let ends = matches!(guard.means, Means::Lease | Means::Watchdog);
                        assert!(!ends || guard.within <= guarantee.lease.takeover, "{deadtime} {ward:?} {guard:?}");
                    }
                }
            });
        }
    }
}
