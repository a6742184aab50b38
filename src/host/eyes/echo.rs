//! The sockets that ask `ping` nodes, and hear nothing but what looks like their answers.
//!
//! Raw ones: whether a socket for pings alone may be opened depends on `net.ipv4.ping_group_range`, which is empty where
//! nobody has set it. The ears for claims hear other protocols, and filter them by what they are for.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use nix::sys::socket::{MsgFlags, SockaddrIn, SockaddrIn6, recvfrom, sendto, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::filter;
use super::lan::PRIORITY;
use crate::host::icmp::Echo;
use crate::host::sys::{self, Source};

/// Answers that a socket gives in one turn.
const ANSWERS: usize = 16;

struct Ear {
    socket: AsyncFd<Source<Socket>>,
    v6: bool,
}

/// The sockets for `ping` nodes of both families.
pub struct Echoes {
    ears: Vec<Ear>,
    random: Option<File>,
    id: u16,
    number: u16,
}

impl Echoes {
    /// None.
    pub fn none() -> Self {
        Self { ears: Vec::new(), random: None, id: 0, number: 0 }
    }

    /// For these stations. Returns too why some are not asked: no permission for a socket (`EPERM` without CAP_NET_RAW). To
    /// be called within the runtime.
    pub fn new(addresses: &[IpAddr]) -> (Self, Vec<String>) {
        if addresses.is_empty() {
            return (Self::none(), Vec::new());
        }
        let mut all = Self::none();
        let mut reasons = Vec::new();
        let mut id = [0; 2];
        match File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut id).map(|()| random)) {
            Ok(random) => (all.random, all.id) = (Some(random), u16::from_be_bytes(id)),
            Err(error) => reasons.push(format!("/dev/urandom: {error}")),
        }
        for v6 in [false, true].into_iter().filter(|v6| addresses.iter().any(|address| address.is_ipv6() == *v6)) {
            match Ear::open(v6, all.id, addresses) {
                Ok(ear) => all.ears.push(ear),
                Err(error) => reasons
                    .push(format!("no socket for ICMP{} ({error}; needs CAP_NET_RAW)", if v6 { "v6" } else { "" })),
            }
        }
        (all, reasons)
    }

    /// What is asked next; none where there are no random numbers, without which anybody could have answered.
    pub fn next(&mut self) -> Option<Echo> {
        let mut token = [0; 8];
        self.random.as_mut()?.read_exact(&mut token).ok()?;
        self.number = self.number.wrapping_add(1);
        Some(Echo { id: self.id, number: self.number, token })
    }

    /// Asks a station. A question that does not go out is one that is not answered.
    pub fn ask(&self, to: IpAddr, echo: &Echo) {
        let Some(ear) = self.ears.iter().find(|ear| ear.v6 == to.is_ipv6()) else { return };
        let (socket, question) = (ear.socket.get_ref().as_raw_fd(), echo.request(to));
        let _ = match SocketAddr::new(to, 0) {
            SocketAddr::V4(to) => sendto(socket, &question, &SockaddrIn::from(to), MsgFlags::MSG_DONTWAIT),
            SocketAddr::V6(to) => sendto(socket, &question, &SockaddrIn6::from(to), MsgFlags::MSG_DONTWAIT),
        };
    }

    /// Hands over what has come, and wakes for more.
    pub fn poll(&self, cx: &mut Context<'_>, mut heard: impl FnMut(IpAddr, Echo)) {
        for ear in &self.ears {
            let mut left = ANSWERS;
            while left > 0
                && let Poll::Ready(Ok(mut ready)) = ear.socket.poll_read_ready(cx)
            {
                // An error, a socket's own, is used up by reading it.
                if let Ok(answer) = ready.try_io(|fd| ear.receive(fd.get_ref())) {
                    if let Ok(Some((from, echo))) = answer {
                        heard(from, echo);
                    }
                    left -= 1;
                }
            }
            if left == 0 {
                cx.waker().wake_by_ref();
            }
        }
    }

    /// The same past the reactor, which may not have looked since.
    pub fn sweep(&self, mut heard: impl FnMut(IpAddr, Echo)) {
        for ear in &self.ears {
            for _ in 0..ANSWERS {
                match ear.receive(ear.socket.get_ref()) {
                    Ok(answer) => answer.into_iter().for_each(|(from, echo)| heard(from, echo)),
                    Err(_) => break,
                }
            }
        }
    }
}

impl Ear {
    fn open(v6: bool, id: u16, addresses: &[IpAddr]) -> io::Result<Self> {
        let socket = match v6 {
            false => Socket::new(Domain::IPV4, Type::RAW.nonblocking(), Some(Protocol::ICMPV4)),
            true => Socket::new(Domain::IPV6, Type::RAW.nonblocking(), Some(Protocol::ICMPV6)),
        }?;
        // What was there before the filter is told apart when it is read.
        socket.attach_filter(&filter::echoes(v6, id, addresses))?;
        setsockopt(&socket, sockopt::Priority, &PRIORITY)?;
        Ok(Self { socket: sys::watch(socket, Interest::READABLE)?, v6 })
    }

    /// The next packet, if it looks like an answer.
    fn receive(&self, socket: &Socket) -> io::Result<Option<(IpAddr, Echo)>> {
        let mut packet = [0; 128];
        Ok(if self.v6 {
            let (length, from) = recvfrom::<SockaddrIn6>(socket.as_raw_fd(), &mut packet)?;
            let echo = packet.get(..length).and_then(Echo::reply_v6);
            from.map(|from| from.ip().into()).zip(echo)
        } else {
            let (length, from) = recvfrom::<SockaddrIn>(socket.as_raw_fd(), &mut packet)?;
            let echo = packet.get(..length).and_then(Echo::reply);
            from.map(|from| from.ip().into()).zip(echo)
        })
    }
}
