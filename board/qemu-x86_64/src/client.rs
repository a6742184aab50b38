//! The client on the service LAN, which is the judge; and the LVS real servers beside it.
//!
//! Every [`PACE`] it asks for the VIP by ARP, each time in the name of another of its addresses, so that two answers to one
//! request are seen as such; and sends an echo request to whoever its own ARP cache says, so that a client that was not
//! told of a move shows. Its connections go to port 80 of the VIP, where the owner's IPVS forwards them to a real server by
//! its MAC alone (direct routing); the real servers are addresses of this same station, and answer.
//!
//! It judges by what reached it, when it reached it. An emulated machine stands still now and then, so silences of some
//! 100 ms mean nothing.

mod connection;
mod station;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lubdub_lab::arp::{Arp, Mac};
use lubdub_lab::{ASKERS, Announcement, Error, Result, VIP, Verdict, now};

use crate::lan::{Lan, Plug};
pub use connection::Served;
use connection::{Connection, Step};
use station::{CLIENT, Packet, asker_of, echo_reply, echo_request, mac_of, syn};

/// How often it asks.
pub const PACE: Duration = Duration::from_millis(10);
/// A SYN without an answer is sent again after so long (RFC 6298).
const AGAIN: Duration = Duration::from_secs(1);
/// The largest frame that it reads whole; it asks for nothing large.
const FRAME_MAX: usize = 2048;
/// The first port that its connections come from.
const FIRST_PORT: u16 = 20_000;

/// The client at work, until it is dropped.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    verdict: Verdict,
    connections: HashMap<u16, Connection>,
    opened: u16,
    /// Who has the VIP, as far as this client knows.
    cached: Option<Mac>,
}

impl Client {
    /// A station with a port of its own on this LAN.
    ///
    /// # Errors
    /// There is one already, or no thread can be made.
    pub fn plug_in(lan: &Lan) -> Result<Self> {
        let plug = lan.plug("client")?;
        let socket = UnixDatagram::bind(&plug.card)?;
        let shared = Arc::new(Shared::default());
        let work = Work { shared: shared.clone(), socket, plug, turn: 0 };
        let thread = thread::Builder::new().name("client".into()).spawn(move || work.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Forgets what it has found: a new story.
    pub fn begin(&self) {
        let mut state = self.shared.lock();
        let owner = state.verdict.owner;
        state.verdict = Verdict::default();
        state.verdict.owner = owner;
        // Gaps are counted from here on, also one that has begun.
        state.verdict.arp.answer(now());
        state.verdict.ping.answer(now());
    }

    /// What it has found since [`Client::begin`], a silence that lasts included.
    pub fn verdict(&self) -> Verdict {
        let end = now();
        let mut verdict = self.shared.lock().verdict.clone();
        verdict.arp.close(end);
        verdict.ping.close(end);
        verdict
    }

    /// Waits until what it has found is as wanted. It is looked at every time it has asked.
    pub fn await_verdict(&self, within: Duration, wanted: impl Fn(&Verdict) -> bool) -> bool {
        self.shared.wait(within, |state| wanted(&state.verdict).then_some(())).is_some()
    }

    /// Waits until this MAC has answered for the VIP, and an echo reply has come since.
    ///
    /// # Errors
    /// It does not.
    pub fn await_owner(&self, mac: Mac, within: Duration) -> Result<()> {
        if self.await_verdict(within, |verdict| verdict.owner == Some(mac)) {
            let since = now();
            if self.await_verdict(within, |verdict| verdict.ping.last() > Some(since)) {
                return Ok(());
            }
        }
        let owner = self.shared.lock().verdict.owner;
        Err(Error::new(format!("{mac} does not answer for {VIP} within {within:?}; last was {owner:?}")))
    }

    /// Opens a connection to the service, asks, and says who answered.
    ///
    /// # Errors
    /// Nobody does.
    pub fn connect(&self, within: Duration) -> Result<Served> {
        let port = {
            let mut state = self.shared.lock();
            let port = FIRST_PORT + state.opened;
            state.opened = (state.opened + 1) % 40_000;
            state.connections.insert(port, Connection::new(now()));
            port
        };
        let served = self.shared.wait(within, |state| state.connections.get(&port)?.served());
        self.shared.lock().connections.remove(&port);
        served.ok_or_else(|| Error::new(format!("no real server answers at {VIP}:80 within {within:?}")))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<T>(&self, within: Duration, found: impl Fn(&State) -> Option<T>) -> Option<T> {
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

struct Work {
    shared: Arc<Shared>,
    socket: UnixDatagram,
    plug: Plug,
    turn: u32,
}

impl Work {
    fn run(mut self) {
        let mut tick = now();
        while !self.shared.over.load(Ordering::Acquire) {
            self.listen_until(tick);
            let late = now().saturating_duration_since(tick);
            self.ask(late);
            // What the machine made us miss is missed: a burst of questions would prove nothing.
            tick += PACE * (1 + (late.as_micros() / PACE.as_micros()) as u32);
        }
    }

    fn send(&self, frame: &[u8]) {
        // The hub takes it or does not, as a wire.
        self.socket.send_to(frame, &self.plug.hub).ok();
    }

    fn listen_until(&self, tick: Instant) {
        let mut frame = [0; FRAME_MAX];
        loop {
            let left = tick.saturating_duration_since(now());
            if left.is_zero() || self.socket.set_read_timeout(Some(left)).is_err() {
                return;
            }
            match self.socket.recv(&mut frame) {
                Ok(length) => self.take(&frame[..length], now()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn ask(&mut self, late: Duration) {
        let asker = self.turn as usize % ASKERS;
        let mut state = self.shared.lock();
        state.verdict.late = state.verdict.late.max(late);
        state.verdict.asks(asker);
        let cached = state.cached;
        let due: Vec<(u16, Step)> =
            state.connections.iter_mut().filter_map(|(port, one)| Some((*port, one.due(now(), AGAIN)?))).collect();
        drop(state);
        self.send(&Arp::request(mac_of(CLIENT), station::asker(asker), VIP).broadcast());
        match cached {
            Some(mac) => {
                self.send(&echo_request(mac, self.turn as u16));
                for (port, step) in due {
                    self.send(&syn(mac, port, step == Step::Ask));
                }
            }
            None => self.send(&Arp::request(mac_of(CLIENT), CLIENT, VIP).broadcast()),
        }
        self.turn = self.turn.wrapping_add(1);
        self.shared.changed.notify_all();
    }

    fn take(&self, frame: &[u8], at: Instant) {
        if let Some(arp) = Arp::parse(frame) {
            return self.take_arp(&arp, at);
        }
        match Packet::parse(frame) {
            Some(Packet::EchoReply { from }) if from == VIP => {
                self.shared.lock().verdict.ping.answer(at);
                self.shared.changed.notify_all();
            }
            Some(Packet::EchoRequest { mac, from, to, id, sequence }) => {
                self.send(&echo_reply(mac, [to, from], [id, sequence]));
            }
            Some(Packet::Forwarded { via, server, port, asks }) => {
                if let Some(connection) = self.shared.lock().connections.get_mut(&port) {
                    connection.arrived(server, via, asks, at);
                }
                self.shared.changed.notify_all();
            }
            _ => {}
        }
    }

    fn take_arp(&self, arp: &Arp, at: Instant) {
        if arp.sender == VIP {
            let mut state = self.shared.lock();
            if arp.announces() {
                let announcement = Announcement { at, mac: arp.sender_mac, reply: arp.reply };
                state.verdict.announcements.push(announcement);
                state.cached = Some(arp.sender_mac);
            } else if let Some(asker) = asker_of(arp.target).filter(|_| arp.reply) {
                state.verdict.answered(asker, arp.sender_mac, at);
            } else if arp.reply && arp.target == CLIENT {
                state.cached = Some(arp.sender_mac);
            }
        }
        // The owner's kernel asks in the name of the VIP, too.
        if !arp.reply && !arp.announces() && station::is_ours(arp.target) {
            let answer = Arp {
                reply: true,
                sender_mac: mac_of(arp.target),
                sender: arp.target,
                target_mac: arp.sender_mac,
                target: arp.sender,
            };
            let mut frame = answer.broadcast();
            frame[..6].copy_from_slice(&arp.sender_mac.0);
            self.send(&frame);
        }
    }
}

#[cfg(test)]
mod tests;
