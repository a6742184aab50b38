//! Makes sure that a silent peer is off, by the devices of ha.cf, in their order.
//!
//! One attempt goes through the devices until one of them confirms. An attempt in which none does is made again after a
//! pause, [`PAUSE_FIRST`] at first and doubled up to [`PAUSE_MAX`], until it succeeds, [`Fence::give_up`] calls it off
//! or a human vouches for the peer. Nothing here waits: programs run in process groups of their own, each with a time
//! limit, and all of it is polled by the loop.

mod attempt;
mod commands;
mod confirm;
mod device;
mod examine;
mod mask;
mod params;
#[cfg(test)]
mod tests;

pub use confirm::{DOUBTED, confirm};
pub use examine::{Flaw, examine};

use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use lubdub::conf::Config;
use lubdub::time::{Duration, Instant};

use super::resources::{Log, Paths};
use super::script::{Killed, Timer};
use attempt::Attempt;
use device::Device;

/// Where cluster-glue has the plug-ins that are programs, in the folder `external`.
pub const PLUGINS: &str = "/usr/lib/stonith/plugins";
/// The pause after the first attempt that failed.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause between two attempts: a device that is back is used within a minute.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Doublings after which [`PAUSE_MAX`] is reached in any case.
const DOUBLINGS_MAX: u32 = 6;
/// Who confirmed where no device did.
const OPERATOR: &str = "operator";

/// How long a device may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the names of its parameters and its hosts. Most devices know both by heart; some ask the hardware.
    pub question: Duration,
    /// For a reset. 60 s is Pacemaker's `stonith-timeout`, which the plug-ins are written for.
    pub reset: Duration,
    /// Between SIGTERM and SIGKILL to the group of one that took longer, and for the kernel to end it after that.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { question: Duration::from_secs(20), reset: Duration::from_secs(60), grace: Duration::from_secs(2) }
    }
}

/// Where things are and how long they may take.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What the programs see of this node; `stonith` is looked for in its search path.
    pub paths: Paths,
    /// See [`PLUGINS`].
    pub plugins: PathBuf,
    /// See [`Limits`].
    pub limits: Limits,
}

impl Setting {
    /// The usual places and limits.
    pub fn new(paths: Paths) -> Self {
        Self { paths, plugins: PLUGINS.into(), limits: Limits::default() }
    }
}

/// What there is to tell the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceEvent {
    /// The peer is off: this device says so.
    Confirmed {
        /// Its type, as in ha.cf.
        device: String,
    },
    /// No device confirmed it.
    Failed {
        /// What each of them said. No parameters are in it.
        text: String,
        /// The pause before the next attempt.
        again_in: Duration,
    },
}

/// For the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceState<'a> {
    /// Nothing was asked for, or it was called off.
    Idle,
    /// The peer is to be fenced.
    Fencing {
        /// When that began.
        since: Instant,
        /// The device that is tried now; none in the pause between two attempts.
        device: Option<&'a str>,
        /// Attempts that failed.
        failed: u32,
    },
    /// The peer was off. It stays so until the next [`Fence::begin`]: whether the peer lives again is for others to say.
    Confirmed {
        /// The device, or `operator`.
        by: &'a str,
        /// When.
        at: Instant,
    },
}

/// What is under way.
enum Task {
    Idle,
    Attempt(Rc<Attempt>, Pin<Box<dyn Future<Output = Result<usize, String>>>>),
    Pause(Instant),
    /// What was killed when it was called off is waited for, so that no zombie stays.
    Burial(Pin<Box<dyn Future<Output = ()>>>),
}

/// The fencing devices of this node.
pub struct Fence {
    nodes: [String; 2],
    devices: Rc<[Device]>,
    setting: Setting,
    timer: Rc<Timer>,
    log: Log,
    killed: Killed,
    task: Task,
    since: Instant,
    failed: u32,
    confirmed: Option<(String, Instant)>,
}

impl Fence {
    /// Takes the devices of a configuration, and reads the files with their parameters: no disk is needed later. A file
    /// that cannot be read is told in the log, and again by each attempt.
    pub fn new(config: &Config<'_>, setting: Setting, log: Log) -> Self {
        let nodes = [config.me, config.peer].map(str::to_ascii_lowercase);
        let devices = devices(config, &setting, &log);
        Self::with(nodes, devices, setting, log)
    }

    fn with(nodes: [String; 2], devices: Rc<[Device]>, setting: Setting, log: Log) -> Self {
        Self {
            nodes,
            devices,
            setting,
            timer: Rc::default(),
            log,
            killed: Rc::default(),
            task: Task::Idle,
            since: Instant::ZERO,
            failed: 0,
            confirmed: None,
        }
    }

    /// Takes the devices of a changed configuration. An attempt that is under way goes on with the old ones; the next one has the new.
    pub fn reload(&mut self, config: &Config<'_>) {
        self.devices = devices(config, &self.setting, &self.log);
    }

    /// Begins to fence the peer; [`Fence::poll`] carries it on, and is to be called next. Without effect while it is
    /// under way, and without a device.
    pub fn begin(&mut self, now: Instant) {
        if matches!(self.task, Task::Attempt(..) | Task::Pause(_)) || self.devices.is_empty() {
            return;
        }
        (self.since, self.failed, self.confirmed) = (now, 0, None);
        self.attempt();
    }

    /// Calls it off: the process group of what runs is killed at once. What was confirmed stays so.
    pub fn give_up(&mut self) {
        // What runs is killed when its future goes.
        self.task = Task::Idle;
        if !self.killed.borrow().is_empty() {
            let attempt = self.new_attempt();
            self.task = Task::Burial(Box::pin(async move {
                attempt.bury().await;
            }));
        }
    }

    /// A human vouches that the peer is off; see [`confirm`].
    pub fn vouch(&mut self, now: Instant) {
        self.give_up();
        self.confirmed = Some((OPERATOR.to_owned(), now));
    }

    /// Carries it on. To be called until it is pending; then it wakes, or [`Fence::wake_at`] says when to call it again.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<FenceEvent> {
        self.timer.turn(now);
        if matches!(self.task, Task::Pause(until) if now >= until) {
            self.attempt();
        }
        match &mut self.task {
            Task::Idle | Task::Pause(_) => Poll::Pending,
            Task::Burial(burial) => {
                if burial.as_mut().poll(cx).is_ready() {
                    self.task = Task::Idle;
                }
                Poll::Pending
            }
            Task::Attempt(attempt, future) => match future.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(device)) => {
                    let device = attempt.name(device).to_owned();
                    Poll::Ready(self.succeed(device, now))
                }
                Poll::Ready(Err(text)) => Poll::Ready(self.fail(text, now)),
            },
        }
    }

    /// When [`Fence::poll`] is to be called at the latest.
    pub fn wake_at(&self) -> Option<Instant> {
        match &self.task {
            Task::Idle => None,
            Task::Pause(until) => Some(*until),
            Task::Attempt(..) | Task::Burial(_) => self.timer.wake_at(),
        }
    }

    /// For the status.
    pub fn state(&self) -> FenceState<'_> {
        let fencing = |device| FenceState::Fencing { since: self.since, device, failed: self.failed };
        match (&self.task, &self.confirmed) {
            (Task::Attempt(attempt, _), _) => fencing(Some(attempt.name(attempt.trying()))),
            (Task::Pause(_), _) => fencing(None),
            (Task::Idle | Task::Burial(_), Some((by, at))) => FenceState::Confirmed { by, at: *at },
            (Task::Idle | Task::Burial(_), None) => FenceState::Idle,
        }
    }

    fn new_attempt(&self) -> Rc<Attempt> {
        Rc::new(Attempt::new(
            self.nodes.clone(),
            self.devices.clone(),
            self.setting.clone(),
            self.timer.clone(),
            self.log.clone(),
            self.killed.clone(),
        ))
    }

    fn attempt(&mut self) {
        let attempt = self.new_attempt();
        self.task = Task::Attempt(attempt.clone(), Box::pin(attempt.run()));
    }

    fn succeed(&mut self, device: String, now: Instant) -> FenceEvent {
        self.task = Task::Idle;
        self.confirmed = Some((device.clone(), now));
        FenceEvent::Confirmed { device }
    }

    fn fail(&mut self, text: String, now: Instant) -> FenceEvent {
        let again_in = pause(self.failed);
        self.failed = self.failed.saturating_add(1);
        self.task = Task::Pause(now + again_in);
        FenceEvent::Failed { text, again_in }
    }
}

fn devices(config: &Config<'_>, setting: &Setting, log: &Log) -> Rc<[Device]> {
    let devices: Rc<[Device]> = config.stonith.iter().map(|device| Device::of(device, &setting.plugins)).collect();
    devices.iter().for_each(|device| device.report(log));
    devices
}

/// The pause after an attempt that failed, by the number of those that failed before it.
fn pause(failed: u32) -> Duration {
    PAUSE_FIRST.times(1 << failed.min(DOUBLINGS_MAX)).min(PAUSE_MAX)
}
