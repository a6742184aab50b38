//! An end of the cable: a pty, whose slave is a node's serial port.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::termios::{self, BaudRate, FlowArg, FlushArg, SetArg};

use crate::error::{Context, Result};
use crate::root;
use crate::sys;

/// A serial port as long as it is there.
#[derive(Debug)]
pub struct Port {
    pub master: File,
    slave: OwnedFd,
    number: u32,
    held: AtomicBool,
}

impl Port {
    /// A new pty of this instance of devpts.
    pub fn open(devpts: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
        let master = options.open(devpts.join("ptmx")).context("open a pty")?;
        let (slave, number) = sys::pty_peer(&master).context("open a pty's other end")?;
        let port = Self { master, slave, number, held: AtomicBool::new(false) };
        port.refresh()?;
        Ok(port)
    }

    /// Gives the pty the name that the node's /dev/ttyS1 leads to.
    pub fn link(&self, name: &Path) -> Result<()> {
        symlink(Path::new(root::PTYS).join(self.number.to_string()), name).context("name a pty")
    }

    /// As a serial port is after its last close: raw (a pty would echo), empty, nobody's.
    pub fn refresh(&self) -> Result<()> {
        let mut raw = termios::tcgetattr(&self.slave)?;
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&self.slave, SetArg::TCSANOW, &raw)?;
        termios::tcflush(&self.slave, FlushArg::TCIOFLUSH)?;
        sys::end_exclusive_use(&self.slave)?;
        Ok(())
    }

    /// The speed that the node's program has set, in bit/s.
    pub fn baud(&self) -> u32 {
        sys::baud(&self.slave).unwrap_or(115_200)
    }

    /// Another speed, as if the program had set it.
    pub fn set_baud(&self, baud: BaudRate) -> Result<()> {
        let mut settings = termios::tcgetattr(&self.slave)?;
        termios::cfsetspeed(&mut settings, baud)?;
        termios::tcsetattr(&self.slave, SetArg::TCSANOW, &settings).context("set a speed")
    }

    /// Makes the writer's writes block, as a full transmit buffer does, or lets it go on.
    pub fn hold_writer(&self, hold: bool) {
        if self.held.swap(hold, Ordering::Relaxed) != hold {
            termios::tcflow(&self.slave, if hold { FlowArg::TCOOFF } else { FlowArg::TCOON }).ok();
        }
    }

    /// Whether the writer is held.
    pub fn holds_writer(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }
}
