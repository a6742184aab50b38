//! What the administrator and the service manager say by signals: read from a descriptor, as everything else.

use std::io;
use std::task::{Context, Poll, ready};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sys::{self, Source};

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals that mean something. They are blocked, so that they interrupt nothing; children start with none blocked.
pub struct Signals(AsyncFd<Source<SignalFd>>);

impl Signals {
    /// Blocks and watches them. To be called within the runtime, before any other thread begins.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn new() -> io::Result<Self> {
        let mut mask = SigSet::empty();
        [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().for_each(|signal| mask.add(signal));
        mask.thread_block()?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self(sys::watch(fd, Interest::READABLE)?))
    }

    /// The next one.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        loop {
            // An error means that the runtime is shutting down: then nobody listens any more.
            let Ok(mut guard) = ready!(self.0.poll_read_ready(cx)) else { return Poll::Pending };
            match guard.get_inner().read_signal() {
                Ok(Some(info)) if info.ssi_signo == Signal::SIGHUP as u32 => return Poll::Ready(Said::Reload),
                Ok(Some(_)) => return Poll::Ready(Said::Stop),
                _ => guard.clear_ready(),
            }
        }
    }
}
