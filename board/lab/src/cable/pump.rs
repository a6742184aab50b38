//! One direction of the cable at work: a thread that takes, delays, harms and delivers.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, ppoll};

use super::port::Port;
use super::{Direction, End, Fault, Shared};
use crate::clock::{self, lock};
use crate::line::{Line, Origin, RECEIVE_FIFO, TRANSMIT_BUFFER, WAKEUP};
use crate::sys;

/// So many FIFOs of stray bytes are on the line at once, so that it does not fall idle between two turns of the pump.
const STRAY_AHEAD: usize = 2;

/// One direction at work.
pub struct Pump<'a> {
    shared: &'a Shared,
    from: End,
    line: Line,
    stalled: bool,
    /// Both ends for one turn, so that an end that is taken away meanwhile is gone at the next.
    ends: [Option<Arc<Port>>; 2],
}

impl<'a> Pump<'a> {
    pub fn new(shared: &'a Shared, from: End) -> Self {
        Self { shared, from, line: Line::default(), stalled: false, ends: [None, None] }
    }

    pub fn run(mut self) {
        sys::hurry();
        while self.wait() {
            self.ends = self.shared.ports();
            self.take();
            self.mind_the_stall();
            if !self.stalled {
                self.deliver();
                self.stray();
            }
            self.press_back();
            self.ends = [None, None];
        }
    }

    fn sender(&self) -> Option<&Port> {
        self.ends[self.from].as_deref()
    }

    fn receiver(&self) -> Option<&Port> {
        self.ends[1 - self.from].as_deref()
    }

    /// Until there is something to take or to deliver, or something was changed; false: the cable is no more.
    fn wait(&self) -> bool {
        let (sender, wake) = (self.shared.port(self.from), &self.shared.wake[self.from]);
        let mut fds = vec![PollFd::new(wake.as_fd(), PollFlags::POLLIN)];
        fds.extend(sender.as_ref().map(|port| PollFd::new(port.master.as_fd(), PollFlags::POLLIN)));
        let due = if self.stalled { None } else { self.line.next_delivery() };
        ppoll(&mut fds, due.map(clock::timespec_left), None).ok();
        if fds[0].any() == Some(true) {
            wake.read().ok();
        }
        !self.shared.is_over()
    }

    fn take(&mut self) {
        let Some(port) = self.ends[self.from].clone() else { return };
        let mut buffer = [0; TRANSMIT_BUFFER];
        if let Ok(n) = (&port.master).read(&mut buffer) {
            self.direction(|direction| direction.count.sent += n as u64);
            self.shared.taken[self.from].notify_all();
            self.line.push(&buffer[..n], Origin::Sender, port.baud(), clock::now());
        }
    }

    /// A line that goes on after a stall sends what waited, from now on.
    fn mind_the_stall(&mut self) {
        let stalled = !self.dark(self.from) && self.direction(|direction| direction.harm.fault() == Fault::Stall);
        if self.stalled && !stalled {
            self.line.resume(self.baud(), clock::now());
        }
        self.stalled = stalled;
    }

    fn stray(&mut self) {
        while self.line.waiting() < RECEIVE_FIFO * STRAY_AHEAD {
            let bytes = self.direction(|direction| direction.stray.take(RECEIVE_FIFO));
            if bytes.is_empty() {
                return;
            }
            self.line.push(&bytes, Origin::Stray, self.baud(), clock::now());
        }
    }

    fn baud(&self) -> u32 {
        self.sender().or(self.receiver()).map_or(115_200, Port::baud)
    }

    fn deliver(&mut self) {
        loop {
            let bytes = self.line.deliver(clock::now());
            if bytes.is_empty() {
                return;
            }
            self.hand_over(&bytes);
        }
    }

    fn hand_over(&self, bytes: &[(u8, Origin)]) {
        let differ = self.sender().zip(self.receiver()).is_some_and(|(s, r)| s.baud() != r.baud());
        let route = Route { sends: !self.dark(self.from), hears: !self.dark(1 - self.from), differ };
        let (mut there, mut back) = (Vec::with_capacity(bytes.len() * 2), Vec::new());
        self.direction(|direction| {
            for (byte, origin) in bytes {
                route.pass(direction, *byte, *origin, &mut there, &mut back);
            }
        });
        self.write(self.from, &back);
        self.write(1 - self.from, &there);
    }

    /// Hands bytes to an end: lost without power or without a port there, an overrun if nobody reads.
    fn write(&self, to: End, bytes: &[u8]) {
        let all = bytes.len() as u64;
        if all == 0 {
            return;
        }
        let port = self.ends[to].as_deref().filter(|_| !self.dark(to));
        let taken = port.map(|port| (&port.master).write(bytes).unwrap_or(0) as u64);
        self.direction(|direction| match taken {
            Some(taken) => {
                direction.count.received += taken;
                direction.count.overrun += all - taken;
            }
            None => direction.count.lost += all,
        });
    }

    fn press_back(&self) {
        let Some(port) = self.sender() else { return };
        let waiting = self.line.waiting();
        let limit = if port.holds_writer() { TRANSMIT_BUFFER - WAKEUP + 1 } else { TRANSMIT_BUFFER };
        port.hold_writer(waiting >= limit);
    }

    fn dark(&self, end: End) -> bool {
        !lock(&self.shared.powered)[end]
    }

    fn direction<R>(&self, how: impl FnOnce(&mut Direction) -> R) -> R {
        how(&mut lock(&self.shared.directions[self.from]))
    }
}

/// Between which ends bytes go.
struct Route {
    /// The sender has power.
    sends: bool,
    /// The receiver has power.
    hears: bool,
    /// Their speeds differ.
    differ: bool,
}

impl Route {
    /// Where one byte goes, and as what.
    fn pass(&self, direction: &mut Direction, byte: u8, origin: Origin, there: &mut Vec<u8>, back: &mut Vec<u8>) {
        let fault = direction.harm.fault();
        let returns = matches!(fault, Fault::Loop | Fault::Echo);
        if origin == Origin::Stray {
            direction.count.stray += 1;
            there.push(byte);
        } else if !self.sends || !(self.hears || returns) {
            direction.count.lost += 1;
        } else {
            back.extend(returns.then_some(byte));
            if fault != Fault::Loop {
                direction.count.garbled += u64::from(self.differ);
                let byte = if self.differ { garble(byte) } else { byte };
                there.extend(direction.harm.pass(byte, &mut direction.count));
            }
        }
    }
}

/// What a receiver at another speed makes of a byte: something else, and always the same.
fn garble(byte: u8) -> u8 {
    byte.rotate_left(3) ^ 0xf8
}
