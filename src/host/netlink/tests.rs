use std::net::Ipv4Addr;

use super::namespace::{Listener, ethernet, inside, ip};
use super::*;

#[test]
fn a_cut_or_senseless_datagram_yields_nothing_and_ends() {
    let mut whole = Vec::new();
    append(&mut whole, RTM_NEWADDR, 0, 7, &AddressMessage::default());
    assert_eq!(messages(&whole).count(), 1);
    for length in 0..whole.len() {
        assert_eq!(messages(&whole[..length]).count(), 0);
    }
    for length in [0_u32, 3, 15, u32::MAX] {
        let mut wrong = whole.clone();
        wrong[..4].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(messages(&wrong).count(), 0);
    }
    for length in 0..64 {
        assert_eq!(attribute(&vec![0; length], IFLA_IFNAME), None);
    }
}

#[test]
fn added_listed_and_deleted_with_all_it_had() {
    inside(|| {
        ethernet();
        let mut kernel = Kernel::new().unwrap();
        let index = nix::net::if_::if_nametoindex("eth0").unwrap();
        let vip = Ipv4Addr::new(192, 168, 20, 100);
        let brd = Ipv4Addr::new(192, 168, 20, 255);
        let entry = Address::new(index, vip.into(), 24, Some(brd), Some("eth0:0".into()));
        kernel.add(&entry).unwrap();
        assert!(is(&kernel.add(&entry).unwrap_err(), Errno::EEXIST));
        let listed = kernel.addresses().unwrap();
        let found = listed.iter().find(|a| a.same(&entry)).unwrap();
        assert_eq!((found.label.as_deref(), found.broadcast()), (Some("eth0:0"), Some(brd)));
        kernel.delete(&entry).unwrap();
        kernel.delete(&entry).unwrap();
        ip("link del eth0");
        kernel.delete(&entry).unwrap();
        assert!(is(&kernel.add(&entry).unwrap_err(), Errno::ENODEV));
    });
}

#[test]
fn a_long_list_comes_whole() {
    inside(|| {
        ethernet();
        let mut kernel = Kernel::new().unwrap();
        let index = nix::net::if_::if_nametoindex("eth0").unwrap();
        for number in 0..1_000_u32 {
            let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + number);
            kernel.add(&Address::new(index, address.into(), 16, None, None)).unwrap();
        }
        let listed = kernel.addresses().unwrap();
        assert_eq!(listed.iter().filter(|a| a.index == index && a.address.is_ipv4()).count(), 1_000);
    });
}

/// Three VIPs of both families as ifconfig or an operator would have added them, and their renewals.
fn three() -> (Kernel, Vec<Renewal>) {
    ethernet();
    ip("address add 10.0.0.1/24 brd + dev eth0 label eth0:0 metric 77 valid_lft 9 preferred_lft 9");
    ip("address add 10.0.0.2/32 dev eth0 scope link valid_lft 9 preferred_lft 9");
    ip("address add 2001:db8::1/64 dev eth0 nodad metric 99 valid_lft 9 preferred_lft 0");
    // The kernel adds the route to it later, in a thread of its own (net/ipv6/addrconf.c, `addrconf_dad_work`).
    while !ip("-6 route show table local").contains("2001:db8::1 ") {}
    let mut kernel = Kernel::new().unwrap();
    let listed = kernel.addresses().unwrap();
    let leased = listed.iter().filter(|a| a.lifetime() != Lifetime::Forever);
    let renewals: Vec<_> = leased.map(|a| Renewal::of(a, Form::Existing)).collect();
    assert_eq!(renewals.len(), 3);
    (kernel, renewals)
}

fn all_taken(at: usize, error: io::Error) {
    panic!("number {at} is refused: {error}");
}

#[test]
fn a_renewal_changes_the_lifetime_and_nothing_else() {
    inside(|| {
        let (mut kernel, mut renewals) = three();
        let shown = || ip("-d address show dev eth0") + &ip("route show table all") + &ip("-6 route show table main");
        let before = shown();
        assert_eq!(before.matches("valid_lft 9sec").count(), 3, "{before}");
        kernel.renew(renewals.iter_mut(), Lifetime::Seconds(7_777), all_taken).unwrap();
        let after = shown().replace("7777sec", "9sec").replace("7776sec", "9sec").replace("776sec", "sec");
        let clean = |text: &str| text.replace("expires 7sec", "expires 8sec").replace("expires 9sec", "expires 8sec");
        assert_eq!(clean(&after), clean(&before));
        kernel.renew(renewals.iter_mut(), Lifetime::Forever, all_taken).unwrap();
        assert_eq!(ip("address show dev eth0").matches("valid_lft forever").count(), 4, "with its link-local address");
    });
}

#[test]
fn a_renewal_never_adds_what_is_gone() {
    inside(|| {
        let (mut kernel, mut renewals) = three();
        ip("address del 10.0.0.1/24 dev eth0");
        ip("address del 2001:db8::1/64 dev eth0");
        let mut refused = Vec::new();
        let outcome = kernel.renew(renewals.iter_mut(), Lifetime::Seconds(500), |at, e| refused.push((at, e)));
        outcome.unwrap();
        let errors: Vec<_> = refused.iter().map(|(at, error)| (*at, is(error, Errno::EINVAL))).collect();
        assert_eq!(errors, [(1, true), (2, true)]);
        let shown = ip("address show dev eth0");
        assert!(!shown.contains("10.0.0.1") && !shown.contains("2001:db8"), "{shown}");
        assert!(shown.contains("valid_lft 500sec") || shown.contains("valid_lft 499sec"), "the other is: {shown}");
        // The requests that follow get their own answers.
        assert!(kernel.addresses().unwrap().len() >= 2);
    });
}

#[test]
fn hundreds_are_renewed_in_the_same_buffers_also_when_all_are_refused() {
    inside(|| {
        ethernet();
        let mut kernel = Kernel::new().unwrap();
        let index = nix::net::if_::if_nametoindex("eth0").unwrap();
        let entries: Vec<_> = (0..230_u32)
            .map(|number| Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + number))
            .map(|address| Address::new(index, address.into(), 16, None, None))
            .collect();
        for entry in &entries {
            kernel.add(&entry.clone().lasting(Lifetime::Seconds(60))).unwrap();
        }
        let mut renewals: Vec<_> = entries.iter().map(|entry| Renewal::of(entry, Form::Existing)).collect();
        kernel.renew(renewals.iter_mut(), Lifetime::Seconds(600), all_taken).unwrap();
        let buffer = (kernel.outgoing.as_ptr(), kernel.outgoing.capacity());
        kernel.renew(renewals.iter_mut(), Lifetime::Seconds(700), all_taken).unwrap();
        assert_eq!((kernel.outgoing.as_ptr(), kernel.outgoing.capacity()), buffer);
        let long = |a: &&Address| matches!(a.lifetime(), Lifetime::Seconds(left) if left > 690);
        assert_eq!(kernel.addresses().unwrap().iter().filter(long).count(), 230);
        ip("address flush dev eth0 scope global");
        let mut refused = Vec::new();
        kernel.renew(renewals.iter_mut(), Lifetime::Seconds(700), |at, _| refused.push(at)).unwrap();
        assert_eq!(refused, (0..230).collect::<Vec<_>>());
    });
}

#[test]
fn everybody_hears_of_one_change_for_each_address_and_nobody_of_a_removal_or_a_route() {
    inside(|| {
        let (mut kernel, mut renewals) = three();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _entered = runtime.enter();
        let mut monitor = Monitor::new().unwrap();
        let mut listener = Listener::new();
        for _ in 0..20 {
            kernel.renew(renewals.iter_mut(), Lifetime::Seconds(5), all_taken).unwrap();
        }
        let heard = listener.heard();
        let changes = heard.iter().filter(|(kind, _)| *kind == RTM_NEWADDR).count();
        assert_eq!((changes, heard.len()), (60, 60), "{heard:?}");
        // The daemon's own monitor does not even wake; its next notice is of this removal.
        ip("address del 10.0.0.2/32 dev eth0");
        let mut notices = Vec::new();
        let next = std::future::poll_fn(|cx| monitor.poll(cx, |notice| notices.push(notice)));
        runtime.block_on(next);
        assert_eq!(notices, [Notice::Removed("10.0.0.2".parse().unwrap())]);
    });
}

#[test]
fn a_renewal_takes_microseconds() {
    inside(|| {
        let (mut kernel, mut renewals) = three();
        for count in [1, 3] {
            let mut took: Vec<_> = (0..500)
                .map(|_| {
                    let begun = clock::now();
                    kernel.renew(renewals.iter_mut().take(count), Lifetime::Seconds(5), all_taken).unwrap();
                    clock::now().since(begun).as_micros()
                })
                .collect();
            took.sort_unstable();
            eprintln!("renewal of {count}: median {} us, longest {} us", took[250], took[499]);
            // A fifth of what it may take.
            assert!(took[250] < 1_000, "{took:?}");
        }
    });
}
