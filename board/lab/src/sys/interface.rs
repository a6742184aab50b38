//! Interface ioctls (netdevice(7)): they take effect within microseconds, where a run of ip(8) takes milliseconds.

use std::ffi::{c_char, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::ioctl_result;

fn interface_request(name: &str) -> libc::ifreq {
    // SAFETY: an all-zero ifreq is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as c_char;
    }
    request
}

/// Takes an interface of the socket's namespace up or down (netdevice(7)).
pub fn set_up(socket: &OwnedFd, name: &str, up: bool) -> io::Result<()> {
    let mut request = interface_request(name);
    // SAFETY: a live ifreq, as both ioctls expect; the kernel fills the flags in.
    unsafe {
        ioctl_result(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request))?;
        let up_flag = libc::IFF_UP as i16;
        request.ifr_ifru.ifru_flags =
            if up { request.ifr_ifru.ifru_flags | up_flag } else { request.ifr_ifru.ifru_flags & !up_flag };
        ioctl_result(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request))
    }
}

// <linux/sockios.h>
const SIOCBRADDIF: c_ulong = 0x89a2;
const SIOCBRDELIF: c_ulong = 0x89a3;

/// Makes a port a member of a bridge of the socket's namespace, or takes it out.
pub fn set_member(socket: &OwnedFd, bridge: &str, port: &str, member: bool) -> io::Result<()> {
    let mut index = interface_request(port);
    let mut request = interface_request(bridge);
    let code = if member { SIOCBRADDIF } else { SIOCBRDELIF };
    // SAFETY: live ifreqs; the first call fills the index in, the second reads it.
    unsafe {
        ioctl_result(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFINDEX, &raw mut index))?;
        request.ifr_ifru.ifru_ifindex = index.ifr_ifru.ifru_ifindex;
        ioctl_result(libc::ioctl(socket.as_raw_fd(), code as _, &raw mut request))
    }
}
