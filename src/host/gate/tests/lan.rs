//! A cable with a node at `eth0` and a station of another network namespace at `lan0`, which asks the node for its
//! addresses. Nothing waits for silence: after each question an ordinary address is asked for, and what was not
//! answered before that one answers is not answered.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{LinkAddr, MsgFlags, recv, sendto};
use nix::unistd::gettid;
use socket2::{Domain, Protocol, Socket, Type};

use crate::host::netlink::namespace::{ethernet, inside, ip};
use crate::host::sys::testing::carrier;
use crate::host::{arp, ndp};

/// Every address of the node: VIPs first, then the ordinary one of each family.
pub const VIPS: [&str; 4] = ["192.168.20.100", "192.168.20.101", "fd20::100", "fd20::101"];
const ORDINARY: [&str; 2] = ["192.168.20.10", "fd20::10"];
const PORT: u16 = 7777;
const PATIENCE: Duration = Duration::from_secs(10);

/// The address of a VIP.
pub fn vip(number: usize) -> IpAddr {
    VIPS[number].parse().unwrap()
}

/// Both ends of the cable.
pub struct Lan {
    ears: Vec<(IpAddr, UdpSocket)>,
    asking: [UdpSocket; 2],
    station: Socket,
    link: LinkAddr,
    mac: [u8; 6],
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Runs a test with a node that has all the VIPs.
pub fn with_lan(test: impl FnOnce(&Lan) + Send + 'static) {
    inside(|| test(&Lan::new()));
}

impl Lan {
    fn new() -> Self {
        ethernet();
        for address in VIPS.iter().chain(&ORDINARY) {
            let (length, nodad) = if address.contains(':') { (64, " nodad") } else { (24, "") };
            ip(&format!("address add {address}/{length} dev eth0{nodad}"));
        }
        let shown = ip("-o link show dev eth0");
        let here = shown.split_once("link/ether ").unwrap().1[..17].to_owned();
        let (told, tid) = channel();
        let (moved, goes_on) = channel();
        let (sockets, opened) = channel();
        let (end, ended) = channel();
        let thread = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            told.send(gettid()).unwrap();
            goes_on.recv().unwrap();
            sockets.send(station(&here)).unwrap();
            // The end of the other side ends it.
            let _ = ended.recv();
        });
        ip(&format!("link set lan0 netns {}", tid.recv().unwrap()));
        moved.send(()).unwrap();
        let (station, asking, link) = opened.recv().unwrap();
        carrier("eth0");
        let ears = VIPS.iter().chain(&ORDINARY).map(|address| {
            let address = address.parse().unwrap();
            (address, udp(address, PORT))
        });
        let ears = ears.collect();
        Self { ears, asking, station, link, mac: link.addr().unwrap(), end: Some(end), thread: Some(thread) }
    }

    /// Does the node hear what is sent to this address?
    pub fn hears(&self, address: IpAddr) -> bool {
        let asking = &self.asking[usize::from(address.is_ipv6())];
        let control = self.ear(ordinary(address));
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        for to in [address, ordinary(address)] {
            asking.send_to(b"are you there?", (to, PORT)).unwrap();
        }
        control.recv(&mut [0; 64]).expect("an ordinary address hears");
        let ear = self.ear(address);
        ear.set_nonblocking(true).unwrap();
        let heard = ear.recv(&mut [0; 64]);
        ear.set_nonblocking(false).unwrap();
        heard.is_ok()
    }

    /// May the node send from this address?
    pub fn speaks(&self, address: IpAddr) -> bool {
        let asking = self.asking[usize::from(address.is_ipv6())].local_addr().unwrap();
        match self.ear(address).send_to(b"here I am", asking) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => false,
            Err(error) => panic!("{address}: {error}"),
        }
    }

    /// Does the node tell its MAC when it is asked for this address, by ARP or neighbour discovery?
    pub fn claims(&self, address: IpAddr) -> bool {
        // What it saw before, packets too, is old and may have filled its buffer.
        while recv(self.station.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT).is_ok() {}
        for asked in [address, ordinary(address)] {
            match asked {
                IpAddr::V4(v4) => self.send(&arp::probe(self.mac, v4)),
                IpAddr::V6(v6) => self.send(&ndp::solicitation(self.mac, v6)),
            }
        }
        let mut claims = false;
        loop {
            match self.next_claim() {
                claimed if claimed == address => claims = true,
                claimed if claimed == ordinary(address) => return claims,
                _ => {}
            }
        }
    }

    /// True when it is there in every way, false when in none.
    pub fn answers(&self, address: IpAddr) -> bool {
        let ways = [self.claims(address), self.hears(address), self.speaks(address)];
        assert!(ways.iter().all(|way| *way == ways[0]), "{address}: claims, hears, speaks: {ways:?}");
        ways[0]
    }

    /// Who next says that it has an address, unasked or not.
    pub fn next_claim(&self) -> IpAddr {
        loop {
            let mut frame = [0; 2048];
            let length = recv(self.station.as_raw_fd(), &mut frame, MsgFlags::empty()).expect("a claim");
            if let Some(claimed) = claim(&frame[..length]) {
                return claimed;
            }
        }
    }

    /// The node's end of the conversations of an address.
    pub fn ear(&self, address: IpAddr) -> &UdpSocket {
        &self.ears.iter().find(|(own, _)| *own == address).unwrap().1
    }

    fn send(&self, frame: &[u8]) {
        let sent = sendto(self.station.as_raw_fd(), frame, &self.link, MsgFlags::empty());
        assert_eq!(sent, Ok(frame.len()));
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.end = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn ordinary(like: IpAddr) -> IpAddr {
    ORDINARY[usize::from(like.is_ipv6())].parse().unwrap()
}

fn claim(frame: &[u8]) -> Option<IpAddr> {
    const ICMPV6: usize = 54;
    match frame.get(12..14)? {
        [8, 6] => arp::claim(frame).map(|(address, _)| address.into()),
        [0x86, 0xdd] if frame.get(20) == Some(&58) => Some(ndp::claim(frame.get(ICMPV6..)?)?.0.into()),
        _ => None,
    }
}

/// The station's sockets, opened in its own network: one for frames, one a family for packets.
fn station(node: &str) -> (Socket, [UdpSocket; 2], LinkAddr) {
    ip("link set lan0 up");
    ip("address add 192.168.20.1/24 dev lan0");
    ip("address add fd20::1/64 dev lan0 nodad");
    // It knows the node already, so that packets show the way of packets alone.
    for address in VIPS.iter().chain(&ORDINARY) {
        ip(&format!("neighbour replace {address} lladdr {node} dev lan0 nud permanent"));
    }
    carrier("lan0");
    let everything = Protocol::from(i32::from(0x0003_u16.to_be()));
    let frames = Socket::new(Domain::PACKET, Type::RAW, Some(everything)).unwrap();
    frames.set_read_timeout(Some(PATIENCE)).unwrap();
    let lan = nix::net::if_::if_nametoindex("lan0").unwrap() as usize;
    let mut links = getifaddrs().unwrap().filter_map(|entry| Some(*entry.address?.as_link_addr()?));
    let link = links.find(|link| link.ifindex() == lan).unwrap();
    let asking = [udp([192, 168, 20, 1].into(), PORT), udp(Ipv6Addr::new(0xfd20, 0, 0, 0, 0, 0, 0, 1).into(), PORT)];
    (frames, asking, link)
}

fn udp(address: IpAddr, port: u16) -> UdpSocket {
    UdpSocket::bind((address, port)).unwrap()
}
