//! The two ways to command a device: its plug-in, or the program `stonith` of cluster-glue.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lubdub::time::Duration;
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::device::{Device, Kind};
use super::mask::{Mask, masked};
use super::params;
use super::{Limits, Setting};
use crate::host::resources::{Log, Paths};
use crate::host::script::{Call, Ended, Killed, Outcome, Runner, Timer, executable};

/// The program of cluster-glue that runs every plug-in that is a library.
const STONITH: &str = "stonith";
/// Where plug-ins find cluster-glue's `ha_log.sh`.
const GLUE: &str = "/usr/share/cluster-glue";

/// What the programs are run with.
pub(super) struct Shell<'a> {
    pub setting: &'a Setting,
    pub nodes: &'a [String; 2],
    pub timer: &'a Rc<Timer>,
    pub log: &'a Log,
    pub killed: &'a Killed,
}

/// A device that can be commanded.
pub(super) struct Commands<'a> {
    shell: &'a Shell<'a>,
    name: &'a str,
    program: PathBuf,
    runner: Runner,
    /// What comes before the command.
    options: Vec<String>,
    /// What the program reads.
    input: Option<String>,
    list: &'static [&'static str],
    reset: &'static [&'static str],
}

impl Shell<'_> {
    /// Makes a device ready: an external one is asked for the names of its parameters.
    ///
    /// # Errors
    /// Why it cannot be used. No parameters are in it.
    pub async fn prepare<'a>(&'a self, device: &'a Device) -> Result<Commands<'a>, String> {
        let params = device.params.as_deref().map_err(Clone::clone)?;
        match &device.kind {
            Kind::Plugin(path) => self.plugin(&device.name, path, params).await,
            Kind::Stonith => self.stonith(&device.name, params),
            Kind::Human => Err(format!("switch {0} off by hand, then: lubdub fence confirm {0}", self.nodes[1])),
        }
    }

    async fn plugin<'a>(&'a self, name: &'a str, path: &Path, params: &str) -> Result<Commands<'a>, String> {
        if !executable(path) {
            return Err(format!("{} is not there or not executable", path.display()));
        }
        let commands = Commands {
            shell: self,
            name,
            program: path.to_owned(),
            runner: self.runner(params),
            options: Vec::new(),
            input: None,
            list: &["gethosts"],
            reset: &["reset"],
        };
        let printed = commands.ask(&["getconfignames"]).await?;
        let named = params::assign(params, &params::names(&printed)?)?;
        Ok(Commands { runner: commands.runner.with(named), ..commands })
    }

    /// The parameters go by standard input: everybody sees a command line, and a library is not asked for names.
    fn stonith<'a>(&'a self, name: &'a str, params: &str) -> Result<Commands<'a>, String> {
        let mut folders = self.setting.paths.search_path.split(':').map(|folder| Path::new(folder).join(STONITH));
        let program = folders.find(|path| executable(path));
        let mut options = ["-t", name].map(str::to_owned).to_vec();
        if !params.is_empty() {
            options.extend(["-F", "/dev/stdin"].map(str::to_owned));
        }
        Ok(Commands {
            shell: self,
            name,
            program: program.ok_or("the program stonith is not there; install cluster-glue")?,
            runner: self.runner(params),
            options,
            input: (!params.is_empty()).then(|| format!("{params}\n")),
            list: &["-l"],
            reset: &["-T", "reset"],
        })
    }

    /// A runner whose programs log by standard error instead of the system's log, where passwords would be seen.
    fn runner(&self, params: &str) -> Runner {
        let log = masked(self.log, Mask::of(params, self.nodes));
        let paths =
            Paths { search_path: format!("{GLUE}:{}", self.setting.paths.search_path), ..self.setting.paths.clone() };
        // Our lines have a date and the device's name already.
        let log_by = [("LOGD", "no"), ("LOGFACILITY", "none"), ("LOGFILE", "/dev/stderr"), ("DATEFMT", " ")];
        Runner::new(&paths, self.setting.limits.grace, self.timer.clone(), log)
            .with(log_by.map(|(variable, value)| (format!("HA_{variable}"), value.to_owned())))
    }
}

impl Commands<'_> {
    /// The hosts that the device can switch off, as it prints them.
    ///
    /// # Errors
    /// It does not say.
    pub async fn hosts(&self) -> Result<String, String> {
        self.ask(self.list).await
    }

    /// Whether the peer is among these hosts. A device that cannot switch it off may well confirm that it did.
    ///
    /// # Errors
    /// It is not.
    pub fn knows_peer(&self, hosts: &str) -> Result<(), String> {
        let [_, peer] = self.shell.nodes;
        // Separated by blanks in the protocol; several plug-ins print their comma-separated parameter as it is.
        let mut hosts = hosts.split(|c: char| c.is_ascii_whitespace() || c == ',');
        if hosts.any(|host| host.eq_ignore_ascii_case(peer)) {
            return Ok(());
        }
        // They are not shown: in the wrong order one of them is the password.
        Err(format!("{peer} is not among its hosts; are its parameters right, and in the right order?"))
    }

    /// Switches the peer off and on again; it has happened when this returns.
    ///
    /// # Errors
    /// It has not, as far as anybody knows.
    pub async fn reset(&self) -> Result<(), String> {
        let [_, peer] = self.shell.nodes;
        let words: Vec<&str> = self.reset.iter().copied().chain([peer.as_str()]).collect();
        let Limits { reset, .. } = self.shell.setting.limits;
        let ended = self.call(&words, false, reset).await?.ended;
        if ended.success() { Ok(()) } else { Err(self.failure(self.reset, &ended)) }
    }

    async fn ask(&self, words: &[&str]) -> Result<String, String> {
        let Limits { question, .. } = self.shell.setting.limits;
        let Outcome { ended, words: answer } = self.call(words, true, question).await?;
        if ended.success() { Ok(answer) } else { Err(self.failure(words, &ended)) }
    }

    fn failure(&self, words: &[&str], ended: &Ended) -> String {
        format!("{}: {ended}", words.join(" "))
    }

    async fn call(&self, words: &[&str], keep: bool, limit: Duration) -> Result<Outcome, String> {
        let args: Vec<String> = self.options.iter().cloned().chain(words.iter().map(|w| (*w).to_owned())).collect();
        let stdin = self.input.as_deref().map(in_memory).transpose().map_err(|error| format!("no memory: {error}"))?;
        let call = Call { path: &self.program, name: self.name, args: &args, stdin, words: keep, limit };
        Ok(self.runner.call(call, self.shell.killed).await)
    }
}

/// A text as a descriptor to read: nothing has to be written to it meanwhile, and no file keeps it.
fn in_memory(text: &str) -> io::Result<OwnedFd> {
    let mut memory = File::from(memfd_create("fence", MFdFlags::MFD_CLOEXEC)?);
    memory.write_all(text.as_bytes())?;
    memory.rewind()?;
    Ok(memory.into())
}
