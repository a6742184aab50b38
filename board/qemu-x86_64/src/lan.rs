//! An Ethernet: every frame that arrives at one port leaves at all the others, and is remembered for a while.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lubdub_lab::{Error, Result, now};

use crate::bench::Bench;

/// Frames remembered.
const KEPT: usize = 4096;
/// The largest frame: 64 KiB of segments that the card would have split, and its headers.
const FRAME_MAX: usize = 65_536 + 64;

/// A port's two sockets, one frame a datagram.
#[derive(Clone, Debug)]
pub struct Plug {
    /// The card's own, made by QEMU.
    pub card: PathBuf,
    /// The hub's.
    pub hub: PathBuf,
}

/// A frame as a card sent it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When the hub had it.
    pub at: Instant,
    /// The port's name.
    pub port: String,
    /// From the destination's address to the end of the payload.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// UDP over IPv4: on a crossover, where nobody else sends any, a beat. (The kernel has frames of its own there.)
    pub fn is_beat(&self) -> bool {
        self.bytes.get(12..14) == Some(&[8, 0]) && self.bytes.get(23) == Some(&17)
    }
}

/// The hub. A port is a thread, which ends with the hub.
#[derive(Debug)]
pub struct Lan {
    folder: PathBuf,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    /// Never waits: what a card does not take at once is lost, as on a wire.
    sender: UnixDatagram,
    state: Mutex<State>,
    grown: Condvar,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    ports: Vec<Arc<Port>>,
    frames: VecDeque<Frame>,
    /// How many frames have been forgotten.
    forgotten: usize,
}

#[derive(Debug)]
struct Port {
    name: String,
    plug: Plug,
    socket: UnixDatagram,
}

impl Lan {
    /// A hub without ports; its sockets are in the bench's folder.
    ///
    /// # Errors
    /// No socket can be made.
    pub fn new(bench: &Bench, name: &str) -> Result<Self> {
        let sender = UnixDatagram::unbound()?;
        sender.set_nonblocking(true)?;
        let shared = Shared { sender, state: Mutex::default(), grown: Condvar::new(), over: AtomicBool::new(false) };
        Ok(Self { folder: bench.folder().join(name), shared: Arc::new(shared), threads: Mutex::default() })
    }

    /// A new port.
    ///
    /// # Errors
    /// There is one of this name.
    pub fn plug(&self, name: &str) -> Result<Plug> {
        std::fs::create_dir_all(&self.folder)?;
        let plug =
            Plug { card: self.folder.join(format!("{name}.card")), hub: self.folder.join(format!("{name}.hub")) };
        let socket = UnixDatagram::bind(&plug.hub)
            .map_err(|why| Error::new(format!("cannot make the port {}: {why}", plug.hub.display())))?;
        let port = Arc::new(Port { name: name.into(), plug: plug.clone(), socket });
        self.shared.lock().ports.push(port.clone());
        let shared = self.shared.clone();
        let thread = thread::Builder::new().name(format!("port {name}")).spawn(move || shared.serve(&port))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(plug)
    }

    /// Sends a frame of one's own making to every card.
    pub fn send(&self, frame: &[u8]) {
        self.shared.repeat(frame, "");
    }

    /// Waits for a frame like this, remembered or yet to come.
    pub fn await_frame(&self, within: Duration, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        self.await_frame_since(0, within, wanted)
    }

    /// When a beat of this port was last remembered before then.
    pub fn last_beat(&self, port: &str, before: Instant) -> Option<Instant> {
        let state = self.shared.lock();
        let wanted = |frame: &&Frame| frame.port == port && frame.at < before && frame.is_beat();
        state.frames.iter().rev().find(wanted).map(|frame| frame.at)
    }

    /// When the beats of this port came since then, as far as they are remembered.
    pub fn beats(&self, port: &str, since: Instant) -> Vec<Instant> {
        let state = self.shared.lock();
        let wanted = |frame: &&Frame| frame.port == port && frame.at >= since && frame.is_beat();
        state.frames.iter().filter(wanted).map(|frame| frame.at).collect()
    }

    /// How many frames there have been: where [`Lan::await_frame_since`] may begin.
    pub fn count(&self) -> usize {
        let state = self.shared.lock();
        state.forgotten + state.frames.len()
    }

    /// The same, passing over the first `count` frames.
    pub fn await_frame_since(&self, count: usize, within: Duration, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let deadline = now() + within;
        let mut state = self.shared.lock();
        let mut seen = count;
        loop {
            let skip = seen.saturating_sub(state.forgotten);
            if let Some(frame) = state.frames.iter().skip(skip).find(|frame| wanted(frame)) {
                return Some(frame.clone());
            }
            seen = state.forgotten + state.frames.len();
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return None;
            }
            state = self.shared.grown.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        let ports = std::mem::take(&mut self.shared.lock().ports);
        for port in ports {
            port.socket.shutdown(Shutdown::Both).ok();
        }
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, port: &Port) {
        let mut buffer = vec![0; FRAME_MAX];
        while let Ok(length) = port.socket.recv(&mut buffer) {
            if self.over.load(Ordering::Acquire) {
                return;
            }
            let at = now();
            self.repeat(&buffer[..length], &port.name);
            self.remember(Frame { at, port: port.name.clone(), bytes: buffer[..length].to_vec() });
        }
    }

    fn repeat(&self, frame: &[u8], from: &str) {
        let ports = self.lock().ports.clone();
        for port in ports.iter().filter(|port| port.name != from) {
            // Not there (no power), or not listening (a frozen machine): a wire does not care.
            self.sender.send_to(frame, &port.plug.card).ok();
        }
    }

    fn remember(&self, frame: Frame) {
        let mut state = self.lock();
        if state.frames.len() == KEPT {
            state.frames.pop_front();
            state.forgotten += 1;
        }
        state.frames.push_back(frame);
        drop(state);
        self.grown.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    fn card(plug: &Plug) -> UnixDatagram {
        let card = UnixDatagram::bind(&plug.card).unwrap();
        card.set_read_timeout(Some(SOON)).unwrap();
        card
    }

    #[test]
    fn a_frame_reaches_every_other_port_and_the_record() {
        let bench = Bench::new().unwrap();
        let lan = Lan::new(&bench, "lan").unwrap();
        let [a, b, absent] = ["a", "b", "absent"].map(|name| lan.plug(name).unwrap());
        let [card_a, card_b] = [&a, &b].map(card);
        card_a.send_to(b"hello", &a.hub).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(card_b.recv(&mut buffer).unwrap(), 5);
        let frame = lan.await_frame(SOON, |frame| frame.bytes == b"hello").unwrap();
        assert_eq!(frame.port, "a");

        let count = lan.count();
        assert!(lan.await_frame_since(count, Duration::from_millis(1), |_| true).is_none());
        lan.send(b"from us");
        assert_eq!(card_a.recv(&mut buffer).unwrap(), 7, "its own frame does not come back before it");
        assert!(!absent.card.exists());
        drop(lan);
    }

    #[test]
    fn a_beat_is_told_from_what_the_kernel_says() {
        let bench = Bench::new().unwrap();
        let lan = Lan::new(&bench, "lan").unwrap();
        let begin = now();
        let mut beat = [0; 64];
        beat[12] = 8;
        beat[23] = 17;
        for bytes in [beat, [0; 64]] {
            lan.shared.remember(Frame { at: now(), port: "a".into(), bytes: bytes.to_vec() });
        }
        assert_eq!(lan.beats("a", begin).len(), 1);
        assert_eq!(lan.last_beat("a", now()), lan.beats("a", begin).first().copied());
        assert_eq!((lan.last_beat("b", now()), lan.last_beat("a", begin)), (None, None));
    }

    #[test]
    fn the_record_is_bounded() {
        let bench = Bench::new().unwrap();
        let lan = Lan::new(&bench, "lan").unwrap();
        for number in 0..KEPT + 10 {
            lan.shared.remember(Frame { at: now(), port: String::new(), bytes: number.to_be_bytes().to_vec() });
        }
        assert_eq!((lan.count(), lan.shared.lock().frames.len()), (KEPT + 10, KEPT));
        let first = lan.await_frame(SOON, |_| true).unwrap();
        assert_eq!(first.bytes, 10_usize.to_be_bytes());
        let wanted = KEPT + 5;
        assert!(lan.await_frame_since(wanted, SOON, |frame| frame.bytes == wanted.to_be_bytes()).is_some());
    }
}
