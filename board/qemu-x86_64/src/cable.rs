//! The null-modem cable between two appliances: bytes at the speed of a UART, and the modem lines.
//!
//! DTR of one end is DSR and DCD of the other, RTS is CTS. QEMU's ends connect to it (`shim/` says how); an end that has
//! no power has no lines. What a socket does unlike a wire is put right here: bytes arrive when their last bit would
//! have, none waits for a port that is closed or a machine that stands still, and what the other UART would have read at
//! another speed is garbage. Everything delivered is on record with its time, so that a verdict rests on what a node was
//! given and not on what it should have been given.
//!
//! Unlike the real thing: no break, no parity or framing errors (garbled bytes arrive as bytes).

mod harm;
mod pump;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lubdub_lab::{End, Error, Result, now};
use nix::sys::socket::shutdown;

use crate::bench::Bench;
use crate::lines::{CTS, DCD, DSR, DTR, RTS, SUFFIX};
use harm::Harm;

/// Deliveries remembered: ten minutes of two nodes that beat every 100 ms in two pieces.
const KEPT: usize = 32_768;

/// Which wires the cable has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wiring {
    /// All of them.
    #[default]
    Full,
    /// Two of data and the ground: no modem line is ever up.
    ThreeWire,
    /// Two of data and the ground; in each plug DTR leads to DSR and DCD, and RTS to CTS.
    Strapped,
}

/// What happens to the bytes that an end sends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Wire {
    /// They arrive.
    #[default]
    Whole,
    /// They are lost; the modem lines have wires of their own.
    Broken,
    /// Each has this probability that one of its bits is turned over.
    Noisy {
        /// 0 to 1, for each byte.
        rate: f64,
        /// Of the random numbers.
        seed: u64,
    },
}

/// Bytes of an end, all that it has sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// From its UART.
    pub sent: u64,
    /// At the other UART, whole or garbled.
    pub delivered: u64,
    /// Lost on the wire, or at a port that is closed, or at a machine without power or that stands still.
    pub lost: u64,
    /// Lost because the other UART had no room.
    pub overrun: u64,
}

/// Bytes as they arrived.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// When.
    pub at: Instant,
    /// Who sent them.
    pub from: End,
    /// What arrived, which need not be what was sent.
    pub bytes: Vec<u8>,
}

/// The lines of an end, as bits of [`crate::lines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// When they became so.
    pub at: Instant,
    /// Whose.
    pub end: End,
    /// What it sees.
    pub seen: u8,
}

/// The cable. Its two ends are plugged in by [`Cable::end`].
#[derive(Debug)]
pub struct Cable {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// One end of a cable, for a machine to be plugged in.
#[derive(Clone, Debug)]
pub struct Jack {
    shared: Arc<Shared>,
    end: End,
}

#[derive(Debug)]
struct Shared {
    paths: [PathBuf; 2],
    sockets: [[UnixListener; 2]; 2],
    state: Mutex<State>,
    changed: Condvar,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    sides: [Side; 2],
    wiring: Wiring,
    cut: bool,
    harm: [Harm; 2],
    tap: VecDeque<Delivery>,
    history: Vec<Lines>,
}

/// What is known of one end.
#[derive(Debug, Default)]
struct Side {
    bytes: Option<UnixStream>,
    lines: Option<UnixStream>,
    raised: u8,
    seen: u8,
    baud: u32,
    frozen: bool,
    count: Count,
    /// When the first byte of this machine left.
    spoke: Option<Instant>,
}

fn lines_path(path: &Path) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(SUFFIX);
    name.into()
}

/// Where an end's bytes and its lines are connected to.
fn sockets(path: &Path) -> Result<[UnixListener; 2]> {
    let listen = |path: &Path| {
        UnixListener::bind(path).map_err(|why| Error::new(format!("cannot make {}: {why}", path.display())))
    };
    Ok([listen(path)?, listen(&lines_path(path))?])
}

impl Cable {
    /// A cable that nothing is plugged into.
    ///
    /// # Errors
    /// No socket can be made in the bench's folder.
    pub fn new(bench: &Bench) -> Result<Self> {
        let paths = [0, 1].map(|end| bench.folder().join(format!("cable.{end}")));
        let sockets = [sockets(&paths[0])?, sockets(&paths[1])?];
        let over = AtomicBool::new(false);
        let shared = Arc::new(Shared { paths, sockets, state: Mutex::default(), changed: Condvar::new(), over });
        let mut threads = Vec::new();
        for end in [0, 1] {
            let shared = shared.clone();
            threads.push(thread::Builder::new().name(format!("cable {end}")).spawn(move || shared.serve(end))?);
        }
        Ok(Self { shared, threads })
    }

    /// Where a machine is plugged in.
    pub fn end(&self, end: End) -> Jack {
        Jack { shared: self.shared.clone(), end }
    }

    /// Another cable.
    pub fn rewire(&self, wiring: Wiring) {
        self.shared.change(|state| state.wiring = wiring);
    }

    /// Pulled out: no byte and no line reaches the other end.
    pub fn cut(&self) {
        self.shared.change(|state| state.cut = true);
    }

    /// What happens to the bytes that this end sends, from now on.
    pub fn set_wire(&self, from: End, wire: Wire) {
        self.shared.change(|state| state.harm[from] = Harm::new(wire));
    }

    /// Plugged in again, both data wires whole. The wiring stays.
    pub fn mend(&self) {
        self.shared.change(|state| {
            state.cut = false;
            state.harm = Default::default();
        });
    }

    /// What has become of the bytes that this end sent.
    pub fn count(&self, from: End) -> Count {
        self.shared.lock().sides[from].count
    }

    /// The lines that this end sees now.
    pub fn seen(&self, end: End) -> u8 {
        self.shared.lock().sides[end].seen
    }

    /// The lines that this end raises now.
    pub fn raised(&self, end: End) -> u8 {
        self.shared.lock().sides[end].raised
    }

    /// The speed that this end has set, 0 where it has set none.
    pub fn baud(&self, end: End) -> u32 {
        self.shared.lock().sides[end].baud
    }

    /// Waits until the lines that this end sees are as wanted.
    pub fn await_seen(&self, end: End, within: Duration, wanted: impl Fn(u8) -> bool) -> bool {
        self.shared.wait(within, |state| wanted(state.sides[end].seen).then_some(())).is_some()
    }

    /// Waits until more than so many bytes of this end have been delivered.
    pub fn await_delivered(&self, from: End, than: u64, within: Duration) -> Option<Count> {
        self.shared.wait(within, |state| {
            let count = state.sides[from].count;
            (count.delivered > than).then_some(count)
        })
    }

    /// When the machine at this end sent its first byte, whether or not anybody got it.
    pub fn first_sent(&self, end: End) -> Option<Instant> {
        self.shared.lock().sides[end].spoke
    }

    /// Every change of the lines that an end saw since then.
    pub fn history(&self, since: Instant) -> Vec<Lines> {
        self.shared.lock().history.iter().filter(|lines| lines.at >= since).copied().collect()
    }

    /// For how long, at the longest, an end has seen no line at all since then; those that are still down until now.
    pub fn fell(&self, end: End, since: Instant) -> Option<Duration> {
        let history = self.history(since);
        let mut seen = history.iter().filter(|lines| lines.end == end).peekable();
        let mut longest = None;
        while let Some(lines) = seen.next() {
            if lines.seen == 0 {
                let until = seen.peek().map_or_else(now, |next| next.at);
                longest = longest.max(Some(until - lines.at));
            }
        }
        longest
    }

    /// What has been delivered since then, as far as it is remembered.
    pub fn tap(&self, since: Instant) -> Vec<Delivery> {
        self.shared.lock().tap.iter().filter(|delivery| delivery.at >= since).cloned().collect()
    }

    /// When bytes of this end were last delivered before then.
    pub fn last_delivery(&self, from: End, before: Instant) -> Option<Instant> {
        let state = self.shared.lock();
        state.tap.iter().rev().find(|delivery| delivery.from == from && delivery.at < before).map(|found| found.at)
    }
}

impl Jack {
    /// Where QEMU's serial port is to be opened.
    pub fn path(&self) -> &Path {
        &self.shared.paths[self.end]
    }

    /// The machine is reset, or its reset has been asked for: its lines are down until it raises them again.
    pub fn reset(&self) {
        self.shared.change(|state| state.sides[self.end].raised = 0);
    }

    /// The machine stands still, or goes on: what comes meanwhile is lost.
    pub fn freeze(&self, frozen: bool) {
        self.shared.change(|state| state.sides[self.end].frozen = frozen);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        for end in [0, 1] {
            let side = std::mem::take(&mut self.shared.lock().sides[end]);
            for stream in [side.bytes, side.lines].into_iter().flatten() {
                stream.shutdown(Shutdown::Both).ok();
            }
            for socket in &self.shared.sockets[end] {
                // Ends an accept that waits.
                shutdown(socket.as_raw_fd(), nix::sys::socket::Shutdown::Both).ok();
            }
        }
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and tells both ends the lines that follow.
    fn change(&self, how: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        how(&mut state);
        state.show();
        drop(state);
        self.changed.notify_all();
    }

    fn wait<T>(&self, within: Duration, mut found: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let deadline = now() + within;
        let mut state = self.lock();
        loop {
            if let Some(found) = found(&state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn show(&mut self) {
        for end in [0, 1] {
            let seen = self.lines_at(end);
            let side = &mut self.sides[end];
            if side.seen == seen {
                continue;
            }
            side.seen = seen;
            if let Some(mut lines) = side.lines.as_ref() {
                lines.write_all(&[seen]).ok();
            }
            self.history.push(Lines { at: now(), end, seen });
        }
    }

    fn lines_at(&self, end: End) -> u8 {
        let raised = match self.wiring {
            Wiring::Full if !self.cut => self.sides[1 - end].raised,
            Wiring::Strapped => self.sides[end].raised,
            Wiring::Full | Wiring::ThreeWire => 0,
        };
        let ready = if raised & DTR == 0 { 0 } else { DSR | DCD };
        let clear = if raised & RTS == 0 { 0 } else { CTS };
        ready | clear
    }

    fn remember(&mut self, delivery: Delivery) {
        if self.tap.len() == KEPT {
            self.tap.pop_front();
        }
        self.tap.push_back(delivery);
    }
}

#[cfg(test)]
mod tests;
