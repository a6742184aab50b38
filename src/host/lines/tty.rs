//! The modem lines of a tty.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Driver, Lines};
use crate::host::sys;

/// An open tty, for the thread alone: it stays the same one whatever becomes of the port.
#[derive(Debug)]
pub struct Tty(OwnedFd);

impl Tty {
    /// The lines of `tty`, if it has such.
    ///
    /// # Errors
    /// ENOTTY or EINVAL: a pty, or a driver without lines.
    pub fn of(tty: BorrowedFd<'_>) -> io::Result<Self> {
        let tty = Self(tty.try_clone_to_owned()?);
        tty.lines()?;
        Ok(tty)
    }
}

impl Driver for Tty {
    fn lines(&self) -> io::Result<Lines> {
        let bits = sys::modem_lines(self.0.as_fd())?;
        let line = |bit, line| if bits & bit == 0 { Lines::NONE } else { line };
        let carrier = line(libc::TIOCM_DSR, Lines::DSR).or(line(libc::TIOCM_CAR, Lines::DCD));
        Ok(carrier.or(line(libc::TIOCM_CTS, Lines::CTS)))
    }

    fn wait(&self) -> io::Result<()> {
        sys::await_modem_lines(self.0.as_fd(), libc::TIOCM_DSR | libc::TIOCM_CAR | libc::TIOCM_CTS)
    }

    fn raise(&self, up: bool) -> io::Result<()> {
        sys::raise_modem_lines(self.0.as_fd(), libc::TIOCM_DTR | libc::TIOCM_RTS, up)
    }
}
