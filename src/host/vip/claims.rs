//! Who else claims a VIP: hears of every station that says it has one, and asks for it.
//!
//! Only claims pass the filters of the two sockets, so that the questions of a busy LAN wake nobody. That another
//! station asks whether it may have the address (RFC 5227 section 2.1.1) is no claim yet.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use lubdub::time::{Duration, Instant};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::VipSpec;
use crate::host::sys::{self, Source};
use crate::host::{arp, ndp};

/// VIPs of a family at most: an older kernel takes filters of 20 KiB (net.core.optmem_max), and each VIP needs two
/// instructions of eight bytes.
const FILTERED_MAX: usize = 1_000;
/// Claims of a family read in one turn, and the pause after that many: a flood of forged ones costs ten turns a second.
const CLAIMS: usize = 16;
const PAUSE: Duration = Duration::from_millis(100);
/// Questions at start and after a carrier's return, this far apart (RFC 5227 section 1.1: PROBE_NUM, PROBE_MIN).
const PROBES: u32 = 3;
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// A stranger is asked for so often, and forgotten when it has been silent for three times that long: then the next one
/// is news again.
const ASK_EVERY: Duration = Duration::from_secs(60);
const FORGOTTEN: Duration = Duration::from_secs(200);

/// What is known of one VIP's other claimants.
struct Claim {
    spec: VipSpec,
    stranger: Option<Stranger>,
    /// It answered before the peer had told its MACs: the peer, perhaps.
    unknown: Option<[u8; 6]>,
}

/// A station that has a VIP and is neither node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its MAC.
    pub mac: [u8; 6],
    /// How often it said so.
    pub count: u64,
    last: Instant,
}

/// The ears for claims.
pub struct Claims {
    sockets: Vec<(AsyncFd<Source<Socket>>, Kind)>,
    claims: Vec<Claim>,
    peer: Vec<[u8; 6]>,
    probes: u32,
    probe_at: Option<Instant>,
    deaf_until: Option<Instant>,
}

#[derive(Clone, Copy)]
enum Kind {
    Arp,
    Icmpv6,
}

impl Claims {
    /// Listens for these VIPs. Returns too why nobody else will be noticed at some of them: no permission for a socket
    /// of a family (`EPERM` without CAP_NET_RAW), or too many. To be called within the runtime.
    pub fn new(specs: Vec<VipSpec>) -> (Self, Vec<String>) {
        let mut sockets = Vec::new();
        let mut reasons = Vec::new();
        for kind in [Kind::Arp, Kind::Icmpv6] {
            let mut ends: Vec<u32> = specs.iter().filter_map(|spec| kind.end(spec.address)).collect();
            if ends.len() > FILTERED_MAX {
                reasons.push(format!("{} VIPs of a family, more than {FILTERED_MAX}", ends.len()));
                ends.truncate(FILTERED_MAX);
            }
            match (!ends.is_empty()).then(|| kind.open(&ends)) {
                Some(Ok(socket)) => sockets.push((socket, kind)),
                Some(Err(error)) => reasons.push(format!("no socket for their claims ({error})")),
                None => {}
            }
        }
        let claims: Vec<_> = specs.into_iter().map(|spec| Claim { spec, stranger: None, unknown: None }).collect();
        let probe_at = (!claims.is_empty()).then_some(Instant::ZERO);
        (Self { sockets, claims, peer: Vec::new(), probes: PROBES, probe_at, deaf_until: None }, reasons)
    }

    /// Takes what was claimed, and appends each stranger that is new. Wakes for the next claim.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant, held: &dyn Fn(IpAddr) -> bool, news: &mut Vec<String>) {
        if self.deaf_until.is_some_and(|until| now < until) {
            return;
        }
        self.deaf_until = None;
        let mut heard = Vec::new();
        for (socket, kind) in &self.sockets {
            let mut left = CLAIMS;
            while left > 0
                && let Poll::Ready(Ok(mut ready)) = socket.poll_read_ready(cx)
            {
                // An error, a socket's own, is used up by reading it.
                if let Ok(packet) = ready.try_io(|fd| kind.receive(fd.get_ref())) {
                    heard.extend(packet.ok().flatten());
                    left -= 1;
                }
            }
            if left == 0 {
                self.deaf_until = Some(now + PAUSE);
            }
        }
        for (address, mac, index) in heard {
            self.take(address, mac, index, now, held, news);
        }
    }

    fn take(
        &mut self,
        address: IpAddr,
        mac: [u8; 6],
        index: u32,
        now: Instant,
        held: &dyn Fn(IpAddr) -> bool,
        news: &mut Vec<String>,
    ) {
        let Some(claim) = self.claims.iter_mut().find(|claim| claim.spec.address == address) else { return };
        if claim.stranger.is_none_or(|known| known.mac != mac) {
            if self.peer.contains(&mac) || claim.is_elsewhere(index) || is_ours(mac) {
                return;
            }
            if self.peer.is_empty() && !held(address) {
                claim.unknown = Some(mac);
                return;
            }
        }
        claim.tell(mac, now, !self.peer.is_empty(), news);
        self.probe_at.get_or_insert(now + ASK_EVERY);
    }

    /// What the peer has told of its MACs.
    pub fn know_peer(&mut self, macs: &[[u8; 6]], now: Instant, news: &mut Vec<String>) {
        if macs.is_empty() || self.peer == macs {
            return;
        }
        self.peer = macs.to_vec();
        for claim in &mut self.claims {
            if claim.stranger.is_some_and(|stranger| macs.contains(&stranger.mac)) {
                claim.stranger = None;
            }
            if let Some(mac) = claim.unknown.take().filter(|mac| !macs.contains(mac)) {
                claim.tell(mac, now, true, news);
                self.probe_at.get_or_insert(now + ASK_EVERY);
            }
        }
    }

    /// Asks again from the beginning: a carrier is back.
    pub fn ask_again(&mut self, now: Instant) {
        if !self.claims.is_empty() {
            (self.probes, self.probe_at) = (PROBES, Some(now));
        }
    }

    /// The VIPs to ask for now. One that this node holds is asked for too: its own kernel does not hear the question.
    pub fn due(&mut self, now: Instant, held: &dyn Fn(IpAddr) -> bool) -> Vec<&VipSpec> {
        // Somebody had answered of whom it is not known whether it is the peer. Now this node has the VIP, and whoever
        // answers still has it too.
        let doubted = |claim: &&mut Claim| claim.unknown.is_some() && held(claim.spec.address);
        if self.claims.iter_mut().filter(doubted).map(|claim| claim.unknown = None).count() > 0 {
            self.ask_again(now);
        }
        if self.probe_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let everyone = self.probes > 0;
        self.probes = self.probes.saturating_sub(1);
        self.claims.iter_mut().for_each(|claim| claim.forget(now));
        let strangers = self.claims.iter().any(|claim| claim.stranger.is_some());
        self.probe_at = match self.probes {
            0 => strangers.then(|| now + ASK_EVERY),
            _ => Some(now + PROBE_EVERY),
        };
        let asked = self.claims.iter().filter(|claim| everyone || claim.stranger.is_some());
        asked.map(|claim| &claim.spec).collect()
    }

    /// When there is something to ask, or to hear again.
    pub fn wake_at(&self) -> Option<Instant> {
        self.probe_at.into_iter().chain(self.deaf_until).min()
    }

    /// The VIPs, each with the stranger that has it.
    pub fn strangers(&self) -> impl Iterator<Item = (IpAddr, Option<Stranger>)> {
        self.claims.iter().map(|claim| (claim.spec.address, claim.stranger))
    }
}

impl Claim {
    /// True for an interface that cannot be the VIP's; 0 is any.
    fn is_elsewhere(&self, index: u32) -> bool {
        let own = self.spec.interface.as_deref().and_then(|name| if_nametoindex(name).ok());
        index != 0 && own.is_some_and(|own| own != index)
    }

    fn forget(&mut self, now: Instant) {
        self.stranger = self.stranger.filter(|stranger| now < stranger.last + FORGOTTEN);
    }

    /// Counts, and tells it unless somebody who claims this VIP was heard lately: of many, and of one that changes its
    /// MAC with each word, the first is told.
    fn tell(&mut self, mac: [u8; 6], now: Instant, peer_known: bool, news: &mut Vec<String>) {
        self.forget(now);
        if self.stranger.is_none() {
            news.push(alarm(self.spec.address, mac, peer_known));
        }
        let count = self.stranger.map_or(0, |stranger| stranger.count);
        self.stranger = Some(Stranger { mac, count: count + 1, last: now });
    }
}

impl Kind {
    /// The last four bytes of an address of this kind.
    fn end(self, address: IpAddr) -> Option<u32> {
        match (self, address) {
            (Self::Arp, IpAddr::V4(address)) => Some(address.to_bits()),
            (Self::Icmpv6, IpAddr::V6(address)) => Some(address.to_bits() as u32),
            _ => None,
        }
    }

    fn open(self, ends: &[u32]) -> io::Result<AsyncFd<Source<Socket>>> {
        let ethernet = Protocol::from(i32::from((libc::ETH_P_ARP as u16).to_be()));
        let socket = match self {
            Self::Arp => Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(ethernet)),
            Self::Icmpv6 => Socket::new(Domain::IPV6, Type::RAW.nonblocking(), Some(Protocol::ICMPV6)),
        }?;
        // What was there before the filter is told apart when it is read.
        socket.attach_filter(&self.filter(ends))?;
        sys::watch(socket, Interest::READABLE)
    }

    /// Passes claims of addresses with these ends.
    fn filter(self, ends: &[u32]) -> Vec<SockFilter> {
        let drop = || SockFilter::new(RETURN, 0, 0, 0);
        let mut filter = match self {
            Self::Arp => vec![SockFilter::new(LOAD_WORD, 0, 0, arp::SENDER)],
            Self::Icmpv6 => vec![
                SockFilter::new(LOAD_BYTE, 0, 0, 0),
                SockFilter::new(IF_EQUAL, 1, 0, ndp::ADVERTISEMENT.into()),
                drop(),
                SockFilter::new(LOAD_WORD, 0, 0, ndp::TARGET_END),
            ],
        };
        for end in ends {
            filter.push(SockFilter::new(IF_EQUAL, 0, 1, *end));
            filter.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
        }
        filter.push(drop());
        filter
    }

    /// The next packet: the address claimed, the MAC and the number of the interface, 0 where that is not known.
    fn receive(self, socket: &Socket) -> io::Result<Option<(IpAddr, [u8; 6], u32)>> {
        let mut packet = [0; 128];
        let (length, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut packet)?;
        let packet = packet.get(..length).unwrap_or(&packet);
        let index = from.and_then(|from| u32::try_from(from.ifindex()).ok()).unwrap_or(0);
        Ok(match self {
            Self::Arp => arp::claim(packet).map(|(address, mac)| (address.into(), mac, index)),
            Self::Icmpv6 => ndp::claim(packet).map(|(address, mac)| (address.into(), mac, 0)),
        })
    }
}

fn is_ours(mac: [u8; 6]) -> bool {
    let mut links = getifaddrs().into_iter().flatten();
    links.any(|entry| entry.address.and_then(|a| a.as_link_addr()?.addr()) == Some(mac))
}

fn alarm(address: IpAddr, mac: [u8; 6], peer_known: bool) -> String {
    let who = if peer_known { "neither node" } else { "not this node, and its peer has not told its MACs" };
    format!("ALARM VIP {address} is used by {}, which is {who}: take it off that station", shown(mac))
}

/// A MAC as `ip link` shows it.
pub fn shown(mac: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket};

    use super::*;
    use crate::host::netlink::namespace::{ethernet, inside};

    const MAC: [u8; 6] = [2, 0, 0, 1, 2, 3];

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
    fn passed(kind: Kind, socket: &Socket, last: IpAddr) -> Vec<IpAddr> {
        let mut passed = Vec::new();
        while passed.last() != Some(&last) {
            let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut fds, PollTimeout::from(5_000_u16)), Ok(1), "{passed:?}");
            passed.push(kind.receive(socket).unwrap().expect("nothing but claims passes").0);
        }
        passed
    }

    #[test]
    fn only_claims_of_the_vips_pass_the_filters() {
        inside(|| {
            ethernet();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            let _entered = runtime.enter();
            let vips =
                ["192.168.20.100", "192.168.20.101", "2001:db8::100", "2001:db8::101"].map(|a| a.parse().unwrap());
            let [IpAddr::V4(first), IpAddr::V4(second), IpAddr::V6(first6), IpAddr::V6(second6)] = vips else {
                unreachable!("two of each family")
            };
            let (other, other6) = ("192.168.20.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
            let ears = [Kind::Arp, Kind::Icmpv6].map(|kind| {
                let ends: Vec<u32> = vips.iter().filter_map(|vip| kind.end(*vip)).collect();
                (kind, kind.open(&ends).unwrap())
            });
            // Another station's own, questions about a VIP, and then claims of both.
            send_from_lan0(&[
                &arp::announcements(MAC, other)[0],
                &arp::probe(MAC, first),
                &arp::announcements(MAC, first)[1],
                &arp::announcements(MAC, second)[0],
                &ndp::advertisement(MAC, other6, false),
                &ndp::solicitation(MAC, first6),
                &ndp::advertisement(MAC, first6, true),
                &ndp::advertisement(MAC, second6, false),
            ]);
            let [(arp, arp_ear), (icmpv6, icmpv6_ear)] = &ears;
            assert_eq!(passed(*arp, arp_ear.get_ref(), vips[1]), vips[..2]);
            assert_eq!(passed(*icmpv6, icmpv6_ear.get_ref(), vips[3]), vips[2..]);
        });
    }

    #[test]
    fn a_filter_for_the_most_vips_is_taken() {
        inside(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            let _entered = runtime.enter();
            let ends: Vec<u32> = (0..FILTERED_MAX as u32).collect();
            for kind in [Kind::Arp, Kind::Icmpv6] {
                kind.open(&ends).unwrap();
            }
        });
    }

    #[test]
    fn a_flood_with_changing_macs_is_told_once_and_counted() {
        let spec = VipSpec {
            address: "192.168.20.100".parse().unwrap(),
            prefix: None,
            interface: None,
            broadcast: None,
            label: None,
        };
        let address = spec.address;
        let (mut claims, _) = Claims::new(Vec::new());
        claims.claims.push(Claim { spec, stranger: None, unknown: None });
        claims.peer.push(MAC);
        claims.probes = 0;
        let mut news = Vec::new();
        for number in 0..3_000_u64 {
            let mac = [2, 9, 0, 0, (number >> 8) as u8, number as u8];
            claims.take(address, mac, 0, Instant::from_micros(number * 1_000), &|_| false, &mut news);
        }
        assert_eq!(news.len(), 1, "{news:?}");
        assert_eq!(claims.strangers().next().unwrap().1.unwrap().count, 3_000);
        // It is asked for once a minute, forgotten when it does not answer, and then news again.
        let mut asked = 0;
        while let Some(at) = claims.wake_at() {
            asked += claims.due(at, &|_| true).len();
        }
        assert_eq!((asked, claims.strangers().next().unwrap().1), (3, None));
        claims.take(address, [2; 6], 0, Instant::from_micros(700_000_000), &|_| false, &mut news);
        assert_eq!(news.len(), 2);
    }
}
