//! One direction of a serial line: when does each byte arrive? No clock and no descriptor in here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The transmit buffer of a serial driver (UART_XMIT_SIZE in <linux/serial_core.h>: one page).
pub const TRANSMIT_BUFFER: usize = 4096;
/// A 16550's receive FIFO: so many bytes may arrive together.
pub const RECEIVE_FIFO: usize = 16;
/// Below this the driver wakes its writer (WAKEUP_CHARS in <linux/serial_core.h>, of the other end of the buffer).
pub const WAKEUP: usize = 256;
/// The lab's threads are that late on a busy machine.
const OVERSLEPT: Duration = Duration::from_millis(50);
/// Start bit, 8 data bits, stop bit.
const BITS_PER_BYTE: u64 = 10;

/// Who put a byte on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The node at the sending end.
    Sender,
    /// Something else: a console, a getty, interference.
    Stray,
}

/// Bytes on their way, each with the time at which its last bit has left.
#[derive(Debug, Default)]
pub struct Line {
    queue: VecDeque<(u8, Origin, Instant)>,
    busy_until: Option<Instant>,
}

/// The time that a byte takes at so many bit/s.
pub fn byte_time(baud: u32) -> Duration {
    Duration::from_nanos(BITS_PER_BYTE * 1_000_000_000 / u64::from(baud.max(1)))
}

impl Line {
    /// Somebody hands over bytes now.
    pub fn push(&mut self, bytes: &[u8], origin: Origin, baud: u32, now: Instant) {
        let each = byte_time(baud);
        // Strays are poured on by the lab, which may oversleep; the line that they fill did not fall idle for that.
        let earliest = if origin == Origin::Stray { now.checked_sub(OVERSLEPT).unwrap_or(now) } else { now };
        let mut at = self.busy_until.filter(|until| *until >= earliest).unwrap_or(now);
        for byte in bytes {
            at += each;
            self.queue.push_back((*byte, origin, at));
        }
        self.busy_until = Some(at);
    }

    /// After a time in which nothing could leave: every byte leaves from now on.
    pub fn resume(&mut self, baud: u32, now: Instant) {
        let (each, mut at) = (byte_time(baud), now);
        for byte in &mut self.queue {
            at += each;
            byte.2 = at;
        }
        self.busy_until = Some(at);
    }

    /// Bytes that have not left.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// When the receiver's FIFO has something worth an interrupt: it is full, or the line fell quiet.
    pub fn next_delivery(&self) -> Option<Instant> {
        let last = self.queue.len().checked_sub(1)?;
        self.queue.get(last.min(RECEIVE_FIFO - 1)).map(|byte| byte.2)
    }

    /// At most a FIFO's worth of bytes whose last bit has left by now. Every byte waits for its FIFO's delivery.
    pub fn deliver(&mut self, now: Instant) -> Vec<(u8, Origin)> {
        let mut bytes = Vec::with_capacity(RECEIVE_FIFO);
        if self.next_delivery().is_some_and(|at| at <= now) {
            while bytes.len() < RECEIVE_FIFO && self.queue.front().is_some_and(|byte| byte.2 <= now) {
                bytes.extend(self.queue.pop_front().map(|(byte, origin, _)| (byte, origin)));
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Origin::{Sender, Stray};
    use super::*;
    use crate::clock::now;

    fn delivered(line: &mut Line, at: Instant) -> Vec<u8> {
        line.deliver(at).into_iter().map(|(byte, _)| byte).collect()
    }

    #[test]
    fn ten_bits_a_byte() {
        assert_eq!(byte_time(19200), Duration::from_nanos(520_833));
        assert_eq!(byte_time(115_200) * 11_520, Duration::from_nanos(999_993_600));
    }

    #[test]
    fn a_byte_arrives_when_its_last_bit_has_left() {
        let (mut line, start) = (Line::default(), now());
        line.push(b"x", Sender, 9600, start);
        let at = start + byte_time(9600);
        assert_eq!(line.next_delivery(), Some(at));
        assert_eq!(delivered(&mut line, at - Duration::from_nanos(1)), b"");
        assert_eq!(delivered(&mut line, at), b"x");
    }

    #[test]
    fn at_most_sixteen_arrive_together() {
        let (mut line, start) = (Line::default(), now());
        line.push(&[7; 40], Sender, 115_200, start);
        assert_eq!(line.next_delivery(), Some(start + byte_time(115_200) * 16));
        let late = start + Duration::from_secs(1);
        assert_eq!([line.deliver(late).len(), line.deliver(late).len(), line.deliver(late).len()], [16, 16, 8]);
    }

    #[test]
    fn bytes_queue_behind_bytes_and_an_idle_line_starts_afresh() {
        let (mut line, start) = (Line::default(), now());
        line.push(b"ab", Sender, 115_200, start);
        line.push(b"c", Sender, 115_200, start);
        assert_eq!(line.next_delivery(), Some(start + byte_time(115_200) * 3));
        assert_eq!(delivered(&mut line, start + byte_time(115_200) * 3), b"abc");
        let later = start + Duration::from_secs(1);
        line.push(b"d", Sender, 115_200, later);
        assert_eq!(line.next_delivery(), Some(later + byte_time(115_200)));
    }

    #[test]
    fn strays_that_come_late_make_no_pause() {
        let (mut line, start) = (Line::default(), now());
        line.push(b"a", Stray, 115_200, start);
        line.push(b"b", Stray, 115_200, start + OVERSLEPT);
        assert_eq!(line.next_delivery(), Some(start + byte_time(115_200) * 2));
        let later = start + OVERSLEPT * 3;
        line.push(b"c", Stray, 115_200, later);
        assert_eq!(line.next_delivery(), Some(later + byte_time(115_200)));
    }

    #[test]
    fn a_line_that_was_stalled_goes_on_at_its_speed() {
        let (mut line, start) = (Line::default(), now());
        line.push(b"ab", Sender, 115_200, start);
        line.push(b"?", Stray, 115_200, start);
        let later = start + Duration::from_secs(1);
        line.resume(9600, later);
        assert_eq!(line.next_delivery(), Some(later + byte_time(9600) * 3));
        assert_eq!(line.deliver(later + Duration::from_secs(1)), [(b'a', Sender), (b'b', Sender), (b'?', Stray)]);
    }
}
