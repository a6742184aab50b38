//! A hub of our own, for a kernel without bridges: every frame that arrives at one port leaves at all the others.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::clock::lock;
use crate::error::Result;
use crate::random::Random;
use crate::sys;

/// A frame, the largest that offloading makes, and its header.
const FRAME: usize = 65_536 + 64;
/// Frames taken from one port before the next has its turn.
const BURST: usize = 64;

/// The hub; a thread that ends with it.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: EventFd,
}

#[derive(Debug, Default)]
struct State {
    ports: Vec<Port>,
    loss: f64,
    random: Random,
    over: bool,
}

#[derive(Clone, Debug)]
struct Port {
    owner: usize,
    tap: Arc<File>,
    member: bool,
}

impl Shared {
    fn loses_one(&self) -> bool {
        let mut state = lock(&self.state);
        let loss = state.loss;
        loss > 0.0 && state.random.chance(loss)
    }
}

impl Hub {
    pub fn new() -> Result<Self> {
        let changed = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let shared = Arc::new(Shared { state: Mutex::default(), changed });
        let work = shared.clone();
        let thread = thread::Builder::new().name("hub".into()).spawn(move || run(&work))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A port for this owner, instead of one that it had before.
    pub fn plug(&self, owner: usize, tap: OwnedFd) {
        let port = Port { owner, tap: Arc::new(File::from(tap)), member: true };
        self.change(|state| {
            state.ports.retain(|port| port.owner != owner);
            state.ports.push(port);
        });
    }

    /// Whether frames from and to this owner pass.
    pub fn set_member(&self, owner: usize, member: bool) {
        self.change(|state| {
            state.ports.iter_mut().filter(|port| port.owner == owner).for_each(|port| port.member = member);
        });
    }

    /// Each frame has this probability to be lost, for each port that it should leave at.
    pub fn set_loss(&self, probability: f64, seed: u64) {
        self.change(|state| (state.loss, state.random) = (probability, Random::new(seed)));
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut lock(&self.shared.state));
        self.shared.changed.write(1).ok();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.change(|state| state.over = true);
        self.thread.take().map(JoinHandle::join);
    }
}

fn run(shared: &Shared) {
    sys::hurry();
    let mut buffer = vec![0; FRAME];
    loop {
        let ports = {
            let state = lock(&shared.state);
            if state.over {
                return;
            }
            state.ports.clone()
        };
        let mut fds: Vec<PollFd<'_>> =
            ports.iter().map(|port| PollFd::new(port.tap.as_fd(), PollFlags::POLLIN)).collect();
        fds.push(PollFd::new(shared.changed.as_fd(), PollFlags::POLLIN));
        poll(&mut fds, PollTimeout::NONE).ok();
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any() == Some(true)).collect();
        if ready.last() == Some(&true) {
            shared.changed.read().ok();
            continue;
        }
        for (port, _) in ports.iter().zip(ready).filter(|(_, ready)| *ready) {
            repeat(shared, port, &ports, &mut buffer);
        }
    }
}

/// Passes on what waits at a port. Reading also takes the error of an interface that went down.
fn repeat(shared: &Shared, from: &Port, ports: &[Port], buffer: &mut [u8]) {
    for _ in 0..BURST {
        let Ok(n @ 1..) = (&*from.tap).read(buffer) else { return };
        let others = ports.iter().filter(|port| from.member && port.member && port.owner != from.owner);
        for port in others {
            if shared.loses_one() {
                continue;
            }
            // A full or lost interface loses frames, as Ethernet does.
            (&*port.tap).write_all(&buffer[..n]).ok();
        }
    }
}
