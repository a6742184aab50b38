//! Another station that has a VIP: a kernel of its own at the other end of the cable.

use lubdub::time::Duration;

use super::bench::{Bench, bench};
use crate::host::clock;
use crate::host::netlink::namespace::{Station, addresses6, ip};
use crate::host::resources::*;

const BOTH: &str = "192.168.20.100/24/eth0 2001:db8::100/64/eth0";
const STRANGER: [&str; 2] = ["192.168.20.100/24", "2001:db8::100/64"];
const ADDRESSES: [&str; 2] = ["192.168.20.100", "2001:db8::100"];

fn alarms(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|e| if let Event::Alarm(text) = e { Some(text.as_str()) } else { None }).collect()
}

fn used(node: &Bench) -> usize {
    node.resources.vips().filter(|vip| vip.used_by.is_some()).count()
}

#[test]
fn found_before_the_start_and_told_once() {
    bench(async |directory| {
        let _station = Station::with(&STRANGER);
        let mut node = Bench::new(&directory, &[BOTH]);
        node.resources.know_peer(&[[2, 0, 0, 0, 0, 5]], clock::now());
        let begun = clock::now();
        let events = node.until(|_, events| alarms(events).len() == 2).await;
        eprintln!("stranger found {} us after the start", clock::now().since(begun).as_micros());
        for vip in ADDRESSES {
            let told = format!("ALARM VIP {vip} is used by ");
            assert!(alarms(&events).iter().any(|text| text.starts_with(&told) && text.contains("neither node")));
        }
        // It answers the later questions too.
        let events = node.until(|node, _| node.resources.vips().all(|vip| vip.used_by.unwrap().1 >= 2)).await;
        assert_eq!(alarms(&events), [""; 0]);
        // A stranger is a person's business: the start goes on.
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
    });
}

#[test]
fn the_peer_is_no_stranger() {
    bench(async |directory| {
        let station = Station::with(&STRANGER);
        let mut node = Bench::new(&directory, &[BOTH]);
        // Its answers come before the peer has told its MAC.
        let events = node.linger(200).await;
        assert_eq!((alarms(&events), used(&node)), (vec![], 0));
        let mac = station.mac();
        node.resources.know_peer(&[mac], clock::now());
        let events = node.linger(2_500).await;
        assert_eq!((alarms(&events), used(&node)), (vec![], 0));
    });
}

#[test]
fn told_when_the_peer_turns_out_to_be_another() {
    bench(async |directory| {
        let _station = Station::with(&STRANGER);
        let mut node = Bench::new(&directory, &[BOTH]);
        let events = node.linger(200).await;
        assert_eq!(alarms(&events), [""; 0]);
        node.resources.know_peer(&[[2, 0, 0, 0, 0, 5]], clock::now());
        node.until(|_, events| alarms(events).len() == 2).await;
    });
}

#[test]
fn told_when_a_vip_is_held_and_the_other_still_answers() {
    bench(async |directory| {
        let _station = Station::with(&STRANGER);
        let mut node = Bench::new(&directory, &[BOTH]);
        node.linger(200).await;
        node.resources.run(0, Verb::Start);
        let events = node.until(|_, events| alarms(events).len() == 2).await;
        assert!(alarms(&events)[0].contains("its peer has not told its MACs"), "{events:?}");
    });
}

#[test]
fn what_moved_over_in_order_is_not_told() {
    bench(async |directory| {
        let station = Station::with(&STRANGER);
        let mut node = Bench::new(&directory, &[BOTH]);
        node.linger(200).await;
        for address in STRANGER {
            station.ip(&format!("address del {address} dev lan0"));
        }
        node.resources.run(0, Verb::Start);
        let events = node.linger(1_000).await;
        assert_eq!((alarms(&events), used(&node)), (vec![], 0));
    });
}

#[test]
fn heard_while_held_when_it_appears_later() {
    bench(async |directory| {
        let station = Station::with(&[]);
        let mut node = Bench::new(&directory, &[BOTH]);
        node.resources.know_peer(&[[2, 0, 0, 0, 0, 5]], clock::now());
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        // The first thing it asks its LAN names it as the sender.
        station.ip("address add 192.168.20.100/24 dev lan0");
        station.ip("neighbour add 192.168.20.200 dev lan0 use");
        let events = node.until(|_, events| !alarms(events).is_empty()).await;
        assert!(alarms(&events)[0].contains("192.168.20.100 is used by"));
    });
}

#[test]
fn failed_duplicate_address_detection_is_told_and_put_right() {
    bench(async |directory| {
        let _station = Station::with(&["2001:db8::100/64"]);
        let mut node = Bench::new(&directory, &["2001:db8::100/64/eth0"]);
        node.resources.know_peer(&[[2, 0, 0, 0, 0, 5]], clock::now());
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        // Nothing of it is read before the kernel has asked and heard the answer.
        ip("address del 2001:db8::100/64 dev eth0");
        ip("address add 2001:db8::100/64 dev eth0");
        let begun = clock::now();
        while !addresses6("eth0")[0].contains("dadfailed") {
            assert!(clock::now().since(begun) < Duration::from_secs(10), "{:?}", addresses6("eth0"));
        }
        let told = |text: &&str| text.contains("failed duplicate address detection");
        node.until(|_, events| alarms(events).iter().any(told)).await;
        assert_eq!(addresses6("eth0"), ["2001:db8::100/64 scope global nodad deprecated"]);
        assert_eq!(node.put_back("2001:db8::100"), 1);
    });
}
