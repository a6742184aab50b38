//! Terminal ioctls (ioctl_tty(2)).

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::ioctl_result;

/// The speed of a terminal's sending side in bit/s, whatever number it is (ioctl_tty(2), TCGETS2).
pub fn baud(tty: &OwnedFd) -> io::Result<u32> {
    // SAFETY: an all-zero termios2 is valid, and the kernel fills it in.
    unsafe {
        let mut termios: libc::termios2 = std::mem::zeroed();
        ioctl_result(libc::ioctl(tty.as_raw_fd(), libc::TCGETS2, &raw mut termios))?;
        Ok(termios.c_ospeed)
    }
}

/// Forgets an exclusive use (TIOCEXCL): a serial port does so at its last close, a pty with a second holder does not.
pub fn end_exclusive_use(tty: &OwnedFd) -> io::Result<()> {
    // SAFETY: this ioctl takes no argument.
    ioctl_result(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCNXCL) })
}

/// The other end of a pty, without a controlling terminal, and its number (ioctl_tty(2)): the master may belong to an
/// instance of devpts that has no path here.
pub fn pty_peer(master: &File) -> io::Result<(OwnedFd, u32)> {
    let (unlock, mut number): (c_int, c_int) = (0, 0);
    // SAFETY: two live integers; the third call returns a new descriptor that nobody else owns.
    unsafe {
        ioctl_result(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock))?;
        ioctl_result(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &raw mut number))?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        let fd = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags);
        ioctl_result(fd)?;
        Ok((OwnedFd::from_raw_fd(fd), number as u32))
    }
}
