//! Whether a tty is there and free: a getty or a kernel console on the heartbeat cable talks into the beats, and its
//! login prompt answers them.

use crate::host::check::Finding;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Processes looked at, at most.
const PROCESSES_MAX: usize = 4096;
/// Descriptors of one process looked at, at most.
const DESCRIPTORS_MAX: usize = 1024;
/// The kernel's drivers of ttys (proc_tty(5)); without it every character device may be one.
const DRIVERS: &str = "/proc/tty/drivers";
/// A running daemon holds its own cable.
const OURS: &str = env!("CARGO_PKG_NAME");

/// A process that has the tty open.
struct Holder {
    pid: u32,
    name: String,
}

pub(super) fn probe(device: &str) -> Option<Finding> {
    let metadata = match fs::metadata(device) {
        Ok(metadata) => metadata,
        Err(why) => {
            let remedy = "name the port of the cable: `ls /dev/ttyS* /dev/ttyUSB*`, `dmesg | grep tty`";
            return Some(Finding::error(format!("{device} is not there: {why}"), remedy));
        }
    };
    if !metadata.file_type().is_char_device() {
        return Some(Finding::error(format!("{device} is not a character device"), "name the port of the cable"));
    }
    let number = metadata.rdev();
    if fs::read_to_string(DRIVERS).is_ok_and(|drivers| !is_tty(number, &drivers)) {
        let remedy = "name the port of the cable: `ls /dev/ttyS* /dev/ttyUSB*`";
        return Some(Finding::error(format!("{device} is no tty"), remedy));
    }
    if is_console(number) {
        let message = format!("{device} is a console of the kernel: its messages would run into the beats");
        let name = device.strip_prefix("/dev/").unwrap_or(device);
        let remedy = format!("use another port, or remove `console={name}` from the kernel's command line");
        return Some(Finding::error(message, remedy));
    }
    let holder = holder(number)?;
    let message = format!("{device} is held by {} (pid {})", holder.name, holder.pid);
    Some(Finding::error(message, remedy(device, &holder)))
}

fn remedy(device: &str, holder: &Holder) -> String {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    if holder.name.contains("getty") || holder.name == "login" {
        return format!("systemctl disable --now serial-getty@{name}, or remove the getty's line from /etc/inittab");
    }
    format!("stop {}, or use another port for the cable", holder.name)
}

/// Whether one of the drivers has the device `number`: a line of theirs is name, node, major, minors (one, or a range)
/// and type. To open the device and ask it could arm a watchdog.
fn is_tty(number: u64, drivers: &str) -> bool {
    let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    drivers.lines().any(|line| {
        let words = &mut line.split_ascii_whitespace().skip(2);
        let (Some(of), Some(minors)) = (words.next(), words.next()) else { return false };
        let (first, last) = minors.split_once('-').unwrap_or((minors, minors));
        let [of, first, last] = [of, first, last].map(str::parse::<u64>);
        of == Ok(major) && first.is_ok_and(|first| first <= minor) && last.is_ok_and(|last| minor <= last)
    })
}

/// Whether the kernel writes its messages to the device `number`, or it is a screen (devices.txt of the kernel: 5:1 is
/// /dev/console, 4:0 to 4:63 are the virtual terminals).
fn is_console(number: u64) -> bool {
    let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    if (major, minor) == (5, 1) || (major == 4 && minor < 64) {
        return true;
    }
    let consoles = fs::read_to_string("/proc/consoles").unwrap_or_default();
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let listed = consoles.lines().filter_map(|line| parse_number(line.split_ascii_whitespace().last()?));
    let active = active.split_ascii_whitespace().filter_map(|name| {
        let text = fs::read_to_string(Path::new("/sys/class/tty").join(name).join("dev")).ok()?;
        parse_number(text.trim())
    });
    listed.chain(active).any(|console| console == number)
}

/// A device number as `MAJOR:MINOR`.
fn parse_number(text: &str) -> Option<u64> {
    let (major, minor) = text.split_once(':')?;
    Some(nix::sys::stat::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// The first process other than a lubdub that has the device `number` open, as far as this user may see.
fn holder(number: u64) -> Option<Holder> {
    let processes = fs::read_dir("/proc").ok()?.flatten().take(PROCESSES_MAX);
    let numbered = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbered.filter(|pid| holds(*pid, number)).find_map(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned();
        (name != OURS && pid != std::process::id()).then_some(Holder { pid, name })
    })
}

fn holds(pid: u32, number: u64) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    // Only what is named below /dev is looked at: a file of a hung network mount would hold the look-up for ever.
    let devices = descriptors.flatten().take(DESCRIPTORS_MAX).map(|descriptor| descriptor.path());
    let mut devices = devices.filter(|path| fs::read_link(path).is_ok_and(|target| target.starts_with("/dev/")));
    devices.any(|path| {
        fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device() && metadata.rdev() == number)
    })
}

#[cfg(test)]
mod tests {
    use super::{Holder, is_console, is_tty, parse_number, probe, remedy};
    use nix::fcntl::OFlag;
    use nix::pty::{posix_openpt, ptsname_r, unlockpt};
    use std::fs::File;
    use std::os::unix::fs::OpenOptionsExt;
    use std::process::{Command, Stdio};

    #[test]
    fn reads_device_numbers() {
        assert_eq!(parse_number("4:64"), Some(nix::sys::stat::makedev(4, 64)));
        assert_eq!(parse_number("4"), None);
        assert_eq!(parse_number("tty:0"), None);
    }

    #[test]
    fn a_tty_is_free_until_another_process_has_it_open() {
        // Closed on exec, unlike openpty's: children of other tests' threads must not hold it.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).unwrap();
        unlockpt(&master).unwrap();
        let device = ptsname_r(&master).unwrap();
        let slave = File::options().read(true).custom_flags(libc::O_NOCTTY).open(&device).unwrap();
        // Such a child has it until its exec.
        let eventually = |wanted: Option<String>| {
            let found = (0..1_000).map(|_| probe(&device).map(|finding| finding.message));
            assert!(found.into_iter().any(|found| found == wanted), "{wanted:?}");
        };
        eventually(None);
        let mut child = Command::new("cat").stdin(Stdio::from(slave)).stdout(Stdio::null()).spawn().unwrap();
        eventually(Some(format!("{device} is held by cat (pid {})", child.id())));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_remedy_names_the_getty() {
        let getty = Holder { pid: 1, name: "agetty".into() };
        assert!(remedy("/dev/ttyS1", &getty).starts_with("systemctl disable --now serial-getty@ttyS1, "));
        let other = Holder { pid: 1, name: "minicom".into() };
        assert_eq!(remedy("/dev/ttyS1", &other), "stop minicom, or use another port for the cable");
    }

    #[test]
    fn consoles_and_screens_are_refused() {
        assert!(is_console(nix::sys::stat::makedev(5, 1)));
        assert!(is_console(nix::sys::stat::makedev(4, 0)));
        assert!(!is_console(nix::sys::stat::makedev(136, 0)));
    }

    #[test]
    fn what_is_no_tty_is_refused() {
        let message = |device| probe(device).map(|finding| finding.message).unwrap_or_default();
        assert!(message("/dev/no-such-tty").starts_with("/dev/no-such-tty is not there"));
        assert_eq!(message("/dev"), "/dev is not a character device");
        // Others have it open, and are not to be stopped for that.
        assert_eq!(message("/dev/null"), "/dev/null is no tty");
    }

    #[test]
    fn the_kernels_list_of_drivers_tells_a_tty() {
        let drivers = "/dev/tty /dev/tty 5 0 system:/dev/tty\nserial /dev/ttyS 4 64-95 serial\nsick\n";
        let is = |major, minor| is_tty(nix::sys::stat::makedev(major, minor), drivers);
        assert!(is(5, 0) && is(4, 64) && is(4, 95));
        assert!(!is(1, 3) && !is(5, 1) && !is(4, 63) && !is(4, 96));
    }
}
