use lubdub::time::Duration;

use super::bench::{Bench, Ear, bench};
use crate::host::clock;
use crate::host::netlink::namespace::{addresses, ethernet, ip};
use crate::host::netlink::{Address, Kernel};
use crate::host::resources::*;

const VIP: &str = "192.168.20.100/24/eth0";
const SHOWN: &str = "192.168.20.100/24 brd 192.168.20.255 scope global eth0:0";

#[test]
fn started_announced_and_stopped() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        let ear = Ear::new();
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(addresses("eth0"), [SHOWN]);
        assert_eq!(ear.about("192.168.20.100"), [1, 2], "request and reply form at once");
        let begun = clock::now();
        let mut again = Vec::new();
        node.until(|_, _| {
            again.extend(ear.about("192.168.20.100"));
            again.len() >= 4
        })
        .await;
        assert_eq!(again, [1, 2, 1, 2], "again after 50 ms and 200 ms");
        assert!(clock::now().since(begun) > Duration::from_millis(150));
        node.resources.announce(clock::now());
        assert_eq!(ear.about("192.168.20.100"), [1, 2]);
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!((addresses("eth0").len(), node.resources.unannounced()), (0, 0));
        // Two more questions for a VIP that nobody has, and then only the look at the LAN once a minute.
        let rests =
            |node: &Bench| node.resources.wake_at().is_none_or(|at| at > clock::now() + Duration::from_secs(30));
        node.until(|node, _| rests(node)).await;
    });
}

#[test]
fn put_back_at_once_when_somebody_removes_it_and_said_once() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        let mut kernel = Kernel::new().unwrap();
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        let vip = kernel.addresses().unwrap().into_iter().find(|a| a.label.as_deref() == Some("eth0:0")).unwrap();
        let (mut notes, mut took) = (0, Vec::new());
        for _ in 0..9 {
            kernel.delete(&vip).unwrap();
            let begun = clock::now();
            let events = node.until(|_, _| kernel.addresses().unwrap().iter().any(|a| a.same(&vip))).await;
            took.push(clock::now().since(begun));
            notes += events.iter().filter(|e| matches!(e, Event::Note(_))).count();
        }
        took.sort();
        // The median: other work shares this machine.
        assert!(took[4] < Duration::from_millis(10), "{took:?}");
        assert_eq!((notes, addresses("eth0")), (1, vec![SHOWN.to_owned()]));
    });
}

#[test]
fn put_back_also_when_the_notice_is_lost_in_a_storm() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        let mut kernel = Kernel::new().unwrap();
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        let vip = kernel.addresses().unwrap().into_iter().find(|a| a.label.as_deref() == Some("eth0:0")).unwrap();
        // More than the default receive buffer holds (net.core.rmem_default, 208 KiB).
        let other = Address::new(vip.index, [10, 0, 0, 1].into(), 8, None, None);
        for _ in 0..2_000 {
            kernel.add(&other).unwrap();
            kernel.delete(&other).unwrap();
        }
        kernel.delete(&vip).unwrap();
        node.until(|_, _| kernel.addresses().unwrap().iter().any(|a| a.same(&vip))).await;
    });
}

#[test]
fn put_back_on_a_recreated_interface_with_its_carrier_told() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        ip("link del eth0");
        let gone = Event::Carrier { name: "eth0".into(), up: false };
        let note = |e: &Event| matches!(e, Event::Note(text) if text.contains("cannot be put back"));
        node.until(|_, events| events.contains(&gone) && events.iter().any(note)).await;
        ethernet();
        let back = Event::Carrier { name: "eth0".into(), up: true };
        node.until(|_, events| events.contains(&back)).await;
        node.until(|_, _| addresses("eth0") == [SHOWN]).await;
    });
}

#[test]
fn a_renamed_interface_is_gone_under_its_old_name() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        ip("link set lan0 down");
        ip("link set lan0 name lan1");
        ip("link set lan1 up");
        let told = ["lan0", "lan1"].map(|name| Event::Carrier { name: name.into(), up: name == "lan1" });
        node.until(|_, events| told.iter().all(|e| events.contains(e))).await;
    });
}

#[test]
fn announced_again_when_the_carrier_returns() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        ip("link set lan0 down");
        node.wait(|e| (e == Event::Carrier { name: "eth0".into(), up: false }).then_some(())).await;
        let paused = |node: &Bench| node.resources.wake_at().unwrap().since(clock::now()) > Duration::from_secs(10);
        node.until(|node, _| paused(node)).await;
        let ear = Ear::new();
        ip("link set lan0 up");
        node.wait(|e| (e == Event::Carrier { name: "eth0".into(), up: true }).then_some(())).await;
        assert_eq!(ear.about("192.168.20.100"), [1, 2]);
    });
}

#[test]
fn a_drop_removes_the_vip_before_it_returns_and_no_other_groups() {
    bench(async |directory| {
        directory.service("web");
        let mut node = Bench::new(&directory, &["192.168.20.100/24/eth0 web", "192.168.20.101/24/eth0"]);
        node.resources.run(1, Verb::Start);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        node.resources.run(0, Verb::Drop);
        assert_eq!(addresses("eth0"), ["192.168.20.101/24 brd 192.168.20.255 scope global eth0:1"]);
        assert_eq!(node.done(0).await, (Verb::Drop, StepResult::Done));
        assert_eq!(directory.read("web.on"), "");
        assert!(!directory.0.join("web.on").exists());
        let noted = node.linger(50).await.into_iter().filter(|e| matches!(e, Event::Note(_))).count();
        assert_eq!(noted, 0, "what we remove ourselves is not put back");
    });
}

#[test]
fn an_inventory_removes_what_an_earlier_run_left() {
    bench(async |directory| {
        ip("address add 192.168.20.100/24 dev eth0 label eth0:0");
        let mut node = Bench::new(&directory, &[VIP]);
        assert_eq!(node.step(Verb::Drop).await, StepResult::Done);
        assert_eq!(addresses("eth0").len(), 0);
        assert_eq!(node.step(Verb::Drop).await, StepResult::Done);
    });
}

#[test]
fn a_vip_is_there_and_announced_within_milliseconds() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[VIP]);
        let mut took: Vec<_> = Vec::new();
        for _ in 0..50 {
            let begun = clock::now();
            assert_eq!(node.step(Verb::Start).await, StepResult::Done);
            took.push(clock::now().since(begun).as_micros());
            assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        }
        took.sort_unstable();
        eprintln!("VIP added and announced: median {} us, longest {} us", took[25], took[49]);
        assert!(took[25] < 5_000, "{took:?}");
    });
}
