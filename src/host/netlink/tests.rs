use super::namespace::{ethernet, inside, ip};
use super::*;
use std::net::Ipv4Addr;

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
