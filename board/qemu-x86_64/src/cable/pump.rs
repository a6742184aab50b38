//! The two threads of each end: one moves its bytes, one hears of its lines.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use lubdub_lab::{End, now};

use super::{Delivery, Shared, Side, State};
use crate::lines::RECORD;

/// A 16550's FIFO: what the other UART gets at once.
const FIFO: usize = 16;
/// Start bit, 8 data bits, stop bit.
const BITS_PER_BYTE: u64 = 10;
/// The speed of a port that has not told one.
const SILENT: u32 = 115_200;
/// QEMU takes what its UART has room for at once; bytes that it does not are lost, as in an overrun.
const ROOM: Duration = Duration::from_millis(1);

fn time_of(bytes: usize, baud: u32) -> Duration {
    let baud = if baud == 0 { SILENT } else { baud };
    Duration::from_nanos(bytes as u64 * BITS_PER_BYTE * 1_000_000_000 / u64::from(baud))
}

#[allow(clippy::disallowed_methods, reason = "the time that bytes take on a line is no event")]
fn pass(time: Duration) {
    thread::sleep(time);
}

impl Shared {
    /// The life of one end, machine after machine.
    pub fn serve(&self, end: End) {
        let [bytes, lines] = &self.sockets[end];
        while let (Ok((bytes, _)), Ok((lines, _))) = (bytes.accept(), lines.accept()) {
            if self.over.load(Ordering::Acquire) {
                return;
            }
            let (Ok(bytes_kept), Ok(lines_kept)) = (bytes.try_clone(), lines.try_clone()) else { return };
            bytes.set_write_timeout(Some(ROOM)).ok();
            self.change(|state| {
                let count = state.sides[end].count;
                let side = Side { bytes: Some(bytes_kept), lines: Some(lines_kept), count, ..Side::default() };
                state.sides[end] = side;
            });
            thread::scope(|threads| {
                threads.spawn(|| self.hear_lines(end, &lines));
                self.pump(end, &bytes);
                lines.shutdown(Shutdown::Both).ok();
            });
            self.change(|state| {
                let count = state.sides[end].count;
                state.sides[end] = Side { count, ..Side::default() };
            });
        }
    }

    fn hear_lines(&self, end: End, mut lines: &UnixStream) {
        let mut record = [0; RECORD];
        while lines.read_exact(&mut record).is_ok() {
            let [raised, a, b, c, d] = record;
            self.change(|state| {
                let side = &mut state.sides[end];
                side.raised = raised;
                side.baud = u32::from_le_bytes([a, b, c, d]);
            });
        }
    }

    fn pump(&self, end: End, mut bytes: &UnixStream) {
        let mut buffer = [0; FIFO];
        let mut busy_until = now();
        loop {
            let count = match bytes.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => continue,
                Err(_) => return,
            };
            let baud = self.lock().sides[end].baud;
            busy_until = busy_until.max(now()) + time_of(count, baud);
            pass(busy_until.saturating_duration_since(now()));
            self.lock().deliver(end, &buffer[..count]);
            self.changed.notify_all();
        }
    }
}

impl State {
    fn deliver(&mut self, from: End, sent: &[u8]) {
        self.sides[from].spoke.get_or_insert_with(now);
        let speeds = [from, 1 - from].map(|end| self.sides[end].baud);
        let mut arriving = if self.cut { Vec::new() } else { self.harm[from].pass(sent) };
        if !arriving.is_empty() && speeds[0] != speeds[1] {
            arriving = self.harm[from].misread(arriving.len(), speeds[0], speeds[1]);
        }
        let listener = &self.sides[1 - from];
        // A driver that is closed has lowered both, and reads nothing.
        let reads = listener.raised != 0 && !listener.frozen;
        let taken = match &listener.bytes {
            Some(stream) if reads => write(stream, &arriving),
            _ => 0,
        };
        let count = &mut self.sides[from].count;
        count.sent += sent.len() as u64;
        count.delivered += taken as u64;
        let missed = (arriving.len() - taken) as u64;
        if reads {
            count.overrun += missed;
            count.lost += sent.len().saturating_sub(arriving.len()) as u64;
        } else {
            count.lost += sent.len() as u64;
        }
        arriving.truncate(taken);
        if taken > 0 {
            self.remember(Delivery { at: now(), from, bytes: arriving });
        }
    }
}

/// How many of the bytes there was room for.
fn write(mut stream: &UnixStream, bytes: &[u8]) -> usize {
    if bytes.is_empty() { 0 } else { stream.write(bytes).unwrap_or(0) }
}
