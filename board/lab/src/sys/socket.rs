//! Sockets in the network namespace of a box.

use std::ffi::{CString, c_int};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::launch::{CREATE, ENTER, Enter, PID, check, duplicate, exit, read_report, reap, report_pipe, tell};

/// A socket to open in somebody's network namespace.
#[derive(Clone, Copy, Debug)]
pub enum SocketKind<'a> {
    /// For interface ioctls.
    Control,
    /// Ethernet frames of one protocol (packet(7)), bound to the interface.
    Packet { interface: &'a str, protocol: u16 },
    /// Every frame that arrives at the interface, each with its header of offloads (struct virtio_net_hdr), so that a
    /// checksum that the sender left to its card is still left to the card when the frame is passed on.
    Tap { interface: &'a str },
    /// Raw ICMP, connected to the address: reads and writes ICMP messages of that peer only, but with IP header on input.
    Icmp { peer: std::net::Ipv4Addr },
}

/// Opens a socket in the network namespace of another process.
///
/// A short-lived child that shares this process's table of descriptors goes there and leaves the socket behind.
pub fn socket_in(enter: Enter<'_>, kind: SocketKind<'_>) -> io::Result<OwnedFd> {
    let (reader, writer) = report_pipe()?;
    let name = match kind {
        SocketKind::Packet { interface, .. } | SocketKind::Tap { interface } => CString::new(interface)?,
        _ => CString::default(),
    };
    // SAFETY: the child makes system calls only. The shared table is why it must not close anything.
    let helper = unsafe { duplicate(libc::CLONE_FILES) };
    if helper == 0 {
        let report = writer.as_raw_fd();
        // SAFETY: numbers only.
        check(unsafe { libc::setns(enter.pidfd.as_raw_fd(), enter.kinds) }, ENTER, report);
        let fd = open_socket(kind, &name);
        check(fd, CREATE, report);
        tell(report, PID, fd);
        exit(0);
    }
    if helper < 0 {
        return Err(io::Error::last_os_error());
    }
    reap(helper);
    drop(writer);
    match read_report(&reader) {
        // SAFETY: the child made this descriptor for us and is gone.
        (Some(fd), None) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        (_, failure) => Err(io::Error::from_raw_os_error(failure.map_or(libc::ECHILD, |f| f.1))),
    }
}

fn open_socket(kind: SocketKind<'_>, name: &CString) -> c_int {
    let nonblocking = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: addresses are live structures passed with their sizes.
    unsafe {
        match kind {
            SocketKind::Control => libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0),
            SocketKind::Packet { protocol, .. } => packet_socket(name, protocol),
            SocketKind::Tap { .. } => {
                let (fd, one): (c_int, c_int) = (packet_socket(name, libc::ETH_P_ALL as u16), 1);
                for option in [libc::PACKET_IGNORE_OUTGOING, libc::PACKET_VNET_HDR] {
                    let size = size_of_val(&one) as u32;
                    if libc::setsockopt(fd, libc::SOL_PACKET, option, (&raw const one).cast(), size) < 0 {
                        return -1;
                    }
                }
                fd
            }
            SocketKind::Icmp { peer } => {
                let fd = libc::socket(libc::AF_INET, libc::SOCK_RAW | nonblocking, libc::IPPROTO_ICMP);
                if fd < 0 {
                    return fd;
                }
                let mut address: libc::sockaddr_in = std::mem::zeroed();
                address.sin_family = libc::AF_INET as u16;
                address.sin_addr.s_addr = u32::from(peer).to_be();
                bound(fd, libc::connect(fd, (&raw const address).cast(), size_of_val(&address) as u32))
            }
        }
    }
}

unsafe fn packet_socket(interface: &CString, protocol: u16) -> c_int {
    // SAFETY: a live address with its size.
    unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0);
        if fd < 0 {
            return fd;
        }
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = libc::if_nametoindex(interface.as_ptr()) as c_int;
        bound(fd, libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as u32))
    }
}

fn bound(fd: c_int, result: c_int) -> c_int {
    if result < 0 { result } else { fd }
}
