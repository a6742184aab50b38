//! Terminal ioctls (ioctl_tty(2)).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

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
