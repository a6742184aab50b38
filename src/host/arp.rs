//! Gratuitous ARP: tells the LAN at once which MAC a VIP has now.
//!
//! Both forms of RFC 5944 section 4.6 are sent, because some stations learn from requests only and others from replies
//! only. From a packet socket of our own, so no program is started on the way of a takeover.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use lubdub::time::{Duration, Instant};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

/// Length of an ARP packet for IPv4 over Ethernet with its Ethernet header; the driver pads it to 60.
const FRAME: usize = 42;
const BROADCAST: [u8; 6] = [0xff; 6];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

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

/// An ARP announcement of `address` at `mac`.
fn frame(operation: u16, mac: [u8; 6], address: Ipv4Addr) -> [u8; FRAME] {
    // RFC 5944: a reply names the new MAC as target too; in a request that field has no meaning (RFC 5227: zero).
    let target = if operation == REPLY { mac } else { [0; 6] };
    let mut frame = [0; FRAME];
    frame[0..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&mac);
    // EtherType ARP; hardware Ethernet, protocol IPv4, lengths 6 and 4 (RFC 826).
    frame[12..20].copy_from_slice(&[0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4]);
    frame[20..22].copy_from_slice(&operation.to_be_bytes());
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&address.octets());
    frame[32..38].copy_from_slice(&target);
    frame[38..42].copy_from_slice(&address.octets());
    frame
}

/// One VIP that is being announced.
struct Announcement {
    address: Ipv4Addr,
    interface: String,
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
    pub fn begin(&mut self, now: Instant, address: Ipv4Addr, interface: &str) {
        self.cease(address);
        let mut announcement = Announcement { address, interface: interface.to_owned(), step: 0, next: now };
        self.send(&[(address, interface)]);
        announcement.advance(now);
        self.announcements.push(announcement);
    }

    /// Says no more about `address`.
    pub fn cease(&mut self, address: Ipv4Addr) {
        self.announcements.retain(|a| a.address != address);
    }

    /// Begins the burst again for everything held, or for what is held on one interface.
    pub fn again(&mut self, now: Instant, interface: Option<&str>) {
        for announcement in &mut self.announcements {
            if interface.is_none_or(|i| i == announcement.interface) {
                (announcement.step, announcement.next) = (0, now);
            }
        }
        self.due(now);
    }

    /// Sends what is due.
    pub fn due(&mut self, now: Instant) {
        let mut due = Vec::new();
        for announcement in self.announcements.iter_mut().filter(|a| a.next <= now) {
            announcement.advance(now);
            due.push((announcement.address, announcement.interface.clone()));
        }
        if !due.is_empty() {
            let due: Vec<_> = due.iter().map(|(address, interface)| (*address, interface.as_str())).collect();
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

    fn send(&mut self, due: &[(Ipv4Addr, &str)]) {
        let Some(socket) = &self.socket else { return };
        // The MAC is read each time: it changes with a bond's active port or a recreated interface.
        let Ok(links) = getifaddrs() else {
            self.failed += due.len() as u64;
            return;
        };
        let mut sent = 0;
        for (link, flags, name) in links.filter_map(|l| Some((*l.address?.as_link_addr()?, l.flags, l.interface_name)))
        {
            for (address, _) in due.iter().filter(|(_, interface)| *interface == name) {
                sent += u64::from(announce(socket, &link, flags, *address));
            }
        }
        self.failed += (due.len() as u64).saturating_sub(sent);
    }
}

/// True when both forms went out, or when there is nobody to tell (loopback, point-to-point).
fn announce(socket: &OwnedFd, link: &LinkAddr, flags: InterfaceFlags, address: Ipv4Addr) -> bool {
    if flags.intersects(InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_NOARP) {
        return true;
    }
    let Some(mac) = link.addr().filter(|_| link.halen() == 6) else { return false };
    [REQUEST, REPLY].into_iter().all(|operation| {
        let frame = frame(operation, mac, address);
        sendto(socket.as_raw_fd(), &frame, link, MsgFlags::MSG_DONTWAIT) == Ok(FRAME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 1, 2, 3];
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 20, 100);

    #[test]
    fn request_form_byte_for_byte() {
        #[rustfmt::skip]
        let expected = [
            255, 255, 255, 255, 255, 255, 2, 0, 0, 1, 2, 3, 8, 6,
            0, 1, 8, 0, 6, 4, 0, 1,
            2, 0, 0, 1, 2, 3, 192, 168, 20, 100,
            0, 0, 0, 0, 0, 0, 192, 168, 20, 100,
        ];
        assert_eq!(frame(REQUEST, MAC, VIP), expected);
    }

    #[test]
    fn reply_form_names_the_mac_twice() {
        let reply = frame(REPLY, MAC, VIP);
        assert_eq!(reply[20..22], [0, 2]);
        assert_eq!(reply[22..28], MAC);
        assert_eq!(reply[32..38], MAC);
    }

    #[test]
    fn the_burst_is_paced_and_then_periodic() {
        let mut announcer = Announcer { socket: None, announcements: Vec::new(), failed: 0 };
        let start = Instant::from_micros(1_000_000);
        announcer.begin(start, VIP, "eth0");
        let mut offsets = Vec::new();
        for _ in 0..7 {
            let next = announcer.wake_at().unwrap();
            offsets.push(next.since(start).as_millis());
            announcer.due(next);
        }
        assert_eq!(offsets, [50, 200, 500, 1_000, 2_000, 62_000, 122_000]);
        announcer.again(start + Duration::from_secs(200), Some("eth1"));
        assert_eq!(announcer.wake_at().unwrap().since(start).as_millis(), 260_000);
        announcer.cease(VIP);
        assert_eq!(announcer.wake_at(), None);
    }
}
