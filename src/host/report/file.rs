//! The files of the log, `logfile` and `debugfile` of ha.cf, without the loop ever waiting for a disk.
//!
//! No flag makes a write to a regular file return: a disk that hangs holds the writer until it is back. So a second
//! thread writes, the only one of this daemon, there only when a file is configured. It is not realtime and takes no
//! signals. Between the two is a pipe: 64 KiB of lines in the kernel, bounded, without a lock that a thread of low
//! priority could hold while the loop wants it, and nothing to allocate. What does not fit is lost and counted.
//!
//! A file may be renamed, removed or truncated under us (logrotate's `create` and `copytruncate`): it is opened for
//! appending, and at most once a second looked at whether its path still leads to it.

mod appender;

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::line::Line;
use super::{LONGEST_LINE, Level};
use crate::host::stamp::Stamp;
use appender::Appender;

/// Bytes of the thread's stack. All of it is resident, because the daemon's memory is locked.
const STACK: usize = 64 * 1024;
/// How long the end of the daemon waits for the last lines to reach their files, in milliseconds.
const FAREWELL: u16 = 1_000;

/// The way to the files.
#[derive(Debug)]
pub struct Files {
    /// None when nothing more will come.
    ring: Option<PipeWriter>,
    files: Vec<Known>,
    pid: u32,
    lost: u64,
    /// Nothing is ever written: it ends when the thread does.
    done: PipeReader,
}

/// A file as the loop knows it.
#[derive(Debug)]
struct Known {
    path: String,
    /// Lines that matter less do not go there.
    least: Level,
    /// The error that keeps it from being written, 0 for none. The thread sets it.
    trouble: Arc<AtomicI32>,
    /// The one that has been told.
    told: i32,
}

impl Files {
    /// Starts the thread for `logfile` (all but [`Level::Debug`]) and `debugfile` (all); none when neither is given.
    /// Where both are one path every line is written once.
    ///
    /// # Errors
    /// No descriptor or no thread is to be had. A file that cannot be opened is [`Self::trouble`], not an error.
    pub fn open(logfile: Option<&str>, debugfile: Option<&str>) -> io::Result<Option<Self>> {
        let logfile = logfile.filter(|path| Some(*path) != debugfile).map(|path| (path, Level::Info));
        let files: Vec<_> =
            logfile.into_iter().chain(debugfile.map(|path| (path, Level::Debug))).map(Known::new).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let (read, ring) = io::pipe()?;
        // The two ends are two open files: the thread's stays blocking.
        fcntl(ring.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let appenders: Vec<_> = files.iter().map(Known::appender).collect();
        let (done, alive) = io::pipe()?;
        thread::Builder::new().name("log".into()).stack_size(STACK).spawn(move || {
            appender::serve(read, appenders);
            drop(alive);
        })?;
        Ok(Some(Self { ring: Some(ring), files, pid: std::process::id(), lost: 0, done }))
    }

    /// Hands a line over. False when no file will have it: lost, too unimportant, or every file in trouble.
    pub fn write(&mut self, level: Level, text: fmt::Arguments<'_>) -> bool {
        let lost = self.lost;
        let why = "lines of this file were lost: the disk did not keep up";
        if lost > 0 && self.hand_over(Level::Warning, format_args!("{lost} {why}")) {
            self.lost = 0;
        }
        let handed = self.lost == 0 && self.hand_over(level, text);
        self.lost += u64::from(!handed);
        handed && self.files.iter().any(|file| level <= file.least && file.trouble.load(Relaxed) == 0)
    }

    /// A pipe takes up to `PIPE_BUF` bytes, four times our longest line, whole or not at all (pipe(7)).
    fn hand_over(&mut self, level: Level, text: fmt::Arguments<'_>) -> bool {
        let (number, pid, word) = (level as u8, self.pid, level.word());
        let line = Line::<LONGEST_LINE>::new(format_args!("{number}{} lubdub[{pid}]: {word}: {text}", Stamp::now()));
        let mut record = [b'\n'; LONGEST_LINE + 1];
        let length = line.as_bytes().len();
        record[..length].copy_from_slice(line.as_bytes());
        self.ring.as_mut().is_some_and(|ring| ring.write(&record[..=length]).is_ok())
    }

    /// A file that has come into trouble since the last call: its path, and the error.
    pub fn trouble(&mut self) -> Option<(&str, io::Error)> {
        self.files.iter_mut().find_map(|file| {
            let errno = file.trouble.load(Relaxed);
            let news = errno != 0 && errno != std::mem::replace(&mut file.told, errno);
            news.then(|| (file.path.as_str(), io::Error::from_raw_os_error(errno)))
        })
    }
}

impl Drop for Files {
    /// Lets the thread write what it has been handed, but not for ever: a disk that hangs must not keep the daemon.
    fn drop(&mut self) {
        self.ring = None;
        // Whether the thread is done or takes too long, the daemon ends.
        let _ = poll(&mut [PollFd::new(self.done.as_fd(), PollFlags::POLLIN)], PollTimeout::from(FAREWELL));
    }
}

impl Known {
    fn new((path, least): (&str, Level)) -> Self {
        Self { path: path.into(), least, trouble: Arc::default(), told: 0 }
    }

    fn appender(&self) -> Appender {
        Appender::new(self.path.clone().into(), self.least, self.trouble.clone())
    }
}

#[cfg(test)]
mod tests;
