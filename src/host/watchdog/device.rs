//! A watchdog as the kernel shows it: a character device that is armed by opening it, fed by writing to it, and disarmed
//! by a `V` written just before it is closed (Documentation/watchdog/watchdog-api.rst).

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;

use crate::host::sys::{self, Dial, WatchdogInfo};

/// `WDIOF_CARDRESET`: the watchdog reset the machine.
pub const CARD_RESET: u32 = 0x20;
/// `WDIOF_SETTIMEOUT`.
const SETS_TIMEOUT: u32 = 0x80;
/// `WDIOF_MAGICCLOSE`.
const MAGIC_CLOSE: u32 = 0x100;
/// `WDIOF_PRETIMEOUT`.
const PRETIMEOUT: u32 = 0x200;
/// `WDIOF_ALARMONLY`.
const ALARM_ONLY: u32 = 0x400;
/// What is written to feed it: any byte but the magic one.
const FOOD: &[u8] = b"\0";
/// The byte that lets the next close(2) disarm it.
const MAGIC: &[u8] = b"V";

/// What a driver can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Support {
    /// Its name for the hardware.
    pub identity: String,
    options: u32,
}

impl Support {
    /// As the kernel's structure has it.
    pub fn new(info: &WatchdogInfo) -> Self {
        let name = info.identity.split(|byte| *byte == 0).next().unwrap_or_default();
        let identity = String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect();
        Self { identity, options: info.options }
    }

    /// Its timeout can be set.
    pub const fn sets_timeout(&self) -> bool {
        self.options & SETS_TIMEOUT != 0
    }

    /// A plain close(2) leaves it armed. Without this any end of the process disarms it.
    pub const fn outlives_close(&self) -> bool {
        self.options & MAGIC_CLOSE != 0
    }

    /// It can tell the kernel shortly before it bites.
    pub const fn has_pretimeout(&self) -> bool {
        self.options & PRETIMEOUT != 0
    }

    /// It rings a bell instead of resetting the machine.
    pub const fn only_rings(&self) -> bool {
        self.options & ALARM_ONLY != 0
    }
}

/// An open watchdog. Dropped, it is closed and left armed.
pub trait Device {
    /// What it is and can do.
    fn support(&self) -> io::Result<Support>;
    /// Its timeout in seconds.
    fn timeout(&self) -> io::Result<u32>;
    /// Sets the timeout in seconds; what the driver says that it took.
    fn set_timeout(&mut self, seconds: u32) -> io::Result<u32>;
    /// Has the kernel told so many seconds before the timeout, 0 for not at all; what the driver says that it took.
    fn set_pretimeout(&mut self, seconds: u32) -> io::Result<u32>;
    /// `WDIOF_` bits: why the machine started.
    fn boot_status(&self) -> io::Result<u32>;
    /// Begins the timeout anew.
    fn feed(&mut self) -> io::Result<()>;
    /// Lets the close that must follow at once disarm it.
    fn release(&mut self) -> io::Result<()>;
}

/// The real one.
#[derive(Debug)]
pub struct Dog(File);

impl Dog {
    /// Opens the device, which arms it.
    ///
    /// # Errors
    /// In words, with the remedy.
    pub fn open(path: &Path) -> Result<Self, String> {
        let words = |error: &io::Error| format!("the watchdog {} {}", path.display(), refusal(error));
        let metadata = path.metadata().map_err(|error| words(&error))?;
        // Opening a FIFO would wait for whoever reads it.
        if !metadata.file_type().is_char_device() {
            return Err(format!("the watchdog {} is not a character device; see `wdctl`", path.display()));
        }
        // std opens with O_CLOEXEC: a script that inherited it would keep a closed watchdog from being disarmed. The
        // others are for a path that leads to a terminal by mistake.
        let file = OpenOptions::new().write(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK).open(path);
        file.map(Self).map_err(|error| words(&error))
    }

    fn write(&mut self, what: &[u8]) -> io::Result<()> {
        loop {
            match self.0.write(what) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn dial(&self, dial: Dial, value: u32) -> io::Result<u32> {
        let value = value.try_into().map_err(|_| ErrorKind::InvalidInput)?;
        Ok(sys::watchdog_dial(self.0.as_fd(), dial, value)?.unsigned_abs())
    }
}

impl Device for Dog {
    fn support(&self) -> io::Result<Support> {
        Ok(Support::new(&sys::watchdog_info(self.0.as_fd())?))
    }

    fn timeout(&self) -> io::Result<u32> {
        self.dial(Dial::Timeout, 0)
    }

    fn set_timeout(&mut self, seconds: u32) -> io::Result<u32> {
        self.dial(Dial::SetTimeout, seconds)
    }

    fn set_pretimeout(&mut self, seconds: u32) -> io::Result<u32> {
        self.dial(Dial::SetPretimeout, seconds)
    }

    fn boot_status(&self) -> io::Result<u32> {
        self.dial(Dial::BootStatus, 0)
    }

    fn feed(&mut self) -> io::Result<()> {
        self.write(FOOD)
    }

    fn release(&mut self) -> io::Result<()> {
        self.write(MAGIC)
    }
}

/// Why it cannot be opened, and what to do.
fn refusal(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EBUSY) => "is in use: only one program can feed it; `fuser -v /dev/watchdog*` shows which \
                              (systemd: RuntimeWatchdogSec=off in system.conf; else watchdogd, sbd or another lubdub)"
            .into(),
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
            format!("is not there: {error}; load the driver of its hardware, or `modprobe softdog`; see `wdctl`")
        }
        Some(libc::EACCES | libc::EPERM) => {
            format!("cannot be opened: {error}; lubdub runs as root, and a container must be given the device")
        }
        _ => format!("cannot be opened: {error}; see `wdctl` and the kernel's log"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::process::Command;

    use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
    use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
    use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

    use super::*;

    /// A character device whose other end a test reads, and its path.
    fn stand_in() -> (File, std::path::PathBuf) {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let mut raw = tcgetattr(&master).unwrap();
        cfmakeraw(&mut raw);
        tcsetattr(&master, SetArg::TCSANOW, &raw).unwrap();
        let path = ptsname_r(&master).unwrap().into();
        (File::from(sys::descriptor(master)), path)
    }

    #[test]
    fn it_is_fed_by_a_zero_and_released_by_a_v() {
        let (mut other, path) = stand_in();
        let mut dog = Dog::open(&path).unwrap();
        let mut bytes = [0xff; 3];
        dog.feed().unwrap();
        dog.feed().unwrap();
        dog.release().unwrap();
        other.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\0V");
        drop(dog);
        // Closed without one it says nothing: a drained pty whose other end is closed answers EIO.
        drop(Dog::open(&path).unwrap());
        assert_eq!(other.read(&mut bytes).unwrap_err().raw_os_error(), Some(libc::EIO));
    }

    #[test]
    fn what_is_no_watchdog_answers_no_question() {
        let (_other, path) = stand_in();
        let mut dog = Dog::open(&path).unwrap();
        let no_tty = |error: io::Error| assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
        no_tty(dog.support().unwrap_err());
        no_tty(dog.timeout().unwrap_err());
        no_tty(dog.set_timeout(5).unwrap_err());
        no_tty(dog.set_pretimeout(1).unwrap_err());
        no_tty(dog.boot_status().unwrap_err());
        assert_eq!(dog.set_timeout(u32::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_child_does_not_inherit_it() {
        let (_other, path) = stand_in();
        let dog = Dog::open(&path).unwrap();
        assert_eq!(fcntl(&dog.0, FcntlArg::F_GETFD).unwrap(), FdFlag::FD_CLOEXEC.bits());
        let theirs = format!("/proc/self/fd/{}", dog.0.as_raw_fd());
        assert_eq!(Command::new("test").arg("-e").arg(theirs).status().unwrap().code(), Some(1));
    }

    #[test]
    fn what_cannot_be_opened_says_why_and_what_to_do() {
        let said = |path: &str| Dog::open(Path::new(path)).unwrap_err();
        let absent = said("/dev/no-such-dog");
        assert!(absent.contains("/dev/no-such-dog is not there") && absent.contains("modprobe softdog"), "{absent}");
        let fifo = std::env::temp_dir().join(format!("lubdub-dog-{}", std::process::id()));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let words = said(fifo.to_str().unwrap());
        fs::remove_file(&fifo).unwrap();
        assert!(words.contains("not a character device"), "{words}");
        let words = |errno| refusal(&io::Error::from_raw_os_error(errno));
        assert!(words(libc::EBUSY).contains("RuntimeWatchdogSec"));
        assert!(words(libc::ENODEV).contains("modprobe softdog"));
        assert!(words(libc::EACCES).contains("root") && words(libc::EPERM).contains("container"));
        assert!(words(libc::EIO).contains("kernel's log"));
    }

    #[test]
    fn the_structure_of_the_kernel_is_read() {
        let mut info = WatchdogInfo { options: 0x8180, ..WatchdogInfo::default() };
        info.identity[..15].copy_from_slice(b"i6300ESB\x07 timer");
        let support = Support::new(&info);
        assert_eq!(support.identity, "i6300ESB timer");
        assert!(support.sets_timeout() && support.outlives_close());
        assert!(!support.has_pretimeout() && !support.only_rings());
        info.identity = [b'x'; 32];
        assert_eq!(Support::new(&info).identity.len(), 32, "no zero ends a full field");
    }
}
