//! Standard error, written without ever waiting.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::write;

/// A stream of lines to whatever standard error is.
#[derive(Debug)]
pub struct Stream {
    way: Option<Way>,
    /// The last line was cut short by the reader's lack of room.
    torn: bool,
}

/// How this kind of file is written without waiting. `O_NONBLOCK` belongs to the open file, which the shell and others
/// share: setting it there would break them.
#[derive(Debug)]
enum Way {
    /// A terminal or pipe, opened once more for us alone.
    Own(File),
    /// A socket, as under a service manager: it can be told for each message.
    Socket(OwnedFd),
    /// A file on a disk never makes anybody wait in this sense. What cannot be opened again is asked for room first.
    Shared(OwnedFd),
}

impl Stream {
    /// Lines to the file behind `fd`.
    pub fn new(fd: BorrowedFd<'_>) -> Self {
        Self { way: Way::to(fd).ok(), torn: false }
    }

    /// Writes one line and its end; false when it did not get there whole.
    pub fn write(&mut self, line: &[u8]) -> bool {
        let Some(way) = &self.way else { return false };
        let mut buf = [b'\n'; super::LONGEST_LINE + 2];
        let Some(room) = buf.get_mut(1..=line.len()) else { return false };
        room.copy_from_slice(line);
        // A line that was cut short is ended before the next begins.
        let bytes = &buf[usize::from(!self.torn)..line.len() + 2];
        let written = way.write(bytes).unwrap_or(0);
        if written > 0 {
            self.torn = written < bytes.len();
        }
        written == bytes.len()
    }
}

impl Way {
    fn to(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let kind = SFlag::from_bits_truncate(fstat(fd)?.st_mode & SFlag::S_IFMT.bits());
        match kind {
            SFlag::S_IFSOCK => Ok(Self::Socket(fd.try_clone_to_owned()?)),
            SFlag::S_IFREG => Ok(Self::Shared(fd.try_clone_to_owned()?)),
            _ => open_again(fd).map(Self::Own).or_else(|_| Ok(Self::Shared(fd.try_clone_to_owned()?))),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Own(file) => Ok(write(file, bytes)?),
            Self::Socket(fd) => Ok(send(fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)?),
            Self::Shared(fd) if has_room(fd.as_fd()) => Ok(write(fd, bytes)?),
            Self::Shared(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

fn open_again(fd: BorrowedFd<'_>) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// A pipe that says so takes `PIPE_BUF` bytes, more than any line (pipe(7)).
fn has_room(fd: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::new(fd, PollFlags::POLLOUT)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
