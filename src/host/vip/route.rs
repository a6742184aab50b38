//! The route that reaches an address: where a VIP belongs whose line in haresources names no interface or prefix.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::Ipv4Addr;

/// This thread's network namespace, as proc(5) shows its main routing table.
const TABLE: &str = "/proc/thread-self/net/route";
/// `RTF_UP` and `RTF_REJECT` of linux/route.h.
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;

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
pub fn to(address: Ipv4Addr, interface: Option<&str>) -> io::Result<Option<Route>> {
    best(BufReader::new(File::open(TABLE)?), address, interface)
}

/// The longest mask wins, then the lowest metric, then the first line.
fn best(table: impl BufRead, address: Ipv4Addr, interface: Option<&str>) -> io::Result<Option<Route>> {
    let mut best: Option<Line> = None;
    for text in table.lines() {
        let Some(line) = Line::parse(&text?) else { continue };
        let fits = line.reaches(address) && interface.is_none_or(|i| i == line.interface);
        if fits && best.as_ref().is_none_or(|b| line.rank() > b.rank()) {
            best = Some(line);
        }
    }
    Ok(best.map(|line| Route { prefix: line.mask.count_ones() as u8, interface: line.interface }))
}

struct Line {
    interface: String,
    destination: u32,
    mask: u32,
    metric: u32,
}

impl Line {
    /// None for the heading, a route that is down or refuses, and anything that is no route.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let interface = words.next()?.to_owned();
        let destination = network_order(words.next()?)?;
        let flags = u32::from_str_radix(words.nth(1)?, 16).ok()?;
        let metric = words.nth(2)?.parse().ok()?;
        let mask = network_order(words.next()?)?;
        (flags & (UP | REJECT) == UP).then_some(Self { interface, destination, mask, metric })
    }

    fn reaches(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask == self.destination
    }

    fn rank(&self) -> (u32, std::cmp::Reverse<u32>) {
        (self.mask.count_ones(), std::cmp::Reverse(self.metric))
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
