//! The route that reaches an address: where a VIP belongs whose line in haresources names no interface or prefix.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// This thread's network namespace, as proc(5) shows its main routing table.
const TABLE: &str = "/proc/thread-self/net/route";
/// The same for IPv6, with its local table.
const TABLE6: &str = "/proc/thread-self/net/ipv6_route";
/// `RTF_UP` and `RTF_REJECT` of linux/route.h; `RTF_ANYCAST` and `RTF_LOCAL` of linux/ipv6_route.h: to this node.
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;
const ANYCAST: u32 = 0x0010_0000;
const LOCAL: u32 = 0x8000_0000;

/// A route that reaches the address asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The interface it leaves by.
    pub interface: String,
    /// Bits of its destination; 0 is the default route.
    pub prefix: u8,
}

/// The kernel's best route to `address`, over `interface` if one is given.
///
/// # Errors
/// The table cannot be read.
pub fn to(address: IpAddr, interface: Option<&str>) -> io::Result<Option<Route>> {
    let table = if address.is_ipv4() { TABLE } else { TABLE6 };
    best(BufReader::new(File::open(table)?), address, interface)
}

/// The longest mask wins, then the lowest metric, then the first line.
fn best(table: impl BufRead, address: IpAddr, interface: Option<&str>) -> io::Result<Option<Route>> {
    let parse = if address.is_ipv4() { Line::parse } else { Line::parse6 };
    let mut best: Option<Line> = None;
    for text in table.lines() {
        let Some(line) = parse(&text?) else { continue };
        let fits = line.reaches(address) && interface.is_none_or(|i| i == line.interface);
        if fits && best.as_ref().is_none_or(|b| line.rank() > b.rank()) {
            best = Some(line);
        }
    }
    Ok(best.map(|line| Route { prefix: line.prefix, interface: line.interface }))
}

struct Line {
    interface: String,
    destination: IpAddr,
    prefix: u8,
    metric: u32,
}

impl Line {
    /// None for the heading, a route that is down or refuses, and anything that is no route.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let interface = words.next()?.to_owned();
        let destination = Ipv4Addr::from(network_order(words.next()?)?).into();
        let flags = u32::from_str_radix(words.nth(1)?, 16).ok()?;
        let metric = words.nth(2)?.parse().ok()?;
        let prefix = network_order(words.next()?)?.count_ones() as u8;
        (flags & (UP | REJECT) == UP).then_some(Self { interface, destination, prefix, metric })
    }

    /// Ten columns: destination, its prefix, source, its prefix, gateway, metric, two counters, flags, interface; every
    /// number hexadecimal, addresses as they are sent.
    fn parse6(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let destination = Ipv6Addr::from(u128::from_str_radix(words.next()?, 16).ok()?).into();
        let prefix = u8::from_str_radix(words.next()?, 16).ok()?;
        let metric = u32::from_str_radix(words.nth(3)?, 16).ok()?;
        let flags = u32::from_str_radix(words.nth(2)?, 16).ok()?;
        let interface = words.next()?.to_owned();
        (flags & (UP | REJECT | ANYCAST | LOCAL) == UP).then_some(Self { interface, destination, prefix, metric })
    }

    fn reaches(&self, address: IpAddr) -> bool {
        // The bits that differ, with the first of the address as the first of the number.
        let apart = match (address, self.destination) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
            _ => return false,
        };
        apart.leading_zeros() >= u32::from(self.prefix)
    }

    fn rank(&self) -> (u8, std::cmp::Reverse<u32>) {
        (self.prefix, std::cmp::Reverse(self.metric))
    }
}

/// The table prints the four bytes of an address as one number of the machine's own byte order.
fn network_order(hex: &str) -> Option<u32> {
    Some(u32::from_be_bytes(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    /// A line as the kernel of this machine would print it.
    fn line(interface: &str, net: [u8; 4], flags: u32, metric: u32, mask: [u8; 4]) -> String {
        let hex = |bytes| format!("{:08X}", u32::from_ne_bytes(bytes));
        format!("{interface}\t{}\t00000000\t{flags:04X}\t0\t0\t{metric}\t{}\t0\t0\t0\n", hex(net), hex(mask))
    }

    fn table() -> String {
        [
            HEADING.to_owned(),
            line("ppp0", [0, 0, 0, 0], 3, 0, [0, 0, 0, 0]),
            line("eth2", [192, 168, 0, 0], 1, 0, [255, 255, 0, 0]),
            line("wlan0", [192, 168, 20, 0], 1, 600, [255, 255, 255, 0]),
            line("eth0", [192, 168, 20, 0], 1, 100, [255, 255, 255, 0]),
            line("eth9", [192, 168, 20, 100], 0x205, 0, [255, 255, 255, 255]),
            "what is this\n\n".to_owned(),
        ]
        .concat()
    }

    /// As the kernel prints it for a node with 2001:db8::10/64 and another 2001:db8::/48 on eth1.
    const TABLE6: &str = "\
20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
20010db8000000000000000000000000 30 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1
20010db8000000000000000000000000 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 80100001     eth0
20010db8000000000000000000000010 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 80200001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
";

    #[test]
    fn ipv6_by_the_longest_prefix_and_never_to_this_node_itself() {
        let route = |address: &str, interface| {
            let found = best(TABLE6.as_bytes(), address.parse().unwrap(), interface).unwrap();
            found.map(|r| (r.interface, r.prefix))
        };
        assert_eq!(route("2001:db8::100", None), Some(("eth0".into(), 64)));
        assert_eq!(route("2001:db8::10", None), Some(("eth0".into(), 64)));
        assert_eq!(route("2001:db8:0:7::1", None), Some(("eth1".into(), 48)));
        assert_eq!(route("2001:db8::100", Some("eth1")), Some(("eth1".into(), 48)));
        assert_eq!(route("fdab::1", None), Some(("eth1".into(), 0)));
        assert_eq!(route("fdab::1", Some("eth0")), None);
    }

    fn route(address: [u8; 4], interface: Option<&str>) -> Option<(String, u8)> {
        let found = best(table().as_bytes(), address.into(), interface).unwrap();
        found.map(|r| (r.interface, r.prefix))
    }

    #[test]
    fn longest_mask_then_lowest_metric_and_never_a_refusing_route() {
        assert_eq!(route([192, 168, 20, 100], None), Some(("eth0".into(), 24)));
        assert_eq!(route([192, 168, 7, 1], None), Some(("eth2".into(), 16)));
        assert_eq!(route([10, 1, 1, 1], None), Some(("ppp0".into(), 0)));
    }

    #[test]
    fn a_given_interface_narrows_the_choice() {
        assert_eq!(route([192, 168, 20, 100], Some("wlan0")), Some(("wlan0".into(), 24)));
        assert_eq!(route([10, 1, 1, 1], Some("eth0")), None);
    }
}
