//! One daemon as /proc shows it (proc(5)).

use std::fs;
use std::path::PathBuf;

use lubdub_lab::{Error, Node, Result};

/// A running daemon.
pub struct Process {
    pid: u32,
}

/// In kB.
pub struct Memory {
    /// Its share of what it has in memory.
    pub pss: u64,
    /// All that it has in memory.
    pub rss: u64,
    /// What may not be swapped out.
    pub locked: u64,
}

/// What it has used since it started.
#[derive(Clone, Copy)]
pub struct Usage {
    /// Milliseconds on a CPU, by the scheduler's clock.
    pub cpu_ms: f64,
    /// Waits that it began.
    pub wakeups: u64,
}

impl Usage {
    /// What was used in between.
    pub fn since(self, before: Self) -> Self {
        Self { cpu_ms: self.cpu_ms - before.cpu_ms, wakeups: self.wakeups - before.wakeups }
    }
}

impl Process {
    /// The node's daemon: the process of its PID namespace that runs `lubdub run`.
    pub fn of(node: &Node) -> Result<Self> {
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let box_of_node = namespace(&node.space()?.pid().to_string());
        let is_daemon = |pid: &u32| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            namespace(&pid.to_string()) == box_of_node && words.starts_with(b"lubdub\0run\0")
        };
        let pids = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let pid =
            pids.into_iter().find(is_daemon).ok_or_else(|| Error::new("the daemon's process is not to be found"))?;
        Ok(Self { pid })
    }

    /// Its number.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    fn file(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(PathBuf::from(format!("/proc/{}/{name}", self.pid)))?)
    }

    fn number(&self, file: &str, field: &str) -> Result<u64> {
        let text = self.file(file)?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| Error::new(format!("/proc/{}/{file} has no {field}", self.pid)))
    }

    /// Its memory now.
    pub fn memory(&self) -> Result<Memory> {
        Ok(Memory {
            pss: self.number("smaps_rollup", "Pss")?,
            rss: self.number("smaps_rollup", "Rss")?,
            locked: self.number("status", "VmLck")?,
        })
    }

    /// CPU and waits so far.
    pub fn usage(&self) -> Result<Usage> {
        let nanoseconds = self.file("schedstat")?.split(' ').next().and_then(|text| text.parse::<u64>().ok());
        let cpu_ms = nanoseconds.ok_or_else(|| Error::new("no schedstat in this kernel"))? as f64 / 1e6;
        Ok(Usage { cpu_ms, wakeups: self.number("status", "voluntary_ctxt_switches")? })
    }

    /// Whether a file of this name is mapped.
    pub fn maps_file(&self, name: &str) -> Result<bool> {
        Ok(self.file("maps")?.contains(name))
    }

    /// What its memory consists of: a line for each mapping that has pages, in kB.
    pub fn maps(&self) -> Result<String> {
        let mut lines = String::new();
        let mut mapping = String::new();
        for line in self.file("smaps")?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [range, rights, _, _, _, ref name @ ..] if range.contains('-') => {
                    mapping = format!("{rights} {}", name.first().unwrap_or(&"anonymous"));
                }
                ["Pss:", "0", _] => {}
                ["Pss:", kb, _] => lines += &format!("    PSS {kb:>5} kB  {mapping}\n"),
                _ => {}
            }
        }
        Ok(lines)
    }
}
