//! The tty of a cable under test, and what the kernel knows of the UART or adapter behind it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::stat::{fstat, major, minor};
use nix::sys::termios::{BaudRate, FlushArg, SetArg, cfsetspeed, tcflush, tcgetattr, tcsetattr};
use nix::sys::time::TimeSpec;
use nix::unistd;

use super::verdict::Remark;
use crate::host::lines::{self, Driver, Lines, Report, Tty};
use crate::host::serial;
use crate::host::sys;

/// Bytes that may wait in the driver when more are added: a write never blocks.
const MOST_QUEUED: u32 = 512;
/// The speeds of termios(3) that a cable may be tested at.
const SPEEDS: [(u32, BaudRate); 14] = [
    (300, BaudRate::B300),
    (600, BaudRate::B600),
    (1_200, BaudRate::B1200),
    (2_400, BaudRate::B2400),
    (4_800, BaudRate::B4800),
    (9_600, BaudRate::B9600),
    (19_200, BaudRate::B19200),
    (38_400, BaudRate::B38400),
    (57_600, BaudRate::B57600),
    (115_200, BaudRate::B115200),
    (230_400, BaudRate::B230400),
    (460_800, BaudRate::B460800),
    (500_000, BaudRate::B500000),
    (921_600, BaudRate::B921600),
];

/// Whether a cable can be tested at this speed.
pub fn is_speed(baud: u32) -> bool {
    SPEEDS.iter().any(|(speed, _)| *speed == baud)
}

/// An open tty, nobody else's.
pub struct Port {
    tty: OwnedFd,
    modem: Option<Tty>,
    strapped: Lines,
}

impl Port {
    /// Opens it and finds out which lines follow this end's own: some 30 ms.
    ///
    /// # Errors
    /// Not there, not permitted, no tty, or held by another program.
    pub fn open(device: &str, baud: u32) -> io::Result<Self> {
        let tty = serial::open_raw(device, baud)?;
        let modem = Tty::of(tty.as_fd()).ok();
        let strapped = modem.as_ref().map_or(Lines::NONE, |modem| lines::straps(modem, || false));
        Ok(Self { tty, modem, strapped })
    }

    /// What its lines say.
    pub fn report(&self) -> Report {
        let lines = self.modem.as_ref().and_then(|modem| modem.lines().ok());
        lines.map_or(Report::Unknown, |lines| Report::Known { lines, strapped: self.strapped })
    }

    /// What has come, after this time at most; 0 for nothing.
    ///
    /// # Errors
    /// The tty is gone.
    pub fn read(&self, buf: &mut [u8], patience: std::time::Duration) -> io::Result<usize> {
        let mut fds = [PollFd::new(self.tty.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, Some(TimeSpec::from_duration(patience)), None) {
            Ok(_) if fds[0].any() == Some(true) => {}
            Ok(_) | Err(nix::Error::EINTR) => return Ok(0),
            Err(errno) => return Err(errno.into()),
        }
        match unistd::read(&self.tty, buf) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the line hung up")),
            Ok(length) => Ok(length),
            Err(nix::Error::EAGAIN) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sends, unless the line is stuck.
    pub fn write(&self, bytes: &[u8]) {
        if sys::unsent(self.tty.as_fd()).is_ok_and(|queued| queued <= MOST_QUEUED) {
            // What the line does not take is missed at the other end, and counted there.
            let _ = unistd::write(&self.tty, bytes);
        }
    }

    /// Another speed, for both directions; what was received at the old one is forgotten.
    ///
    /// # Errors
    /// The device does not have it.
    pub fn set_speed(&self, baud: u32) -> io::Result<()> {
        let (_, rate) = SPEEDS.into_iter().find(|(speed, _)| *speed == baud).ok_or(io::ErrorKind::InvalidInput)?;
        let mut termios = tcgetattr(&self.tty)?;
        cfsetspeed(&mut termios, rate)?;
        tcsetattr(&self.tty, SetArg::TCSANOW, &termios)?;
        Ok(tcflush(&self.tty, FlushArg::TCIFLUSH)?)
    }

    /// What is to be known of the hardware.
    pub fn hardware(&self) -> Vec<Remark> {
        let folder = fstat(&self.tty).map(|stat| (major(stat.st_rdev), minor(stat.st_rdev)));
        folder.map_or(Vec::new(), |(major, minor)| hardware(&PathBuf::from(format!("/sys/dev/char/{major}:{minor}"))))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let _ = tcflush(&self.tty, FlushArg::TCIOFLUSH);
        sys::not_exclusive(self.tty.as_fd());
    }
}

/// A UART's attributes are in its own folder (Documentation/ABI/testing/sysfs-tty), an FTDI adapter's in that of its
/// device.
fn hardware(folder: &Path) -> Vec<Remark> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u32>().ok();
    let mut remarks = Vec::new();
    match number("type") {
        // PORT_UNKNOWN of linux/serial_core.h.
        Some(0) => remarks.push(Remark::fault(
            "there is no UART behind this tty",
            "name another port: `dmesg | grep tty`, /proc/tty/driver/serial",
        )),
        // PORT_8250, PORT_16450 and PORT_16550, whose FIFO is not to be used.
        Some(1..=3) => remarks.push(Remark::hint(
            "this UART has no FIFO: the processor must take every byte before the next one, or it is lost",
            "stay at 19200 or below, or use a port with a 16550A",
        )),
        _ => {}
    }
    if let Some(millis @ 2..) = number("device/latency_timer") {
        remarks.push(Remark::hint(
            format!("this USB adapter holds what it receives for up to {millis} ms"),
            format!("echo 1 > {}/device/latency_timer, at every boot (udev)", folder.display()),
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_knows_of_the_port() {
        let folder = std::env::temp_dir().join(format!("lubdub-cable-{}", std::process::id()));
        fs::create_dir_all(folder.join("device")).unwrap();
        let found = |name: &str, value: &str| {
            fs::write(folder.join(name), value).unwrap();
            let remarks = hardware(&folder);
            fs::remove_file(folder.join(name)).unwrap();
            remarks.iter().map(|remark| (remark.fault, remark.what.clone())).collect::<Vec<_>>()
        };
        let uarts = ["0\n", "2\n", "4\n"].map(|kind| found("type", kind));
        let timers = ["16\n", "1\n"].map(|millis| found("device/latency_timer", millis));
        let nothing = hardware(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert!(uarts[0][0].0 && uarts[0][0].1.contains("no UART"), "{uarts:?}");
        assert!(!uarts[1][0].0 && uarts[1][0].1.contains("no FIFO"), "{uarts:?}");
        assert!(timers[0][0].1.contains("up to 16 ms"), "{timers:?}");
        assert_eq!((uarts[2].len(), timers[1].len(), nothing.len()), (0, 0, 0));
    }

    #[test]
    fn every_speed_that_is_listened_at_can_be_set() {
        use crate::host::cable::tester;
        assert!(tester::SPEEDS.iter().chain([&tester::MEETING]).all(|speed| is_speed(*speed)));
        assert!(!is_speed(12_345));
    }
}
