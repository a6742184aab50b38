//! The built-in resource `ipvsadm`: the IPVS table is restored from its file on start and emptied on stop.
//!
//! By the `ipvsadm` program, as the init script of the same name does it. That script, executable in `resource.d`, wins.
//! Where the program is missing, hangs or fails, the kernel is asked to empty its table by netlink.

pub mod kernel;

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::resources::Paths;
use super::script::{Call, Ended, Killed, Runner, Status, Timeouts, executable};

/// What the log calls it.
pub const NAME: &str = "ipvsadm";
/// Where the rules are: Red Hat's place, then Debian's.
pub const RULES: [&str; 2] = ["/etc/sysconfig/ipvsadm", "/etc/ipvsadm.rules"];
/// Bytes of rules at most, about ten thousand real servers.
const RULES_MAX: u64 = 1024 * 1024;

/// The kernel's IPVS table, by way of `ipvsadm`.
pub struct Table<'a> {
    paths: &'a Paths,
    runner: &'a Runner,
    timeouts: &'a Timeouts,
}

impl<'a> Table<'a> {
    /// The table of this network namespace.
    pub fn new(paths: &'a Paths, runner: &'a Runner, timeouts: &'a Timeouts) -> Self {
        Self { paths, runner, timeouts }
    }

    /// Running is a table that has services.
    pub async fn status(&self, killed: &Killed) -> Status {
        let Some(program) = self.program() else { return by_the_kernel() };
        let args = ["-S", "-n"].map(str::to_owned);
        let call =
            Call { path: &program, name: NAME, args: &args, stdin: None, words: true, limit: self.timeouts.status };
        let outcome = self.runner.call(call, killed).await;
        match outcome.ended {
            Ended::Exit(0) if outcome.words.trim().is_empty() => Status::Stopped,
            Ended::Exit(0) => Status::Running,
            // It fails when the kernel has no IPVS, too.
            _ => by_the_kernel(),
        }
    }

    /// Empties the table and fills it from the file.
    ///
    /// # Errors
    /// What is missing and what to do, or how `ipvsadm` failed.
    pub async fn start(&self, killed: &Killed) -> Result<(), String> {
        let program = self.program().ok_or_else(|| {
            format!(
                "no program ipvsadm in {}; install it, or put a script at {}/resource.d/ipvsadm",
                self.paths.search_path,
                self.paths.config_dir.display()
            )
        })?;
        let file = self.rules_file()?;
        let rules = feed(&file).map_err(|e| format!("the rules in {} cannot be read: {e}", file.display()))?;
        self.run(&program, "-C", None, self.timeouts.start, killed).await?;
        self.run(&program, "-R", Some(rules), self.timeouts.start, killed)
            .await
            .map_err(|why| format!("{why} with the rules in {}", file.display()))
    }

    /// Empties the table.
    ///
    /// # Errors
    /// How `ipvsadm` failed, and the kernel after it; the table may still have rules.
    pub async fn stop(&self, killed: &Killed) -> Result<(), String> {
        let cleared = match self.program() {
            Some(program) => self.run(&program, "-C", None, self.timeouts.stop, killed).await,
            None => Err("there is no program ipvsadm".to_owned()),
        };
        if let Err(why) = cleared {
            return kernel::flush().map_err(|error| format!("{why}; the kernel does not empty its table: {error}"));
        }
        match self.status(killed).await {
            Status::Running => Err("the table still has rules after ipvsadm -C".to_owned()),
            Status::Unknown(why) => Err(format!("after ipvsadm -C: {why}")),
            Status::Stopped => Ok(()),
        }
    }

    async fn run(
        &self,
        program: &Path,
        option: &str,
        stdin: Option<OwnedFd>,
        limit: lubdub::time::Duration,
        killed: &Killed,
    ) -> Result<(), String> {
        let args = [option.to_owned()];
        let call = Call { path: program, name: NAME, args: &args, stdin, words: false, limit };
        let ended = self.runner.call(call, killed).await.ended;
        if ended.success() { Ok(()) } else { Err(format!("ipvsadm {option}: {ended}")) }
    }

    fn program(&self) -> Option<PathBuf> {
        self.paths.search_path.split(':').map(|directory| Path::new(directory).join(NAME)).find(|p| executable(p))
    }

    fn rules_file(&self) -> Result<PathBuf, String> {
        self.paths.ipvs_rules.iter().find(|file| file.is_file()).cloned().ok_or_else(|| {
            let places: Vec<_> = self.paths.ipvs_rules.iter().map(|p| p.display().to_string()).collect();
            format!("no rules in {}; write them with: ipvsadm -S -n > {}", places.join(" or "), places.join("|"))
        })
    }
}

/// What the kernel says of its table.
fn by_the_kernel() -> Status {
    match kernel::has_services() {
        Ok(true) => Status::Running,
        Ok(false) => Status::Stopped,
        Err(error) => Status::Unknown(format!("the kernel does not tell its IPVS table: {error}")),
    }
}

/// The rules as a descriptor that `ipvsadm -R` reads: in memory, so that nothing has to be written to it meanwhile.
fn feed(file: &Path) -> io::Result<OwnedFd> {
    let mut text = String::new();
    File::open(file)?.take(RULES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > RULES_MAX {
        return Err(io::Error::other(format!("more than {RULES_MAX} bytes")));
    }
    let mut memory = File::from(memfd_create("ipvsadm", MFdFlags::MFD_CLOEXEC)?);
    memory.write_all(rules(&text).as_bytes())?;
    memory.rewind()?;
    Ok(memory.into())
}

/// The rules without comments, empty lines and the word `ipvsadm` that people begin them with.
fn rules(text: &str) -> String {
    let mut rules = String::with_capacity(text.len());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let rule = line.strip_prefix(NAME).filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(line);
        rules.push_str(rule.trim_start());
        rules.push('\n');
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_blank_lines_and_the_programs_name_are_left_out() {
        let text = "# saved\n\n  ipvsadm -A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.2 -g\r\n\tipvsadm\t-C\nipvsadmx\n";
        let expected = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.2 -g\n-C\nipvsadmx\n";
        assert_eq!(rules(text), expected);
    }

    #[test]
    fn an_oversized_file_is_refused() {
        let path = std::env::temp_dir().join(format!("lubdub-rules-{}", std::process::id()));
        std::fs::write(&path, "# comment\n".repeat(200_000)).unwrap();
        let refused = feed(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(refused, "more than 1048576 bytes");
    }
}
