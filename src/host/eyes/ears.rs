//! The ears for claims: sockets that hear only who says, by asking or answering, that it has a VIP, and whether the peer
//! looks for one.
//!
//! The questions of a busy LAN wake nobody. That another station asks whether it may have the address (RFC 5227 section
//! 2.1.1) is no claim yet. The peer is heard by sockets of its own, so that a flood from anybody else cannot hide its
//! answer.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use lubdub::time::{Duration, Instant};
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Mac;
use super::filter::{self, Program, Senders};
use crate::host::sys::{self, Source};
use crate::host::{arp, ndp};

/// VIPs of a family at most: an older kernel takes filters of 20 KiB (net.core.optmem_max), and each VIP needs two
/// instructions of eight bytes.
const FILTERED_MAX: usize = 1_000;
/// Claims that a socket gives in one turn, and the pause after that many when nothing is looked for: a flood of forged
/// ones costs ten turns a second.
const CLAIMS: usize = 16;
const PAUSE: Duration = Duration::from_millis(100);

/// Somebody says that it has an address, or the peer asks whether anybody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// The MAC that it names.
    pub mac: Mac,
    /// The interface that it was heard on, 0 where that is not known.
    pub interface: u32,
    /// A probe: it looks whether somebody has the address.
    pub asks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Arp,
    Icmpv6,
    /// Questions of neighbour discovery, with the Ethernet header: they do not name the MAC of who asks.
    Solicitations,
}

/// Whom a socket hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    Peer,
    Others,
}

struct Ear {
    socket: AsyncFd<Source<Socket>>,
    kind: Kind,
    whom: Whom,
    deaf_until: Option<Instant>,
}

/// All ears for claims.
pub struct Ears {
    ears: Vec<Ear>,
    addresses: Vec<IpAddr>,
}

impl Ears {
    /// Listens for claims of these addresses. Returns too why some will not be heard: no permission for a socket of a
    /// family (`EPERM` without CAP_NET_RAW), or too many. To be called within the runtime.
    pub fn new(addresses: Vec<IpAddr>, peer: &[Mac]) -> (Self, Vec<String>) {
        let mut ears = Vec::new();
        let mut reasons = Vec::new();
        for kind in [Kind::Arp, Kind::Icmpv6, Kind::Solicitations] {
            let count = addresses.iter().filter(|address| kind.end(**address).is_some()).count();
            if count > FILTERED_MAX {
                reasons.push(format!("{count} VIPs of a family, more than {FILTERED_MAX}"));
            }
            // To close a packet socket takes the kernel milliseconds: what is not needed is not opened.
            for whom in kind.whom().iter().copied().filter(|_| count > 0) {
                match kind.open(whom, &addresses, peer) {
                    Ok(ear) => ears.push(ear),
                    Err(error) => reasons.push(format!("no socket for their claims ({error})")),
                }
            }
        }
        reasons.dedup();
        (Self { ears, addresses }, reasons)
    }

    /// These MACs are the peer's from now on. A socket whose filter the kernel does not take keeps the one it has.
    pub fn know_peer(&self, peer: &[Mac]) -> io::Result<()> {
        // First who hears more, then who hears less: nobody is missed in between.
        for ear in &self.ears {
            ear.socket.get_ref().attach_filter(&ear.kind.filter(ear.whom, &self.addresses, peer))?;
        }
        Ok(())
    }

    /// Appends what was claimed, and wakes for the next claim. Nobody who matters may be missed by a pause: while
    /// something is looked for, that is the peer, or anybody as long as the peer is not known.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant, never_pause: NeverPause, heard: &mut Vec<Claim>) {
        for ear in &mut self.ears {
            let pauses = !never_pause.is_for(ear.whom);
            if pauses && ear.deaf_until.is_some_and(|until| now < until) {
                continue;
            }
            ear.deaf_until = None;
            if !ear.hear(cx, heard) {
                continue;
            }
            if pauses {
                ear.deaf_until = Some(now + PAUSE);
            } else {
                cx.waker().wake_by_ref();
            }
        }
    }

    /// Appends what is there, past the reactor, which may not have looked since: before silence is judged.
    pub fn sweep(&self, never_pause: NeverPause, heard: &mut Vec<Claim>) {
        for ear in self.ears.iter().filter(|ear| never_pause.is_for(ear.whom)) {
            for _ in 0..CLAIMS {
                match ear.kind.receive(ear.socket.get_ref()) {
                    Ok(claim) => heard.extend(claim),
                    Err(_) => break,
                }
            }
        }
    }

    /// When to hear again after a pause.
    pub fn wake_at(&self) -> Option<Instant> {
        self.ears.iter().filter_map(|ear| ear.deaf_until).min()
    }
}

/// Who is heard without a pause, whatever else comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeverPause {
    Nobody,
    Peer,
    Anybody,
}

impl NeverPause {
    fn is_for(self, whom: Whom) -> bool {
        self == Self::Anybody || self == Self::Peer && whom == Whom::Peer
    }
}

impl Ear {
    /// True when there may be more.
    fn hear(&self, cx: &mut Context<'_>, heard: &mut Vec<Claim>) -> bool {
        let mut left = CLAIMS;
        while left > 0
            && let Poll::Ready(Ok(mut ready)) = self.socket.poll_read_ready(cx)
        {
            // An error, a socket's own, is used up by reading it.
            if let Ok(claim) = ready.try_io(|fd| self.kind.receive(fd.get_ref())) {
                heard.extend(claim.ok().flatten());
                left -= 1;
            }
        }
        left == 0
    }
}

impl Kind {
    /// The last four bytes of an address of this kind.
    fn end(self, address: IpAddr) -> Option<u32> {
        match (self, address) {
            (Self::Arp, IpAddr::V4(address)) => Some(address.to_bits()),
            (Self::Icmpv6 | Self::Solicitations, IpAddr::V6(address)) => Some(address.to_bits() as u32),
            _ => None,
        }
    }

    /// Whom it is for: that others look for a VIP is nothing to this node.
    fn whom(self) -> &'static [Whom] {
        if self == Self::Solicitations { &[Whom::Peer] } else { &[Whom::Peer, Whom::Others] }
    }

    fn open(self, whom: Whom, addresses: &[IpAddr], peer: &[Mac]) -> io::Result<Ear> {
        let socket = match self {
            Self::Arp => packet_socket(libc::ETH_P_ARP),
            Self::Solicitations => packet_socket(libc::ETH_P_IPV6),
            Self::Icmpv6 => Socket::new(Domain::IPV6, Type::RAW.nonblocking(), Some(Protocol::ICMPV6)),
        }?;
        // What was there before the filter is told apart when it is read.
        socket.attach_filter(&self.filter(whom, addresses, peer))?;
        Ok(Ear { socket: sys::watch(socket, Interest::READABLE)?, kind: self, whom, deaf_until: None })
    }

    fn filter(self, whom: Whom, addresses: &[IpAddr], peer: &[Mac]) -> Program {
        let ends: Vec<u32> = addresses.iter().filter_map(|address| self.end(*address)).take(FILTERED_MAX).collect();
        let who = match whom {
            Whom::Peer => Senders::Only(peer),
            Whom::Others => Senders::AllBut(peer),
        };
        match self {
            Self::Arp if whom == Whom::Peer => filter::arp_words(&ends, peer),
            Self::Arp => filter::arp_claims(&ends, who),
            Self::Icmpv6 => filter::ndp_claims(&ends, who),
            Self::Solicitations => filter::ndp_questions(&ends, peer),
        }
    }

    /// The next packet, if it is a claim.
    fn receive(self, socket: &Socket) -> io::Result<Option<Claim>> {
        let mut packet = [0; 128];
        let (packet, interface) = receive(socket, &mut packet)?;
        Ok(match self {
            Self::Arp => {
                let claim = arp::claim(packet).map(|said| (said, false));
                let said = claim.or_else(|| arp::question(packet).map(|said| (said, true)));
                said.map(|((address, mac), asks)| Claim { address: address.into(), mac, interface, asks })
            }
            Self::Icmpv6 => {
                let claim = ndp::claim(packet);
                claim.map(|(address, mac)| Claim { address: address.into(), mac, interface: 0, asks: false })
            }
            Self::Solicitations => {
                let question = ndp::question(packet);
                question.map(|(address, mac)| Claim { address: address.into(), mac, interface, asks: true })
            }
        })
    }
}

/// A socket that hears ARP on every interface, with the Ethernet header.
///
/// # Errors
/// `EPERM` without CAP_NET_RAW.
pub fn arp_socket() -> io::Result<Socket> {
    packet_socket(libc::ETH_P_ARP)
}

fn packet_socket(ethertype: i32) -> io::Result<Socket> {
    let ethertype = Protocol::from(i32::from((ethertype as u16).to_be()));
    Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(ethertype))
}

/// The next packet as far as it fits, and the number of its interface.
///
/// # Errors
/// `EAGAIN` when there is none.
pub fn receive<'a>(socket: &Socket, buf: &'a mut [u8; 128]) -> io::Result<(&'a [u8], u32)> {
    let (length, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), buf)?;
    let interface = from.and_then(|from| u32::try_from(from.ifindex()).ok()).unwrap_or(0);
    Ok((buf.get(..length).unwrap_or_default(), interface))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::ifaddrs::getifaddrs;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket};

    use super::*;
    use crate::host::clock;
    use crate::host::netlink::namespace::{ethernet, inside};

    const MAC: Mac = [2, 0, 0, 1, 2, 3];
    const PEER: [Mac; 2] = [[2, 0, 0, 1, 2, 4], [2, 0, 0, 1, 3, 3]];

    fn send_from_lan0(frames: &[&[u8]]) {
        let sender = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None).unwrap();
        let lan = nix::net::if_::if_nametoindex("lan0").unwrap() as usize;
        let mut links = getifaddrs().unwrap().filter_map(|entry| Some(*entry.address?.as_link_addr()?));
        let link = links.find(|link| link.ifindex() == lan).unwrap();
        for frame in frames {
            assert_eq!(sendto(sender.as_raw_fd(), frame, &link, MsgFlags::empty()), Ok(frame.len()));
        }
    }

    /// The claims that pass, up to one of `last`.
    fn passed(ear: &Ear, last: IpAddr) -> Vec<(IpAddr, Mac)> {
        let mut passed: Vec<(IpAddr, Mac)> = Vec::new();
        while passed.last().is_none_or(|(address, _)| *address != last) {
            let mut fds = [PollFd::new(ear.socket.get_ref().as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut fds, PollTimeout::from(5_000_u16)), Ok(1), "{passed:?}");
            let claim = ear.kind.receive(ear.socket.get_ref()).unwrap().expect("nothing but claims passes");
            passed.push((claim.address, claim.mac));
        }
        passed
    }

    fn within(test: impl FnOnce() + Send + 'static) {
        inside(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            let _entered = runtime.enter();
            test();
        });
    }

    #[test]
    fn only_claims_of_the_vips_pass_the_filters_each_by_its_own_socket() {
        within(|| {
            ethernet();
            let texts = ["192.168.20.100", "192.168.20.101", "2001:db8::100", "2001:db8::101"];
            let vips: Vec<IpAddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let [IpAddr::V4(first), IpAddr::V4(second), IpAddr::V6(first6), IpAddr::V6(second6)] = vips[..] else {
                unreachable!("two of each family")
            };
            let (other, other6) = ("192.168.20.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
            let (ears, reasons) = Ears::new(vips.clone(), &[]);
            assert_eq!(reasons, [""; 0]);
            ears.know_peer(&PEER).unwrap();
            let mut routed = ndp::advertisement(MAC, first6, false);
            routed[21] = 254;
            // Another station's own, questions about a VIP, one from afar, and then claims of both by three.
            let mut frames: Vec<Vec<u8>> = vec![
                arp::announcements(MAC, other)[0].to_vec(),
                arp::probe(MAC, first).to_vec(),
                ndp::advertisement(MAC, other6, false).to_vec(),
                ndp::solicitation(MAC, first6).to_vec(),
                routed.to_vec(),
            ];
            for mac in [MAC, PEER[0], PEER[1]] {
                frames.push(arp::announcements(mac, first)[1].to_vec());
                frames.push(ndp::advertisement(mac, first6, true).to_vec());
            }
            for mac in [MAC, PEER[1]] {
                frames.push(arp::announcements(mac, second)[0].to_vec());
                frames.push(ndp::advertisement(mac, second6, false).to_vec());
            }
            send_from_lan0(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for ear in ears.ears.iter().filter(|ear| ear.kind != Kind::Solicitations) {
                let (one, two) = if ear.kind == Kind::Arp { (vips[0], vips[1]) } else { (vips[2], vips[3]) };
                let expected = match ear.whom {
                    Whom::Peer => vec![(one, PEER[0]), (one, PEER[1]), (two, PEER[1])],
                    Whom::Others => vec![(one, MAC), (two, MAC)],
                };
                assert_eq!(passed(ear, two), expected, "{:?} {:?}", ear.kind, ear.whom);
            }
        });
    }

    #[test]
    fn the_peers_probes_are_heard_and_nobody_elses() {
        within(|| {
            ethernet();
            let vips: Vec<IpAddr> = ["192.168.20.100", "2001:db8::100"].map(|text| text.parse().unwrap()).to_vec();
            let [IpAddr::V4(vip), IpAddr::V6(vip6)] = vips[..] else { unreachable!("one of each family") };
            let (other, other6) = ("192.168.20.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
            let (ears, reasons) = Ears::new(vips.clone(), &PEER);
            assert_eq!(reasons, [""; 0]);
            let client = arp::request(PEER[0], "192.168.20.2".parse().unwrap(), [0xff; 6], vip);
            let mut neighbours = ndp::solicitation(PEER[0], vip6);
            neighbours[37] = 2;
            // Somebody else's, the peer's for another address, the peer's kernel's own, and then a probe of the peer.
            let frames: [&[u8]; 8] = [
                &arp::probe(MAC, vip),
                &ndp::solicitation(MAC, vip6),
                &arp::probe(PEER[0], other),
                &ndp::solicitation(PEER[0], other6),
                &client,
                &neighbours,
                &arp::probe(PEER[1], vip),
                &ndp::solicitation(PEER[1], vip6),
            ];
            send_from_lan0(&frames);
            let mut heard = Vec::new();
            let deadline = clock::now() + Duration::from_secs(5);
            while heard.len() < 2 && clock::now() < deadline {
                ears.sweep(NeverPause::Anybody, &mut heard);
            }
            let said: Vec<_> = heard.iter().map(|claim| (claim.address, claim.mac, claim.asks)).collect();
            assert_eq!(said, [(vips[0], PEER[1], true), (vips[1], PEER[1], true)]);
        });
    }

    #[test]
    fn filters_for_the_most_vips_are_taken() {
        within(|| {
            let all = (0..FILTERED_MAX as u32 + 1)
                .flat_map(|number| [IpAddr::V4(number.into()), IpAddr::V6(u128::from(number).into())]);
            let (ears, reasons) = Ears::new(all.collect(), &[MAC; 4]);
            assert_eq!((ears.ears.len(), reasons.len()), (5, 1), "{reasons:?}");
        });
    }
}
