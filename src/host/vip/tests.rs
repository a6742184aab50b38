use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::host::netlink::namespace::{addresses, ethernet, inside, ip};

type Lines = Rc<RefCell<Vec<(Level, String)>>>;

fn vips() -> (Vips, Lines) {
    let lines = Lines::default();
    let sink = lines.clone();
    let log: Log = Rc::new(move |level, text| sink.borrow_mut().push((level, text.to_string())));
    (Vips::new(log).unwrap(), lines)
}

/// `ADDRESS[/PREFIX[/INTERFACE]]`.
fn spec(text: &str) -> VipSpec {
    let mut parts = text.split('/');
    VipSpec {
        address: parts.next().unwrap().parse().unwrap(),
        prefix: parts.next().map(|p| p.parse().unwrap()),
        interface: parts.next().map(str::to_owned),
        broadcast: None,
        label: None,
    }
}

fn warnings(lines: &Lines) -> Vec<String> {
    lines.borrow().iter().filter(|(level, _)| *level != Level::Info).map(|(_, text)| text.clone()).collect()
}

#[test]
fn broadcast_is_the_networks_last_address() {
    let of = |address: &str, prefix| broadcast(address.parse().unwrap(), prefix).map(|b| b.to_string());
    assert_eq!(of("192.168.20.100", 24).as_deref(), Some("192.168.20.255"));
    assert_eq!(of("10.1.2.3", 22).as_deref(), Some("10.1.3.255"));
    assert_eq!(of("10.1.2.3", 0).as_deref(), Some("255.255.255.255"));
    assert_eq!(of("10.1.2.3", 30).as_deref(), Some("10.1.2.3"));
    assert_eq!(of("10.1.2.3", 31), None);
    assert_eq!(of("10.1.2.3", 32), None);
}

#[test]
fn the_first_free_alias_of_the_interface_itself() {
    let used = ["eth0", "eth0:0", "eth0:2", "eth0:vip", "eth01:1", "eth1:1"];
    assert_eq!(free_label("eth0", used.into_iter()).as_deref(), Some("eth0:1"));
    assert_eq!(free_label("eth2", used.into_iter()).as_deref(), Some("eth2:0"));
}

#[test]
fn added_as_ifconfig_would_show_it_and_removed() {
    inside(|| {
        ethernet();
        ip("address add 192.168.20.10/24 brd + dev eth0");
        let (mut vips, lines) = vips();
        vips.add(&spec("192.168.20.100/24/eth0"), Instant::ZERO).unwrap();
        vips.add(&spec("192.168.20.101"), Instant::ZERO).unwrap();
        let named =
            VipSpec { label: Some("web".into()), broadcast: Some([10, 9, 9, 9].into()), ..spec("10.0.0.1/8/eth0") };
        vips.add(&named, Instant::ZERO).unwrap();
        assert_eq!(
            addresses("eth0")[1..],
            [
                "10.0.0.1/8 brd 10.9.9.9 scope global eth0:web",
                "192.168.20.100/24 brd 192.168.20.255 scope global secondary eth0:0",
                "192.168.20.101/24 brd 192.168.20.255 scope global secondary eth0:1",
            ]
        );
        for vip in ["192.168.20.100/24/eth0", "192.168.20.101", "10.0.0.1/8/eth0"] {
            assert_eq!(vips.remove(&spec(vip)), Ok(true));
            assert_eq!(vips.remove(&spec(vip)), Ok(false));
        }
        assert_eq!(addresses("eth0"), ["192.168.20.10/24 brd 192.168.20.255 scope global eth0"]);
        assert_eq!(warnings(&lines), [""; 0]);
    });
}

#[test]
fn a_present_vip_is_adopted_as_it_is() {
    inside(|| {
        ethernet();
        ip("address add 192.168.20.100/24 brd + dev eth0 label eth0:7");
        let (mut vips, lines) = vips();
        for form in ["192.168.20.100/24/eth0", "192.168.20.100/24", "192.168.20.100"] {
            vips.add(&spec(form), Instant::ZERO).unwrap();
            assert_eq!(addresses("eth0"), ["192.168.20.100/24 brd 192.168.20.255 scope global eth0:7"]);
        }
        assert!(lines.borrow()[0].1.contains("was there already"));
        assert_eq!(vips.held.len(), 1);
    });
}

#[test]
fn a_wrong_prefix_is_corrected_and_a_wrong_interface_refused() {
    inside(|| {
        ethernet();
        ip("address add 192.168.20.100/32 dev eth0");
        ip("address add 192.168.20.101/24 dev lan0");
        ip("address add 192.168.20.102/32 dev lo");
        let (mut vips, _) = vips();
        vips.add(&spec("192.168.20.100/24/eth0"), Instant::ZERO).unwrap();
        let refused = vips.add(&spec("192.168.20.101/24/eth0"), Instant::ZERO).unwrap_err();
        assert!(refused.contains("on lan0 already") && refused.contains("ip address del"), "{refused}");
        // Loopback's copy is a real server's own business.
        vips.add(&spec("192.168.20.102/24/eth0"), Instant::ZERO).unwrap();
        assert_eq!(addresses("eth0").len(), 2);
        for vip in ["192.168.20.100/24/eth0", "192.168.20.101/24/eth0", "192.168.20.102/24/eth0"] {
            assert_eq!(vips.remove(&spec(vip)), Ok(true));
        }
        assert_eq!((addresses("eth0").len(), addresses("lan0").len()), (0, 0));
        assert!(addresses("lo").iter().any(|a| a.starts_with("192.168.20.102/32")));
    });
}

#[test]
fn what_cannot_be_derived_is_refused_with_the_remedy() {
    inside(|| {
        ethernet();
        let (mut vips, _) = vips();
        let why = |vips: &mut Vips, text| vips.add(&spec(text), Instant::ZERO).unwrap_err();
        assert!(why(&mut vips, "192.168.20.100").contains("192.168.20.100/24/eth0"));
        ip("address add 10.0.0.1/8 dev eth0");
        ip("route add default via 10.0.0.2");
        assert!(why(&mut vips, "192.168.20.100").contains("default route"));
        assert!(why(&mut vips, "192.168.20.100/24/eth7").contains("no interface eth7"));
        vips.add(&spec("192.168.20.100/24"), Instant::ZERO).unwrap();
        assert!(addresses("eth0").iter().any(|a| a.starts_with("192.168.20.100/24")));
    });
}

#[test]
fn a_label_too_long_is_left_out_with_one_warning() {
    inside(|| {
        ethernet();
        ip("link set lan0 down");
        ip("link set lan0 name averylongname0");
        let (mut vips, lines) = vips();
        let vip = spec("192.168.20.100/24/averylongname0");
        for _ in 0..2 {
            vips.add(&vip, Instant::ZERO).unwrap();
            assert_eq!(vips.remove(&vip), Ok(true));
        }
        assert_eq!(warnings(&lines).len(), 1, "{lines:?}");
    });
}

#[test]
fn other_addresses_and_their_routes_outlive_a_vip_that_was_their_primary() {
    inside(|| {
        ethernet();
        let (mut vips, lines) = vips();
        vips.add(&spec("192.168.20.100/24/eth0"), Instant::ZERO).unwrap();
        vips.add(&spec("192.168.20.101/24/eth0"), Instant::ZERO).unwrap();
        ip("address add 192.168.20.10/24 brd + dev eth0");
        ip("route add default via 192.168.20.1");
        assert_eq!(vips.remove(&spec("192.168.20.100/24/eth0")), Ok(true));
        assert_eq!(
            addresses("eth0"),
            [
                "192.168.20.101/24 brd 192.168.20.255 scope global eth0:1",
                "192.168.20.10/24 brd 192.168.20.255 scope global secondary eth0",
            ]
        );
        assert!(ip("route show").contains("default via 192.168.20.1"));
        let setting = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
        assert_eq!(std::fs::read_to_string(setting).unwrap().trim(), "0", "as it was");
        assert_eq!(warnings(&lines), [""; 0]);
    });
}

#[test]
fn addresses_that_vanished_with_their_primary_are_put_back() {
    inside(|| {
        ethernet();
        let (mut vips, lines) = vips();
        let vip = spec("192.168.20.100/24/eth0");
        vips.add(&vip, Instant::ZERO).unwrap();
        ip("address add 192.168.20.101/24 brd + dev eth0 label eth0:1");
        ip("address add 192.168.20.10/24 brd + dev eth0");
        let before = vips.addresses().unwrap();
        let (ours, others): (Vec<_>, Vec<_>) = before.into_iter().partition(|a| counts(&vip, a));
        vips.kernel.delete(&ours[0]).unwrap();
        assert_eq!(addresses("eth0"), [""; 0]);
        vips.restore(&vip, others.iter().filter(|a| a.index != LOOPBACK && a.address.is_ipv4()));
        assert_eq!(
            addresses("eth0"),
            [
                "192.168.20.101/24 brd 192.168.20.255 scope global eth0:1",
                "192.168.20.10/24 brd 192.168.20.255 scope global secondary eth0",
            ]
        );
        assert_eq!(warnings(&lines).len(), 2, "{lines:?}");
    });
}

#[test]
fn a_renewal_refused_though_the_vip_is_there_is_made_up_for_in_the_other_form() {
    inside(|| {
        ethernet();
        let (mut vips, lines) = vips();
        for vip in ["192.168.20.100/24/eth0", "2001:db8::100/64/eth0"] {
            vips.add(&spec(vip), Instant::ZERO).unwrap();
            // What this kernel refuses: that of an address that is not there.
            let held = vips.held.last_mut().unwrap();
            let elsewhere = if held.entry.address.is_ipv4() { "10.9.9.9" } else { "2001:db8::999" };
            let other = Address::new(held.entry.index, elsewhere.parse().unwrap(), held.entry.prefix, None, None);
            held.renewal = Renewal::of(&other, Form::Existing);
        }
        let now = clock::now();
        vips.renew(now + Duration::from_secs(60), now);
        assert!(vips.suspect && vips.held.iter().all(|held| held.unrenewed));
        assert_eq!(vips.put_back(now), [], "they were never gone");
        let leased = |a: &&Address| matches!(a.lifetime(), Lifetime::Seconds(59 | 60));
        assert_eq!(vips.addresses().unwrap().iter().filter(leased).count(), 2);
        // And so they stay.
        let now = clock::now();
        vips.renew(now + Duration::from_secs(90), now);
        assert!(!vips.suspect && vips.held.iter().all(|held| !held.unrenewed));
        assert_eq!(warnings(&lines), [""; 0]);
    });
}

#[test]
fn whole_seconds_right_after_the_beat_and_what_remains_later() {
    let (mut vips, _) = vips();
    let lifetimes = |vips: &Vips, at: Instant| vips.lease.lifetime(at);
    assert_eq!(lifetimes(&vips, Instant::ZERO), Some(Lifetime::Forever));
    vips.require_lease(true);
    assert_eq!(lifetimes(&vips, Instant::ZERO), None);
    let now = clock::now();
    vips.renew(now + Duration::from_millis(2_900), now);
    let after = |millis| lifetimes(&vips, now + Duration::from_millis(millis));
    assert_eq!(after(5), Some(Lifetime::Seconds(2)));
    assert_eq!((after(900), after(901)), (Some(Lifetime::Seconds(2)), Some(Lifetime::Seconds(1))));
    assert_eq!((after(1_900), after(1_901), after(9_000)), (Some(Lifetime::Seconds(1)), None, None));
}
