//! A broadcast interface as a port: UDP to 255.255.255.255, bound to one device.
//!
//! The limited broadcast needs no address and no route, so a crossover cable between two interfaces that nobody
//! configured carries beats: Linux sends from 0.0.0.0 then, and accepts that source for this destination alone.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll, ready};

use lubdub::time::{Duration, Instant};
use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::port::{Port, PortEvent, Retry, Sent};
use super::sys::{self, Source};

/// Bytes for what has arrived and is not read; the kernel doubles it and counts its own overhead, which leaves room for
/// some 150 beats. More would only keep older ones.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// Bytes for what the interface has not sent: a few beats, so that a stuck interface refuses instead of collecting.
const SEND_BUFFER: usize = 8 * 1024;
/// How often an open socket makes sure that its interface is still the one it was bound to.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Datagrams of no use that one poll skips before it lets the loop breathe.
const MOST_SKIPPED: u32 = 8;

/// One broadcast interface, opened and reopened by itself. Up or down, with or without carrier, it is open; only an
/// interface that is gone is lost.
#[derive(Debug)]
pub struct Broadcast {
    interface: String,
    to: SockAddr,
    port: u16,
    socket: Option<Bound>,
    retry: Retry,
}

/// A socket that is bound to an interface. The kernel remembers its number, and a new interface of the same name has
/// another one.
#[derive(Debug)]
struct Bound {
    fd: AsyncFd<Source<Socket>>,
    check_at: Instant,
    /// A send found no such interface.
    suspect: bool,
}

impl Broadcast {
    /// A port on `interface`, which need not exist yet; it is opened by the first poll. `port` is ha.cf's `udpport`.
    pub fn new(interface: String, port: u16) -> Self {
        let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, port).into();
        Self { interface, to, port, socket: None, retry: Retry::new() }
    }
}

impl Port for Broadcast {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, buf: &mut [u8]) -> Poll<PortEvent> {
        let Some(bound) = &mut self.socket else { return self.reopen(now) };
        let event = match bound.check(&self.interface, now) {
            Ok(()) => ready!(bound.receive(cx, buf)),
            Err(gone) => Err(gone),
        };
        Poll::Ready(match event {
            Ok(length) => PortEvent::Bytes(length),
            Err(error) => {
                self.socket = None;
                self.retry.failed(now);
                PortEvent::Lost(error)
            }
        })
    }

    fn sweep(&mut self, buf: &mut [u8]) -> usize {
        let Some(bound) = &self.socket else { return 0 };
        let fits = 1..=buf.len();
        // A datagram of no use must not look like an empty queue.
        (0..MOST_SKIPPED)
            .map_while(|_| datagram(bound.fd.get_ref(), buf).ok())
            .find(|length| fits.contains(length))
            .unwrap_or(0)
    }

    fn send(&mut self, frame: &[u8]) -> Sent {
        let Some(bound) = &mut self.socket else { return Sent::Dropped };
        let Err(error) = bound.fd.get_ref().send_to_with_flags(frame, &self.to, libc::MSG_DONTWAIT) else {
            return Sent::Yes;
        };
        bound.suspect |= matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO));
        Sent::Dropped
    }

    fn wake_at(&self) -> Option<Instant> {
        match &self.socket {
            None => Some(self.retry.at()),
            Some(bound) => bound.suspect.then_some(Instant::ZERO),
        }
    }
}

impl Broadcast {
    fn reopen(&mut self, now: Instant) -> Poll<PortEvent> {
        if now < self.retry.at() {
            return Poll::Pending;
        }
        match Bound::open(&self.interface, self.port, now) {
            Ok(bound) => {
                self.socket = Some(bound);
                self.retry.opened(now);
                Poll::Ready(PortEvent::Opened)
            }
            Err(error) if self.retry.failed(now) => Poll::Ready(PortEvent::Lost(error)),
            Err(_) => Poll::Pending,
        }
    }
}

impl Bound {
    fn open(interface: &str, port: u16, now: Instant) -> io::Result<Self> {
        let fd = sys::watch(socket(interface, port)?, Interest::READABLE)?;
        Ok(Self { fd, check_at: now + CHECK_EVERY, suspect: false })
    }

    fn check(&mut self, interface: &str, now: Instant) -> io::Result<()> {
        if !self.suspect && now < self.check_at {
            return Ok(());
        }
        self.suspect = false;
        self.check_at = now + CHECK_EVERY;
        let mut name = [0; libc::IFNAMSIZ];
        let renamed = sys::bound_interface(self.fd.get_ref().as_fd(), &mut name)? != interface.as_bytes();
        if renamed { Err(io::Error::from_raw_os_error(libc::ENODEV)) } else { Ok(()) }
    }

    fn receive(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        for _ in 0..MOST_SKIPPED {
            let mut guard = ready!(self.fd.poll_read_ready(cx))?;
            match guard.try_io(|fd| datagram(fd.get_ref(), buf)) {
                Ok(Ok(length)) if !(1..=buf.len()).contains(&length) => {}
                Ok(result) => return Poll::Ready(result),
                // The queue is empty; asking again leaves the waker.
                Err(_would_block) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The length of the next datagram, also when that is more than `buf` holds (recv(2), `MSG_TRUNC`).
fn datagram(socket: &Socket, buf: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket.as_raw_fd(), buf, MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT)?)
}

fn socket(interface: &str, port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    // Before bind, so that nothing of our own ever enters the queue.
    socket.attach_filter(&NOT_OUR_OWN)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
    Ok(socket)
}

/// Every broadcast comes back to the sockets of its own machine. The kernel marks those copies as looped, and this
/// filter drops them before they wake anybody (linux/filter.h, `SKF_AD_PKTTYPE`; packet(7), `PACKET_LOOPBACK`).
const NOT_OUR_OWN: [SockFilter; 4] = [
    SockFilter::new(BPF_LOAD_WORD, 0, 0, PACKET_TYPE),
    SockFilter::new(BPF_IF_EQUAL, 0, 1, libc::PACKET_LOOPBACK as u32),
    SockFilter::new(BPF_RETURN, 0, 0, 0),
    SockFilter::new(BPF_RETURN, 0, 0, u32::MAX),
];
const BPF_LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const BPF_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const BPF_RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;

#[cfg(test)]
mod tests;
