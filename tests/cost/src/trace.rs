//! What strace(1) counts.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lubdub_lab::{Error, Result};

use crate::process::Process;

/// The system call by which the preloaded allocator marks an allocation.
pub const MARK: &str = "getpgid";
const COUNTER: &str = include_str!("allocations.c");

/// How often each system call was made.
pub struct Calls(Vec<(String, u64)>);

impl Calls {
    /// Those of all threads of a process within a time.
    pub fn of(process: &Process, time: Duration) -> Result<Self> {
        let file = std::env::temp_dir().join(format!("lubdub-cost-{}", std::process::id()));
        let traced = Command::new("timeout")
            .args(["--signal=INT", &time.as_secs().to_string(), "strace", "-f", "-c", "-U", "calls,name", "-o"])
            .arg(&file)
            .args(["-p", &process.pid().to_string()])
            .stderr(Stdio::null())
            .status();
        let text = fs::read_to_string(&file);
        let _ = fs::remove_file(&file);
        // 124: the time was up, as it should be (timeout(1)).
        match (traced?.code(), text) {
            (Some(124), Ok(text)) => Ok(Self::read(&text)),
            (code, _) => Err(Error::new(format!("strace -p {} ends with {code:?}", process.pid()))),
        }
    }

    fn read(text: &str) -> Self {
        let call = |line: &str| {
            let (count, name) = line.trim().split_once(' ')?;
            Some((name.trim().to_owned(), count.parse().ok()?))
        };
        Self(text.lines().filter_map(call).filter(|(name, _)| name != "total").collect())
    }

    /// One of them.
    pub fn count(&self, name: &str) -> u64 {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, count)| count).sum()
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Each of them, for so many beats.
    pub fn listed(&self, beats: u64) -> String {
        let mut lines = format!("    {beats} beats sent\n");
        for (name, count) in &self.0 {
            let _ = writeln!(lines, "    {:>6.2} a beat and link  {name}", *count as f64 / beats as f64);
        }
        lines
    }
}

/// Builds the library that marks allocations.
pub fn build_counter(library: &Path) -> Result<()> {
    let source = library.with_extension("c");
    fs::write(&source, COUNTER)?;
    let status = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).args([library, &source]).status()?;
    if status.success() { Ok(()) } else { Err(Error::new("cc cannot build the counter of allocations")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_strace_is_read() {
        let text = "    calls syscall\n--------- ----------------\n      360 epoll_wait\n       40 recvfrom\n      400 total\n";
        let calls = Calls::read(text);
        assert_eq!((calls.total(), calls.count("recvfrom"), calls.count("read")), (400, 40, 0));
    }
}
