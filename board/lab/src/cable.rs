//! The null-modem cable: two ptys and a thread for each direction that moves bytes as fast as a UART would.
//!
//! A node's end is the slave of a pty, which its /dev/ttyS1 leads to. What a pty does unlike a serial port is put right here:
//! it has no speed (a pump paces it), it takes up to 20 KiB from a writer (a driver takes 4 KiB: the pump stops its
//! output, as XOFF would; only a burst that is faster than the pump wakes up gets further), it keeps what arrives for a
//! closed tty, and it remembers TIOCEXCL after the last close while somebody holds it open, as the lab does
//! ([`Cable::fresh_end`]).
//!
//! The ptys belong to an instance of devpts of the lab's own, which every node sees as [`root::PTYS`]. A node's
//! /dev/ttyS1 leads to a symbolic link that only the lab can change: a port that vanishes and returns, as a USB
//! adapter's does, is a pty that is closed and another one.

mod fault;
mod port;
mod pump;
mod stray;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::termios::BaudRate;

pub use fault::Fault;
use fault::Harm;
use port::Port;
use pump::Pump;
use stray::Stray;

use crate::clock::{self, lock};
use crate::error::{Context, Error, Result};
use crate::root;

/// The end of the cable that a node has: 0 is node1's, 1 is node2's.
pub type End = usize;

/// Bytes that one direction has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Taken from the sender.
    pub sent: u64,
    /// Handed to the receiver, or back to the sender.
    pub received: u64,
    /// Lost to a fault, or because an end has no power or no port.
    pub lost: u64,
    /// Garbled because the two ends have different speeds.
    pub garbled: u64,
    /// Handed over twice.
    pub doubled: u64,
    /// Put on the line by [`Cable::inject`] and [`Cable::fill`].
    pub stray: u64,
    /// Refused by a receiver that does not read (an overrun).
    pub overrun: u64,
}

/// The cable with both its ends. Every method may be called while bytes are on their way.
#[derive(Debug)]
pub struct Cable {
    shared: Arc<Shared>,
    pumps: Vec<JoinHandle<()>>,
    shelf: PathBuf,
}

#[derive(Debug)]
struct Shared {
    ends: Mutex<[Option<Arc<Port>>; 2]>,
    /// Indexed by the sending end.
    directions: [Mutex<Direction>; 2],
    /// Bytes were taken from the sending end.
    taken: [Condvar; 2],
    powered: Mutex<[bool; 2]>,
    /// Indexed like the directions: something has changed.
    wake: [EventFd; 2],
    over: AtomicBool,
}

impl Shared {
    fn ports(&self) -> [Option<Arc<Port>>; 2] {
        lock(&self.ends).clone()
    }

    fn port(&self, end: End) -> Option<Arc<Port>> {
        lock(&self.ends)[end].clone()
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn wake(&self) {
        for wake in &self.wake {
            wake.write(1).ok();
        }
    }
}

#[derive(Debug, Default)]
struct Direction {
    harm: Harm,
    stray: Stray,
    count: Count,
}

impl Cable {
    /// A whole cable with nothing at its ends. Its ptys and their names are on the shelf of the lab's files.
    pub(crate) fn new(shelf: &Path) -> Result<Self> {
        let wake = || EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let shared = Arc::new(Shared {
            ends: Mutex::default(),
            directions: Default::default(),
            taken: Default::default(),
            powered: Mutex::new([true; 2]),
            wake: [wake()?, wake()?],
            over: AtomicBool::new(false),
        });
        let mut cable = Self { shared, pumps: Vec::new(), shelf: shelf.into() };
        for from in [0, 1] {
            cable.insert_port(from)?;
            let shared = cable.shared.clone();
            let pump = move || Pump::new(&shared, from).run();
            cable.pumps.push(thread::Builder::new().name(format!("cable-{from}")).spawn(pump)?);
        }
        Ok(cable)
    }

    /// Where the lab keeps the name of a node's port.
    fn name(&self, end: End) -> PathBuf {
        self.shelf.join(root::port_names(end)).join(root::PORT)
    }

    /// Nobody has the port of this end open, and the next to open it finds it as after a boot.
    pub(crate) fn fresh_end(&self, end: End) -> Result<()> {
        self.shared.port(end).map_or(Ok(()), |port| port.refresh())
    }

    /// An end without power sends nothing, not even what is on its way, and takes nothing.
    pub(crate) fn power(&self, end: End, on: bool) {
        lock(&self.shared.powered)[end] = on;
        self.shared.wake();
    }

    /// Both directions are lost.
    pub fn cut(&self) {
        self.set_fault(0, Fault::Cut);
        self.set_fault(1, Fault::Cut);
    }

    /// Both directions work, and nothing stray is put on them any more. A port that was removed stays away.
    pub fn mend(&self) {
        for from in [0, 1] {
            lock(&self.shared.directions[from]).stray = Stray::default();
            self.set_fault(from, Fault::None);
        }
    }

    /// What happens to the bytes that this end sends, from now on, in the place of an older fault.
    pub fn set_fault(&self, from: End, fault: Fault) {
        lock(&self.shared.directions[from]).harm = Harm::new(fault);
        self.shared.wake();
    }

    /// What happens to the bytes that this end sends.
    pub fn fault(&self, from: End) -> Fault {
        lock(&self.shared.directions[from]).harm.fault()
    }

    /// What has become of the bytes that this end sent, and of those that were put on its line.
    pub fn count(&self, from: End) -> Count {
        lock(&self.shared.directions[from]).count
    }

    /// Waits until this end has sent more than so many bytes in all.
    pub fn await_more(&self, from: End, than: u64, within: Duration) -> Option<Count> {
        let (direction, taken) = (&self.shared.directions[from], &self.shared.taken[from]);
        clock::await_in(direction, taken, within, |d| (d.count.sent > than).then_some(d.count))
    }

    /// This end receives bytes that the other one has not sent: a console's text, a getty's prompt, garbage. They come
    /// at the line's speed, wherever the sender leaves room between its writes, whatever the fault of the direction; a
    /// stall alone holds them. At most 64 KiB wait.
    pub fn inject(&self, to: End, bytes: &[u8]) -> Result<()> {
        lock(&self.shared.directions[1 - to]).stray.inject(bytes)?;
        self.shared.wake();
        Ok(())
    }

    /// As [`Cable::inject`] with so many random bytes: a line without a pause. 0 ends it.
    pub fn fill(&self, to: End, bytes: u64, seed: u64) {
        lock(&self.shared.directions[1 - to]).stray.fill(bytes, seed);
        self.shared.wake();
    }

    /// The node's port vanishes: whoever has it open gets a hang-up, and /dev/ttyS1 leads nowhere.
    pub fn remove_port(&self, end: End) -> Result<()> {
        let gone = lock(&self.shared.ends)[end].take();
        self.shared.wake();
        match gone {
            Some(_) => fs::remove_file(self.name(end)).context("remove a port's name"),
            None => Ok(()),
        }
    }

    /// A port, another one, is there again. One that is there stays.
    pub fn insert_port(&self, end: End) -> Result<()> {
        let mut ends = lock(&self.shared.ends);
        if ends[end].is_none() {
            let port = Port::open(&self.shelf.join(root::PTY_SHELF))?;
            port.link(&self.name(end))?;
            ends[end] = Some(Arc::new(port));
            self.shared.wake();
        }
        Ok(())
    }

    /// Whether this end has a port.
    pub fn has_port(&self, end: End) -> bool {
        self.shared.port(end).is_some()
    }

    /// Sets a node's port to another speed, under its daemon's feet. Standard speeds of 1200 bit/s and more.
    pub fn set_baud(&self, end: End, baud: u32) -> Result<()> {
        let known = SPEEDS.into_iter().find(|(speed, _)| *speed == baud);
        let (_, rate) = known.ok_or_else(|| Error::new(format!("{baud} bit/s is not a speed of termios(3)")))?;
        let port = self.shared.port(end).ok_or_else(|| Error::new("there is no port"))?;
        port.set_baud(rate)
    }
}

const SPEEDS: [(u32, BaudRate); 9] = [
    (1200, BaudRate::B1200),
    (2400, BaudRate::B2400),
    (4800, BaudRate::B4800),
    (9600, BaudRate::B9600),
    (19_200, BaudRate::B19200),
    (38_400, BaudRate::B38400),
    (57_600, BaudRate::B57600),
    (115_200, BaudRate::B115200),
    (230_400, BaudRate::B230400),
];

impl Drop for Cable {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.shared.wake();
        for pump in self.pumps.drain(..) {
            pump.join().ok();
        }
    }
}
