//! What the log's own thread does: lines out of the pipe, into files. It may wait for a disk as long as it likes.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use lubdub::time::{Duration, Instant};
use nix::sys::signal::SigSet;

use crate::host::clock;
use crate::host::report::{LONGEST_LINE, Level};
use crate::host::stamp::Stamp;

/// How often at most the path is looked at: whether it leads to the file that is open, or whether it can be opened.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes read from the pipe at a time: some lines.
const READ_MAX: usize = 4 * LONGEST_LINE;

/// Writes what comes through the pipe until it is closed. Each record is the digit of a level, a line and its end.
pub fn serve(mut ring: impl Read, mut files: Vec<Appender>) {
    // They are the loop's to take: this thread may hang in a write while one is due.
    let _ = SigSet::all().thread_block();
    files.iter_mut().for_each(|file| file.look(clock::now()));
    let mut buf = [0; READ_MAX];
    let mut held = 0;
    while let Ok(read @ 1..) = ring.read(&mut buf[held..]) {
        let filled = held + read;
        let mut begin = 0;
        while let Some(length) = buf[begin..filled].iter().position(|byte| *byte == b'\n') {
            let end = begin + length + 1;
            files.iter_mut().for_each(|file| file.take(clock::now(), &buf[begin..end]));
            begin = end;
        }
        buf.copy_within(begin..filled, 0);
        held = filled - begin;
    }
}

/// One file that grows at its end.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    least: Level,
    trouble: Arc<AtomicI32>,
    open: Option<Open>,
    /// When the path is to be looked at again.
    look_at: Instant,
    lost: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Device and inode.
    id: (u64, u64),
    /// The last write stopped within a line.
    torn: bool,
}

impl Appender {
    /// A file that gets what matters at least as much as `least`. It is opened when it is first looked at.
    pub fn new(path: PathBuf, least: Level, trouble: Arc<AtomicI32>) -> Self {
        Self { path, least, trouble, open: None, look_at: Instant::ZERO, lost: 0 }
    }

    /// Writes a record, if it matters enough.
    pub fn take(&mut self, now: Instant, record: &[u8]) {
        if let Some((level, line)) = record.split_first()
            && *level <= b'0' + self.least as u8
        {
            self.append(now, line);
        }
    }

    fn append(&mut self, now: Instant, line: &[u8]) {
        if now >= self.look_at {
            self.look(now);
        }
        let written = match &mut self.open {
            Some(open) => open.append(&mut self.lost, line),
            // Why is known since it was last looked at.
            None => Err(io::Error::from_raw_os_error(self.trouble.load(Relaxed))),
        };
        self.lost += u64::from(written.is_err());
        self.note(written);
    }

    /// Opens what the path leads to, unless that is open already.
    pub fn look(&mut self, now: Instant) {
        self.look_at = now + LOOK_EVERY;
        let there = fs::metadata(&self.path).ok().map(|there| (there.dev(), there.ino()));
        if there.is_some() && there == self.open.as_ref().map(|open| open.id) {
            return;
        }
        let opened = Open::new(&self.path).map(|open| self.open = Some(open));
        self.note(opened);
    }

    /// A file in trouble is closed, so that it can be unmounted, and opened again later.
    fn note(&mut self, outcome: io::Result<()>) {
        let errno = outcome.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
        self.trouble.store(errno, Relaxed);
        if errno != 0 {
            self.open = None;
        }
    }
}

impl Open {
    /// Not to wait and not to become a terminal's owner are for a path that leads to a FIFO or a tty.
    fn new(path: &PathBuf) -> io::Result<Self> {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().append(true).create(true).mode(0o644).custom_flags(flags).open(path)?;
        let there = file.metadata()?;
        Ok(Self { file, id: (there.dev(), there.ino()), torn: false })
    }

    fn append(&mut self, lost: &mut u64, line: &[u8]) -> io::Result<()> {
        if *lost > 0 {
            let pid = std::process::id();
            let why = "lines of this file were lost: it could not be written";
            self.say(format_args!("{} lubdub[{pid}]: warning: {lost} {why}\n", Stamp::now()))?;
            *lost = 0;
        }
        self.write(line)
    }

    fn say(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.write(text.to_string().as_bytes())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
        }
        let written = self.file.write(line)?;
        self.torn = written < line.len();
        if self.torn { self.file.write_all(&line[written..]) } else { Ok(()) }
    }
}
