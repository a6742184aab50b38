//! The client as judge: every millisecond it asks for the VIP, by ARP and by echo request.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::arp::{self, Arp, Mac};
use crate::clock::{self, lock};
use crate::error::{Context, Error, Result};
use crate::space::Space;
use crate::sys::{self, SocketKind};
use crate::verdict::{ASKERS, Verdict};

/// How often the judge asks.
pub const PACE: Duration = Duration::from_millis(1);
/// The first of the [`ASKERS`] clients in whose names it asks: 192.168.20.128/26.
const FIRST_ASKER: u32 = u32::from_be_bytes([192, 168, 20, 128]);
/// The network of the askers, which the client's kernel answers for.
pub(crate) const ASKERS_NETWORK: &str = "192.168.20.128/26";

/// A judge at work. [`Judge::verdict`] ends it; dropping it ends it too.
#[derive(Debug)]
pub struct Judge {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    verdict: Mutex<Verdict>,
    changed: Condvar,
    stop: EventFd,
}

impl Judge {
    pub(crate) fn new(client: &Space, mac: Mac, vip: Ipv4Addr) -> Result<Self> {
        let arp = client.socket(SocketKind::Packet { interface: "eth0", protocol: arp::ETHERTYPE })?;
        let icmp = client.socket(SocketKind::Icmp { peer: vip })?;
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?;
        let shared = Arc::new(Shared { verdict: Mutex::default(), changed: Condvar::new(), stop });
        let (arp, icmp) = (File::from(arp), File::from(icmp));
        let work = Work { shared: shared.clone(), arp, icmp, mac, vip, turn: 0 };
        let thread = thread::Builder::new().name("judge".into()).spawn(move || work.run()).context("start a thread")?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What it has found so far; a silence that lasts is not yet a gap.
    pub fn so_far(&self) -> Verdict {
        lock(&self.shared.verdict).clone()
    }

    /// What somebody wants to know of what it has found so far, without a copy of it all.
    pub fn look<T>(&self, how: impl FnOnce(&Verdict) -> T) -> T {
        how(&lock(&self.shared.verdict))
    }

    /// Waits until this MAC answers for the VIP.
    pub fn await_owner(&self, mac: Mac, within: Duration) -> Result<()> {
        self.await_verdict(within, |verdict| verdict.owner == Some(mac))
            .ok_or_else(|| Error::new(format!("{mac} does not answer within {within:?}: {:?}", self.so_far().owner)))
    }

    /// Waits until nobody has answered for so long.
    pub fn await_silence(&self, quiet: Duration, within: Duration) -> Result<()> {
        let silent =
            |v: &Verdict| v.arp.last().is_none_or(|last| clock::now().saturating_duration_since(last) >= quiet);
        self.await_verdict(within, silent).ok_or_else(|| Error::new(format!("the VIP still answers after {within:?}")))
    }

    /// Waits until the verdict so far is as wanted. It is looked at every time the judge has asked.
    pub fn await_verdict(&self, within: Duration, wanted: impl Fn(&Verdict) -> bool) -> Option<()> {
        clock::await_in(&self.shared.verdict, &self.shared.changed, within, |verdict| wanted(verdict).then_some(()))
    }

    /// Stops asking and says what was found.
    pub fn verdict(mut self) -> Verdict {
        // Before the thread ends: the kernel takes some 10 ms to close a packet socket, when nobody asks any more.
        let end = clock::now();
        self.stop();
        let mut verdict = self.so_far();
        verdict.arp.close(end);
        verdict.ping.close(end);
        verdict
    }

    fn stop(&mut self) {
        self.shared.stop.write(1).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Work {
    shared: Arc<Shared>,
    arp: File,
    icmp: File,
    mac: Mac,
    vip: Ipv4Addr,
    turn: u32,
}

impl Work {
    fn run(mut self) {
        sys::hurry();
        let mut tick = clock::now();
        while self.listen_until(tick) {
            let late = clock::now().saturating_duration_since(tick);
            self.ask(late);
            // What the machine made us miss is missed: a burst of questions would prove nothing.
            tick += PACE * (1 + (late.as_micros() / PACE.as_micros()) as u32);
        }
    }

    fn ask(&mut self, late: Duration) {
        let asker = self.turn as usize % ASKERS;
        {
            let mut verdict = lock(&self.shared.verdict);
            verdict.late = verdict.late.max(late);
            verdict.asks(asker);
        }
        let sender = Ipv4Addr::from(FIRST_ASKER + asker as u32);
        // A full send queue, or a VIP without a neighbour entry, is an answer that does not come.
        self.arp.write_all(&Arp::request(self.mac, sender, self.vip).broadcast()).ok();
        self.icmp.write_all(&echo_request(self.turn as u16)).ok();
        self.turn = self.turn.wrapping_add(1);
        self.shared.changed.notify_all();
    }

    /// Reads until the next tick; false: the judge is dismissed.
    fn listen_until(&mut self, tick: Instant) -> bool {
        loop {
            let mut fds = [
                PollFd::new(self.arp.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.icmp.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.shared.stop.as_fd(), PollFlags::POLLIN),
            ];
            ppoll(&mut fds, Some(clock::timespec_left(tick)), None).ok();
            if fds[2].any() == Some(true) {
                return false;
            }
            self.read_arp();
            self.read_icmp();
            if clock::left(tick).is_zero() {
                return true;
            }
        }
    }

    fn read_arp(&mut self) {
        let mut frame = [0; 128];
        while let Ok(n @ 1..) = self.arp.read(&mut frame) {
            let at = clock::now();
            if let Some(packet) = Arp::parse(&frame[..n]).filter(|packet| packet.sender == self.vip) {
                self.note_arp(&packet, at);
            }
        }
    }

    fn note_arp(&self, packet: &Arp, at: Instant) {
        let mut verdict = lock(&self.shared.verdict);
        let asker = u32::from(packet.target).wrapping_sub(FIRST_ASKER) as usize;
        if packet.announces() {
            let announcement = crate::verdict::Announcement { at, mac: packet.sender_mac, reply: packet.reply };
            verdict.announcements.push(announcement);
        } else if packet.reply && asker < ASKERS {
            verdict.answered(asker, packet.sender_mac, at);
        }
    }

    fn read_icmp(&mut self) {
        let mut packet = [0; 256];
        while let Ok(n @ 1..) = self.icmp.read(&mut packet) {
            if is_echo_reply(&packet[..n]) {
                lock(&self.shared.verdict).ping.answer(clock::now());
            }
        }
    }
}

/// The judge's identifier in its echo requests.
const IDENTIFIER: [u8; 2] = *b"LD";

/// An ICMP echo request (RFC 792) without data.
fn echo_request(sequence: u16) -> [u8; 8] {
    let [high, low] = sequence.to_be_bytes();
    let sum = 0x0800 + u32::from(u16::from_be_bytes(IDENTIFIER)) + u32::from(sequence);
    let [c, d] = (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes();
    [8, 0, c, d, IDENTIFIER[0], IDENTIFIER[1], high, low]
}

/// A raw socket gives the IP header too; its length is in its first byte (RFC 791).
fn is_echo_reply(packet: &[u8]) -> bool {
    let header = usize::from(packet.first().copied().unwrap_or(0) & 15) * 4;
    packet.get(header..header + 8).is_some_and(|icmp| icmp[0] == 0 && icmp[4..6] == IDENTIFIER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_request_has_a_right_checksum() {
        for sequence in [0, 1, 0xb000, 0xffff] {
            let words = echo_request(sequence);
            let sum: u32 = words.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "sequence {sequence}");
        }
    }

    #[test]
    fn only_our_echo_reply_counts() {
        let mut packet = vec![0x45; 20];
        packet.extend([0, 0, 0, 0, b'L', b'D', 0, 1]);
        assert!(is_echo_reply(&packet));
        packet[20] = 3;
        assert!(!is_echo_reply(&packet));
        assert!(!is_echo_reply(&[]));
    }
}
