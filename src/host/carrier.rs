//! The carrier of a crossover cable, which shows the other end as modem lines do.
//!
//! It says something of the peer only where nothing but a cable is between: an interface that the VIPs are on, or that
//! is made of others or a part of one, leads to a switch, whose loss is nobody's death.

use std::fs;
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::lines::Shown;
use super::vip::{VipSpec, route};

/// Where the kernel tells of interfaces, for the network of whoever mounted it.
const SYSFS: &str = "/sys/class/net";

/// What an interface shows now; `before` is what it has shown. One that was switched off here, or is gone, shows nothing.
pub fn shown(interface: &str, before: Shown) -> Shown {
    let flags = getifaddrs().ok().and_then(|mut all| Some(all.find(|entry| entry.interface_name == interface)?.flags));
    let Some(flags) = flags.filter(|flags| flags.contains(InterfaceFlags::IFF_UP)) else { return Shown::Unknown };
    match before {
        // IFF_RUNNING would be as good, and a second late at times (net/core/link_watch.c).
        _ if flags.contains(InterfaceFlags::IFF_LOWER_UP) => Shown::Up,
        Shown::Up | Shown::Lost => Shown::Lost,
        _ => Shown::None,
    }
}

/// Whether nothing but a cable can be at this interface of a node with these VIPs. No, where that cannot be known.
pub fn is_direct(interface: &str, vips: &[VipSpec]) -> bool {
    is_plain(Path::new(SYSFS), interface) && !matters(interface, vips)
}

/// Whether the carrier of an interface matters to a node with these VIPs: one of them is there, or cannot be said to be
/// elsewhere.
pub fn matters(interface: &str, vips: &[VipSpec]) -> bool {
    vips.iter().any(|vip| match &vip.interface {
        Some(its) => interface == its,
        None => route::to(vip.address, None).ok().flatten().is_none_or(|route| interface == route.interface),
    })
}

/// Whether an interface is no VLAN, bridge or bond and belongs to none, as `lower_NAME` and `upper_NAME` in its folder
/// would tell.
fn is_plain(sysfs: &Path, interface: &str) -> bool {
    let Ok(entries) = fs::read_dir(sysfs.join(interface)) else { return false };
    entries.flatten().all(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        !name.starts_with("lower_") && !name.starts_with("upper_")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::namespace::{ethernet, inside, ip};
    use crate::host::sys::testing::carrier;

    fn vip(address: &str, interface: Option<&str>) -> VipSpec {
        let interface = interface.map(str::to_owned);
        VipSpec { address: address.parse().unwrap(), prefix: None, interface, broadcast: None, label: None }
    }

    #[test]
    fn a_carrier_is_lost_only_where_it_was() {
        inside(|| {
            ip("link add eth1 type veth peer name far1");
            assert_eq!(shown("eth1", Shown::Unknown), Shown::Unknown, "switched off here");
            ip("link set eth1 up");
            assert_eq!(shown("eth1", Shown::Unknown), Shown::None, "never seen up");
            ip("link set far1 up");
            carrier("eth1");
            assert_eq!(shown("eth1", Shown::None), Shown::Up);
            ip("link set far1 down");
            assert_eq!(shown("eth1", Shown::Up), Shown::Lost);
            assert_eq!(shown("eth1", Shown::Lost), Shown::Lost);
            ip("link set eth1 down");
            assert_eq!(shown("eth1", Shown::Lost), Shown::Unknown, "our own doing");
            assert_eq!(shown("no-such-if", Shown::Up), Shown::Unknown);
        });
    }

    #[test]
    fn an_interface_that_is_made_of_others_leads_to_a_switch() {
        let sysfs = std::env::temp_dir().join(format!("lubdub-carrier-{}", std::process::id()));
        for folder in ["eth1/queues", "eth2/upper_br0", "br0/lower_eth2", "eth0.5/lower_eth0"] {
            fs::create_dir_all(sysfs.join(folder)).unwrap();
        }
        let plain = ["eth1", "eth2", "br0", "eth0.5", "eth7"].map(|name| is_plain(&sysfs, name));
        fs::remove_dir_all(&sysfs).unwrap();
        assert_eq!(plain, [true, false, false, false, false]);
    }

    #[test]
    fn an_interface_of_a_vip_leads_to_a_switch() {
        // Interfaces are looked up where sysfs was mounted: loopback is there everywhere.
        let direct = |vips: &[VipSpec]| is_direct("lo", vips);
        assert!(direct(&[vip("192.0.2.100", Some("eth0"))]));
        assert!(!direct(&[vip("192.0.2.100", Some("eth0")), vip("192.0.2.101", Some("lo"))]));
        assert!(!is_direct("no-such-if", &[]));
        inside(move || {
            let unplaced = [vip("192.168.20.100", None)];
            assert!(!is_direct("lo", &unplaced), "no route says where it will be");
            ethernet();
            ip("address add 192.168.20.10/24 dev eth0");
            assert!(is_direct("lo", &unplaced));
            assert!(matters("eth0", &unplaced) && !matters("eth7", &unplaced));
        });
    }
}
