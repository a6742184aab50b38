//! The hardware watchdog as the loop keeps it: fed by turns that have spoken, left to bite where a stop cannot be had, and
//! asked after a boot why that came.

use std::fmt;
use std::path::{Path, PathBuf};

use lubdub::conf::{Config, Guarantee};
use lubdub::lease::Exclusive;
use lubdub::time::Instant;
use lubdub::wire::loss::Loss;

use super::report::Level;
use super::watchdog::epitaph::Epitaph;
use super::watchdog::last_reset::LastReset;
use super::watchdog::last_words::{LastWords, boot_id};
use super::watchdog::machine::Linux;
use super::watchdog::{Timings, Watchdog, WatchdogReport};

/// Stops of one group that fail in a row before a node with a watchdog resets itself (L3): by the last one its scripts
/// were killed, its VIPs and IPVS rules removed, and something of it may still run.
const FAILED_STOPS: u32 = 3;

/// The watchdog, if there is one, and what is known of the last reset.
pub struct Sentry {
    dog: Option<Watchdog>,
    machine: Linux,
    last_reset: LastReset,
    run_dir: PathBuf,
    peer: String,
    /// A frame was handed to a link in this turn.
    spoke: bool,
}

impl Sentry {
    /// Arms the watchdog of the configuration, and says what is known of the last reset.
    ///
    /// # Errors
    /// The watchdog cannot be had, and `exclusive on` needs it.
    pub fn open(
        config: &Config<'_>,
        guarantee: &Guarantee,
        run_dir: &Path,
        now: Instant,
        say: &mut dyn FnMut(Level, fmt::Arguments<'_>),
    ) -> Result<Self, String> {
        let timings = Timings { lease: guarantee.lease, keepalive: config.keepalive };
        let dog = match config.watchdog.map(|path| Watchdog::open(path, &timings, now, say)) {
            Some(Err(why)) if config.exclusive == Exclusive::On => return Err(why),
            Some(Err(why)) => {
                say(Level::Crit, format_args!("ALARM no watchdog: {why}"));
                None
            }
            other => other.and_then(Result::ok),
        };
        let found = LastReset::find(run_dir, &boot_id(), dog.as_ref().and_then(Watchdog::boot_status));
        if let Some(text) = found.reset.text(config.peer).filter(|_| found.news) {
            say(Level::Crit, format_args!("{text}"));
        }
        let (machine, run_dir) = (Linux::new(run_dir.to_owned()), run_dir.to_owned());
        let peer = config.peer.to_ascii_lowercase();
        let mut sentry = Self { dog, machine, last_reset: found.reset, run_dir, peer, spoke: false };
        if let Some(owed) = found.owed {
            sentry.bite(now, &owed, say);
        }
        Ok(sentry)
    }

    /// A session began, and the peer has told how it lost this node last.
    pub fn peer_says(&mut self, lost: Loss, say: &mut dyn FnMut(Level, fmt::Arguments<'_>)) {
        if self.last_reset.peer_says(lost, &self.run_dir, &boot_id())
            && let Some(text) = self.last_reset.text(&self.peer)
        {
            say(Level::Crit, format_args!("{text}"));
        }
    }

    /// A frame was handed to a link.
    pub fn spoke(&mut self) {
        self.spoke = true;
    }

    /// The end of a turn. `idle`: this node holds nothing that a watchdog would guard.
    pub fn turn_ends(&mut self, now: Instant, idle: bool, say: &mut dyn FnMut(Level, fmt::Arguments<'_>)) {
        let spoke = std::mem::take(&mut self.spoke);
        let Some(dog) = &mut self.dog else { return };
        if let Err(why) = dog.wake(now, &mut self.machine) {
            say(Level::Crit, format_args!("ALARM {why}"));
        }
        if let Err(why) = if spoke || idle { dog.feed(now) } else { Ok(()) } {
            say(Level::Crit, format_args!("ALARM {why}"));
        }
    }

    /// A stop of a group has failed so many times in a row.
    pub fn stop_failed(
        &mut self,
        now: Instant,
        group: &str,
        times: u32,
        say: &mut dyn FnMut(Level, fmt::Arguments<'_>),
    ) {
        if times == FAILED_STOPS && self.dog.is_some() {
            let why = format!("group {group} could not be stopped {times} times, and may still run here");
            self.bite(now, &LastWords::now(Epitaph::StopFailed, why), say);
        }
    }

    fn bite(&mut self, now: Instant, words: &LastWords, say: &mut dyn FnMut(Level, fmt::Arguments<'_>)) {
        let Some(dog) = &mut self.dog else { return };
        say(Level::Crit, format_args!("ALARM this node resets itself: {}", words.why));
        if let Err(why) = dog.bite(now, words, &mut self.machine) {
            say(Level::Crit, format_args!("ALARM {why}"));
        }
    }

    /// Every stop was confirmed, and the daemon ends.
    pub fn disarm(&mut self, say: &mut dyn FnMut(Level, fmt::Arguments<'_>)) {
        if let Some(Err(why)) = self.dog.as_mut().map(Watchdog::disarm) {
            say(Level::Warning, format_args!("{why}"));
        }
    }

    /// When it wants a turn.
    pub fn wake_at(&self) -> Option<Instant> {
        self.dog.as_ref().and_then(Watchdog::wake_at)
    }

    /// The watchdog, for the status.
    pub fn report(&self) -> Option<&WatchdogReport> {
        self.dog.as_ref().map(Watchdog::report)
    }

    /// What is known of the last reset, for the status.
    pub fn last_reset(&self) -> &LastReset {
        &self.last_reset
    }
}
