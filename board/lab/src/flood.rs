//! Datagrams that no daemon has sent, as from a third station at the crossover.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

use crate::arp::{BROADCAST, Mac};
use crate::clock;
use crate::error::{Context, Error, Result};
use crate::random::Random;
use crate::space::Space;
use crate::sys::SocketKind;

/// The port of Heartbeat ("ha-cluster" of the IANA registry).
pub const PORT: u16 = 694;
/// What Ethernet carries in one frame, less the headers of IPv4 and UDP.
const PAYLOAD: usize = 1500 - 28;
/// Ethernet, IPv4 without options, and UDP.
const HEADERS: usize = 14 + 20 + 8;
/// How often a paced flood sends.
const TICK: Duration = Duration::from_millis(1);
/// Datagrams between two looks at the clock.
const BATCH: u64 = 32;

/// What is in the datagrams.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Payload {
    /// Random bytes, 1 to 1472 of them.
    Random,
    /// These in turn, as they are: a replay.
    Replay(Vec<Vec<u8>>),
    /// These in turn, each with one random byte changed.
    Forged(Vec<Vec<u8>>),
}

/// A flood: what, how fast, how much, how long.
#[derive(Clone, Debug)]
pub struct Flood {
    /// What is in the datagrams.
    pub payload: Payload,
    /// Datagrams a second; `None` is as many as the machine can make.
    pub per_second: Option<u32>,
    /// It ends after so many datagrams.
    pub count: u64,
    /// It ends after so long.
    pub within: Duration,
    /// Of the random numbers.
    pub seed: u64,
}

/// What a flood has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flooded {
    /// Datagrams that the wire took.
    pub sent: u64,
    /// Datagrams that it did not take.
    pub refused: u64,
    /// From the first to the last.
    pub took: Duration,
}

/// A flood that goes on; dropping it ends it.
#[derive(Debug)]
pub struct Flooding {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<Flooded>>,
}

impl Flooding {
    /// Ends it now.
    pub fn stop(self) -> Flooded {
        self.stop.write(1).ok();
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Flooded {
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Flooding {
    fn drop(&mut self) {
        self.stop.write(1).ok();
        self.thread.take().map(JoinHandle::join);
    }
}

/// Whose name the flood uses.
pub(crate) struct Sender {
    pub mac: Mac,
    pub address: Ipv4Addr,
}

/// Begins a flood out of a port of the machine room: only the node behind it gets it.
pub(crate) fn begin(room: &Space, port: &str, sender: Sender, flood: Flood) -> Result<Flooding> {
    let payloads = match &flood.payload {
        Payload::Random => None,
        Payload::Replay(list) | Payload::Forged(list) => Some(list),
    };
    if payloads.is_some_and(|list| list.is_empty() || list.iter().any(|bytes| bytes.len() > PAYLOAD)) {
        return Err(Error::new(format!("cannot flood with no datagram, or with one of more than {PAYLOAD} bytes")));
    }
    let socket = File::from(room.socket(SocketKind::Packet { interface: port, protocol: 0 })?);
    let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
    let random = Random::new(flood.seed);
    let work = Work { socket, stop: stop.clone(), sender, flood, random, done: Flooded::default() };
    let thread = thread::Builder::new().name("flood".into()).spawn(move || work.run()).context("start a thread")?;
    Ok(Flooding { stop, thread: Some(thread) })
}

fn since(start: Instant) -> Duration {
    clock::now().saturating_duration_since(start)
}

struct Work {
    socket: File,
    stop: Arc<EventFd>,
    sender: Sender,
    flood: Flood,
    random: Random,
    done: Flooded,
}

impl Work {
    fn run(mut self) -> Flooded {
        let start = clock::now();
        while self.made() < self.flood.count && since(start) < self.flood.within && !self.stopped() {
            let due = self.due(start).min(self.flood.count - self.made());
            for _ in 0..due {
                self.send();
            }
        }
        self.done.took = since(start);
        self.done
    }

    fn made(&self) -> u64 {
        self.done.sent + self.done.refused
    }

    /// How many datagrams to send before the next look at the clock.
    fn due(&self, start: Instant) -> u64 {
        match self.flood.per_second {
            None => BATCH,
            Some(rate) => {
                let due = (since(start).as_secs_f64() * f64::from(rate)) as u64;
                due.saturating_sub(self.made()).min(BATCH)
            }
        }
    }

    /// A paced flood waits here for its next tick.
    fn stopped(&self) -> bool {
        let wait = if self.flood.per_second.is_some() { TICK } else { Duration::ZERO };
        let mut fds = [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        ppoll(&mut fds, Some(TimeSpec::from_duration(wait)), None).ok();
        fds[0].any() == Some(true)
    }

    fn send(&mut self) {
        let payload = self.payload();
        match self.socket.write_all(&datagram(&self.sender, &payload)) {
            Ok(()) => self.done.sent += 1,
            Err(_) => self.done.refused += 1,
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        let turn = self.made() as usize;
        match &self.flood.payload {
            Payload::Random => {
                let length = 1 + self.random.below(PAYLOAD);
                (0..length).map(|_| self.random.byte()).collect()
            }
            Payload::Replay(list) => list[turn % list.len()].clone(),
            Payload::Forged(list) => {
                let mut bytes = list[turn % list.len()].clone();
                let at = self.random.below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= self.random.byte() | 1;
                }
                bytes
            }
        }
    }
}

/// A broadcast from port 694 to port 694 (RFC 791, RFC 768; a UDP checksum of 0 is none).
fn datagram(sender: &Sender, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADERS + payload.len());
    frame.extend(BROADCAST.0);
    frame.extend(sender.mac.0);
    frame.extend([8, 0]);
    let total = (28 + payload.len()) as u16;
    let mut ip = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255];
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    ip[12..16].copy_from_slice(&sender.address.octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(ip);
    for word in [PORT, PORT, total - 20, 0] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(payload);
    frame
}

/// The ones' complement sum of RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum = words.sum::<u32>();
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// What a station with this MAC sends to port 694, as seen at a port of the machine room: the payloads of so many
/// datagrams.
pub(crate) fn record(room: &Space, port: &str, mac: Mac, count: usize, within: Duration) -> Result<Vec<Vec<u8>>> {
    let socket = room.socket(SocketKind::Packet { interface: port, protocol: libc::ETH_P_ALL as u16 })?;
    let mut socket = File::from(socket);
    let (deadline, mut found, mut frame) = (clock::now() + within, Vec::new(), [0; 2048]);
    while found.len() < count {
        if clock::left(deadline).is_zero() {
            return Err(Error::new(format!("{} of {count} datagrams within {within:?}", found.len())));
        }
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        ppoll(&mut fds, Some(clock::timespec_left(deadline)), None).ok();
        while let Ok(n @ 1..) = socket.read(&mut frame) {
            found.extend(payload_of(&frame[..n], mac));
        }
    }
    found.truncate(count);
    Ok(found)
}

/// The payload of a datagram to port 694 in an Ethernet frame of this sender.
fn payload_of(frame: &[u8], mac: Mac) -> Option<Vec<u8>> {
    let (ethernet, ip) = frame.split_at_checked(14)?;
    if ethernet[6..12] != mac.0 || ethernet[12..14] != [8, 0] {
        return None;
    }
    let header = usize::from(ip.first()? & 15) * 4;
    let udp = ip.get(header..).filter(|_| ip.get(9) == Some(&17))?;
    let length = usize::from(u16::from_be_bytes([*udp.get(4)?, *udp.get(5)?]));
    let to_port = u16::from_be_bytes([*udp.get(2)?, *udp.get(3)?]);
    udp.get(8..length).filter(|_| to_port == PORT).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_reads_back() {
        let mac = Mac([2, 0, 0, 0, 1, 0x10]);
        let sender = Sender { mac, address: Ipv4Addr::new(192, 168, 20, 10) };
        let frame = datagram(&sender, b"beat");
        assert_eq!(payload_of(&frame, mac).as_deref(), Some(b"beat".as_slice()));
        assert_eq!(payload_of(&frame, BROADCAST), None);
        assert_eq!(checksum(&frame[14..34]), 0);
        for short in 0..frame.len() {
            assert_eq!(payload_of(&frame[..short], mac), None);
        }
    }
}
