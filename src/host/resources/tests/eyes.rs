//! What is seen of a VIP on a LAN with other stations: kernels of their own at a switch.

use std::future::poll_fn;
use std::os::fd::AsRawFd;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use super::bench::{Bench, Ear, bench, item};
use crate::host::arp;
use crate::host::clock;
use crate::host::eyes::{Sight, Sighting};
use crate::host::netlink::namespace::{Station, ethernet, ip, switch};
use crate::host::resources::*;
use lubdub::node::By;

const V4: &str = "192.168.20.100/24/eth0";
const V6: &str = "2001:db8::100/64/eth0";
const FAR: [u8; 6] = [2, 0, 0, 0, 0, 5];
const KEEPALIVE: Duration = Duration::from_millis(100);

impl Bench {
    fn look(&mut self, groups: Groups) {
        self.resources.look(groups, KEEPALIVE, clock::now());
    }

    /// What is seen of the first group within `millis`, with the time since now in microseconds.
    async fn watch(&mut self, millis: u64) -> Vec<(Sighting, u64)> {
        let begun = clock::now();
        let until = begun + Duration::from_millis(millis);
        let mut seen = Vec::new();
        while let Some(event) = self.next(until).await {
            if let Event::Seen(sighting) = event {
                seen.push((sighting, clock::now().since(begun).as_micros()));
            }
        }
        seen
    }

    /// What is seen until so many more rounds were begun.
    async fn rounds(&mut self, number: usize) -> Vec<(Sighting, u64)> {
        let mut seen = Vec::new();
        let begun = clock::now();
        while probes(&seen).len() < number {
            let sighting = self.wait(|event| if let Event::Seen(seen) = event { Some(seen) } else { None }).await;
            seen.push((sighting, clock::now().since(begun).as_micros()));
        }
        seen
    }

    async fn sight(&mut self) -> Sight {
        self.wait(|event| if let Event::Seen(Sighting::Eyes { sight, .. }) = event { Some(sight) } else { None }).await
    }

    async fn answer(&mut self) -> By {
        self.wait(|event| if let Event::Seen(Sighting::Answered { by, .. }) = event { Some(by) } else { None }).await
    }

    async fn probe(&mut self) {
        self.wait(|event| matches!(event, Event::Seen(Sighting::Probed { .. })).then_some(())).await;
    }

    /// Until this many stations were heard.
    async fn hears(&mut self, stations: &[Station]) {
        for station in stations {
            station.speak();
        }
        self.linger(20).await;
    }
}

fn answers(seen: &[(Sighting, u64)]) -> Vec<By> {
    let by = |seen: &(Sighting, u64)| if let Sighting::Answered { by, .. } = seen.0 { Some(by) } else { None };
    seen.iter().filter_map(by).collect()
}

fn probes(seen: &[(Sighting, u64)]) -> Vec<u64> {
    seen.iter().filter(|(seen, _)| matches!(seen, Sighting::Probed { .. })).map(|(_, at)| *at).collect()
}

fn sights(seen: &[(Sighting, u64)]) -> Vec<Sight> {
    let sight = |seen: &(Sighting, u64)| if let Sighting::Eyes { sight, .. } = seen.0 { Some(sight) } else { None };
    seen.iter().filter_map(sight).collect()
}

/// What the eyes are if it tells that; counts the probes since the last answer.
fn told_or_counted(event: &Event, unanswered: &mut u32) -> Option<Sight> {
    match event {
        Event::Seen(Sighting::Probed { .. }) => *unanswered += 1,
        Event::Seen(Sighting::Answered { .. }) => *unanswered = 0,
        Event::Seen(Sighting::Eyes { sight, .. }) => return Some(*sight),
        _ => {}
    }
    None
}

/// The port forwards, or it does not although it keeps its carrier.
fn forwards(port: &str, yes: bool) {
    // As spanning tree has it: listening or forwarding (linux/if_bridge.h).
    ip(&format!("link set {port} type bridge_slave state {}", if yes { 3 } else { 1 }));
}

#[test]
fn the_peer_answers() {
    bench(async |directory| {
        for (vip, there) in [(V4, "192.168.20.100/24"), (V6, "2001:db8::100/64")] {
            let stations = switch(&[&[there]]);
            let mut node = Bench::new(&directory, &[vip]);
            node.resources.know_peer(&[stations[0].mac()], clock::now());
            node.linger(50).await;
            node.look(1);
            let seen = node.rounds(13).await;
            let probed = probes(&seen);
            assert!(probed[12] - probed[10] >= 200_000, "slow in the end: {probed:?}");
            assert!(answers(&seen).len() >= 12, "{seen:?}");
            assert!(answers(&seen).iter().all(|by| *by == By::Peer), "{seen:?}");
            assert_eq!(sights(&seen), [Sight::Open], "no other station was ever heard");
            drop((node, stations));
            ip("link del switch0");
            ip("link del eth0");
            ethernet();
        }
    });
}

#[test]
fn a_peer_that_is_asked_by_unicast_answers_too() {
    bench(async |directory| {
        let stations = switch(&[&["2001:db8::100/64"]]);
        // As a switch that looks into multicast and knows of no listener.
        ip("link set port1 type bridge_slave mcast_flood off");
        let mut node = Bench::new(&directory, &[V6]);
        node.look(1);
        assert_eq!(answers(&node.rounds(4).await), []);
        node.resources.know_peer(&[stations[0].mac()], clock::now());
        assert_eq!(node.answer().await, By::Peer);
    });
}

#[test]
fn another_than_the_peer_answers() {
    bench(async |directory| {
        let _stations = switch(&[&["192.168.20.100/24", "2001:db8::100/64"]]);
        let mut node = Bench::new(&directory, &[V4, V6]);
        node.look(0b11);
        // The peer has told nothing yet.
        assert_eq!(node.answer().await, By::Stranger);
        node.resources.know_peer(&[FAR], clock::now());
        let seen = node.watch(100).await;
        for group in [0, 1] {
            assert!(seen.iter().any(|(seen, _)| *seen == Sighting::Answered { group, by: By::Stranger }), "{seen:?}");
        }
        assert!(!answers(&seen).contains(&By::Peer));
    });
}

#[test]
fn nobody_answers() {
    bench(async |directory| {
        let _stations = switch(&[]);
        let mut node = Bench::new(&directory, &[&format!("{V4} {V6}")]);
        node.linger(50).await;
        node.look(1);
        let seen = node.rounds(5).await;
        assert_eq!((answers(&seen), sights(&seen)), (vec![], vec![Sight::Open]));
        assert!(probes(&seen)[2] >= 20_000, "{seen:?}");
        node.look(0);
        assert_eq!(node.watch(150).await, []);
    });
}

#[test]
fn what_this_node_answers_itself_is_not_told() {
    bench(async |directory| {
        let _stations = switch(&[]);
        // A second interface in the same LAN, by which the kernel answers for any of its addresses.
        ip("link add eth1 type veth peer name port9");
        ip("link set port9 master switch0 up");
        ip("link set eth1 up");
        let mut node = Bench::new(&directory, &[V4]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        let ear = Ear::at("eth0");
        node.look(1);
        let seen = node.rounds(5).await;
        assert!(ear.about("192.168.20.100").contains(&2), "it did answer");
        assert_eq!(answers(&seen), []);
    });
}

#[test]
fn an_owner_hears_its_peer_announce_without_asking() {
    bench(async |directory| {
        let stations = switch(&[&[]]);
        let mut node = Bench::new(&directory, &[V4]);
        node.resources.know_peer(&[stations[0].mac()], clock::now());
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        stations[0].ip("address add 192.168.20.100/24 dev lan1");
        stations[0].speak();
        assert_eq!(node.answer().await, By::Peer);
    });
}

#[test]
fn a_reload_ends_the_looking_and_brings_other_vips() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.101/24"]]);
        let mut node = Bench::new(&directory, &[V4]);
        node.resources.know_peer(&[stations[0].mac()], clock::now());
        node.look(1);
        node.probe().await;
        let plan = GroupPlan { key: "web".to_owned(), items: vec![item("192.168.20.101/24/eth0")] };
        node.resources.reload(vec![plan], &[None], &[false]);
        assert_eq!(probes(&node.watch(150).await), []);
        node.look(1);
        assert_eq!(node.answer().await, By::Peer);
    });
}

#[test]
fn blind_without_a_carrier() {
    bench(async |directory| {
        let _stations = switch(&[]);
        let mut node = Bench::new(&directory, &[V4]);
        node.linger(20).await;
        node.look(1);
        assert_eq!(node.sight().await, Sight::Open);
        ip("link set lan0 down");
        assert_eq!(node.sight().await, Sight::Cut);
        let seen = node.watch(250).await;
        assert_eq!((probes(&seen), sights(&seen)), (vec![], vec![]));
        ip("link set lan0 up");
        assert_eq!(node.sight().await, Sight::Open);
        node.probe().await;
    });
}

#[test]
fn a_carrier_is_told_of_unasked() {
    bench(async |directory| {
        let _stations = switch(&[]);
        let mut node = Bench::new(&directory, &[V4]);
        assert_eq!(sights(&node.watch(100).await), [], "nothing is out of the ordinary");
        ip("link set lan0 down");
        assert_eq!(node.sight().await, Sight::Cut);
        ip("link set lan0 up");
        assert_eq!(node.sight().await, Sight::Closed);
        // The looking ends while the carrier is away: that it is back is told all the same.
        node.look(1);
        assert_eq!(node.sight().await, Sight::Open);
        ip("link set lan0 down");
        assert_eq!(node.sight().await, Sight::Cut);
        node.look(0);
        ip("link set lan0 up");
        assert_eq!(node.sight().await, Sight::Closed);
    });
}

#[test]
fn a_carrier_that_goes_is_noticed_before_the_kernel_tells() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.100/24"]]);
        let mut node = Bench::new(&directory, &[V4]);
        node.resources.know_peer(&[stations[0].mac()], clock::now());
        node.look(1);
        assert_eq!(sights(&node.rounds(11).await), [Sight::Open], "no other station was ever heard");
        ip("link set lan0 down");
        let mut unanswered = 0;
        let sight = node.wait(|event| told_or_counted(&event, &mut unanswered)).await;
        assert_eq!((sight, unanswered < 3), (Sight::Cut, true), "{unanswered}");
    });
}

#[test]
fn blind_without_an_interface() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &["192.168.20.100/24/eth7"]);
        node.look(1);
        let seen = node.watch(250).await;
        assert_eq!((probes(&seen), sights(&seen)), (vec![], vec![Sight::Cut]));
    });
}

#[test]
fn one_station_that_answers_opens_the_eyes() {
    // By a question from this node's own address, and from none.
    for own in [Some("192.168.20.10/24"), None] {
        bench(async move |directory| {
            let stations = switch(&[&["192.168.20.1/24"], &["192.168.20.2/24"], &["192.168.20.3/24"]]);
            own.map(|own| ip(&format!("address add {own} dev eth0")));
            let mut node = Bench::new(&directory, &[V4]);
            node.linger(50).await;
            node.hears(&stations).await;
            // Two are gone.
            forwards("port1", false);
            forwards("port2", false);
            node.look(1);
            let seen = node.rounds(4).await;
            assert_eq!(sights(&seen), [Sight::Closed, Sight::Open]);
            let opened = seen.iter().find(|(seen, _)| matches!(seen, Sighting::Eyes { sight: Sight::Open, .. }));
            eprintln!("eyes open {} us after the looking began", opened.unwrap().1);
        });
    }
}

#[test]
fn blind_behind_a_switch_that_forwards_nothing() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.1/24"], &["192.168.20.2/24"]]);
        let mut node = Bench::new(&directory, &[V4]);
        node.linger(50).await;
        node.hears(&stations).await;
        forwards("lan0", false);
        node.look(1);
        // It asks all the same.
        assert_eq!(sights(&node.rounds(12).await), [Sight::Closed]);
        forwards("lan0", true);
        assert_eq!(node.sight().await, Sight::Open);
    });
}

#[test]
fn an_answering_peer_and_then_a_switch_that_forwards_nothing() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.100/24"], &["192.168.20.2/24"]]);
        let mut node = Bench::new(&directory, &[V4]);
        node.resources.know_peer(&[stations[0].mac()], clock::now());
        node.linger(50).await;
        node.hears(&stations[1..]).await;
        node.look(1);
        assert_eq!(sights(&node.rounds(12).await), [Sight::Closed, Sight::Open]);
        forwards("lan0", false);
        let mut unanswered = 0;
        let sight = node.wait(|event| told_or_counted(&event, &mut unanswered)).await;
        assert_eq!(sight, Sight::Closed, "the proof of before is void");
        assert!(unanswered < 3, "{unanswered}");
    });
}

#[test]
fn a_peer_that_falls_silent_beside_a_station_that_answers() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.100/24"], &["192.168.20.2/24"]]);
        let mut node = Bench::new(&directory, &[V4]);
        node.resources.know_peer(&[stations[0].mac()], clock::now());
        node.linger(50).await;
        node.hears(&stations[1..]).await;
        node.look(1);
        node.rounds(12).await;
        stations[0].ip("address del 192.168.20.100/24 dev lan1");
        let gone = clock::now();
        let mut unanswered = 0;
        while unanswered < 3 {
            match node.next(gone + Duration::from_secs(5)).await {
                Some(Event::Seen(Sighting::Probed { .. })) => unanswered += 1,
                Some(Event::Seen(Sighting::Answered { .. })) => unanswered = 0,
                Some(Event::Seen(Sighting::Eyes { sight, .. })) => panic!("{sight:?}"),
                Some(_) => {}
                None => panic!("no probes"),
            }
        }
        eprintln!(
            "third unanswered probe {} us after the last answer was possible",
            clock::now().since(gone).as_micros()
        );
    });
}

#[test]
fn forged_claims_do_not_hide_the_peer() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.100/24"]]);
        let mut node = Bench::new(&directory, &[V4]);
        node.resources.know_peer(&[stations[0].mac()], clock::now());
        node.linger(50).await;
        let flood = Flood::new();
        node.look(1);
        let begun = clock::now();
        let (mut probed, mut by_peer, mut by_strangers) = (0, 0, 0);
        while clock::now().since(begun) < Duration::from_millis(500) {
            flood.send(200);
            for (seen, _) in node.watch(2).await {
                match seen {
                    Sighting::Probed { .. } => probed += 1,
                    Sighting::Answered { by: By::Peer, .. } => by_peer += 1,
                    Sighting::Answered { by: By::Stranger, .. } => by_strangers += 1,
                    Sighting::Asked { .. } | Sighting::Eyes { .. } => {}
                }
            }
        }
        eprintln!("{probed} probes, answered {by_peer} times by the peer; told of strangers {by_strangers} times");
        assert!(probed >= 8 && by_peer >= probed - 1);
        assert!((1..=100).contains(&by_strangers), "a pause after each turn's worth");
    });
}

/// Another station's claims of the VIP, sent at the other end of eth0's cable.
struct Flood(std::os::fd::OwnedFd, LinkAddr);

impl Flood {
    fn new() -> Self {
        let lan = nix::net::if_::if_nametoindex("lan0").unwrap() as usize;
        let mut links = getifaddrs().unwrap().filter_map(|entry| Some(*entry.address?.as_link_addr()?));
        let link = links.find(|link| link.ifindex() == lan).unwrap();
        Self(socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None).unwrap(), link)
    }

    fn send(&self, frames: u8) {
        for number in 0..frames {
            let frame = arp::announcements([2, 7, 7, 7, 7, number], [192, 168, 20, 100].into())[1];
            assert_eq!(sendto(self.0.as_raw_fd(), &frame, &self.1, MsgFlags::empty()), Ok(frame.len()));
        }
    }
}

#[test]
fn what_is_answered_is_there_before_the_reactor_has_looked() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.100/24"]]);
        let mut node = Bench::new(&directory, &[V4]);
        node.resources.know_peer(&[stations[0].mac()], clock::now());
        node.linger(50).await;
        node.look(1);
        node.probe().await;
        // The answer came while the probe was being sent: this cable is within one kernel.
        node.resources.sweep(clock::now());
        assert_eq!(node.resources.told(), Some(Event::Seen(Sighting::Answered { group: 0, by: By::Peer })));
    });
}

#[test]
fn figures() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.100/24"]]);
        let mut node = Bench::new(&directory, &[V4]);
        node.resources.know_peer(&[stations[0].mac()], clock::now());
        node.linger(50).await;
        let (mut round_trips, mut thirds) = (Vec::new(), Vec::new());
        for _ in 0..30 {
            let begun = clock::now();
            node.look(1);
            for number in 0..8 {
                node.probe().await;
                let probed = clock::now();
                if number == 2 {
                    thirds.push(probed.since(begun).as_micros());
                }
                assert_eq!(node.answer().await, By::Peer);
                round_trips.push(clock::now().since(probed).as_micros());
            }
            node.look(0);
            node.linger(20).await;
        }
        let mut minutes = Vec::new();
        for number in 1..50 {
            let (begun, later) = (clock::now(), clock::now() + Duration::from_secs(61 * number));
            let _ = poll_fn(|cx| Poll::Ready(node.resources.poll(cx, later))).await;
            minutes.push(clock::now().since(begun).as_micros());
        }
        for (what, figures) in [
            ("answer after probe", &mut round_trips),
            ("third probe after look", &mut thirds),
            ("once a minute", &mut minutes),
        ] {
            figures.sort_unstable();
            let (count, last) = (figures.len(), figures.last().unwrap());
            eprintln!("{what}: median {} us, max {last} us of {count}", figures[count / 2]);
        }
        assert!(round_trips[round_trips.len() / 2] < 10_000);
    });
}
