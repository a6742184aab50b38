//! The serial cable: any tty or pty as a port, raw, 8N1, without flow control.
//!
//! Three habits of tty layers shape this file. A write "succeeds" into a 4 KiB buffer even when nothing drains it, so the
//! queue is looked at before each frame. Closing waits for output, 30 s by default, so it is flushed first. And a tty
//! that is gone reads as end of file for ever, so that is a loss and never a read of nothing.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use lubdub::time::{Duration, Instant};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{fstat, major, minor};
use nix::sys::termios::{ControlFlags, FlushArg, SetArg, tcflush, tcgetattr, tcsetattr};
use nix::unistd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio_serial::{DataBits, FlowControl, Parity, SerialPort, StopBits};

use super::lines::{Modem, Shown, Tty, Watcher};
use super::port::{Port, PortEvent, Retry, Sent};
use super::sys::{self, Source};

/// Bytes that may still wait in the driver when a frame is added: one frame of the greatest length. With more the frame
/// would be old news before it left.
const MOST_QUEUED: u32 = 320;
/// A byte takes ten bits of the line: start, eight, stop.
const BITS_A_BYTE: u64 = 10;
/// Ends a frame in COBS; in front of one it ends whatever garbage the line had before.
const DELIMITER: &[u8] = &[0];

/// One serial cable, opened and reopened by itself.
#[derive(Debug)]
pub struct Serial {
    device: String,
    baud: u32,
    line: Option<AsyncFd<Source<OwnedFd>>>,
    retry: Retry,
    /// When the port was last polled.
    now: Instant,
    /// The peer may have seen the beginning of a frame only: a delimiter goes first.
    torn: bool,
    /// Since when frames have been dropped without one getting through.
    full_since: Option<Instant>,
    /// Who reads the modem lines, where there are any.
    watcher: Option<Watcher>,
    modem: Modem,
}

impl Serial {
    /// A port on `device`, which need not exist yet; it is opened by the first poll. `baud` in bits a second, not zero.
    pub fn new(device: String, baud: u32) -> Self {
        Self {
            device,
            baud,
            line: None,
            retry: Retry::new(),
            now: Instant::ZERO,
            torn: false,
            full_since: None,
            watcher: None,
            modem: Modem::default(),
        }
    }
}

impl Port for Serial {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, buf: &mut [u8]) -> Poll<PortEvent> {
        self.now = now;
        if let Some(shown) = self.look(cx, now) {
            return Poll::Ready(PortEvent::Shown(shown));
        }
        let Some(line) = &self.line else { return self.reopen(now) };
        let why = match ready!(receive(line, cx, buf)) {
            Ok(0) => io::Error::new(io::ErrorKind::UnexpectedEof, "the line hung up"),
            Ok(length) => return Poll::Ready(PortEvent::Bytes(length)),
            Err(error) => error,
        };
        self.close();
        self.retry.failed(now);
        Poll::Ready(PortEvent::Lost(why))
    }

    fn sweep(&mut self, buf: &mut [u8]) -> usize {
        // An end of file or an error stays what it is until the next poll, which reports it.
        self.line.as_ref().and_then(|line| unistd::read(line.get_ref().as_fd(), buf).ok()).unwrap_or(0)
    }

    fn send(&mut self, frame: &[u8]) -> Sent {
        let Some(line) = &self.line else { return Sent::Dropped };
        if sys::unsent(line.get_ref().as_fd()).is_ok_and(|queued| queued > MOST_QUEUED) {
            return self.full();
        }
        if self.torn && write(line, DELIMITER) == 0 {
            return self.full();
        }
        let written = write(line, frame);
        self.torn = (1..frame.len()).contains(&written);
        if written == frame.len() {
            self.full_since = None;
            return Sent::Yes;
        }
        self.full()
    }

    fn wake_at(&self) -> Option<Instant> {
        if self.line.is_none() { Some(self.retry.at()) } else { self.modem.wake_at() }
    }
}

impl Serial {
    /// What the modem lines show, when that is something else than before.
    fn look(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Shown> {
        let watcher = self.watcher.as_mut()?;
        let before = self.modem.shown();
        while let Poll::Ready(report) = watcher.poll(cx, now) {
            self.modem.see(now, report);
        }
        self.modem.settle(now);
        let after = self.modem.shown();
        (after != before).then_some(after)
    }

    /// The line takes no more. After twice the time that it needs for what may be queued it is stuck: what is in it is
    /// thrown away, so that no old beat goes out when it comes free.
    fn full(&mut self) -> Sent {
        let since = *self.full_since.get_or_insert(self.now);
        if self.now.since(since) > self.line_time(MOST_QUEUED).times(2) {
            self.flush(FlushArg::TCOFLUSH);
            self.torn = true;
            self.full_since = None;
        }
        Sent::Dropped
    }

    fn line_time(&self, bytes: u32) -> Duration {
        Duration::from_secs(u64::from(bytes) * BITS_A_BYTE).part(u64::from(self.baud.max(1)))
    }

    fn reopen(&mut self, now: Instant) -> Poll<PortEvent> {
        if now < self.retry.at() {
            return Poll::Pending;
        }
        match open(&self.device, self.baud) {
            Ok(line) => {
                self.begin(line, now);
                Poll::Ready(PortEvent::Opened)
            }
            Err(error) if self.retry.failed(now) => Poll::Ready(PortEvent::Lost(error)),
            Err(_) => Poll::Pending,
        }
    }

    fn begin(&mut self, line: AsyncFd<Source<OwnedFd>>, now: Instant) {
        let line = self.line.insert(line);
        // Without lines, or without memory for the thread, they are unknown.
        self.watcher = Tty::of(line.get_ref().as_fd()).and_then(Watcher::new).ok();
        self.torn = write(line, DELIMITER) == 0;
        self.full_since = None;
        self.retry.opened(now);
    }

    fn flush(&self, what: FlushArg) {
        if let Some(line) = &self.line {
            // On a line that hung up there is nothing left to flush.
            let _ = tcflush(line.get_ref().as_fd(), what);
        }
    }

    fn close(&mut self) {
        self.modem = Modem::default();
        self.watcher = None;
        self.flush(FlushArg::TCOFLUSH);
        if let Some(line) = self.line.take() {
            // A pty whose other end stays open outlives this close with the flag, and would refuse us the next time.
            sys::not_exclusive(line.get_ref().as_fd());
        }
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        self.close();
    }
}

/// The next bytes, 0 at the end of a line that hung up. A read that leaves room in `buf` took all there was, so it is
/// not repeated to be told that there is no more: what comes later is a new edge (epoll(7), question 9).
fn receive(line: &AsyncFd<Source<OwnedFd>>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        let mut guard = ready!(line.poll_read_ready(cx))?;
        let Ok(read) = guard.try_io(|line| Ok(unistd::read(line.get_ref().as_fd(), buf)?)) else { continue };
        if read.as_ref().is_ok_and(|length| (1..buf.len()).contains(length)) {
            guard.clear_ready();
        }
        return Poll::Ready(read);
    }
}

/// Bytes that the line took; an error is reported by the next poll. Past the reactor, because nobody waits here for room.
fn write(line: &AsyncFd<Source<OwnedFd>>, bytes: &[u8]) -> usize {
    unistd::write(line.get_ref().as_fd(), bytes).unwrap_or(0)
}

/// Only reading is watched: room for output comes with every byte sent, and would wake the loop for nothing.
fn open(device: &str, baud: u32) -> io::Result<AsyncFd<Source<OwnedFd>>> {
    sys::watch(open_raw(device, baud)?, Interest::READABLE)
}

/// Opens a tty without waiting for a carrier, raw, 8N1, its own lines up, and locks it: `TIOCEXCL` keeps out others,
/// flock(2) also root.
///
/// # Errors
/// It is not there, not permitted, no tty, or locked by somebody else.
pub fn open_raw(device: &str, baud: u32) -> io::Result<OwnedFd> {
    let builder = tokio_serial::new(device, baud)
        .data_bits(DataBits::Eight)
        .parity(Parity::None)
        .stop_bits(StopBits::One)
        .flow_control(FlowControl::None)
        .exclusive(true);
    let mut port = builder.open_native()?;
    // These two and no_closing_wait are absent from ptys and from some adapters, and not needed to carry beats.
    let _ = port.write_data_terminal_ready(true);
    let _ = port.write_request_to_send(true);
    let line = sys::descriptor(port);
    fcntl(&line, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    hang_up_on_close(line.as_fd())?;
    interrupt_for_each_byte(line.as_fd());
    let _ = sys::no_closing_wait(line.as_fd());
    tcflush(&line, FlushArg::TCIOFLUSH)?;
    Ok(line)
}

/// The last close lowers DTR, by which the peer sees at once that this daemon is gone (termios(3), `HUPCL`).
fn hang_up_on_close(tty: BorrowedFd<'_>) -> io::Result<()> {
    let mut termios = tcgetattr(tty)?;
    if !termios.control_flags.contains(ControlFlags::HUPCL) {
        termios.control_flags.insert(ControlFlags::HUPCL);
        tcsetattr(tty, SetArg::TCSANOW, &termios)?;
    }
    Ok(())
}

/// A 16550 collects 8 bytes before it interrupts, or waits four character times for the next one: 4 ms at 9600 baud.
/// Found by device number, because the name may be a symlink or a bind mount. Absent on what is no 16550.
fn interrupt_for_each_byte(tty: BorrowedFd<'_>) {
    if let Ok(stat) = fstat(tty) {
        let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
        let _ = fs::write(format!("/sys/dev/char/{major}:{minor}/rx_trig_bytes"), "1");
    }
}

#[cfg(test)]
mod tests;
