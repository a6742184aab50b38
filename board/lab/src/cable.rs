//! The null-modem cable: two ptys and a thread for each direction that moves bytes as fast as a UART would.
//!
//! A node's end is the slave of a pty, bound to its /dev/ttyS1. What a pty does unlike a serial port is put right here:
//! it has no speed (a pump paces it), it takes up to 20 KiB from a writer (a driver takes 4 KiB: the pump stops its
//! output, as XOFF would; only a burst that is faster than the pump wakes up gets further), it keeps what arrives for a closed tty, and it remembers TIOCEXCL after the last close while
//! somebody holds it open, as the lab does ([`Cable::fresh_end`]).

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::pty::openpty;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::termios::{self, FlowArg, FlushArg, SetArg};

use crate::clock::{self, lock};
use crate::error::{Context, Result};
use crate::line::{Line, TRANSMIT_BUFFER, WAKEUP};
use crate::sys;

/// The end of the cable that a node has: 0 is node1's, 1 is node2's.
pub type End = usize;

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// They arrive.
    #[default]
    None,
    /// They are lost.
    Cut,
}

/// Bytes that one direction has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Taken from the sender.
    pub sent: u64,
    /// Handed to the receiver.
    pub received: u64,
    /// Lost to a fault, or because an end has no power.
    pub lost: u64,
    /// Garbled because the two ends have different speeds.
    pub garbled: u64,
    /// Refused by a receiver that does not read (an overrun).
    pub overrun: u64,
}

/// The cable with both its ends.
#[derive(Debug)]
pub struct Cable {
    shared: Arc<Shared>,
    pumps: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    ends: [Port; 2],
    /// Indexed by the sending end.
    directions: [Mutex<Direction>; 2],
    /// Bytes were taken from the sending end.
    taken: [Condvar; 2],
    powered: Mutex<[bool; 2]>,
    stop: EventFd,
}

#[derive(Debug, Default)]
struct Direction {
    fault: Fault,
    count: Count,
}

#[derive(Debug)]
struct Port {
    master: File,
    slave: OwnedFd,
    path: PathBuf,
}

impl Port {
    fn open() -> Result<Self> {
        let pty = openpty(None, None).context("open a pty")?;
        for fd in [&pty.master, &pty.slave] {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
        let path = nix::unistd::ttyname(&pty.slave)?;
        let port = Self { master: File::from(pty.master), slave: pty.slave, path };
        port.refresh()?;
        Ok(port)
    }

    /// As a serial port is after its last close: raw (a pty would echo), empty, nobody's.
    fn refresh(&self) -> Result<()> {
        let mut raw = termios::tcgetattr(&self.slave)?;
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&self.slave, SetArg::TCSANOW, &raw)?;
        termios::tcflush(&self.slave, FlushArg::TCIOFLUSH)?;
        sys::end_exclusive_use(&self.slave)?;
        Ok(())
    }

    fn baud(&self) -> u32 {
        sys::baud(&self.slave).unwrap_or(115_200)
    }

    /// Lets the writer go on, or makes its writes block, as a full transmit buffer does.
    fn hold_writer(&self, hold: bool) {
        termios::tcflow(&self.slave, if hold { FlowArg::TCOOFF } else { FlowArg::TCOON }).ok();
    }
}

impl Cable {
    /// A whole cable with nothing at its ends.
    pub(crate) fn new() -> Result<Self> {
        let shared = Arc::new(Shared {
            ends: [Port::open()?, Port::open()?],
            directions: Default::default(),
            taken: Default::default(),
            powered: Mutex::new([true; 2]),
            stop: EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?,
        });
        let mut cable = Self { shared, pumps: Vec::new() };
        for from in [0, 1] {
            let shared = cable.shared.clone();
            let pump = move || Pump::new(&shared, from).run();
            cable.pumps.push(thread::Builder::new().name(format!("cable-{from}")).spawn(pump)?);
        }
        Ok(cable)
    }

    /// The pty that is an end, as the host sees it.
    pub(crate) fn path(&self, end: End) -> PathBuf {
        self.shared.ends[end].path.clone()
    }

    /// Nobody has the port of this end open, and the next to open it finds it as after a boot.
    pub(crate) fn fresh_end(&self, end: End) -> Result<()> {
        self.shared.ends[end].refresh()
    }

    /// An end without power sends nothing, not even what is on its way, and takes nothing.
    pub(crate) fn power(&self, end: End, on: bool) {
        lock(&self.shared.powered)[end] = on;
    }

    /// Both directions are lost.
    pub fn cut(&self) {
        self.set_fault(0, Fault::Cut);
        self.set_fault(1, Fault::Cut);
    }

    /// Both directions work.
    pub fn mend(&self) {
        self.set_fault(0, Fault::None);
        self.set_fault(1, Fault::None);
    }

    /// What happens to the bytes that this end sends.
    pub fn set_fault(&self, from: End, fault: Fault) {
        lock(&self.shared.directions[from]).fault = fault;
    }

    /// What has become of the bytes that this end sent.
    pub fn count(&self, from: End) -> Count {
        lock(&self.shared.directions[from]).count
    }

    /// Waits until this end has sent more than so many bytes in all.
    pub fn await_more(&self, from: End, than: u64, within: Duration) -> Option<Count> {
        let (direction, taken) = (&self.shared.directions[from], &self.shared.taken[from]);
        clock::await_in(direction, taken, within, |d| (d.count.sent > than).then_some(d.count))
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.shared.stop.write(1).ok();
        for pump in self.pumps.drain(..) {
            pump.join().ok();
        }
    }
}

/// One direction at work.
struct Pump<'a> {
    shared: &'a Shared,
    from: End,
    line: Line,
    held: bool,
}

impl<'a> Pump<'a> {
    fn new(shared: &'a Shared, from: End) -> Self {
        Self { shared, from, line: Line::default(), held: false }
    }

    fn run(mut self) {
        sys::hurry();
        while self.wait() {
            self.take();
            self.deliver();
            self.press_back();
        }
    }

    /// Until there is something to take or to deliver; false: the cable is no more.
    fn wait(&self) -> bool {
        let source = &self.shared.ends[self.from].master;
        let mut fds =
            [PollFd::new(source.as_fd(), PollFlags::POLLIN), PollFd::new(self.shared.stop.as_fd(), PollFlags::POLLIN)];
        let left = self.line.next_delivery().map(clock::timespec_left);
        ppoll(&mut fds, left, None).ok();
        fds[1].any() != Some(true)
    }

    fn take(&mut self) {
        let port = &self.shared.ends[self.from];
        let mut buffer = [0; TRANSMIT_BUFFER];
        if let Ok(n) = (&port.master).read(&mut buffer) {
            lock(&self.shared.directions[self.from]).count.sent += n as u64;
            self.shared.taken[self.from].notify_all();
            self.line.push(&buffer[..n], port.baud(), clock::now());
        }
    }

    fn deliver(&mut self) {
        loop {
            let mut bytes = self.line.deliver(clock::now());
            if bytes.is_empty() {
                return;
            }
            self.hand_over(&mut bytes);
        }
    }

    fn hand_over(&self, bytes: &mut [u8]) {
        let (sender, receiver) = (&self.shared.ends[self.from], &self.shared.ends[1 - self.from]);
        let dark = lock(&self.shared.powered).contains(&false);
        let mut direction = lock(&self.shared.directions[self.from]);
        let all = bytes.len() as u64;
        if dark || direction.fault == Fault::Cut {
            direction.count.lost += all;
            return;
        }
        if sender.baud() != receiver.baud() {
            garble(bytes);
            direction.count.garbled += all;
        }
        let taken = (&receiver.master).write(bytes).unwrap_or(0) as u64;
        direction.count.received += taken;
        direction.count.overrun += all - taken;
    }

    fn press_back(&mut self) {
        let waiting = self.line.waiting();
        let hold = if self.held { waiting > TRANSMIT_BUFFER - WAKEUP } else { waiting >= TRANSMIT_BUFFER };
        if hold != self.held {
            self.shared.ends[self.from].hold_writer(hold);
            self.held = hold;
        }
    }
}

/// What a receiver at another speed makes of a byte: something else, and always the same.
fn garble(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = byte.rotate_left(3) ^ 0xf8;
    }
}
