//! The last things that a daemon does to its machine.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::last_words::LastWords;
use crate::host::sys;

/// Where the kernel takes lines for its own log, which outlives the reset where pstore keeps it.
const KERNEL_LOG: &str = "/dev/kmsg";
/// `KERN_CRIT`: shown on the console unless that is silenced (printk, Documentation/core-api/printk-basics.rst).
const CRITICAL: u8 = 2;
/// How long a disk may take to have the last words. One that hangs must not keep a node that has to go.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a reset needs of the machine.
pub trait Machine {
    /// Writes a line to the kernel's log, level crit.
    fn kernel_log(&mut self, line: &str) -> io::Result<()>;
    /// Has the words on the disk of the run directory when this returns.
    fn keep(&mut self, words: &LastWords) -> io::Result<()>;
    /// Restarts the machine at once. It returns only when that is refused.
    fn restart(&mut self) -> io::Error;
}

/// The machine that the daemon runs on.
#[derive(Debug)]
pub struct Linux {
    run_dir: PathBuf,
    kernel_log: PathBuf,
}

impl Linux {
    /// With the daemon's run directory.
    pub fn new(run_dir: PathBuf) -> Self {
        Self { run_dir, kernel_log: KERNEL_LOG.into() }
    }
}

impl Machine for Linux {
    fn kernel_log(&mut self, line: &str) -> io::Result<()> {
        // One write is one record.
        let record = format!("<{CRITICAL}>lubdub: {line}\n");
        OpenOptions::new().write(true).open(&self.kernel_log)?.write_all(record.as_bytes())
    }

    /// On a thread, since no flag makes a write to a hanging disk return.
    fn keep(&mut self, words: &LastWords) -> io::Result<()> {
        let (words, run_dir) = (words.clone(), self.run_dir.clone());
        within(PATIENCE, move || words.write(&run_dir))
    }

    fn restart(&mut self) -> io::Error {
        sys::restart_machine()
    }
}

fn within(patience: Duration, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let (done, outcome) = mpsc::sync_channel(1);
    // Nobody may listen any more.
    thread::Builder::new().name("last words".into()).spawn(move || drop(done.send(work())))?;
    outcome.recv_timeout(patience).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::watchdog::epitaph::Epitaph;
    use crate::host::watchdog::testing::Folder;

    #[test]
    fn a_line_of_the_kernels_log_is_one_record_with_its_level() {
        let folder = Folder::new("kmsg");
        let kernel_log = folder.path().join("kmsg");
        let mut linux = Linux { kernel_log: kernel_log.clone(), ..Linux::new("/nonexistent".into()) };
        assert!(linux.kernel_log("no log").is_err(), "a file that is not there is not made");
        fs::write(&kernel_log, "").unwrap();
        linux.kernel_log("resets this node").unwrap();
        assert_eq!(fs::read_to_string(&kernel_log).unwrap(), "<2>lubdub: resets this node\n");
    }

    #[test]
    fn the_words_are_kept_and_a_disk_that_hangs_is_not_waited_for() {
        let folder = Folder::new("keep");
        let words = LastWords::now(Epitaph::StopFailed, "x");
        Linux::new(folder.path().into()).keep(&words).unwrap();
        assert_eq!(LastWords::read(folder.path()), Some(words.clone()));
        assert!(Linux::new("/nonexistent".into()).keep(&words).is_err());

        let (hold, held) = mpsc::channel::<()>();
        let hung = within(Duration::from_millis(20), move || held.recv().map_err(io::Error::other));
        assert_eq!(hung.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(hold);
    }
}
