//! The one serial port, and what it tells the cable and hears of it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::lines::SUFFIX;

/// An open port.
#[derive(Debug)]
pub struct Port {
    lines: UnixStream,
    seen: u8,
    raised: u8,
    baud: u32,
}

/// Where the lines of the port at this path are.
pub fn lines_path(path: &Path) -> OsString {
    let mut name = path.as_os_str().to_owned();
    name.push(OsStr::new(SUFFIX));
    name
}

impl Port {
    /// Connects to the cable: the port, and the stream of its bytes.
    ///
    /// # Errors
    /// No cable listens there.
    pub fn open(path: &Path) -> io::Result<(Self, UnixStream)> {
        let bytes = UnixStream::connect(path)?;
        let lines = UnixStream::connect(lines_path(path))?;
        lines.set_nonblocking(true)?;
        Ok((Self { lines, seen: 0, raised: 0, baud: 0 }, bytes))
    }

    /// The lines that the cable shows now. When it is gone they are down.
    pub fn seen(&mut self) -> u8 {
        let mut news = [0; 64];
        loop {
            match self.lines.read(&mut news) {
                Ok(0) => self.seen = 0,
                Ok(count) => {
                    self.seen = news[count - 1];
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {}
            }
            return self.seen;
        }
    }

    /// The lines that this end raises.
    pub fn raised(&self) -> u8 {
        self.raised
    }

    /// Raises DTR and RTS as told, and lowers them.
    pub fn raise(&mut self, lines: u8) {
        if self.raised != lines {
            self.raised = lines;
            self.tell();
        }
    }

    /// Sets the speed in bit/s.
    pub fn set_baud(&mut self, baud: u32) {
        if self.baud != baud {
            self.baud = baud;
            self.tell();
        }
    }

    fn tell(&mut self) {
        let [a, b, c, d] = self.baud.to_le_bytes();
        // A cable that is gone, or does not listen, is not waited for: a wire would not be either.
        self.lines.write_all(&[self.raised, a, b, c, d]).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::lines::{CTS, DCD, DSR, DTR, RECORD, RTS};

    #[test]
    fn lines_and_speed_go_both_ways() {
        let folder = std::env::temp_dir().join(format!("lubdub-shim-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("tty");
        assert!(Port::open(&path).is_err(), "nobody listens");
        let bytes = UnixListener::bind(&path).expect("a socket");
        let lines = UnixListener::bind(lines_path(&path)).expect("a socket");
        let (mut port, mut stream) = Port::open(&path).expect("a cable");
        let (mut far_bytes, _) = bytes.accept().expect("its bytes");
        let (mut far_lines, _) = lines.accept().expect("its lines");
        std::fs::remove_dir_all(&folder).expect("a folder");

        stream.write_all(b"x").expect("a byte");
        far_bytes.read_exact(&mut [0]).expect("a byte");

        port.set_baud(115_200);
        port.raise(DTR | RTS);
        port.raise(DTR | RTS);
        let mut records = [0; 2 * RECORD];
        far_lines.read_exact(&mut records).expect("two records");
        assert_eq!(records, [0, 0, 0xc2, 1, 0, DTR | RTS, 0, 0xc2, 1, 0]);

        assert_eq!(port.seen(), 0);
        far_lines.write_all(&[CTS, CTS | DSR | DCD]).expect("two bytes");
        assert_eq!(port.seen(), CTS | DSR | DCD);
        assert_eq!(port.seen(), CTS | DSR | DCD, "as long as nothing else is said");
        drop(far_lines);
        assert_eq!(port.seen(), 0, "no cable, no lines");
    }
}
