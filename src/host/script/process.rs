//! A child process whose end is an event: its pidfd becomes readable.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::task::{Context, Poll};

use lubdub::time::Duration;
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Timer;
use crate::host::sys::{self, Source};

/// How often a child is asked for on kernels before 5.3, which have no pidfds.
const RHYTHM: Duration = Duration::from_millis(5);

/// A child that has not been waited for.
pub struct Process {
    child: Child,
    exit: Option<AsyncFd<Source<OwnedFd>>>,
}

impl Process {
    /// Starts it. To be called within the runtime.
    ///
    /// # Errors
    /// Those of fork(2) and execve(2).
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let exit = sys::pidfd(child.id()).and_then(|fd| sys::watch(fd, Interest::READABLE)).ok();
        Ok(Self { child, exit })
    }

    /// Its process id.
    pub fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().map(Pid::from_raw)
    }

    /// How it ended. Not to be called again after that.
    pub fn poll_end(&mut self, cx: &mut Context<'_>, timer: &Timer) -> Poll<io::Result<ExitStatus>> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Poll::Ready(Ok(status));
            }
            let Some(exit) = &self.exit else {
                return timer.poll_at(timer.now() + RHYTHM).map(|()| Err(io::ErrorKind::TimedOut.into()));
            };
            match exit.poll_read_ready(cx) {
                Poll::Ready(Ok(mut guard)) => guard.clear_ready(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
