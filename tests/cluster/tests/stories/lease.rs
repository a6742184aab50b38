//! The kernel ends the VIP of an owner that does not renew it, and the VIP itself is asked before anybody takes it: no
//! fault that `check` calls covered gets two answers to one question of the client, in either kind of lease.
//!
//! Five rounds of each fault here; the full numbers come from `cargo run --release -p lubdub-cluster-tests -- --rounds 200`.

use std::thread;
use std::time::Duration;

use lubdub_cluster_tests::trial::{Fault, Lease, Promise, pass, print, rounds};
use lubdub_cluster_tests::{FAILOVER, GROUP, SECOND, SOON, UNNOTICED, asking, gap, running, said, says, settled, sh};
use lubdub_lab::{Error, Judge, Lab, Node, Pair, Result};

const ROUNDS: usize = 5;

/// Faults of which several can be watched at the same time: a pair at work takes a tenth of a processor.
fn together(lease: Lease, faults: &[Fault]) -> Result<()> {
    let trial = |fault| move || rounds(lease, fault, ROUNDS, None);
    let tallies: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = faults.iter().map(|fault| scope.spawn(trial(*fault))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (number, tally) in tallies.into_iter().enumerate() {
        let tally = tally?;
        print(&tally, number == 0, &mut std::io::stderr())?;
        // The proof that the client would have seen them.
        let expected = tally.fault.promise() == Promise::Nothing;
        assert_eq!(tally.doubles > 0, expected, "{}", tally.fault.name());
    }
    Ok(())
}

#[test]
fn whose_daemon_dies_on_a_lease_of_milliseconds() -> Result<()> {
    together(Lease::Fine, &[Fault::Killed, Fault::Respawned, Fault::Frozen, Fault::Thawed])
}

#[test]
fn whose_links_are_cut_on_a_lease_of_milliseconds() -> Result<()> {
    together(Lease::Fine, &[Fault::LinksCut, Fault::PowerOffWhileCut, Fault::FrozenWhileCut, Fault::LanHealsFirst])
}

#[test]
fn whose_service_lan_is_lost_on_a_lease_of_milliseconds() -> Result<()> {
    let reboot = Fault::SwitchReboot(Lease::Fine.deadtime() * 3);
    together(Lease::Fine, &[Fault::CutOff, Fault::BlindStandby, reboot])
}

#[test]
fn whose_daemon_dies_on_a_lease_of_seconds() -> Result<()> {
    together(Lease::Address, &[Fault::Killed, Fault::Respawned, Fault::Frozen, Fault::Thawed])
}

#[test]
fn whose_paths_are_cut_on_a_lease_of_seconds() -> Result<()> {
    let cuts = [Fault::LinksCut, Fault::PowerOffWhileCut, Fault::FrozenWhileCut, Fault::LanHealsFirst];
    together(Lease::Address, &[&cuts[..], &[Fault::CutOff, Fault::BlindStandby]].concat())
}

/// As long as a switch takes to come up: three and thirty times deadtime.
#[test]
fn whose_switch_reboots_for_ten_seconds_with_every_path() -> Result<()> {
    let reboot = Fault::SwitchReboot(SECOND * 10);
    let trial = |lease| move || rounds(lease, reboot, 1, None);
    let tallies: Vec<_> = thread::scope(|scope| {
        let running = Lease::ALL.map(|lease| scope.spawn(trial(lease)));
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (number, tally) in tallies.into_iter().enumerate() {
        let tally = tally?;
        print(&tally, number == 0, &mut std::io::stderr())?;
        assert_eq!(tally.doubles, 0, "{}", tally.fault.name());
    }
    Ok(())
}

#[test]
fn a_respawn_leaves_connections_alone() -> Result<()> {
    Lease::ALL.into_iter().try_for_each(|lease| {
        let lab = running(adopting(lease))?;
        let one = lab.node1();
        sh(one, &format!("perl -e '{ECHO_SERVER}' < /dev/null > /dev/null 2>&1 &"))?;
        let judge = asking(&lab, one)?;
        let talk = thread::scope(|scope| {
            let client = scope.spawn(|| lab.client_exec(&["perl", "-e", ECHO_CLIENT, "700"], SOON * 2));
            pass(&judge, SECOND / 2);
            one.kill()?;
            one.start()?;
            client.join().unwrap()
        })?;
        assert_eq!(talk.ok()?, "700 answers on one connection\n");
        unmoved(&lab, judge, lease)
    })
}

/// The kernel tells in whole seconds what is left of an address's lifetime, so that one of 1 s cannot be adopted: 4 s.
fn adopting(lease: Lease) -> Pair {
    match lease {
        Lease::Fine => lease.pair(),
        Lease::Address => lease.pair().with_ha_cf("deadtime 3", "deadtime 6").with_ha_cf("initdead 6", "initdead 12"),
    }
}

fn unmoved(lab: &Lab, judge: Judge, lease: Lease) -> Result<()> {
    let [one, two] = lab.nodes();
    settled(lab, one)?;
    assert_eq!(said(one, "192.168.20.100/24 removed"), 0, "what was left is adopted");
    let verdict = judge.verdict();
    assert!(gap(lease.name(), &verdict) < UNNOTICED + verdict.late);
    assert_eq!(verdict.doubles, []);
    assert!(verdict.announcements.iter().all(|announcement| announcement.mac == one.mac()));
    assert_eq!(said(two, "takeover"), 0);
    Ok(())
}

const ECHO_SERVER: &str = r#"
use IO::Socket::INET;
my $door = IO::Socket::INET->new(LocalAddr => "192.168.20.100:7007", Listen => 1, ReuseAddr => 1) or die;
my $caller = $door->accept;
print $caller $_ while <$caller>;
"#;

const ECHO_CLIENT: &str = r#"
use IO::Socket::INET;
alarm 30;
my $line;
for (1 .. 100) {
    last if $line = IO::Socket::INET->new("192.168.20.100:7007");
    select undef, undef, undef, 0.05;
}
$line or die "no connection";
for my $number (1 .. $ARGV[0]) {
    print $line "$number\n";
    <$line> eq "$number\n" or die "no answer to $number";
    select undef, undef, undef, 0.005;
}
print "$ARGV[0] answers on one connection\n";
"#;

#[test]
fn a_lone_node_that_respawns_within_its_lease_goes_on() -> Result<()> {
    Lease::ALL.into_iter().try_for_each(|lease| {
        let lab = widow(adopting(lease))?;
        let one = lab.node1();
        let judge = asking(&lab, one)?;
        one.kill()?;
        one.start()?;
        says(one, "left by a former run with its lease unexpired, and nobody else is heard: adopted")?;
        pass(&judge, lease.deadtime());
        let verdict = judge.verdict();
        assert!(gap("adopted", &verdict) < UNNOTICED + verdict.late);
        one.await_status(SOON, |status| status.holds(GROUP)).map(drop)
    })
}

#[test]
fn a_lone_node_that_respawns_after_its_lease_starts_clean() -> Result<()> {
    Lease::ALL.into_iter().try_for_each(|lease| {
        let lab = widow(lease.pair())?;
        let one = lab.node1();
        let judge = asking(&lab, one)?;
        one.kill()?;
        judge.await_silence(Duration::from_millis(50), SOON)?;
        one.start()?;
        one.await_status(SOON, |status| status.holds(GROUP))?;
        judge.await_owner(one.mac(), SOON)?;
        assert_eq!(said(one, "adopted"), 0);
        Ok(())
    })
}

/// node2 has no power, and node1 knows it.
fn widow(pair: Pair) -> Result<Lab> {
    let lab = running(pair)?;
    let [one, two] = lab.nodes();
    two.power_off()?;
    one.await_status(SOON, |status| status.peer.state == "dead")?;
    Ok(lab)
}

#[test]
fn who_is_blind_takes_nothing_even_from_the_dead() -> Result<()> {
    let lab = running(Lease::Fine.pair())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    lab.lan().cut(1)?;
    one.power_off()?;
    says(two, "nothing on the service LAN answers this node")?;
    await_blind(two)?;
    pass(&judge, FAILOVER);
    await_blind(two)?;
    lab.lan().mend(1)?;
    judge.await_owner(two.mac(), SECOND * 2)?;
    assert_eq!(judge.verdict().doubles, []);
    Ok(())
}

fn await_blind(node: &Node) -> Result<()> {
    let blind = node.await_status(SOON, |status| status.group(GROUP).is_some_and(|group| group.held_off.is_some()))?;
    let group = blind.group(GROUP).ok_or_else(|| Error::new("no such group"))?;
    assert_eq!((group.held_off.as_deref(), group.state.as_str()), (Some("blind"), "stopped"));
    Ok(())
}

#[test]
fn both_cut_both_say_so_and_the_exit_code_too() -> Result<()> {
    let lab = running(Lease::Fine.pair())?;
    let [one, two] = lab.nodes();
    lab.cut_heartbeats()?;
    says(two, "ALARM split suspected: every heartbeat link has been silent for")?;
    says(two, "ALARM group 192.168.20.100/24/eth0: not taken over: its VIP is in use")?;
    one.await_status(SOON, |status| status.peer.state == "split-suspected")?;
    for node in lab.nodes() {
        assert_eq!(lubdub_cluster_tests::exit_code(node, "lubdub status")?, Some(1));
    }
    lab.mend_heartbeats()?;
    settled(&lab, one)
}
