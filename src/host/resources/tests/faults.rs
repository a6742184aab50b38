//! What can happen to an interface with VIPs, each for both families.

use lubdub::time::Duration;

use super::bench::{Bench, Ear, bench};
use crate::host::clock;
use crate::host::netlink::namespace::{addresses, addresses6, ethernet, ip};
use crate::host::resources::*;

const BOTH: &str = "192.168.20.100/24/eth0 2001:db8::100/64/eth0";
const SHOWN: &str = "192.168.20.100/24 brd 192.168.20.255 scope global eth0:0";
const SHOWN6: &str = "2001:db8::100/64 scope global nodad deprecated";
/// Request and reply form; advertisement.
const ANNOUNCED: [u8; 3] = [1, 2, 136];

/// Both are where they belong, able to answer.
fn whole(interface: &str) -> bool {
    addresses(interface) == [SHOWN.replace("eth0", interface)] && addresses6(interface) == [SHOWN6]
}

async fn started(directory: &super::bench::Directory) -> Bench {
    let mut node = Bench::new(directory, &[BOTH]);
    assert_eq!(node.step(Verb::Start).await, StepResult::Done);
    assert!(whole("eth0"));
    node
}

fn carrier(name: &str, up: bool) -> impl FnMut(Event) -> Option<()> {
    let wanted = Event::Carrier { name: name.into(), up };
    move |event| (event == wanted).then_some(())
}

/// All that is announced until each form of both families was heard, without those of the burst at start.
async fn announced(node: &mut Bench, ear: &Ear) -> Vec<(u8, std::net::IpAddr, [u8; 6])> {
    let mut all = Vec::new();
    node.until(|_, _| {
        all.extend(ear.heard());
        ANNOUNCED.iter().all(|form| all.iter().any(|(kind, ..)| kind == form))
    })
    .await;
    all
}

#[test]
fn down_and_up() {
    bench(async |directory| {
        let mut node = started(&directory).await;
        ip("link set eth0 down");
        node.wait(carrier("eth0", false)).await;
        // The kernel takes IPv6 addresses away with the interface, and takes them back at once.
        node.until(|_, _| whole("eth0")).await;
        let ear = Ear::new();
        ip("link set eth0 up");
        node.wait(carrier("eth0", true)).await;
        announced(&mut node, &ear).await;
        assert!(whole("eth0"));
        assert_eq!((node.put_back("192.168.20.100"), node.put_back("2001:db8::100")), (0, 1));
        assert!(ip("-6 route show dev eth0").contains("2001:db8::/64"));
    });
}

#[test]
fn renamed() {
    bench(async |directory| {
        let mut node = started(&directory).await;
        ip("link set eth0 down");
        ip("link set eth0 name wan0");
        let ear = Ear::new();
        ip("link set wan0 up");
        let told = |e: &Event| matches!(e, Event::Note(text) if text.contains("eth0 is called wan0 now"));
        node.until(|_, events| events.iter().filter(|e| told(e)).count() == 2).await;
        // The kernel labels the first address of a renamed interface with its name alone.
        let there = || addresses("wan0").len() == 1 && addresses6("wan0") == [SHOWN6];
        node.until(|_, _| there()).await;
        announced(&mut node, &ear).await;
        ip("address del 192.168.20.100/24 dev wan0");
        ip("address del 2001:db8::100/64 dev wan0");
        node.until(|_, _| whole("wan0")).await;
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!((addresses("wan0").len(), addresses6("wan0").len()), (0, 0));
    });
}

#[test]
fn deleted_and_recreated() {
    bench(async |directory| {
        let mut node = started(&directory).await;
        ip("link del eth0");
        let note = |e: &Event| matches!(e, Event::Note(text) if text.contains("cannot be put back"));
        node.until(|_, events| events.iter().filter(|e| note(e)).count() == 2).await;
        ethernet();
        let ear = Ear::new();
        node.until(|_, _| whole("eth0")).await;
        announced(&mut node, &ear).await;
        assert_eq!((node.put_back("192.168.20.100"), node.put_back("2001:db8::100")), (1, 1));
    });
}

#[test]
fn its_mac_changed() {
    bench(async |directory| {
        let mut node = started(&directory).await;
        // The burst of the start is over.
        node.until(|node, _| node.resources.wake_at().unwrap().since(clock::now()) > Duration::from_secs(10)).await;
        let ear = Ear::new();
        ip("link set eth0 address 02:00:00:00:00:07");
        let heard = announced(&mut node, &ear).await;
        let vips = ["192.168.20.100", "2001:db8::100"].map(|vip| vip.parse().unwrap());
        assert!(heard.iter().any(|(_, vip, mac)| vips.contains(vip) && *mac == [2, 0, 0, 0, 0, 7]), "{heard:?}");
    });
}

#[test]
fn the_prefix_of_a_vip_changed() {
    bench(async |directory| {
        let mut node = started(&directory).await;
        ip("address del 192.168.20.100/24 dev eth0");
        ip("address add 192.168.20.100/32 dev eth0");
        ip("address del 2001:db8::100/64 dev eth0");
        ip("address add 2001:db8::100/128 dev eth0 nodad");
        let told = |e: &Event| matches!(e, Event::Note(text) if text.contains("changed by somebody else"));
        let events = node.until(|_, _| whole("eth0")).await;
        assert_eq!(events.iter().filter(|e| told(e)).count(), 2, "{events:?}");
        assert_eq!((node.put_back("192.168.20.100"), node.put_back("2001:db8::100")), (1, 1));
    });
}

#[test]
fn the_primary_address_removed() {
    bench(async |directory| {
        for setting in ["all", "default", "eth0"] {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{setting}/promote_secondaries"), "0").unwrap();
        }
        ip("address add 192.168.20.10/24 brd + dev eth0");
        ip("address add 2001:db8::10/64 dev eth0 nodad");
        let mut node = Bench::new(&directory, &[BOTH]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        ip("address del 192.168.20.10/24 dev eth0");
        ip("address del 2001:db8::10/64 dev eth0");
        node.until(|_, _| whole("eth0")).await;
        // An IPv6 address has no primary to go with.
        assert_eq!((node.put_back("192.168.20.100"), node.put_back("2001:db8::100")), (1, 0));
        assert!(ip("-6 route show dev eth0").contains("2001:db8::/64"));
    });
}

#[test]
fn several_on_one_interface_and_labels() {
    bench(async |directory| {
        let line = "192.168.20.100/24/eth0 192.168.20.101/24/eth0 2001:db8::100/64/eth0 2001:db8::101/64/eth0 \
                    192.168.20.102/24/eth0";
        let mut node = Bench::new(&directory, &[line]);
        let ear = Ear::new();
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        let labels: Vec<_> = addresses("eth0").iter().map(|a| a.split(' ').next_back().unwrap().to_owned()).collect();
        assert_eq!(labels, ["eth0:0", "eth0:1", "eth0:2"]);
        assert_eq!(addresses6("eth0").len(), 2);
        let first: Vec<_> = ear.heard().into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(first, [1, 2, 1, 2, 136, 136, 1, 2], "each as soon as it is there");
        ip("address flush dev eth0 scope global");
        node.until(|_, _| addresses("eth0").len() == 3 && addresses6("eth0").len() == 2).await;
        let counts: Vec<_> = node.resources.vips().map(|vip| vip.put_back).collect();
        assert!(counts.len() == 5 && counts.iter().all(|count| *count >= 1), "{counts:?}");
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!((addresses("eth0").len(), addresses6("eth0").len()), (0, 0));
    });
}
