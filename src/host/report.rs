//! The log: to syslog, to files or to standard error, a line at a time, never waiting for whoever reads it.
//!
//! What cannot be written at once is lost and counted, and the count is said when writing works again. A beat is worth
//! more than a line about it.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use lubdub::time::Instant;

mod file;
mod line;
mod repeats;
mod stream;

use file::Files;
use line::Line;
pub use repeats::Often;
use repeats::Repeats;
use stream::Stream;

/// Bytes of one line, the longest that every syslog takes (RFC 3164, 4.1).
const LONGEST_LINE: usize = 1_024;
/// Where local daemons reach syslog (syslog(3)).
const SYSLOG: &str = "/dev/log";
/// Which events of [`Log::repeated`] are those of a file that cannot be written; the loop's own are smaller.
const TROUBLE: u32 = 1 << 31;

/// How much a line matters: the severities of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// An alarm: somebody must look now.
    Crit = 2,
    /// Something failed.
    Err = 3,
    /// Something will fail if nobody cares.
    Warning = 4,
    /// A transition: who, what, why.
    Notice = 5,
    /// What helps to understand the rest.
    Info = 6,
    /// What helps to find a fault in the daemon itself; only with ha.cf's `debug`.
    Debug = 7,
}

impl Level {
    /// Its word in front of a line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Crit => "alarm",
            Self::Err => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// A count in words.
struct Times(u32);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { f.write_str("once") } else { write!(f, "{} times", self.0) }
    }
}

/// Where the lines go.
#[derive(Debug)]
pub struct Log {
    syslog: Option<Syslog>,
    stream: Stream,
    files: Option<Files>,
    debug: bool,
    lost: u64,
    repeats: Repeats,
}

impl Log {
    /// To syslog with `facility` (its number in syslog(3), 0 to 23), or to standard error when there is none or nobody
    /// listens at /dev/log.
    pub fn new(facility: Option<u8>) -> Self {
        Self::to(facility, Path::new(SYSLOG), &io::stderr())
    }

    fn to(facility: Option<u8>, socket: &Path, stream: &impl AsFd) -> Self {
        let syslog = facility.and_then(|facility| Syslog::new(facility, socket).ok());
        Self {
            syslog,
            stream: Stream::new(stream.as_fd()),
            files: None,
            debug: false,
            lost: 0,
            repeats: Repeats::default(),
        }
    }

    /// Writes to these files too, ha.cf's `logfile` and `debugfile`. Without syslog they are the only place, and standard
    /// error gets what none of them can take.
    pub fn open_files(&mut self, logfile: Option<&str>, debugfile: Option<&str>) {
        match Files::open(logfile, debugfile) {
            Ok(files) => self.files = files,
            Err(error) => self.line(Level::Err, format_args!("the files of the log are not written: {error}")),
        }
    }

    /// Whether lines at [`Level::Debug`] are written. At first they are not.
    pub fn set_debug(&mut self, on: bool) {
        self.debug = on;
    }

    /// Writes one line, or counts it as lost. Longer ones are cut; control characters become question marks.
    pub fn line(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if level == Level::Debug && !self.debug {
            return;
        }
        let filed = self.files.as_mut().is_some_and(|files| files.write(level, text));
        if filed && self.syslog.is_none() {
            return;
        }
        self.say_lost();
        if self.lost > 0 || !self.write(level, text) {
            self.lost += 1;
        }
    }

    /// Writes what happens again and again: the first ones at once; what follows of the same kind within 60 s is counted,
    /// and the latest is said with the count when they have passed.
    pub fn repeated(&mut self, often: impl Into<Often>, now: Instant, level: Level, text: fmt::Arguments<'_>) {
        let often = often.into();
        self.flush_due(now);
        if self.repeats.count(often.key, level, text) {
            return;
        }
        if let Some(evicted) = self.repeats.begin(often, now, level, text) {
            self.line(evicted.level, format_args!("{} ({} more)", evicted.text, Times(evicted.count)));
        }
        self.line(level, text);
    }

    /// Says what is due: counts whose 60 s have passed, files that cannot be written, and lines lost.
    pub fn flush_due(&mut self, now: Instant) {
        while let Some(due) = self.repeats.take_due(now) {
            self.line(due.level, format_args!("{} ({} in the last 60 s)", due.text, Times(due.count)));
        }
        self.say_trouble(now);
        self.say_lost();
    }

    /// When [`Self::flush_due`] has a count to say.
    pub fn wake_at(&self) -> Option<Instant> {
        self.repeats.wake_at()
    }

    /// A file that cannot be written is said elsewhere, once a minute at most.
    fn say_trouble(&mut self, now: Instant) {
        while let Some((path, error)) = self.files.as_mut().and_then(Files::trouble) {
            let text = Line::<LONGEST_LINE>::new(format_args!("log file {path}: {error}; tried again every second"));
            if !self.repeats.count(TROUBLE, Level::Warning, format_args!("{text}")) {
                self.repeats.begin(TROUBLE.into(), now, Level::Warning, format_args!("{text}"));
                self.write(Level::Warning, format_args!("{text}"));
            }
        }
    }

    fn say_lost(&mut self) {
        let lost = self.lost;
        let why = "lines of this log were lost: whoever reads it did not keep up";
        if lost > 0 && self.write(Level::Warning, format_args!("{lost} {why}")) {
            self.lost = 0;
        }
    }

    /// False when it is lost.
    fn write(&mut self, level: Level, text: fmt::Arguments<'_>) -> bool {
        match self.syslog.as_ref().map(|syslog| syslog.write(level, text)) {
            Some(Ok(())) => true,
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => false,
            // Nobody listens there just now.
            Some(Err(_)) | None => {
                let line = Line::<LONGEST_LINE>::new(format_args!("{}: {text}", level.word()));
                self.stream.write(line.as_bytes())
            }
        }
    }
}

/// A datagram socket that names its reader with each line, so that a syslog started later or anew is found.
#[derive(Debug)]
struct Syslog {
    socket: UnixDatagram,
    to: PathBuf,
    facility: u8,
    pid: u32,
}

impl Syslog {
    fn new(facility: u8, to: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, to: to.into(), facility, pid: std::process::id() })
    }

    /// The form of RFC 3164 that daemons write on their own machine: without the host, and here without the time, which
    /// syslog adds.
    fn write(&self, level: Level, text: fmt::Arguments<'_>) -> io::Result<()> {
        let priority = u32::from(self.facility) * 8 + level as u32;
        let line = Line::<LONGEST_LINE>::new(format_args!("<{priority}>lubdub[{}]: {text}", self.pid));
        self.socket.send_to(line.as_bytes(), &self.to).map(drop)
    }
}

#[cfg(test)]
mod tests;
