//! Programs that the daemon runs for a resource: found, started in a process group of their own, listened to, and
//! killed as a group when they take too long.

mod output;
mod process;
#[cfg(test)]
mod tests;
mod timer;

pub use timer::Timer;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::task::{Context, Poll};

use lubdub::time::{Duration, Instant};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::resources::{Log, Paths};
use output::Output;
use process::Process;

/// How long a program may take before it counts as hung.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For `start`. A minute: databases and file system checks are slow, and a start that hangs moves the group.
    pub start: Duration,
    /// For `stop`. A minute as for start: an orderly stop writes what a start reads.
    pub stop: Duration,
    /// For `status`, which only looks. It is on the way of every start, so it is short.
    pub status: Duration,
    /// Between SIGTERM and SIGKILL to a hung program's group, and for the kernel to end it after SIGKILL.
    pub grace: Duration,
    /// Between two tries of a stop that failed (Heartbeat's pause).
    pub retry: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(60),
            stop: Duration::from_secs(60),
            status: Duration::from_secs(10),
            grace: Duration::from_secs(2),
            retry: Duration::from_secs(1),
        }
    }
}

/// Streams kept open for daemons that still write to the pipe of the script that started them; the oldest goes first.
const LINGERING: usize = 64;

/// A killed group's members end within milliseconds of each other, without an event for those that are not our
/// children: they are asked for in this rhythm, and no longer than this. A zombie that nobody reaps stays a member.
const LAST_MEMBERS: Duration = Duration::from_millis(500);
const RHYTHM: Duration = Duration::from_millis(2);

/// Programs of a step that was given up: killed, not yet seen to be dead.
pub type Killed = Rc<RefCell<Vec<Dying>>>;

/// A program whose group was killed.
pub struct Dying {
    child: Process,
    group: Option<Pid>,
}

/// One call of a program.
pub struct Call<'a> {
    /// The program.
    pub path: &'a Path,
    /// What the log calls it.
    pub name: &'a str,
    /// All its arguments, the verb last where there is one.
    pub args: &'a [String],
    /// Its standard input, otherwise /dev/null.
    pub stdin: Option<OwnedFd>,
    /// True to keep the beginning of its standard output instead of logging it.
    pub words: bool,
    /// How long it may take.
    pub limit: Duration,
}

/// How a program ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// It was killed after so long.
    Hung(Duration),
    /// It could not be started, or not be waited for.
    Error(io::Error),
}

impl Ended {
    /// Exit code 0.
    pub fn success(&self) -> bool {
        matches!(self, Self::Exit(0))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "ended by {signal}"),
                Err(_) => write!(f, "ended by signal {number}"),
            },
            Self::Hung(limit) => write!(f, "hung: killed after {} s", limit.as_millis().div_ceil(1_000)),
            Self::Error(error) => write!(f, "cannot be run: {error}"),
        }
    }
}

/// What came of a call.
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// The beginning of its standard output, if asked for.
    pub words: String,
}

/// Runs programs with one environment.
pub struct Runner {
    environment: Vec<(Cow<'static, str>, String)>,
    grace: Duration,
    timer: Rc<Timer>,
    log: Log,
    lingering: RefCell<Vec<Output>>,
}

impl Runner {
    /// A runner whose programs see what Heartbeat's scripts see.
    pub fn new(paths: &Paths, grace: Duration, timer: Rc<Timer>, log: Log) -> Self {
        let environment = environment(paths).into_iter().map(|(name, value)| (name.into(), value)).collect();
        Self { environment, grace, timer, log, lingering: RefCell::default() }
    }

    /// The same runner for programs that find more in their environment; a variable that is there already is replaced.
    pub fn with(mut self, more: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(more.into_iter().map(|(name, value)| (name.into(), value)));
        self
    }

    /// Takes what daemons print on the pipes of the scripts that started them.
    pub fn poll_lingering(&self, cx: &mut Context<'_>) {
        self.lingering.borrow_mut().retain_mut(|output| output.poll(cx, &self.timer, &self.log).is_pending());
    }

    /// Runs a program to its end or its time limit. Dropping the future kills its process group and leaves the child in
    /// `killed` for [`Runner::bury`].
    pub async fn call(&self, call: Call<'_>, killed: &Killed) -> Outcome {
        let (path, limit) = (call.path, call.limit);
        let (ended, words) = match self.spawn(call, killed) {
            Ok(mut running) => {
                let ended = running.finish(limit).await;
                (ended, running.close())
            }
            Err(error) => {
                let error = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
                (Ended::Error(error), String::new())
            }
        };
        Outcome { ended, words }
    }

    /// Waits for what a step before this one killed. False when something outlives SIGKILL for the grace: it hangs in
    /// the kernel.
    pub async fn bury(&self, killed: &Killed) -> bool {
        let groups: Vec<_> = killed.borrow().iter().filter_map(|dying| dying.group).collect();
        let deadline = self.timer.now() + self.grace;
        let buried = poll_fn(|cx| {
            killed.borrow_mut().retain_mut(|dying| dying.child.poll_end(cx, &self.timer).is_pending());
            if killed.borrow().is_empty() { Poll::Ready(true) } else { self.timer.poll_at(deadline).map(|()| false) }
        })
        .await;
        for group in groups {
            self.last_members(group).await;
        }
        buried
    }

    /// Waits for those of a killed group that are not our children.
    async fn last_members(&self, group: Pid) {
        let deadline = self.timer.now() + LAST_MEMBERS;
        while killpg(group, None).is_ok() && self.timer.now() < deadline {
            self.timer.until(self.timer.now() + RHYTHM).await;
        }
    }

    fn spawn<'a>(&'a self, call: Call<'_>, killed: &'a Killed) -> io::Result<Running<'a>> {
        let (stdout, stdout_writer) = io::pipe()?;
        let (stderr, stderr_writer) = io::pipe()?;
        let mut command = Command::new(call.path);
        command
            .args(call.args)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name.as_ref(), value)))
            .current_dir("/")
            .stdin(call.stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(stdout_writer)
            .stderr(stderr_writer)
            .process_group(0);
        super::sys::clean_child(&mut command);
        let outputs = vec![
            Output::new(stdout, call.name.to_owned(), call.words)?,
            Output::new(stderr, call.name.to_owned(), false)?,
        ];
        let child = Process::spawn(&mut command)?;
        // `process_group(0)` makes its id that of its group too.
        let group = child.pid();
        Ok(Running { child: Some(child), group, outputs, runner: self, killed })
    }

    fn linger(&self, outputs: impl Iterator<Item = Output>) {
        let mut lingering = self.lingering.borrow_mut();
        lingering.extend(outputs);
        let excess = lingering.len().saturating_sub(LINGERING);
        lingering.drain(..excess);
    }
}

/// A program under way.
struct Running<'a> {
    /// None once it has been waited for.
    child: Option<Process>,
    group: Option<Pid>,
    /// Standard output, then standard error.
    outputs: Vec<Output>,
    runner: &'a Runner,
    killed: &'a Killed,
}

impl Running<'_> {
    /// To the end, by force if it takes longer than `limit`: SIGTERM to the group, SIGKILL after a grace.
    async fn finish(&mut self, limit: Duration) -> Ended {
        let ended = match self.wait(self.runner.timer.now() + limit).await {
            Some(Ok(status)) => how(status),
            Some(Err(error)) => Ended::Error(error),
            None => {
                self.end_group().await;
                return Ended::Hung(limit);
            }
        };
        self.child = None;
        ended
    }

    async fn end_group(&mut self) {
        let Runner { timer, grace, .. } = self.runner;
        self.signal(Signal::SIGTERM);
        let obeyed = self.wait(timer.now() + *grace).await.is_some();
        // Also when its leader obeyed: others of the group may not have, and the group's id is not reused while it has
        // members. An empty group's id is not reused within the instant since the wait.
        self.signal(Signal::SIGKILL);
        if obeyed || self.wait(timer.now() + *grace).await.is_some() {
            self.child = None;
        }
        if let Some(group) = self.group {
            self.runner.last_members(group).await;
        }
    }

    /// Takes the rest of the output and returns the words that were kept.
    fn close(&mut self) -> String {
        let (now, log) = (self.runner.timer.now(), &self.runner.log);
        self.outputs.iter_mut().for_each(|output| output.drain(now, log));
        let words = self.outputs.first().map(Output::words).unwrap_or_default();
        self.runner.linger(self.outputs.drain(..).filter(Output::lingers));
        words
    }

    /// None when the deadline came first.
    async fn wait(&mut self, deadline: Instant) -> Option<io::Result<ExitStatus>> {
        let Self { child, outputs, runner, .. } = self;
        poll_fn(|cx| {
            for output in &mut *outputs {
                // Its end says nothing: only the program's end counts.
                let _ = output.poll(cx, &runner.timer, &runner.log);
            }
            let Some(child) = child else { return Poll::Ready(Some(Err(io::ErrorKind::NotFound.into()))) };
            match child.poll_end(cx, &runner.timer) {
                Poll::Ready(status) => Poll::Ready(Some(status)),
                Poll::Pending => runner.timer.poll_at(deadline).map(|()| None),
            }
        })
        .await
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // ESRCH: all of it is gone already.
            let _ = killpg(group, signal);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            self.signal(Signal::SIGKILL);
            self.killed.borrow_mut().push(Dying { child, group: self.group });
        }
    }
}

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

/// What `status` says of a resource.
#[derive(Debug, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Running,
    /// It does not run.
    Stopped,
    /// No telling, and why. A start starts it, a stop stops it, and it proves nothing after a stop that failed.
    Unknown(String),
}

/// Heartbeat's words win: it ignored the exit code, so scripts written for it return anything. Without its words the
/// LSB's codes for "not running" (1 to 3) and OCF's (7) are believed. Code 0 alone is not: Red Hat's `ipvsadm` and every
/// script without a `status` return it always, and Heartbeat started those.
pub fn status(outcome: &Outcome) -> Status {
    let words = outcome.words.to_ascii_lowercase();
    let denied = words.find("not ").is_some_and(|at| words[at..].contains("running"));
    match outcome.ended {
        Ended::Hung(_) => Status::Unknown(outcome.ended.to_string()),
        // What keeps a program from being run is told of the call before this one.
        Ended::Error(_) => Status::Unknown("its status cannot be asked".to_owned()),
        _ if denied => Status::Stopped,
        _ if words.contains("running") || outcome.words.contains("OK") => Status::Running,
        Ended::Exit(1..=3 | 7) => Status::Stopped,
        _ if words.contains("stopped") => Status::Stopped,
        _ => Status::Unknown(format!("status says neither running nor stopped ({})", outcome.ended)),
    }
}

/// The first regular executable of that name in `resource.d`, then in `/etc/init.d`.
pub fn find(paths: &Paths, name: &str) -> Option<PathBuf> {
    [paths.config_dir.join("resource.d"), paths.init_dir.clone()]
        .into_iter()
        .map(|directory| directory.join(name))
        .find(|path| !name.contains('/') && executable(path))
}

/// True for a regular file with an execute bit.
pub fn executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The whole environment of a script: of Heartbeat's variables those that describe this node and its files.
fn environment(paths: &Paths) -> Vec<(&'static str, String)> {
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    let yes_no = |yes| if yes { "yes" } else { "no" }.to_owned();
    let mut environment = vec![
        ("PATH", paths.search_path.clone()),
        ("LANG", "C".to_owned()),
        ("HA_DIR", shown(&paths.config_dir)),
        ("HA_FUNCS", shown(&paths.config_dir.join("shellfuncs"))),
        ("HA_CURHOST", paths.node.clone()),
        ("HA_NICEFAILBACK", yes_no(paths.nice_failback)),
        ("HA_debug", paths.debug.to_string()),
        ("OCF_ROOT", "/usr/lib/ocf".to_owned()),
    ];
    environment.extend(paths.logfacility.clone().map(|facility| ("HA_LOGFACILITY", facility)));
    environment
}
