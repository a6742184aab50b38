//! What a daemon says, from its standard error and through syslog, in the order in which it came.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::clock::{self, lock};
use crate::error::{Context, Error, Result};

/// Which way a line came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Standard output or standard error.
    Stream,
    /// /dev/log.
    Syslog,
}

/// A line of a node's log.
#[derive(Clone, Debug)]
pub struct Line {
    /// When the lab read it.
    pub at: Instant,
    /// Which way it came.
    pub way: Way,
    /// The text; of a syslog message without priority, time and tag.
    pub text: String,
}

/// A node's log. It outlives the power of the node, as a log host's would.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    grown: Condvar,
}

/// A place in a log: what comes after it is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(usize);

impl Log {
    /// The present end.
    pub fn mark(&self) -> Mark {
        Mark(lock(&self.0.lines).len())
    }

    /// Everything after the mark; [`Mark::default`] is the beginning.
    pub fn since(&self, mark: Mark) -> Vec<Line> {
        lock(&self.0.lines).iter().skip(mark.0).cloned().collect()
    }

    /// Everything as one text, one line a line.
    pub fn text(&self) -> String {
        lock(&self.0.lines).iter().fold(String::new(), |text, line| text + &line.text + "\n")
    }

    /// Waits for a line with `part` in it, after the mark. The error shows what came instead.
    pub fn await_line(&self, mark: Mark, within: Duration, part: &str) -> Result<Line> {
        let find = |lines: &Vec<Line>| lines.iter().skip(mark.0).find(|line| line.text.contains(part)).cloned();
        clock::await_in(&self.0.lines, &self.0.grown, within, find)
            .ok_or_else(|| Error::new(format!("no line with {part:?} within {within:?}; the log:\n{}", self.text())))
    }

    /// Waits for anything new after the mark, at most so long.
    pub fn await_growth(&self, mark: Mark, within: Duration) {
        clock::await_in(&self.0.lines, &self.0.grown, within, |lines| (lines.len() > mark.0).then_some(()));
    }

    fn push(&self, way: Way, text: &str) {
        let line = Line { at: clock::now(), way, text: text.into() };
        lock(&self.0.lines).push(line);
        self.0.grown.notify_all();
    }

    /// Reads a stream to its end on a thread of its own.
    pub(crate) fn follow(&self, stream: OwnedFd) -> Result<thread::JoinHandle<()>> {
        let log = self.clone();
        let read = move || read_lines(File::from(stream), |line| log.push(Way::Stream, line));
        thread::Builder::new().name("daemon-output".into()).spawn(read).context("start a thread")
    }
}

fn read_lines(mut stream: File, mut take: impl FnMut(&str)) {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        text.extend_from_slice(&buffer[..n]);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            take(&String::from_utf8_lossy(&text[..end]));
            text.drain(..=end);
        }
    }
    if !text.is_empty() {
        take(&String::from_utf8_lossy(&text));
    }
}

/// A node's syslog socket, which the node sees as /dev/log.
#[derive(Debug)]
pub(crate) struct Syslog {
    stop: Arc<EventFd>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Syslog {
    pub fn listen(at: &Path, log: Log) -> Result<Self> {
        let socket = UnixDatagram::bind(at).context("bind a syslog socket")?;
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
        let stopped = stop.clone();
        let thread = thread::Builder::new()
            .name("syslog".into())
            .spawn(move || receive(&socket, &stopped, &log))
            .context("start a thread")?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        self.stop.write(1).ok();
        self.thread.take().map(thread::JoinHandle::join);
    }
}

fn receive(socket: &UnixDatagram, stop: &EventFd, log: &Log) {
    let mut buffer = [0; 8192];
    loop {
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).ok();
        if fds[1].any() == Some(true) {
            return;
        }
        if let Ok(n) = socket.recv(&mut buffer) {
            log.push(Way::Syslog, message(&String::from_utf8_lossy(&buffer[..n])));
        }
    }
}

/// The text of a local syslog message: without `<PRI>`, the 15 characters of RFC 3164's time, and the tag.
fn message(packet: &str) -> &str {
    let packet = packet.trim_end_matches(['\n', '\0']);
    let after_priority = packet.strip_prefix('<').and_then(|p| p.split_once('>')).map_or(packet, |p| p.1);
    let timed = after_priority.as_bytes().get(3) == Some(&b' ') && after_priority.as_bytes().get(15) == Some(&b' ');
    let after_time = if timed { after_priority.get(16..).unwrap_or(after_priority) } else { after_priority };
    match after_time.split_once(": ") {
        Some((tag, text)) if !tag.contains(' ') => text,
        _ => after_time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syslog_message_is_stripped_to_its_text() {
        assert_eq!(message("<134>Nov 22 10:00:00 lubdub[12]: up: eth1"), "up: eth1");
        assert_eq!(message("<134>lubdub: up"), "up");
        assert_eq!(message("plain words: here"), "plain words: here");
        assert_eq!(message("<134>Nov 22 10:00:00 no tag here\n"), "no tag here");
    }

    #[test]
    fn a_line_is_awaited_from_the_mark_on() {
        let log = Log::default();
        log.push(Way::Stream, "first");
        let mark = log.mark();
        assert!(log.await_line(mark, Duration::ZERO, "first").is_err());
        log.push(Way::Stream, "the second");
        assert_eq!(log.await_line(mark, Duration::ZERO, "second").unwrap().text, "the second");
    }
}
