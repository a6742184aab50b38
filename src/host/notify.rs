//! Tells the service manager how the daemon is (sd_notify(3)): one datagram to the socket that it named.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use lubdub::time::Duration;

/// The way to the service manager, or none. What cannot be told at once is not told: a manager that does not read
/// must not hold up a beat.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, once. Without them every call does nothing.
    pub fn from_env() -> Self {
        let to = env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        let variable = |name| env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id());
        Self { watchdog: watchdog.filter(|_| to.is_some()), to }
    }

    /// How often the manager wants [`Self::watchdog`] at the latest; half of it is the custom. `None`: not at all.
    pub const fn watchdog_every(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The daemon serves.
    pub fn ready(&self) {
        self.say(b"READY=1");
    }

    /// The loop is alive.
    pub fn watchdog(&self) {
        self.say(b"WATCHDOG=1");
    }

    /// The daemon has begun to stop.
    pub fn stopping(&self) {
        self.say(b"STOPPING=1");
    }

    fn say(&self, what: &[u8]) {
        if let Some((socket, to)) = &self.to {
            let _ = socket.send_to_addr(what, to);
        }
    }
}

fn connect(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let to = match name.as_bytes() {
        [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, to))
}

/// The interval, unless it is meant for another process (sd_watchdog_enabled(3)).
fn watchdog(usec: Option<String>, pid: Option<String>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    usec?.parse().ok().filter(|micros| *micros > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &OsStr, manager: &UnixDatagram) {
        let notify = Notify { to: Some(connect(name).unwrap()), watchdog: None };
        manager.set_nonblocking(true).unwrap();
        notify.ready();
        notify.watchdog();
        notify.stopping();
        for expected in [b"READY=1".as_slice(), b"WATCHDOG=1", b"STOPPING=1"] {
            let mut buf = [0; 64];
            let length = manager.recv(&mut buf).unwrap();
            assert_eq!(&buf[..length], expected);
        }
    }

    #[test]
    fn tells_a_manager_at_a_path() {
        let path = env::temp_dir().join(format!("lubdub-notify-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        told(path.as_os_str(), &manager);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn tells_a_manager_at_an_abstract_name() {
        let name = format!("lubdub-notify-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        told(format!("@{name}").as_ref(), &manager);
    }

    #[test]
    fn nobody_there_or_nobody_reading_is_no_matter() {
        Notify::default().ready();
        let gone = Notify { to: Some(connect("/nonexistent/socket".as_ref()).unwrap()), watchdog: None };
        gone.ready();
        let name = format!("lubdub-notify-deaf-{}", std::process::id());
        let _deaf = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notify = Notify { to: Some(connect(format!("@{name}").as_ref()).unwrap()), watchdog: None };
        // More than any queue holds (net.unix.max_dgram_qlen): this returns only because it never blocks.
        for _ in 0..10_000 {
            notify.watchdog();
        }
    }

    #[test]
    fn the_interval_must_be_ours_and_sane() {
        let text = |s: &str| Some(s.to_owned());
        assert_eq!(watchdog(text("3000000"), None, 7), Some(Duration::from_secs(3)));
        assert_eq!(watchdog(text("3000000"), text("7"), 7), Some(Duration::from_secs(3)));
        for (usec, pid) in [(Some("3000000"), Some("8")), (Some("0"), None), (Some("x"), None), (None, None)] {
            assert_eq!(watchdog(usec.and_then(text), pid.and_then(text), 7), None, "{usec:?} {pid:?}");
        }
    }
}
