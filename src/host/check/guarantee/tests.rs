use super::{COLUMNS, Fine, Statement};
use lubdub::conf::{self, Diagnostics, Guarantee, Source};
use std::fmt::Write;

const LINKS: &str = "baud 115200\nserial /dev/ttyS1\nbcast eth1\nnode alpha beta\nauto_failback on\ninitdead 60\n";
const TUTORIAL: &str = "alpha 192.168.20.100/24/eth0 ipvsadm\n";

/// What is said of a configuration, for people and as JSON.
fn said(ha_cf: &str, haresources: &str, fine: Fine) -> (String, String) {
    let ha_cf = format!("{LINKS}{ha_cf}");
    let source = |name, text| Source { name, text };
    let authkeys = source("authkeys", "auth 1\n1 md5 secret\n");
    let mut found = Diagnostics::new();
    let config = conf::read(source("ha.cf", &ha_cf), source("haresources", haresources), authkeys, "alpha", &mut found);
    let config = config.unwrap_or_else(|| panic!("{found:?}"));
    let guarantee = Guarantee::of(&config, fine.is_available());
    let statement = Statement::new(&config, guarantee, fine);
    (statement.to_string(), statement.to_json())
}

/// The same words on one line.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_tutorial_is_told_in_full() {
    let (text, json) = said("deadtime 10\n", TUTORIAL, Fine::Present);
    let expected = "
One owner (exclusive auto): a silent peer is taken over after 10000 ms.
- lease 8000 ms: the kernel ends an address that is not renewed
- a stop that fails: its script is killed, its VIPs are removed, it is tried
  again; then a person ends it; `stop_failure reboot` restarts the node instead

                  VIP                     ipvsadm, scripts
daemon killed     lease 9375 ms           nothing
daemon frozen     lease 9375 ms           nothing
machine frozen    nothing                 nothing
both cables cut   probes 30 ms            probes 30 ms

  lease: so long after its last beat the old owner has no VIP
  probes: so long they ask; while the VIP is answered it is not taken

Not covered:
- every path cut, both cables and the service LAN: two owners until one heals;
  `ping` nodes end it
- both cables and the service LAN pulled at once: an owner that sees no carrier
  gives its VIPs up after 10000 ms
- a paused machine, whose clocks stand still: two answer for up to 1003 ms when
  it goes on
- ipvsadm and scripts of a killed or frozen daemon run on beside the peer's:
  `watchdog` or `stonith_host` ends them

`lubdub check --json` has the table for each resource.
`lease`, `exclusive` and `stop_failure` are lubdub's own: Heartbeat refuses
them.
";
    assert_eq!(text, expected);
    assert_eq!(
        json,
        "{\"exclusive\":\"auto\",\"takeover_ms\":10000,\
         \"lease\":{\"ms\":8000,\"kind\":\"address\",\"gone_ms\":9375},\"fine_lease\":true,\
         \"watchdog\":null,\"stop_failure\":\"hold\",\"stonith\":[],\"resources\":[\
         {\"group\":\"192.168.20.100/24/eth0\",\"resource\":\"192.168.20.100/24/eth0\",\"one_owner\":true,\
         \"daemon_killed\":{\"by\":\"lease\",\"ms\":9375},\"daemon_frozen\":{\"by\":\"lease\",\"ms\":9375},\
         \"machine_frozen\":null,\"cables_cut\":{\"by\":\"probes\",\"ms\":30}},\
         {\"group\":\"192.168.20.100/24/eth0\",\"resource\":\"ipvsadm\",\"one_owner\":false,\
         \"daemon_killed\":null,\"daemon_frozen\":null,\
         \"machine_frozen\":null,\"cables_cut\":{\"by\":\"probes\",\"ms\":30}}],\
         \"not_covered\":[\"every-path-cut\",\"cables-and-lan-pulled\",\"machine-paused\",\"scripts-run-on\"]}"
    );
}

#[test]
fn a_watchdog_and_stonith_fill_the_gaps() {
    let (text, json) = said("deadtime 10\nwatchdog /dev/watchdog\n", TUTORIAL, Fine::Present);
    assert!(text.contains("\nmachine frozen    watchdog 8023 ms        watchdog 8023 ms\n"), "{text}");
    let text = unwrapped(&text);
    assert!(text.contains("its watchdog too") && !text.contains("run on beside"), "{text}");
    assert!(json.contains("\"watchdog\":{\"timeout_ms\":6000,\"in_time\":true}"), "{json}");
    let (text, json) = said("deadtime 10\nstonith_host * external/ssh a\n", TUTORIAL, Fine::Present);
    assert!(text.contains("\ndaemon killed     lease 9375 ms           stonith 10000 ms\n"), "{text}");
    assert!(json.contains("\"not_covered\":[\"fencing-out-of-reach\"]"), "{json}");
    assert!(!json.contains("null}") && !text.contains("nothing\n"), "{text}{json}");
}

/// L3: nothing is reset that no line asks for, and whatever is asked for is said.
#[test]
fn the_last_rung_of_a_stop_that_fails_is_told() {
    for (ha_cf, last, word) in [
        ("", "a person ends it", "hold"),
        ("watchdog /dev/watchdog\n", "/dev/watchdog resets the node after 3 tries", "reboot"),
        ("stop_failure reboot\n", "the node restarts itself after 3 tries", "reboot"),
        ("watchdog /dev/watchdog\nstop_failure hold\n", "a person ends it", "hold"),
    ] {
        let (text, json) = said(&format!("deadtime 10\n{ha_cf}"), TUTORIAL, Fine::Present);
        assert!(unwrapped(&text).contains(&format!("it is tried again; then {last}")), "{ha_cf}{text}");
        assert!(json.contains(&format!("\"stop_failure\":\"{word}\"")), "{ha_cf}{json}");
    }
}

#[test]
fn ping_nodes_cover_every_path_cut() {
    let pings = "deadtime 10\nping 192.168.20.1\nping_group routers 192.168.20.2 192.168.20.3\n";
    let (text, json) = said(pings, TUTORIAL, Fine::Present);
    assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
    let text = unwrapped(&text);
    assert!(text.contains("3 `ping` nodes: a node that none of them answers takes no VIP"), "{text}");
    assert!(text.contains("the isolated owner gives its VIPs up after 10000 ms"), "{text}");
    assert!(text.contains("while each node reaches a `ping` node") && !text.contains("pulled at once"), "{text}");
    assert!(json.contains("\"not_covered\":[\"every-path-cut-both-answered\",\"machine-paused\""), "{json}");
    let (text, _) = said("deadtime 10\nping 192.168.20.1\nstonith_host * external/ssh a\n", TUTORIAL, Fine::Present);
    assert!(!unwrapped(&text).contains("every path cut, both"), "{text}");
}

#[test]
fn milliseconds_need_nf_tables() {
    let fast = "keepalive 100ms\ndeadtime 300ms\nwatchdog /dev/watchdog\n";
    let (text, _) = said(fast, TUTORIAL, Fine::Assumed);
    assert!(text.contains("after 300 ms.") && text.contains("lease 279 ms: nf_tables (assumed here)"), "{text}");
    let text = unwrapped(&text);
    assert!(text.contains("too late") && text.contains("a longer deadtime or `stonith_host` ends them"), "{text}");
    let (text, json) = said(fast, TUTORIAL, Fine::Absent("no such subsystem".into()));
    assert!(text.contains("after 2368 ms.") && text.contains("which would fit: no such subsystem"), "{text}");
    assert!(json.contains("\"fine_lease\":false") && json.contains("\"takeover_ms\":2368"), "{json}");
    let (text, _) = said("deadtime 10\n", TUTORIAL, Fine::Absent("no such subsystem".into()));
    assert!(!text.contains("no such subsystem"), "an address lease fits: {text}");
}

#[test]
fn exclusive_off_waits_for_deadtime_and_asks_all_the_same() {
    let (text, _) = said("deadtime 10\nlease 60\nexclusive off\n", TUTORIAL, Fine::Present);
    assert!(text.contains("(exclusive off): a silent peer is taken over after 10000 ms."), "{text}");
    assert!(text.contains("\ndaemon killed     probes 30 ms            nothing\n"), "{text}");
    assert!(text.contains("are lubdub's own: Heartbeat"), "{text}");
}

/// The words are marked where one is in ha.cf or in the text, and not where Heartbeat's own say everything.
#[test]
fn what_heartbeat_refuses_is_marked() {
    let marked =
        |ha_cf: &str| said(&format!("deadtime 10\n{ha_cf}"), TUTORIAL, Fine::Present).0.contains("lubdub's own");
    assert!(marked("") && marked("stop_failure reboot\n") && marked("watchdog /dev/watchdog\nstop_failure hold\n"));
    assert!(marked("watchdog /dev/watchdog\nlease 3\n") && !marked("watchdog /dev/watchdog\n"));
}

/// The remedy that is named is taken, and is none itself.
#[test]
fn a_lease_that_a_respawn_cannot_adopt_is_told() {
    let adopts = |ha_cf: &str, fine| !unwrapped(&said(ha_cf, TUTORIAL, fine).0).contains("is not adopted by");
    let absent = || Fine::Absent("no such subsystem".into());
    assert!(adopts("deadtime 10\n", Fine::Present) && adopts("keepalive 100ms\ndeadtime 300ms\n", Fine::Present));
    let (text, _) = said("keepalive 200ms\ndeadtime 3\n", TUTORIAL, Fine::Present);
    assert!(unwrapped(&text).contains("and its VIPs go down; `lease 1900ms` is adopted"), "{text}");
    assert!(adopts("keepalive 200ms\ndeadtime 3\nlease 1900ms\n", Fine::Present));
    let (text, _) = said("keepalive 100ms\ndeadtime 300ms\n", TUTORIAL, absent());
    assert!(unwrapped(&text).contains("one of 2 s is adopted, with `deadtime 3369ms`"), "{text}");
    assert!(adopts("keepalive 100ms\ndeadtime 3369ms\n", absent()));
    assert!(!adopts("keepalive 100ms\ndeadtime 3368ms\n", absent()), "it is the least");
}

#[test]
fn what_differs_is_named_by_its_key_and_no_line_is_too_long() {
    let mut groups = String::from("alpha 10.0.0.1/24/eth0 web\nbeta backup\n");
    (2..20).for_each(|n| writeln!(groups, "beta 10.0.0.{n}/24/eth1 ftp{n}").unwrap());
    let (text, _) = said("deadtime 10\n", &groups, Fine::Present);
    assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
    let cut = text.split("both cables cut").nth(1).unwrap();
    assert!(cut.contains("but 10.0.0.2/24/eth1, 10.0.0.3/24/eth1,"), "{text}");
    assert!(cut.contains("but backup, ftp2 of 10.0.0.2/24/eth1,"), "{text}");
    assert!(unwrapped(&text).contains("a group without a VIP is not started"), "{text}");
    assert_eq!(said("", "", Fine::Present).0, "", "nothing to own");
}
