use lubdub::time::Duration;

use super::bench::{Bench, Ear, bench};
use crate::host::clock;
use crate::host::netlink::Kernel;
use crate::host::netlink::namespace::{addresses6, ip};
use crate::host::resources::*;

const ADDRESS: &str = "2001:db8::100";
const VIP: &str = "2001:db8::100/64/eth0";
const SHOWN: &str = "2001:db8::100/64 scope global nodad deprecated";
/// ICMPv6 type of a neighbour advertisement.
const ADVERTISEMENT: u8 = 136;

#[test]
fn there_at_once_and_announced_and_stopped() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        let ear = Ear::new();
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        // Not tentative: it answers already.
        assert_eq!(addresses6("eth0"), [SHOWN]);
        assert_eq!(ear.about(ADDRESS), [ADVERTISEMENT], "the first goes out with the step");
        let begun = clock::now();
        let mut again = Vec::new();
        node.until(|_, _| {
            again.extend(ear.about(ADDRESS));
            again.len() >= 2
        })
        .await;
        assert!(clock::now().since(begun) > Duration::from_millis(150), "again after 50 ms and 200 ms");
        node.resources.announce(clock::now());
        assert_eq!(ear.about(ADDRESS), [ADVERTISEMENT]);
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!((addresses6("eth0").len(), node.resources.unannounced()), (0, 0));
    });
}

#[test]
fn its_announcement_corrects_what_a_kernel_knew() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        ip("neighbour add 2001:db8::100 lladdr 02:00:00:00:00:09 dev lan0 nud stale");
        let known = || ip("-6 neighbour show 2001:db8::100 dev lan0");
        assert!(known().contains("02:00:00:00:00:09"));
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        let shown = ip("-o link show dev eth0");
        let mac = shown.split_once("link/ether ").unwrap().1.split(' ').next().unwrap();
        node.until(|_, _| known().contains(mac)).await;
    });
}

#[test]
fn no_connection_of_this_node_begins_there() {
    bench(async |directory| {
        ip("address add 2001:db8::10/64 dev eth0 nodad");
        let mut node = Bench::new(&directory, &[VIP]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert!(ip("-6 route get 2001:db8::1").contains("src 2001:db8::10 "), "{}", ip("-6 route get 2001:db8::1"));
    });
}

#[test]
fn what_is_absent_comes_from_the_route_and_an_address_found_is_adopted() {
    bench(async |directory| {
        ip("address add 2001:db8::10/48 dev eth0 nodad");
        ip("address add 2001:db8::101/48 dev eth0 nodad");
        let mut node = Bench::new(&directory, &["2001:db8::100 2001:db8::101"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        let shown = addresses6("eth0");
        assert!(shown.contains(&"2001:db8::100/48 scope global nodad deprecated".to_owned()), "{shown:?}");
        assert!(node.line("2001:db8::101/48 on eth0 was there already").is_some());
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!(addresses6("eth0"), ["2001:db8::10/48 scope global nodad"]);
    });
}

#[test]
fn one_whose_duplicates_are_still_looked_for_is_replaced() {
    bench(async |directory| {
        ip("address add 2001:db8::100/64 dev eth0");
        assert!(addresses6("eth0")[0].contains("tentative"));
        let mut node = Bench::new(&directory, &[VIP]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(addresses6("eth0"), [SHOWN]);
    });
}

#[test]
fn refused_with_the_remedy_where_ipv6_is_off() {
    bench(async |directory| {
        std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1").unwrap();
        let mut node = Bench::new(&directory, &[VIP]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Failed);
        let line = node.line("start failed").unwrap();
        assert!(line.contains("net.ipv6.conf.eth0.disable_ipv6=0"), "{line}");
    });
}

#[test]
fn put_back_at_once_when_somebody_removes_it() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        let mut kernel = Kernel::new().unwrap();
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        let vip: std::net::IpAddr = ADDRESS.parse().unwrap();
        let vip = kernel.addresses().unwrap().into_iter().find(|a| a.address == vip).unwrap();
        let mut took = Vec::new();
        for _ in 0..9 {
            kernel.delete(&vip).unwrap();
            let begun = clock::now();
            while !kernel.addresses().unwrap().iter().any(|a| a.same(&vip)) {
                node.next(clock::now() + Duration::from_micros(50)).await;
            }
            took.push(clock::now().since(begun).as_micros());
        }
        took.sort_unstable();
        eprintln!("IPv6 VIP put back: median {} us, longest {} us", took[4], took[8]);
        assert!(took[4] < 10_000, "{took:?}");
        assert_eq!((node.put_back(ADDRESS), addresses6("eth0")), (9, vec![SHOWN.to_owned()]));
    });
}

#[test]
fn the_first_advertisement_is_out_within_milliseconds() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        let mut took: Vec<_> = Vec::new();
        for _ in 0..50 {
            let ear = Ear::new();
            let begun = clock::now();
            node.resources.run(0, Verb::Start);
            while ear.about(ADDRESS).is_empty() {
                node.next(clock::now() + Duration::from_micros(50)).await;
            }
            took.push(clock::now().since(begun).as_micros());
            assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        }
        took.sort_unstable();
        eprintln!("from start to the first advertisement: median {} us, longest {} us", took[25], took[49]);
        assert!(took[25] < 5_000, "{took:?}");
    });
}
