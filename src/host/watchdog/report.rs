//! How the watchdog fares, in words and as JSON.

use std::fmt::{self, Write};

use lubdub::time::Duration;

use super::Say;
use crate::host::report::Level;
use crate::host::status::quoted;

/// What it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It resets the machine unless it is fed.
    #[default]
    Armed,
    /// It is not fed any more, because it shall reset the machine.
    Biting,
    /// It was given back; it does nothing.
    Disarmed,
    /// It was given back and cannot be disarmed.
    LeftRunning,
}

impl State {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Biting => "biting",
            Self::Disarmed => "disarmed",
            Self::LeftRunning => "left-running",
        }
    }
}

/// For the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchdogReport {
    /// The device.
    pub path: String,
    /// The driver's name for the hardware.
    pub identity: String,
    /// What it does.
    pub state: State,
    /// What the driver took.
    pub timeout: Duration,
    /// What it was asked for.
    pub wanted: Duration,
    /// It bites before the peer takes over.
    pub in_time: bool,
    /// It cannot be disarmed.
    pub nowayout: bool,
    /// It ran before it was opened.
    pub was_running: bool,
    /// A process that ends leaves it armed.
    pub outlives_close: bool,
    /// It tells the kernel so long before it bites.
    pub pretimeout: Option<Duration>,
    /// How often it was fed.
    pub fed: u64,
    /// How often that failed.
    pub failed: u64,
}

impl WatchdogReport {
    /// What a person should know of it at the start.
    pub(super) fn introduce(&self, log: Say<'_>) {
        let Self { path, timeout, .. } = self;
        let seconds = Seconds(*timeout);
        log(Level::Notice, format_args!("{self}"));
        if !self.in_time {
            log(
                Level::Warning,
                format_args!(
                    "the watchdog {path} bites after {seconds}, which is later than the peer may take over: \
                     it does not guarantee one owner; `lubdub check` says what does"
                ),
            );
        }
        if self.was_running {
            let who = "a daemon that ended without disarming it, or the firmware, had armed it";
            log(Level::Notice, format_args!("the watchdog {path} was running already: {who}"));
        }
        if self.nowayout {
            let then = "unless something else feeds it";
            log(
                Level::Warning,
                format_args!(
                    "the watchdog {path} cannot be disarmed (nowayout): a stop of lubdub resets this node {then}"
                ),
            );
        }
        if !self.outlives_close {
            let remedy = "load its driver with nowayout=1";
            log(
                Level::Warning,
                format_args!("the watchdog {path} is disarmed by any end of this daemon, a kill included; {remedy}"),
            );
        }
    }

    /// One JSON object.
    pub fn json(&self) -> String {
        let mut out = format!("{{\"device\":{},\"identity\":{}", quoted(&self.path), quoted(&self.identity));
        let _ = write!(out, ",\"state\":\"{}\",\"timeout_ms\":{}", self.state.word(), self.timeout.as_millis());
        let _ = write!(out, ",\"in_time\":{},\"nowayout\":{}", self.in_time, self.nowayout);
        let _ = write!(out, ",\"fed\":{},\"failed\":{}}}", self.fed, self.failed);
        out
    }

    /// Why the status is degraded by it.
    pub fn degraded(&self) -> Option<String> {
        let Self { path, .. } = self;
        match self.state {
            State::Biting => Some(format!("the watchdog {path} is about to reset this node")),
            State::LeftRunning => Some(format!("the watchdog {path} runs and nobody feeds it")),
            State::Armed | State::Disarmed => None,
        }
    }
}

/// One line for the table and the log.
impl fmt::Display for WatchdogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, identity, state, timeout, wanted, .. } = self;
        write!(f, "watchdog {path} ({identity}): {}, {}", state.word(), Seconds(*timeout))?;
        if timeout != wanted {
            write!(f, " instead of {}", Seconds(*wanted))?;
        }
        self.pretimeout.map_or(Ok(()), |before| write!(f, ", the kernel is told {} before", Seconds(before)))?;
        if self.failed > 0 { write!(f, ", {} feeds failed", self.failed) } else { Ok(()) }
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_millis() / 1_000)
    }
}
