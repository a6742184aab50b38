//! A client that stays, to be told what happens: never waited for, never fed more than it reads.

use std::io;
use std::task::{Context, Poll};

use lubdub::time::{Duration, Instant};
use tokio::net::UnixStream;

/// Bytes kept for a client beyond what the kernel keeps: the events of a stormy minute, and the first status of the
/// largest pair.
const QUEUE_MAX: usize = 32 * 1024;
/// A client whose queue is full and takes nothing for this long is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines that the follower's owner words.
pub trait Wording {
    /// So many lines before this one are missing.
    fn lost(&self, count: u64) -> String;
    /// The client is given up, with so many lines missing.
    fn dropped(&self, lost: u64) -> String;
}

/// One of them.
pub struct Follower {
    stream: UnixStream,
    queue: Vec<u8>,
    lost: u64,
    /// The queue begins within a line.
    torn: bool,
    /// Since when the client has taken nothing of a full queue.
    full_since: Option<Instant>,
    /// Nothing will be queued any more.
    given_up: bool,
}

impl Follower {
    /// Begins with `first`, which is sent however long it is.
    pub fn new(stream: UnixStream, first: &str) -> Self {
        let mut queue = Vec::with_capacity(QUEUE_MAX.max(first.len()));
        queue.extend_from_slice(first.as_bytes());
        let mut follower = Self { stream, queue, lost: 0, torn: false, full_since: None, given_up: false };
        follower.write();
        follower
    }

    /// Queues a line and its end, or counts it as lost, which is said when there is room again.
    pub fn tell(&mut self, now: Instant, line: &str, wording: &impl Wording) {
        if self.given_up {
            return;
        }
        let lost = if self.lost > 0 { wording.lost(self.lost) } else { String::new() };
        if self.queue.len() + lost.len() + line.len() > QUEUE_MAX {
            self.lost += 1;
            self.full_since.get_or_insert(now);
            return;
        }
        self.lost = 0;
        self.queue.extend_from_slice(lost.as_bytes());
        self.queue.extend_from_slice(line.as_bytes());
        self.write();
    }

    /// Writes what the client takes. False when it is done: it has gone, it says something, which followers do not, or
    /// it was given up and has heard so.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        while !self.queue.is_empty() && self.stream.poll_write_ready(cx).is_ready() {
            if !self.write() {
                return false;
            }
        }
        while let Poll::Ready(ready) = self.stream.poll_read_ready(cx) {
            let nothing = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
            if ready.is_err() || !self.stream.try_read(&mut [0]).is_err_and(|error| nothing(&error)) {
                return false;
            }
        }
        !(self.given_up && self.queue.is_empty())
    }

    /// When a client that takes nothing is given up.
    pub fn until(&self) -> Option<Instant> {
        self.full_since.map(|since| since + PATIENCE)
    }

    /// Whether it was given up, and is there only to hear so.
    pub const fn given_up(&self) -> bool {
        self.given_up
    }

    /// Gives the client up: of what is queued only the line that it has begun to read remains, and why there is no more,
    /// for the time when it reads again.
    pub fn give_up(&mut self, wording: &impl Wording) {
        let end_of_line = self.queue.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let rest = self.queue.split_off(if self.torn { end_of_line } else { 0 });
        self.lost += rest.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.queue.extend_from_slice(wording.dropped(self.lost).as_bytes());
        (self.given_up, self.full_since) = (true, None);
    }

    /// False when the client has gone.
    fn write(&mut self) -> bool {
        match self.stream.try_write(&self.queue) {
            Ok(written) => {
                self.torn = self.queue.drain(..written).next_back().map_or(self.torn, |last| last != b'\n');
                self.full_since = None;
                true
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}
