//! What a script prints, line by line into the log.
//!
//! Bounded in every way: lines are cut, a flood is counted instead of logged, and a script that prints for ever costs
//! one read of bounded length a pause.

use std::io;
use std::task::{Context, Poll, ready};

use lubdub::time::{Duration, Instant};
use nix::unistd::read;
use tokio::net::unix::pipe::Receiver;

use super::timer::Timer;
use crate::host::resources::{Level, Log};

/// Bytes of a line that are logged: with the name and a syslog header it stays within RFC 5424's 480 octets that every
/// receiver must take.
const LINE: usize = 400;
/// Lines logged within one window; the others are counted.
const LINES: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10);
/// Bytes read in one turn, the size of a pipe, and the pause after a turn that found so much.
const TURN: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of a status answer that are looked at.
const WORDS: usize = 4 * 1024;

/// One stream of a script's output.
pub struct Output {
    receiver: Receiver,
    name: String,
    open: bool,
    pause: Instant,
    line: Vec<u8>,
    cut: bool,
    window: Instant,
    logged: u32,
    dropped: u64,
    /// The beginning, for status; such a stream is not logged.
    words: Option<Vec<u8>>,
}

impl Output {
    /// Reads the script's end of a pipe; `words` keeps the beginning instead of logging it.
    ///
    /// # Errors
    /// The runtime cannot watch one more descriptor.
    pub fn new(reader: io::PipeReader, name: String, words: bool) -> io::Result<Self> {
        Ok(Self {
            receiver: Receiver::from_owned_fd(reader.into())?,
            name,
            open: true,
            pause: Instant::ZERO,
            line: Vec::new(),
            cut: false,
            window: Instant::ZERO,
            logged: 0,
            dropped: 0,
            words: words.then(Vec::new),
        })
    }

    /// Takes what there is. Ready when the last writer has closed it.
    pub fn poll(&mut self, cx: &mut Context<'_>, timer: &Timer, log: &Log) -> Poll<()> {
        if !self.open {
            return Poll::Ready(());
        }
        ready!(timer.poll_at(self.pause));
        let mut taken = 0;
        let mut buffer = [0; 4096];
        while taken < TURN {
            let ready = ready!(self.receiver.poll_read_ready(cx));
            match ready.and_then(|()| self.receiver.try_read(&mut buffer)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count @ 1..) => {
                    taken += count;
                    self.take(&buffer[..count], timer.now(), log);
                }
                Ok(0) | Err(_) => {
                    self.end(log);
                    return Poll::Ready(());
                }
            }
        }
        self.pause = timer.now() + PAUSE;
        timer.poll_at(self.pause)
    }

    /// After the script's end: takes what is in the pipe without waiting for the runtime to notice it.
    pub fn drain(&mut self, now: Instant, log: &Log) {
        let mut taken = 0;
        let mut buffer = [0; 4096];
        while self.open && taken < TURN {
            match read(&self.receiver, &mut buffer) {
                Ok(count @ 1..) => {
                    taken += count;
                    self.take(&buffer[..count], now, log);
                }
                Ok(0) => self.end(log),
                Err(_) => break,
            }
        }
        self.flush(now, log);
        self.report_dropped(log);
    }

    /// True when somebody else, a daemon that the script started, still has the other end and must not find it closed.
    pub fn lingers(&self) -> bool {
        self.open && self.words.is_none()
    }

    /// The beginning of a status answer.
    pub fn words(&self) -> String {
        String::from_utf8_lossy(self.words.as_deref().unwrap_or_default()).into_owned()
    }

    fn end(&mut self, log: &Log) {
        self.open = false;
        self.flush(self.window, log);
        self.report_dropped(log);
    }

    fn take(&mut self, bytes: &[u8], now: Instant, log: &Log) {
        if let Some(words) = &mut self.words {
            let room = WORDS.saturating_sub(words.len());
            words.extend(bytes.iter().take(room));
            return;
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LINE - self.line.len();
            self.line.extend(text.iter().take(room));
            self.cut |= text.len() > room;
            if text.len() < part.len() {
                self.flush(now, log);
            }
        }
    }

    /// Logs the line that has been gathered, or counts it.
    fn flush(&mut self, now: Instant, log: &Log) {
        if self.line.is_empty() {
            return;
        }
        if now.since(self.window) >= WINDOW {
            self.report_dropped(log);
            (self.window, self.logged) = (now, 0);
        }
        if self.logged < LINES {
            self.logged += 1;
            let tail = if self.cut { " ..." } else { "" };
            log(Level::Info, format_args!("{}: {}{tail}", self.name, printable(&self.line)));
        } else {
            self.dropped += 1;
        }
        self.line.clear();
        self.cut = false;
    }

    fn report_dropped(&mut self, log: &Log) {
        if self.dropped > 0 {
            log(Level::Warning, format_args!("{}: {} more lines of output left out", self.name, self.dropped));
            self.dropped = 0;
        }
    }
}

/// A log line holds no control characters, whoever printed them.
fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line.trim_ascii_end()).replace(|c: char| c.is_control() && c != '\t', "?")
}
