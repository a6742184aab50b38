//! `ping` nodes at a switch: kernels that answer echo requests, and stations that forge answers.

use lubdub::node::{Eyes, Groups, Input, Timing};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket};

use super::bench::{Bench, bench, item};
use crate::host::clock;
use crate::host::eyes::{PingNode, Sight, Sighting};
use crate::host::netlink::namespace::{ip, switch};
use crate::host::resources::*;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

const V4: &str = "192.168.20.100/24/eth0";
const MS: fn(u64) -> Duration = Duration::from_millis;
/// As in the tutorial, with room for a busy machine between a question and its answer.
const DEADTIME: u64 = 600;

impl Bench {
    fn ping(&mut self, addresses: &[&str]) {
        let node = |address: &&str| PingNode { address: address.parse().unwrap(), group: None };
        let timing = Timing { keepalive: MS(100), warntime: MS(300), deadtime: MS(DEADTIME), initdead: MS(3_000) };
        let reasons = self.resources.ping(addresses.iter().map(node).collect(), timing, clock::now());
        assert_eq!(reasons, [""; 0]);
    }

    fn answering(&self) -> Vec<Option<bool>> {
        self.resources.pings().map(|ping| ping.answers).collect()
    }

    /// Until the first group's eyes are so.
    async fn sees(&mut self, wanted: Sight) {
        self.wait(|event| match event {
            Event::Seen(Sighting::Eyes { sight, group: 0 }) if sight == wanted => Some(()),
            _ => None,
        })
        .await;
    }
}

fn seen(events: &[Event]) -> Vec<Sight> {
    let sight = |event: &Event| if let Event::Seen(Sighting::Eyes { sight, .. }) = event { Some(*sight) } else { None };
    events.iter().filter_map(sight).collect()
}

/// The port forwards, or it does not although it keeps its carrier.
fn forwards(port: &str, yes: bool) {
    // As spanning tree has it: listening or forwarding (linux/if_bridge.h).
    ip(&format!("link set {port} type bridge_slave state {}", if yes { 3 } else { 1 }));
}

#[test]
fn stations_of_both_families_answer_and_one_that_falls_silent_is_told() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.1/24", "2001:db8::1/64"], &["192.168.20.2/24"]]);
        ip("address add 192.168.20.10/24 dev eth0");
        ip("address add 2001:db8::10/64 dev eth0 nodad");
        let mut node = Bench::new(&directory, &[V4]);
        node.ping(&["192.168.20.1", "2001:db8::1", "192.168.20.2"]);
        node.until(|node, _| node.answering() == [Some(true); 3]).await;
        let quiet = node.linger(1_500).await;
        assert_eq!(quiet, [], "nothing is told as long as all is well");
        forwards("port2", false);
        let events = node.until(|node, _| node.answering()[2] == Some(false)).await;
        assert!(
            matches!(&events[..], [Event::Ping(news)] if !news.answers && news.node.address.to_string() == "192.168.20.2")
        );
        forwards("port2", true);
        let events = node.until(|node, _| node.answering()[2] == Some(true)).await;
        assert!(
            matches!(&events[..], [Event::Ping(news)] if news.answers && news.silent >= MS(DEADTIME)),
            "{events:?}"
        );
        drop(stations);
    });
}

#[test]
fn silence_of_all_is_told_unasked_and_so_is_its_end() {
    bench(async |directory| {
        let _stations = switch(&[&["192.168.20.1/24"], &["192.168.20.2/24"]]);
        ip("address add 192.168.20.10/24 dev eth0");
        let mut node = Bench::new(&directory, &[V4]);
        node.ping(&["192.168.20.1", "192.168.20.2"]);
        node.until(|node, _| node.answering() == [Some(true); 2]).await;
        forwards("port1", false);
        let events = node.until(|node, _| node.answering()[0] == Some(false)).await;
        assert_eq!(seen(&events), [], "the other one answers");
        forwards("port2", false);
        node.sees(Sight::Silent).await;
        assert_eq!(node.answering(), [Some(false); 2]);
        forwards("port1", true);
        node.sees(Sight::Closed).await;
    });
}

#[test]
fn without_a_carrier_they_are_not_waited_for() {
    bench(async |directory| {
        let _stations = switch(&[&["192.168.20.1/24"]]);
        ip("address add 192.168.20.10/24 dev eth0");
        let mut node = Bench::new(&directory, &[V4]);
        node.ping(&["192.168.20.1"]);
        node.until(|node, _| node.answering() == [Some(true)]).await;
        ip("link set lan0 down");
        node.sees(Sight::Cut).await;
        let events = node.until(|node, _| node.answering() == [Some(false)]).await;
        assert_eq!(seen(&events), [Sight::Silent], "a carrier that comes and goes does not begin deadtime anew");
        ip("link set lan0 up");
        let events = node.until(|node, events| !seen(events).is_empty() && node.answering() == [Some(true)]).await;
        assert!(!seen(&events).contains(&Sight::Open), "nothing is looked for: {events:?}");
    });
}

#[test]
fn while_a_vip_is_looked_for_without_a_carrier_the_silence_of_ping_nodes_is_what_is_told() {
    bench(async |directory| {
        let _stations = switch(&[&["192.168.20.1/24"]]);
        ip("address add 192.168.20.10/24 dev eth0");
        let mut node = Bench::new(&directory, &[V4]);
        node.ping(&["192.168.20.1"]);
        node.until(|node, _| node.answering() == [Some(true)]).await;
        node.resources.look(1 as Groups, MS(100), clock::now());
        node.sees(Sight::Open).await;
        forwards("port1", false);
        ip("link set lan0 down");
        node.sees(Sight::Cut).await;
        let events = node.until(|node, _| node.answering() == [Some(false)]).await;
        assert_eq!(seen(&events), [Sight::Silent]);
        // A carrier that comes and goes changes nothing as long as they are silent.
        ip("link set lan0 up");
        assert_eq!(seen(&node.linger(300).await), []);
        ip("link set lan0 down");
        assert_eq!(seen(&node.linger(300).await), []);
        forwards("port1", true);
        ip("link set lan0 up");
        node.sees(Sight::Open).await;
    });
}

#[test]
fn while_a_vip_is_looked_for_a_ping_node_opens_the_eyes_and_no_other_station() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.1/24"], &["192.168.20.2/24"]]);
        ip("address add 192.168.20.10/24 dev eth0");
        let mut node = Bench::new(&directory, &[V4]);
        node.ping(&["192.168.20.1"]);
        node.until(|node, _| node.answering() == [Some(true)]).await;
        stations[1].speak();
        node.linger(20).await;
        node.resources.look(1 as Groups, MS(100), clock::now());
        node.sees(Sight::Open).await;
        node.resources.look(0, MS(100), clock::now());
        forwards("port1", false);
        node.resources.look(1, MS(100), clock::now());
        let events = node.until(|_, events| seen(events).contains(&Sight::Silent)).await;
        let sights = seen(&events);
        assert!(!sights.contains(&Sight::Open) && sights.contains(&Sight::Closed), "{sights:?}");
        assert_eq!(node.answering(), [Some(false)]);
        forwards("port1", true);
        node.sees(Sight::Open).await;
        let told: Input<'_> = Sighting::Eyes { group: 0, sight: Sight::Silent }.into();
        assert!(matches!(told, Input::Eyes { group: 0, eyes: Eyes::Silent }));
    });
}

#[test]
fn a_forged_answer_does_not_speak_for_a_silent_station() {
    bench(async |directory| {
        let stations = switch(&[&["192.168.20.1/24"], &["192.168.20.2/24"]]);
        ip("address add 192.168.20.10/24 dev eth0");
        let mut node = Bench::new(&directory, &[V4]);
        node.ping(&["192.168.20.1"]);
        node.until(|node, _| node.answering() == [Some(true)]).await;
        // The true one is away; another has its address and answers every identifier, but knows no token.
        forwards("port1", false);
        stations[1].ip("address add 192.168.20.1/32 dev lan2");
        ip("neighbour flush dev eth0");
        stations[1].run(|| std::fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1").unwrap());
        let flood = |begun: Instant| {
            let flags = SockFlag::SOCK_NONBLOCK;
            let raw = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Icmp).unwrap();
            let to = SockaddrIn::new(192, 168, 20, 10, 0);
            let mut number = 0_u16;
            while clock::now() < begun + MS(2 * DEADTIME) {
                number = number.wrapping_add(1);
                for sequence in 1..=8_u16 {
                    let echo = crate::host::icmp::Echo { id: number, number: sequence, token: [0; 8] };
                    let mut message = echo.request("192.168.20.10".parse::<IpAddr>().unwrap());
                    // A request of 8 becomes an answer of 0, and its sum grows by that.
                    let sum = u32::from(u16::from_be_bytes([message[2], message[3]])) + 0x0800;
                    let sum = (sum & 0xffff) + (sum >> 16);
                    message[0] = 0;
                    message[2..4].copy_from_slice(&(sum as u16).to_be_bytes());
                    let _ = sendto(raw.as_raw_fd(), &message, &to, MsgFlags::MSG_DONTWAIT);
                }
            }
        };
        let begun = clock::now();
        std::thread::scope(|scope| {
            scope.spawn(|| stations[1].run(move || flood(begun)));
        });
        node.sees(Sight::Silent).await;
        assert_eq!(node.answering(), [Some(false)]);
    });
}

/// The bits of groups that a reload has no more must not pass for silence that was told.
#[test]
fn silence_is_told_at_once_also_after_a_reload() {
    bench(async |directory| {
        let _stations = switch(&[&["192.168.20.1/24"]]);
        ip("address add 192.168.20.10/24 dev eth0");
        let mut node = Bench::new(&directory, &[V4]);
        node.ping(&["192.168.20.1"]);
        node.until(|node, _| node.answering() == [Some(true)]).await;
        forwards("port1", false);
        node.sees(Sight::Silent).await;
        let plan = GroupPlan { key: "web".to_owned(), items: vec![item(V4)] };
        node.resources.reload(vec![plan], &[None], &[false]);
        // It is so still, and the group of this number may be another one.
        node.sees(Sight::Silent).await;
        forwards("port1", true);
        node.sees(Sight::Closed).await;
        forwards("port1", false);
        let begun = clock::now();
        node.sees(Sight::Silent).await;
        // Not with the next look at the interfaces, a minute later.
        assert!(clock::now().since(begun) < MS(10_000));
    });
}

/// The kernel answers for its own addresses, whatever becomes of the LAN.
#[test]
fn the_own_address_of_a_node_says_nothing() {
    bench(async |directory| {
        let _stations = switch(&[&["192.168.20.1/24"]]);
        ip("address add 192.168.20.10/24 dev eth0");
        ip("address add 2001:db8::10/64 dev eth0 nodad");
        let mut node = Bench::new(&directory, &[V4]);
        node.ping(&["192.168.20.10", "2001:db8::10", "192.168.20.1"]);
        node.until(|node, _| node.answering() == [Some(false), Some(false), Some(true)]).await;
        forwards("port1", false);
        node.sees(Sight::Silent).await;
    });
}

#[test]
fn other_nodes_after_a_reload_begin_anew() {
    bench(async |directory| {
        let _stations = switch(&[&["192.168.20.1/24"]]);
        ip("address add 192.168.20.10/24 dev eth0");
        let mut node = Bench::new(&directory, &[V4]);
        node.ping(&["192.168.20.77"]);
        node.sees(Sight::Silent).await;
        node.ping(&["192.168.20.1"]);
        node.sees(Sight::Closed).await;
        node.until(|node, _| node.answering() == [Some(true)]).await;
        node.ping(&["192.168.20.77"]);
        node.sees(Sight::Silent).await;
        node.ping(&[]);
        node.sees(Sight::Closed).await;
        assert_eq!(node.answering(), []);
    });
}
