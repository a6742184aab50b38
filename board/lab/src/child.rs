//! A process that the lab started: awaited, signalled, and never forgotten.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::clock::{self, lock};
use crate::error::Result;
use crate::sys;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Exit status 0.
    pub fn success(self) -> bool {
        self == Exit::Code(0)
    }

    /// The exit status, unless it was a signal.
    pub fn code(self) -> Option<i32> {
        match self {
            Exit::Code(code) => Some(code),
            Exit::Signal(_) => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A child of the lab's process. Clones are the same child; it is reaped once, by whoever waits first.
#[derive(Clone, Debug)]
pub struct Child(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pid: Pid,
    pidfd: OwnedFd,
    exit: Mutex<Option<Exit>>,
}

impl Child {
    /// Takes charge of a child that nobody has waited for.
    pub(crate) fn adopt(pid: i32) -> Result<Self> {
        let pidfd = sys::pidfd_open(pid)?;
        Ok(Self(Arc::new(Inner { pid: Pid::from_raw(pid), pidfd, exit: Mutex::new(None) })))
    }

    /// Its number outside the box.
    pub fn pid(&self) -> i32 {
        self.0.pid.as_raw()
    }

    /// Becomes readable when the process ends.
    pub(crate) fn pidfd(&self) -> &OwnedFd {
        &self.0.pidfd
    }

    /// How it ended, or `None` if it has not ended within the time.
    pub fn wait(&self, within: Duration) -> Option<Exit> {
        let deadline = clock::now() + within;
        loop {
            if let Some(exit) = self.reap() {
                return Some(exit);
            }
            let mut fds = [PollFd::new(self.0.pidfd.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, clock::poll_left(deadline)) {
                Ok(0) => return self.reap(),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }

    /// Whether it is still there.
    pub fn runs(&self) -> bool {
        self.reap().is_none()
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        let exit = lock(&self.0.exit);
        if exit.is_none() {
            // Not reaped yet, so that the number is still its own; a zombie takes any signal.
            kill(self.0.pid, signal).ok();
        }
    }

    fn reap(&self) -> Option<Exit> {
        let mut exit = lock(&self.0.exit);
        if exit.is_none() {
            *exit = match waitpid(self.0.pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Some(Exit::Code(code)),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(Exit::Signal(signal as i32)),
                Err(Errno::ECHILD) => Some(Exit::Code(-1)),
                _ => None,
            };
        }
        *exit
    }
}
