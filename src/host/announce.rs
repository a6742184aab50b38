//! Announcements: tell the LAN at once which MAC a VIP has now, by gratuitous ARP or unsolicited neighbour
//! advertisement.
//!
//! From a packet socket of our own, so no program is started on the way of a takeover, and the kernel need not agree
//! that the address is ready.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use lubdub::time::{Duration, Instant};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use super::arp;
use super::ndp;

/// Pauses after the first announcement. The first ones are for a frame lost while a switch or a neighbour was busy,
/// the later ones for a port that forwards only after a second or two; all is over when rapid spanning tree has
/// converged (IEEE 802.1D-2004 section 17: below 3 s).
const BURST: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(300),
    Duration::from_millis(500),
    Duration::from_millis(1_000),
];
/// Afterwards, for as long as the VIP is held: as often as Linux refreshes a stale neighbour (`gc_stale_time`, arp(7)).
const PERIOD: Duration = Duration::from_secs(60);

/// One VIP that is being announced.
struct Announcement {
    address: IpAddr,
    /// Its interface by number: a renamed one stays the same.
    index: u32,
    /// How many pauses of the burst are over.
    step: usize,
    next: Instant,
}

impl Announcement {
    /// Sets the next time; what was missed is skipped, not sent in a row.
    fn advance(&mut self, now: Instant) {
        self.next = now + BURST.get(self.step).copied().unwrap_or(PERIOD);
        self.step += 1;
    }
}

/// Shorter than any deadtime that keeps, and longer than a loop is late by itself.
const OVERDUE: Duration = Duration::from_millis(25);

/// Announces every VIP that is held.
pub struct Announcer {
    /// None where packet sockets are not permitted: VIPs are then held unannounced.
    socket: Option<OwnedFd>,
    announcements: Vec<Announcement>,
    /// Frames handed to the kernel and refused by it.
    failed: u64,
}

impl Announcer {
    /// Opens the packet socket; the error says why nothing will be announced (`EPERM` without CAP_NET_RAW).
    pub fn new() -> (Self, Option<io::Error>) {
        // Protocol 0 receives nothing (packet(7)): this socket only sends.
        let (socket, error) = match socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        ) {
            Ok(socket) => (Some(socket), None),
            Err(errno) => (None, Some(errno.into())),
        };
        (Self { socket, announcements: Vec::new(), failed: 0 }, error)
    }

    /// Announces `address` at once and in a paced burst, then every minute until [`Announcer::cease`].
    pub fn begin(&mut self, now: Instant, address: IpAddr, index: u32) {
        self.cease(address);
        let mut announcement = Announcement { address, index, step: 0, next: now };
        self.send(&[(address, index)]);
        announcement.advance(now);
        self.announcements.push(announcement);
    }

    /// Says no more about `address`.
    pub fn cease(&mut self, address: IpAddr) {
        self.announcements.retain(|a| a.address != address);
    }

    /// Begins the burst again for everything held, or for what is held on one interface.
    pub fn again(&mut self, now: Instant, index: Option<u32>) {
        for announcement in &mut self.announcements {
            if index.is_none_or(|i| i == announcement.index) {
                (announcement.step, announcement.next) = (0, now);
            }
        }
        self.due(now);
    }

    /// Sends what is due. What is overdue is left out: whoever was not scheduled for that long may have lost the VIP
    /// meanwhile, and must not teach the LAN its MAC before it has read what its peer says.
    pub fn due(&mut self, now: Instant) {
        let mut due = Vec::new();
        for announcement in self.announcements.iter_mut().filter(|a| a.next <= now) {
            let late = now.since(announcement.next);
            announcement.advance(now);
            if late < OVERDUE {
                due.push((announcement.address, announcement.index));
            }
        }
        if !due.is_empty() {
            self.send(&due);
        }
    }

    /// When [`Announcer::due`] has something to send.
    pub fn wake_at(&self) -> Option<Instant> {
        self.announcements.iter().map(|a| a.next).min()
    }

    /// Announcements that could not be sent: no MAC, interface down or gone, or the driver's queue full.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    fn send(&mut self, due: &[(IpAddr, u32)]) {
        let Some(socket) = &self.socket else { return };
        // The MAC is read each time: it changes with a bond's active port or a recreated interface.
        let Ok(links) = getifaddrs() else {
            self.failed += due.len() as u64;
            return;
        };
        let mut sent = 0;
        for entry in links {
            let Some(link) = entry.address.as_ref().and_then(|a| a.as_link_addr()) else { continue };
            let port = Port { socket, entry: &entry, link };
            let here = due.iter().filter(|(_, index)| usize::try_from(*index) == Ok(link.ifindex()));
            sent += here.filter(|(address, _)| announce(&port, *address)).count() as u64;
        }
        self.failed += (due.len() as u64).saturating_sub(sent);
    }
}

/// An interface to send on.
struct Port<'a> {
    socket: &'a OwnedFd,
    entry: &'a InterfaceAddress,
    link: &'a LinkAddr,
}

impl Port<'_> {
    /// True where nobody is to be told or asked: loopback, point-to-point.
    fn is_alone(&self) -> bool {
        self.entry.flags.intersects(InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_NOARP)
    }

    fn mac(&self) -> Option<[u8; 6]> {
        self.link.addr().filter(|_| self.link.halen() == 6)
    }

    fn send(&self, frame: &[u8]) -> bool {
        sendto(self.socket.as_raw_fd(), frame, self.link, MsgFlags::MSG_DONTWAIT) == Ok(frame.len())
    }

    /// Whether the kernel forwards IPv6 from this interface: what it says of itself in its own advertisements.
    fn is_router(&self) -> bool {
        let path = format!("/proc/sys/net/ipv6/conf/{}/forwarding", self.entry.interface_name);
        fs::read(path).is_ok_and(|text| text.starts_with(b"1"))
    }
}

/// True when it went out, in both forms of ARP, or when there is nobody to tell.
fn announce(port: &Port<'_>, address: IpAddr) -> bool {
    if port.is_alone() {
        return true;
    }
    let Some(mac) = port.mac() else { return false };
    match address {
        IpAddr::V4(address) => arp::announcements(mac, address).iter().all(|frame| port.send(frame)),
        IpAddr::V6(address) => port.send(&ndp::advertisement(mac, address, port.is_router())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 20, 100));

    #[test]
    fn the_burst_is_paced_and_then_periodic() {
        let mut announcer = Announcer { socket: None, announcements: Vec::new(), failed: 0 };
        let start = Instant::from_micros(1_000_000);
        announcer.begin(start, VIP, 2);
        let mut offsets = Vec::new();
        for _ in 0..7 {
            let next = announcer.wake_at().unwrap();
            offsets.push(next.since(start).as_millis());
            announcer.due(next);
        }
        assert_eq!(offsets, [50, 200, 500, 1_000, 2_000, 62_000, 122_000]);
        announcer.again(start + Duration::from_secs(200), Some(3));
        assert_eq!(announcer.wake_at().unwrap().since(start).as_millis(), 260_000);
        announcer.cease(VIP);
        assert_eq!(announcer.wake_at(), None);
    }
}
