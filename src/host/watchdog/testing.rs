//! A watchdog and a machine that note what is done to them.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::libc;

use super::device::{Device, Support};
use super::last_words::LastWords;
use super::machine::Machine;
use crate::host::sys::WatchdogInfo;

/// A folder of a test, gone with it.
pub struct Folder(PathBuf);

impl Folder {
    /// `name` is the test's own.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lubdub-watchdog-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a driver does, and what was done to it.
#[derive(Debug, Default)]
pub struct Driver {
    /// `WDIOF_` bits; none: it is no watchdog.
    pub options: Option<u32>,
    /// The timeouts that it takes; it refuses others.
    pub takes: Vec<u32>,
    /// It rounds a timeout up to the next that it takes, instead.
    pub rounds: bool,
    /// None: it does not tell.
    pub timeout: Option<u32>,
    pub boot_status: u32,
    /// Writes fail.
    pub broken: bool,
    /// In order, a word each.
    pub done: Vec<String>,
}

/// An open one.
pub struct Recorded(pub Rc<RefCell<Driver>>);

/// One of those bits, as linux/watchdog.h has them.
pub const SETTIMEOUT: u32 = 0x80;
pub const MAGICCLOSE: u32 = 0x100;
pub const PRETIMEOUT: u32 = 0x200;
pub const ALARMONLY: u32 = 0x400;

impl Driver {
    /// A good one, as most are: any timeout up to 60 s, 30 s at first.
    pub fn usual() -> Self {
        Self { options: Some(SETTIMEOUT | MAGICCLOSE), takes: (1..=60).collect(), timeout: Some(30), ..Self::default() }
    }
}

fn errno(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

impl Recorded {
    fn write(&self, what: &str) -> io::Result<()> {
        let mut driver = self.0.borrow_mut();
        if driver.broken {
            return Err(errno(libc::ENODEV));
        }
        driver.done.push(what.into());
        Ok(())
    }
}

impl Device for Recorded {
    fn support(&self) -> io::Result<Support> {
        let options = self.0.borrow().options.ok_or_else(|| errno(libc::ENOTTY))?;
        let mut info = WatchdogInfo { options, ..WatchdogInfo::default() };
        info.identity[..8].copy_from_slice(b"recorder");
        Ok(Support::new(&info))
    }

    fn timeout(&self) -> io::Result<u32> {
        self.0.borrow().timeout.ok_or_else(|| errno(libc::EOPNOTSUPP))
    }

    fn set_timeout(&mut self, seconds: u32) -> io::Result<u32> {
        let mut driver = self.0.borrow_mut();
        let fits = |taken: &&u32| **taken == seconds || driver.rounds && **taken > seconds;
        let Some(taken) = driver.takes.iter().find(fits).copied() else {
            driver.done.push(format!("refused {seconds}"));
            return Err(errno(libc::EINVAL));
        };
        driver.timeout = Some(taken);
        driver.done.push(format!("timeout {taken}"));
        // Some drivers echo what they were asked for; what they took must be read back.
        Ok(seconds)
    }

    fn set_pretimeout(&mut self, seconds: u32) -> io::Result<u32> {
        self.0.borrow_mut().done.push(format!("pretimeout {seconds}"));
        Ok(seconds)
    }

    fn boot_status(&self) -> io::Result<u32> {
        Ok(self.0.borrow().boot_status)
    }

    fn feed(&mut self) -> io::Result<()> {
        self.write("fed")
    }

    fn release(&mut self) -> io::Result<()> {
        self.write("magic")
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.0.borrow_mut().done.push("closed".into());
    }
}

/// A machine that is not restarted.
#[derive(Debug, Default)]
pub struct Noted {
    /// In order.
    pub done: Vec<String>,
    /// Nothing can be written.
    pub full: bool,
}

impl Machine for Noted {
    fn kernel_log(&mut self, line: &str) -> io::Result<()> {
        self.done.push(format!("kernel: {line}"));
        if self.full { Err(errno(libc::ENOSPC)) } else { Ok(()) }
    }

    fn keep(&mut self, words: &LastWords) -> io::Result<()> {
        self.done.push(format!("kept: {}", words.why));
        if self.full { Err(errno(libc::EROFS)) } else { Ok(()) }
    }

    fn restart(&mut self) -> io::Error {
        self.done.push("restart".into());
        errno(libc::EPERM)
    }
}
