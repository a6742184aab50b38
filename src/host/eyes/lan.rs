//! One interface that VIPs are on: what is asked through it, and which other stations were heard there.
//!
//! For stations the kernel's receive queue is the memory: it keeps the first frames that come after it was emptied, and
//! nobody is woken by any. It is emptied once a minute, and with every round while something is looked for.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use lubdub::time::Instant;
use nix::ifaddrs::InterfaceAddress;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, setsockopt, socket, sockopt};
use socket2::Socket;

use super::Mac;
use super::ears::{arp_socket, receive};
use super::filter;
use super::stations::Stations;
use crate::host::netlink::Address;
use crate::host::{arp, ndp};

/// The kernel doubles it (socket(7)): a dozen frames of a driver that puts each into a page, eighty of a small one.
const QUEUE: usize = 32 * 1024;
/// More frames than the queue has room for are not read at once.
const READS: usize = 128;
/// `TC_PRIO_CONTROL` (linux/pkt_sched.h): no bulk traffic is sent before a probe.
pub const PRIORITY: i32 = 7;

/// What is said to the LAN goes out here; it receives nothing (packet(7): protocol 0).
///
/// # Errors
/// `EPERM` without CAP_NET_RAW.
pub fn mouth() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let mouth = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    setsockopt(&mouth, sockopt::Priority, &PRIORITY)?;
    Ok(mouth)
}

/// An interface.
pub struct Lan {
    link: LinkAddr,
    flags: InterfaceFlags,
    /// This node's own addresses there with the bits of their networks; no VIP is among them.
    own: Vec<(Ipv4Addr, u8)>,
    /// None where it is not permitted: then carrier alone has to do.
    ear: Option<Socket>,
    /// Those heard there.
    pub stations: Stations,
}

impl Lan {
    /// As getifaddrs(3) shows it now. Listens from now on; the error says why it cannot.
    pub fn new(entry: &InterfaceAddress, link: LinkAddr) -> (Self, Option<io::Error>) {
        let (ear, error) = match ear() {
            Ok(ear) => (Some(ear), None),
            Err(error) => (None, Some(error)),
        };
        let stations = Stations::default();
        (Self { link, flags: entry.flags, own: Vec::new(), ear, stations }, error)
    }

    /// Takes what has changed. True when it runs again.
    pub fn renew(&mut self, entry: &InterfaceAddress, link: LinkAddr) -> bool {
        let ran = self.runs();
        (self.link, self.flags) = (link, entry.flags);
        !ran && self.runs()
    }

    /// Takes this node's addresses.
    pub fn know_own(&mut self, all: &[Address], is_vip: impl Fn(IpAddr) -> bool) {
        let index = self.index();
        let here = all.iter().filter(|a| a.index == index && !is_vip(a.address));
        self.own.clear();
        self.own
            .extend(here.filter_map(|a| if let IpAddr::V4(own) = a.address { Some((own, a.prefix)) } else { None }));
    }

    /// Its number, until it is deleted.
    pub fn index(&self) -> u32 {
        u32::try_from(self.link.ifindex()).unwrap_or_default()
    }

    /// Up, with a carrier, and in use (netdevice(7)). `IFF_RUNNING` alone may tell of a lost carrier a second late
    /// (net/core/link_watch.c).
    pub fn runs(&self) -> bool {
        self.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_LOWER_UP | InterfaceFlags::IFF_RUNNING)
    }

    /// Hears every station, or only those not known well; not this node, its peer, or whoever claims a VIP.
    pub fn listen(&self, now: Instant, everybody: bool, nodes: &[Mac]) {
        let mut but: Vec<Mac> = self.mac().into_iter().chain(nodes.iter().copied()).collect();
        if !everybody {
            but.extend(self.stations.fresh(now));
        }
        // A kernel that refuses it for want of memory lets more be heard than needed, or less: both are borne.
        let _ = self.ear.as_ref().map(|ear| ear.attach_filter(&filter::stations(self.index(), &but)));
    }

    /// Takes what was heard since the last time.
    pub fn take(&mut self, now: Instant, is_node: impl Fn(Mac) -> bool, is_vip: impl Fn(IpAddr) -> bool) {
        let mut buf = [0; 128];
        let index = self.index();
        for _ in 0..READS {
            let Some(Ok((frame, interface))) = self.ear.as_ref().map(|ear| receive(ear, &mut buf)) else { break };
            let Some((address, mac)) = arp::claim(frame).filter(|_| interface == index) else { continue };
            let own = self.own.iter().any(|(own, _)| *own == address);
            let asked = !own && !address.is_broadcast() && !address.is_multicast() && !address.is_loopback();
            if asked && !is_node(mac) && !is_vip(address.into()) {
                self.stations.hear(mac, address, now);
            }
        }
        self.stations.taken(now);
    }

    /// Asks everybody whether it has this VIP, for IPv6 also these stations one by one: a switch that looks into
    /// multicast (RFC 4541) may keep the question from them. True when the interface took all of it, or when nobody can
    /// be there.
    pub fn probe(&self, mouth: &OwnedFd, vip: IpAddr, peer: &[Mac]) -> bool {
        if self.is_alone() {
            return true;
        }
        // Without a carrier the kernel takes frames and drops them without a word.
        let Some(mac) = self.mac().filter(|_| self.runs()) else { return false };
        match vip {
            IpAddr::V4(vip) => self.send(mouth, &arp::probe(mac, vip)),
            IpAddr::V6(vip) => {
                let mut question = ndp::solicitation(mac, vip);
                let sent = self.send(mouth, &question);
                peer.iter().fold(sent, |sent, peer| {
                    ndp::readdress(&mut question, *peer);
                    sent & self.send(mouth, &question)
                })
            }
        }
    }

    /// Asks the stations known whether they are there.
    pub fn ask(&self, mouth: &OwnedFd) {
        let Some(mac) = self.mac().filter(|_| self.runs() && !self.is_alone()) else { return };
        for station in self.stations.known() {
            let own = self.own.iter().find(|(own, prefix)| is_same_network(*own, station.address, *prefix));
            let sender = own.map_or(Ipv4Addr::UNSPECIFIED, |(own, _)| *own);
            self.send(mouth, &arp::request(mac, sender, station.mac, station.address));
        }
    }

    /// True where nobody can be asked: loopback, point-to-point.
    fn is_alone(&self) -> bool {
        self.flags.intersects(InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_NOARP)
    }

    fn mac(&self) -> Option<Mac> {
        self.link.addr().filter(|_| self.link.halen() == 6)
    }

    fn send(&self, mouth: &OwnedFd, frame: &[u8]) -> bool {
        sendto(mouth.as_raw_fd(), frame, &self.link, MsgFlags::MSG_DONTWAIT) == Ok(frame.len())
    }
}

fn ear() -> io::Result<Socket> {
    let ear = arp_socket()?;
    // What comes before `listen` says whom to hear is none of ours.
    ear.attach_filter(&filter::stations(0, &[]))?;
    ear.set_recv_buffer_size(QUEUE)?;
    Ok(ear)
}

fn is_same_network(a: Ipv4Addr, b: Ipv4Addr, prefix: u8) -> bool {
    (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(prefix)
}
