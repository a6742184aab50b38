//! VIPs on a lease: with the loop's part played by the test, and the kernel's by the kernel.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use lubdub::time::Duration;

use super::bench::{Bench, Directory, Ear, QUICK, bench};
use crate::host::clock;
use crate::host::netlink::namespace::{Listener, Station, addresses, addresses6, ip};
use crate::host::netlink::{Kernel, Lifetime};
use crate::host::resources::*;

const VIP: &str = "192.168.20.100/24/eth0";
const VIP6: &str = "2001:db8::100/64/eth0";
const BOTH: &str = "192.168.20.100/24/eth0 2001:db8::100/64/eth0";
const SHOWN: &str = "192.168.20.100/24 brd 192.168.20.255 scope global dynamic eth0:0";
const SHOWN6: &str = "2001:db8::100/64 scope global nodad deprecated dynamic";
const SECOND: Duration = Duration::from_secs(1);

fn address(vip: &str) -> IpAddr {
    vip.split('/').next().unwrap().parse().unwrap()
}

/// What the kernel says is left of a VIP; none when it is not there.
fn left(vip: &str) -> Option<Lifetime> {
    let mut listed = Kernel::new().unwrap().addresses().unwrap().into_iter();
    listed.find(|a| a.address == address(vip)).map(|a| a.lifetime())
}

/// Deletes a VIP as somebody else would.
fn take_away(vip: &str) {
    let mut kernel = Kernel::new().unwrap();
    let entry = kernel.addresses().unwrap().into_iter().find(|a| a.address == address(vip)).unwrap();
    kernel.delete(&entry).unwrap();
}

fn assert_announced(ear: &Ear, vips: &[&str]) {
    let heard = ear.heard();
    for vip in vips {
        assert!(heard.iter().any(|(_, announced, _)| *announced == address(vip)), "{vip}: {heard:?}");
    }
}

impl Bench {
    /// A beat was sent just now, and pays for a lease of so many seconds.
    fn beat(&mut self, seconds: u64) -> Instant {
        let now = clock::now();
        let until = now + Duration::from_secs(seconds);
        self.resources.renew(until, now);
        until
    }

    /// A node that holds all its groups on a lease of so many seconds; until when.
    async fn leased(directory: &Directory, groups: &[&str], seconds: u64) -> (Self, Instant) {
        let mut node = Self::new(directory, groups);
        node.resources.require_lease(true);
        let until = node.beat(seconds);
        for number in 0..groups.len() {
            node.resources.run(number, Verb::Start);
            assert_eq!(node.done(number).await, (Verb::Start, StepResult::Done));
        }
        (node, until)
    }

    /// Waits until a group lapses, or it is clear that none does.
    async fn lapse(&mut self) -> usize {
        self.wait(|event| if let Event::Lapsed { group } = event { Some(group) } else { None }).await
    }
}

#[test]
fn nothing_is_added_before_a_beat_has_paid_for_it() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[BOTH]);
        node.resources.require_lease(true);
        node.resources.run(0, Verb::Start);
        assert_eq!((node.linger(50).await, left(VIP), left(VIP6)), (vec![], None, None));
        node.beat(3);
        assert_eq!(node.done(0).await, (Verb::Start, StepResult::Done));
        assert_eq!((addresses("eth0"), addresses6("eth0")), (vec![SHOWN.to_owned()], vec![SHOWN6.to_owned()]));
        assert_eq!((left(VIP), left(VIP6)), (Some(Lifetime::Seconds(3)), Some(Lifetime::Seconds(3))));
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!((left(VIP), left(VIP6)), (None, None));
        assert_eq!(node.resources.late_renewals(), 0);
    });
}

#[test]
fn a_start_for_which_no_beat_ever_pays_fails() {
    bench(async |directory| {
        let mut node = Bench::with(QUICK, &directory, &[VIP]);
        node.resources.require_lease(true);
        assert_eq!(node.step(Verb::Start).await, StepResult::Failed);
        assert!(node.line("no beat has paid").is_some());
    });
}

#[test]
fn what_is_added_between_two_renewals_gets_what_remains_rounded_down() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP, VIP6]);
        let until = node.beat(2);
        node.linger(20).await;
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(left(VIP), Some(Lifetime::Seconds(1)));
        // With less than a second left the other one waits for a beat, and is there right after it.
        node.linger((until - SECOND).since(clock::now()).as_millis() + 20).await;
        node.resources.run(1, Verb::Start);
        assert_eq!(node.linger(50).await, []);
        assert_eq!(left(VIP6), None);
        node.beat(2);
        assert_eq!(node.done(1).await, (Verb::Start, StepResult::Done));
        assert_eq!((left(VIP), left(VIP6)), (Some(Lifetime::Seconds(2)), Some(Lifetime::Seconds(2))));
    });
}

#[test]
fn connections_do_not_notice_a_renewal_and_nobody_else_hears_more_than_it() {
    bench(async |directory| {
        let station = Station::with(&["192.168.20.9/24", "2001:db8::9/64"]);
        ip("address add 192.168.20.10/24 brd + dev eth0");
        ip("address add 2001:db8::10/64 dev eth0 nodad");
        let (mut node, _) = Bench::leased(&directory, &[BOTH], 3).await;
        let mut connections: Vec<(TcpStream, TcpStream)> = Vec::new();
        for vip in [VIP, VIP6] {
            let listener = TcpListener::bind((address(vip), 0)).unwrap();
            let to: SocketAddr = listener.local_addr().unwrap();
            let client = station.run(move || TcpStream::connect(to).unwrap());
            connections.push((client, listener.accept().unwrap().0));
        }
        let routes = || ip("route show table all") + &ip("-6 route show table main");
        let before = routes();
        let mut everybody = Listener::new();
        for number in 0..100_u8 {
            node.beat(3);
            for (client, server) in &mut connections {
                let mut byte = [0];
                client.write_all(&[number]).unwrap();
                server.read_exact(&mut byte).unwrap();
                server.write_all(&byte).unwrap();
                client.read_exact(&mut byte).unwrap();
                assert_eq!(byte, [number]);
            }
        }
        assert_eq!(node.linger(20).await, [], "nothing to tell of its own renewals");
        assert_eq!(routes(), before);
        // A busy machine is late for some: before one, which is left then, or during it, and then what remains follows.
        let late = node.resources.late_renewals() as usize;
        assert!(late < 50, "{late} of 100 renewals were late");
        // RTM_NEWADDR, one for each address and renewal.
        let heard = everybody.heard();
        let renewals = |vip| heard.iter().filter(|message| **message == (20, Some(address(vip)))).count();
        let each = renewals(VIP);
        assert!((100 - late..=100 + late).contains(&each), "{each} messages, {late} renewals late");
        assert_eq!((renewals(VIP6), heard.len()), (each, 2 * each));
    });
}

#[test]
fn a_vip_taken_away_is_put_back_while_the_lease_is_young() {
    bench(async |directory| {
        let (mut node, until) = Bench::leased(&directory, &[BOTH], 5).await;
        // Past the moment in which the whole lease counts.
        node.linger(10).await;
        let ear = Ear::new();
        for vip in [VIP, VIP6] {
            take_away(vip);
            node.until(|_, _| left(vip).is_some()).await;
            let Some(Lifetime::Seconds(seconds)) = left(vip) else { panic!("it is there for ever") };
            assert!(Duration::from_secs(seconds.into()) <= until.since(clock::now()) + SECOND && seconds < 5);
        }
        assert_eq!((addresses("eth0"), addresses6("eth0")), (vec![SHOWN.to_owned()], vec![SHOWN6.to_owned()]));
        assert_announced(&ear, &[VIP, VIP6]);
        assert_eq!((node.put_back("192.168.20.100"), node.put_back("2001:db8::100")), (1, 1));
    });
}

#[test]
fn a_renewal_of_what_was_taken_away_counts_as_putting_it_back() {
    bench(async |directory| {
        let (mut node, _) = Bench::leased(&directory, &[BOTH], 2).await;
        // In the second half nothing can be put back: the kernel takes no part of a second.
        node.linger(1_050).await;
        take_away(VIP);
        take_away(VIP6);
        assert_eq!(node.linger(50).await, []);
        let ear = Ear::new();
        node.beat(2);
        assert_eq!((left(VIP), left(VIP6)), (None, None), "the renewal itself adds nothing");
        node.until(|node, _| node.put_back("192.168.20.100") + node.put_back("2001:db8::100") == 2).await;
        assert_eq!((left(VIP), left(VIP6)), (Some(Lifetime::Seconds(2)), Some(Lifetime::Seconds(2))));
        assert_announced(&ear, &[VIP, VIP6]);
    });
}

#[test]
fn without_beats_every_group_lapses_at_the_end_of_the_lease_and_stays_gone() {
    bench(async |directory| {
        let mine = "192.168.20.10/24 brd 192.168.20.255 scope global eth0";
        let groups = ["192.168.20.100/24/eth0 192.168.20.101/24/eth0", VIP6, "script"];
        directory.service("script");
        let (mut node, until) = Bench::leased(&directory, &groups, 1).await;
        // The VIP was there first: it is the primary of this node's own address.
        ip("address add 192.168.20.10/24 brd + dev eth0");
        let ear = Ear::new();
        assert_eq!((node.lapse().await, node.lapse().await), (0, 1));
        let late = clock::now().since(until);
        assert!(late < Duration::from_millis(500), "{late:?}");
        assert_eq!((addresses("eth0"), left(VIP6)), (vec![mine.to_owned()], None));
        // Not even by a beat; and the script's group has no lease.
        ear.heard();
        node.beat(1);
        let after = node.linger(1_200).await;
        assert!(after.iter().all(|event| matches!(event, Event::Carrier { .. })), "{after:?}");
        assert_eq!((addresses("eth0"), left(VIP6), ear.heard().len()), (vec![mine.to_owned()], None, 0));
        assert_eq!(std::fs::read_to_string("/proc/sys/net/ipv4/conf/eth0/promote_secondaries").unwrap().trim(), "0");
        // A new start is a new life.
        node.beat(1);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(left(VIP), Some(Lifetime::Seconds(1)));
    });
}

#[test]
fn a_node_that_slept_longer_than_its_lease_removes_what_is_left_before_it_renews() {
    bench(async |directory| {
        let (mut node, until) = Bench::leased(&directory, &[BOTH], 2).await;
        // As after a suspend, in which the kernel's count stands still.
        node.resources.end_leases(until);
        assert_eq!((left(VIP), left(VIP6)), (None, None));
        node.beat(2);
        assert_eq!((left(VIP), left(VIP6)), (None, None));
        assert_eq!(node.lapse().await, 0);
    });
}

#[test]
fn a_killed_daemon_loses_its_vips_and_nothing_else() {
    bench(async |directory| {
        let (mut node, until) = Bench::leased(&directory, &[BOTH], 1).await;
        ip("address add 192.168.20.10/24 brd + dev eth0");
        let mut everybody = Listener::new();
        // Nobody polls it any more: the kernel does it.
        everybody.removals(&[address(VIP), address(VIP6)]);
        assert!(clock::now() + Duration::from_millis(50) > until);
        assert_eq!(addresses("eth0"), ["192.168.20.10/24 brd 192.168.20.255 scope global eth0"]);
        // Renewed by a loop that was stopped between its look at the clock and the call, it would come back.
        node.beat(1);
        assert_eq!((left(VIP), left(VIP6)), (None, None));
        assert_eq!(node.lapse().await, 0);
    });
}

#[test]
fn a_renewal_later_than_its_beat_allows_is_left_out_and_counted() {
    bench(async |directory| {
        let (mut node, _) = Bench::leased(&directory, &[VIP], 2).await;
        let late = clock::now() - Duration::from_millis(6);
        node.resources.renew(late + Duration::from_secs(9), late);
        assert_eq!((left(VIP), node.resources.late_renewals()), (Some(Lifetime::Seconds(2)), 1));
        // A part of a second is no lease either.
        let now = clock::now();
        node.resources.renew(now + Duration::from_millis(900), now);
        assert_eq!((left(VIP), node.resources.late_renewals()), (Some(Lifetime::Seconds(2)), 1));
    });
}

#[test]
fn a_renewal_is_due_when_half_of_the_lease_is_over() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        assert!(node.resources.vips.borrow().renew_due(clock::now()));
        let until = node.beat(4);
        assert!(!node.resources.vips.borrow().renew_due(until - Duration::from_millis(2_001)));
        assert!(node.resources.vips.borrow().renew_due(until - Duration::from_millis(2_000)));
    });
}

#[test]
fn no_lease_is_required_any_more() {
    bench(async |directory| {
        let (mut node, until) = Bench::leased(&directory, &[BOTH], 1).await;
        node.resources.require_lease(false);
        assert_eq!((left(VIP), left(VIP6)), (Some(Lifetime::Forever), Some(Lifetime::Forever)));
        node.linger(until.since(clock::now()).as_millis() + 50).await;
        assert_eq!((left(VIP), left(VIP6)), (Some(Lifetime::Forever), Some(Lifetime::Forever)));
    });
}

#[test]
fn another_addresss_prefix_route_outlives_the_vip() {
    bench(async |directory| {
        // As a router's advertisement gives it.
        ip("address add 2001:db8::10/64 dev eth0 nodad valid_lft 1000 preferred_lft 1000");
        let (mut node, _) = Bench::leased(&directory, &[VIP6], 1).await;
        node.beat(1);
        // Of the route's own thousand seconds, not the VIP's one.
        let lasts = || {
            let route = ip("-6 route show 2001:db8::/64 dev eth0");
            route.contains("expires 99") || route.contains("expires 1000")
        };
        assert!(lasts());
        take_away(VIP6);
        node.beat(1);
        node.until(|_, _| left(VIP6).is_some()).await;
        assert!(lasts());
    });
}

/// An inventory of the first group: what it found.
async fn inventory(node: &mut Bench) -> Option<Instant> {
    node.resources.run(0, Verb::Inventory);
    let mut found = None;
    let result = node.wait(|event| match event {
        Event::Found { group: 0, until } => {
            found = Some(until);
            None
        }
        Event::Done { group: 0, verb: Verb::Inventory, result } => Some(result),
        _ => None,
    });
    assert_eq!(result.await, StepResult::Done);
    found
}

#[test]
fn an_inventory_finds_a_leased_leftover_and_a_start_goes_on_with_it() {
    bench(async |directory| {
        directory.service("web");
        let group = format!("{BOTH} web");
        let (former, until) = Bench::leased(&directory, &[&group], 5).await;
        directory.calls();
        drop(former);
        let mut node = Bench::new(&directory, &[&group]);
        node.resources.require_lease(true);
        let mut everybody = Listener::new();
        let found = inventory(&mut node).await.expect("it is all there");
        assert!(found <= until && found + SECOND + SECOND > until, "{found:?} {until:?}");
        node.beat(5);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!((left(VIP), left(VIP6)), (Some(Lifetime::Seconds(5)), Some(Lifetime::Seconds(5))));
        assert!(node.line("192.168.20.100/24 on eth0:0 was there already, announced").is_some());
        // RTM_NEWADDR and nothing else: neither was gone for a moment.
        assert!(everybody.heard().iter().all(|(kind, _)| *kind == 20));
        assert_eq!(directory.calls(), ["web status"]);
        assert_eq!(node.step(Verb::Drop).await, StepResult::Done);
    });
}

#[test]
fn an_inventory_finds_no_leftover_that_is_not_whole_leased_and_in_its_place() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[BOTH]);
        let vips = |first: &str, second: &str| {
            ip("address flush dev eth0 scope global");
            ip("address flush dev lan0 scope global");
            ip(&format!("address add {first}"));
            ip(&format!("address add {second}"));
        };
        let (four, six) = ("192.168.20.100/24 dev eth0", "2001:db8::100/64 dev eth0 nodad");
        let leased = "valid_lft 9 preferred_lft 9";
        let cases = [
            (format!("{four} {leased}"), format!("{six} {leased}"), true),
            // Somebody else's, for ever.
            (four.to_owned(), format!("{six} {leased}"), false),
            (format!("{four} {leased}"), six.to_owned(), false),
            (four.to_owned(), six.to_owned(), false),
            // One is not there, or has another prefix, or is elsewhere, or cannot be used.
            (format!("{four} {leased}"), format!("2001:db8::101/64 dev eth0 nodad {leased}"), false),
            (format!("192.168.20.100/25 dev eth0 {leased}"), format!("{six} {leased}"), false),
            (format!("192.168.20.100/24 dev lan0 {leased}"), format!("{six} {leased}"), false),
            (format!("{four} {leased}"), format!("2001:db8::100/64 dev eth0 {leased}"), false),
            // Up to a second of what the kernel tells may be over.
            (format!("{four} valid_lft 1 preferred_lft 1"), format!("{six} {leased}"), false),
        ];
        for (first, second, expected) in cases {
            vips(&first, &second);
            let before = ip("-o address show scope global").lines().count();
            assert_eq!(inventory(&mut node).await.is_some(), expected, "{first}, {second}");
            assert_eq!(ip("-o address show scope global").lines().count(), before, "nothing is touched");
        }
    });
}

#[test]
fn an_inventory_takes_the_lesser_of_two_leases() {
    bench(async |directory| {
        let (former, _) = Bench::leased(&directory, &[BOTH], 9).await;
        drop(former);
        let mut node = Bench::new(&directory, &[BOTH]);
        let six = address(VIP6);
        let finer = move |vip| Some(Duration::from_millis(if vip == six { 150 } else { 200 }));
        node.resources.limit_by(Box::new(finer));
        let begun = clock::now();
        let found = inventory(&mut node).await.expect("both are there");
        assert!(found >= begun + Duration::from_millis(150) && found <= clock::now() + Duration::from_millis(150));
        // One has run out.
        node.resources.limit_by(Box::new(move |vip| (vip != six).then_some(SECOND)));
        assert_eq!(inventory(&mut node).await, None);
    });
}

#[test]
fn an_inventory_of_a_group_without_a_vip_finds_nothing_to_adopt() {
    bench(async |directory| {
        directory.service("web");
        let mut node = Bench::new(&directory, &["web"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        directory.calls();
        assert_eq!(inventory(&mut node).await, None);
        assert_eq!(directory.calls(), [""; 0]);
    });
}

#[test]
fn an_address_for_ever_is_leased_from_its_start_on_and_the_other_way_round() {
    bench(async |directory| {
        ip("address add 192.168.20.100/24 brd + dev eth0 label eth0:7");
        let (mut node, _) = Bench::leased(&directory, &[VIP], 3).await;
        assert_eq!(addresses("eth0"), ["192.168.20.100/24 brd 192.168.20.255 scope global dynamic eth0:7"]);
        node.beat(5);
        assert_eq!(left(VIP), Some(Lifetime::Seconds(5)));
        let mut other = Bench::new(&directory, &[VIP]);
        assert_eq!(other.step(Verb::Start).await, StepResult::Done);
        assert_eq!(left(VIP), Some(Lifetime::Forever));
    });
}
