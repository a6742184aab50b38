//! The kernel's addresses over rtnetlink(7): add, delete, list, and hear of changes.
//!
//! rtnetlink's message types on a transport of our own: its `Handle` and the type `RouteNetlinkMessage` bring the
//! decoder of every link, rule and queue discipline (700 kB), and address messages are all that is needed here.
//! Requests are synchronous: the kernel answers within the system call, so the answer is there when it is waited for.

mod address;
mod filter;
mod generic;
#[cfg(test)]
mod lateness;
#[cfg(test)]
pub mod namespace;
mod renewal;
#[cfg(test)]
mod tests;

pub use address::{Address, Lifetime};
pub use generic::Generic;
pub use renewal::{Form, Renewal};

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use lubdub::time::{Duration, Instant};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rtnetlink::packet_core::Emitable;
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, Socket, SocketAddr, TokioSocket};
use socket2::SockRef;

use super::clock;

// Message types and flags: linux/netlink.h, linux/rtnetlink.h.
pub const NLMSG_ERROR: u16 = 2;
pub const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
pub const NLM_F_REQUEST: u16 = 0x1;
pub const NLM_F_ACK: u16 = 0x4;
pub const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
pub const NLM_F_DUMP: u16 = 0x300;
pub const NLM_F_CREATE: u16 = 0x400;
/// Without the bits that say how an attribute is made.
const NLA_TYPE_MASK: u16 = 0x3fff;
const IFLA_IFNAME: u16 = 3;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFLA_ADDRESS: u16 = 1;
/// Multicast groups as the bits that bind(2) takes: `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// `struct nlmsghdr`.
pub const HEADER: usize = 16;
/// `struct ifinfomsg`.
const IFINFOMSG: usize = 16;
/// The kernel fills at most this much of a dump into one datagram (`netlink_recvmsg`, 32 KiB).
pub const DATAGRAM: usize = 32 * 1024;
/// Bytes of a notice at most: a notice tells of one interface, without the list of its virtual functions, which alone
/// can make a link message long (net/core/rtnetlink.c, `rtmsg_ifinfo`).
const NOTICE: usize = 8 * 1024;
/// The kernel answers within microseconds; a second without an answer means that it never comes.
const ANSWER: Duration = Duration::from_secs(1);
/// A dump that was disturbed by a change is asked for again so many times.
const DUMPS: u32 = 4;

/// The loopback interface has this index in every network namespace (`LOOPBACK_IFINDEX`, include/linux/netdevice.h).
pub const LOOPBACK: u32 = 1;

/// Requests to the kernel.
pub struct Kernel {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
    /// The request that is sent.
    outgoing: Vec<u8>,
}

impl Kernel {
    /// A socket for requests in the calling thread's network namespace.
    ///
    /// # Errors
    /// No descriptor left, or a kernel without netlink.
    pub fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; DATAGRAM], outgoing: Vec::new() })
    }

    /// Every IPv4 and IPv6 address of this network namespace.
    ///
    /// # Errors
    /// The kernel refused or did not answer within a second.
    pub fn addresses(&mut self) -> io::Result<Vec<Address>> {
        // Of every family: each is asked by the kernel in turn.
        let message = AddressMessage::default();
        for _ in 0..DUMPS {
            let mut found = Vec::new();
            let whole = self.request(RTM_GETADDR, NLM_F_DUMP, &message, |m| {
                if m.kind == RTM_NEWADDR {
                    found.extend(Address::parse(m.payload));
                }
            })?;
            if whole {
                return Ok(found);
            }
        }
        Err(io::Error::other("the kernel's addresses change faster than they can be listed"))
    }

    /// Adds an address.
    ///
    /// # Errors
    /// As the kernel says: `EEXIST` when the interface has it with this prefix, `ENODEV` without the interface, `EPERM`
    /// without CAP_NET_ADMIN.
    pub fn add(&mut self, address: &Address) -> io::Result<()> {
        self.request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, address.message(), |_| {}).map(drop)
    }

    /// Deletes an address. It is gone afterwards; that it was gone before is no error.
    ///
    /// # Errors
    /// As the kernel says: `EPERM` without CAP_NET_ADMIN.
    pub fn delete(&mut self, address: &Address) -> io::Result<()> {
        let message = address::named(address.index, address.address, address.prefix);
        match self.request(RTM_DELADDR, NLM_F_ACK, &message, |_| {}) {
            Err(error) if !is(&error, Errno::ENODEV) && !is(&error, Errno::EADDRNOTAVAIL) => Err(error),
            _ => Ok(()),
        }
    }

    /// One request and its whole answer. False when a dump was disturbed by a change and may lack something.
    fn request(
        &mut self,
        kind: u16,
        flags: u16,
        body: &AddressMessage,
        mut each: impl FnMut(Message<'_>),
    ) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        self.outgoing.clear();
        append(&mut self.outgoing, kind, flags | NLM_F_REQUEST, self.sequence, body);
        self.socket.send_to(&self.outgoing, &SocketAddr::new(0, 0), 0)?;
        let deadline = clock::now() + ANSWER;
        let mut whole = true;
        loop {
            let length = receive(&self.socket, &mut self.buffer, deadline)?;
            for message in messages(&self.buffer[..length]).filter(|m| m.sequence == self.sequence) {
                whole &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_ERROR => return message.acknowledged().map(|()| whole),
                    NLMSG_DONE => return Ok(whole),
                    _ => each(message),
                }
            }
        }
    }
}

/// The length of the kernel's next datagram, which is in the buffer.
fn receive(socket: &Socket, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        let mut window = &mut buffer[..];
        match socket.recv_from(&mut window, 0) {
            // Port 0 is the kernel; anybody else's datagram is not for us.
            Ok((length, from)) if from.port_number() == 0 => return Ok(length),
            Err(error) if !retry(&error) => return Err(error),
            _ => {}
        }
        let left = deadline.since(clock::now());
        if left == Duration::ZERO || !readable(socket, left)? {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer a netlink request"));
        }
    }
}

/// True when the error is this one of the kernel's.
pub fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

/// True when there was nothing to receive, or a signal came first.
pub fn retry(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Waits for a datagram, a millisecond at least. False when none came in time.
pub fn readable(socket: &Socket, within: Duration) -> io::Result<bool> {
    let millis = u16::try_from(within.as_millis().max(1)).unwrap_or(u16::MAX);
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::from(millis)) {
        // A signal came first: the receive that follows finds nothing and the wait goes on.
        Err(Errno::EINTR) => Ok(true),
        polled => Ok(polled? > 0),
    }
}

/// Appends one message of a request.
fn append(bytes: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, body: &AddressMessage) {
    let begin = bytes.len();
    let length = HEADER + body.buffer_len();
    // Attributes are padded to four bytes each, so that the next message begins where it must.
    bytes.resize(begin + length, 0);
    let message = &mut bytes[begin..];
    // The kernel takes no datagram of 4 GiB; the messages here are below 200 bytes.
    message[0..4].copy_from_slice(&(length as u32).to_ne_bytes());
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    message[8..12].copy_from_slice(&sequence.to_ne_bytes());
    body.emit(&mut message[HEADER..]);
}

/// One netlink message of a datagram.
pub struct Message<'a> {
    /// Its type.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Of the request that it answers.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// The verdict of an `NLMSG_ERROR`: zero is the acknowledgement.
    pub fn acknowledged(&self) -> io::Result<()> {
        match u32_at(self.payload, 0).map(|raw| raw as i32) {
            Some(0) => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(errno.wrapping_neg())),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's netlink answer is cut short")),
        }
    }
}

/// The messages of a datagram; ends at the first that does not fit in it.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(rest, 0)?).ok()?;
        let payload = rest.get(HEADER..length)?;
        let message = Message { kind: u16_at(rest, 4)?, flags: u16_at(rest, 6)?, sequence: u32_at(rest, 8)?, payload };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in these bytes, with their numbers; ends at the first that does not fit in them.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let value = rest.get(4..length)?;
        let kind = u16_at(rest, 2)? & NLA_TYPE_MASK;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A number in the byte order of this machine.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number in the byte order of this machine.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What the kernel said without being asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An address is gone, or cannot be used because another station has it.
    Removed(IpAddr),
    /// An interface other than loopback appeared or changed.
    Link(Link),
    /// An interface is gone.
    LinkGone { index: u32 },
    /// Notices were lost (the socket's buffer was full): anything may have changed.
    Overrun,
}

/// An interface other than loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, until it is deleted.
    pub index: u32,
    /// Its present name.
    pub name: String,
    /// It is up and has a carrier.
    pub running: bool,
    /// Its MAC, where it has one of six bytes.
    pub mac: Option<[u8; 6]>,
}

/// Hears of addresses and interfaces that change.
pub struct Monitor {
    socket: TokioSocket,
    buffer: Vec<u8>,
}

impl Monitor {
    /// Listens in the calling thread's network namespace. To be called within the runtime.
    ///
    /// # Errors
    /// No descriptor left, or a kernel without netlink.
    pub fn new() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        SockRef::from(socket.socket_ref()).attach_filter(&filter::but_usable_addresses())?;
        socket.socket_mut().bind(&SocketAddr::new(0, GROUPS))?;
        Ok(Self { socket, buffer: vec![0; NOTICE] })
    }

    /// Ready with the notices of one datagram handed to `each`; pending when there is none.
    pub fn poll(&mut self, cx: &mut Context<'_>, mut each: impl FnMut(Notice)) -> Poll<()> {
        let mut window = &mut self.buffer[..];
        let before = window.len();
        let received = ready!(self.socket.poll_recv_from(cx, &mut window));
        let length = before - window.len();
        match received {
            // It may have been cut.
            Ok(_) if length == self.buffer.len() => each(Notice::Overrun),
            Ok(from) if from.port_number() == 0 => messages(&self.buffer[..length]).filter_map(notice).for_each(each),
            Ok(_) => {}
            // ENOBUFS above all; whatever else it may be, what was missed is asked for.
            Err(_) => each(Notice::Overrun),
        }
        Poll::Ready(())
    }
}

fn notice(message: Message<'_>) -> Option<Notice> {
    match message.kind {
        RTM_DELADDR => Address::parse(message.payload).map(|a| Notice::Removed(a.address)),
        RTM_NEWADDR => Address::parse(message.payload).filter(|a| !a.is_usable()).map(|a| Notice::Removed(a.address)),
        RTM_NEWLINK | RTM_DELLINK => link(&message),
        _ => None,
    }
}

/// None for loopback, and for a bridge port's notices (family `AF_BRIDGE`): they are not about the interface.
fn link(message: &Message<'_>) -> Option<Notice> {
    let index = u32_at(message.payload, 4)?;
    let flags = u32_at(message.payload, 8)?;
    if message.payload.first() != Some(&0) || flags & IFF_LOOPBACK != 0 {
        return None;
    }
    if message.kind == RTM_DELLINK {
        return Some(Notice::LinkGone { index });
    }
    let name = attribute(message.payload, IFLA_IFNAME)?.split(|b| *b == 0).next()?;
    Some(Notice::Link(Link {
        index,
        name: String::from_utf8_lossy(name).into_owned(),
        running: flags & IFF_RUNNING != 0,
        mac: attribute(message.payload, IFLA_ADDRESS).and_then(|mac| mac.try_into().ok()),
    }))
}

/// The value of one attribute of a link message.
fn attribute(payload: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(payload.get(IFINFOMSG..)?).find(|(this, _)| *this == kind).map(|(_, value)| value)
}
