//! The hardware watchdog: a timer that resets the machine unless a healthy loop feeds it.
//!
//! Scripts have no lease; this guards them. It is armed before the first resource starts and disarmed when the last one is
//! confirmed stopped, never earlier: a stop that hangs is what it is for. It is fed only in a turn that has just put a
//! beat on a link, so whoever counts from the arrival of that beat knows when it has bitten
//! ([`lubdub::lease::watchdog_silence`]). A process that ends in any other way leaves it armed.
//!
//! One thing feeds it that is no beat: where a process ends without disarming it the kernel itself feeds it once more
//! (`watchdog_release` of drivers/watchdog/watchdog_dev.c; measured with softdog and i6300esb: not fed for 2 s and then
//! killed, one of 4 s bites 4.0 s after the kill). So the timeout leaves room for the longest time from a beat to the end
//! of a daemon that dies by itself. One that hangs and is killed later gets a whole timeout from then on: a supervisor
//! that kills what hangs must not do so before the peer's wait is over.

mod device;
pub mod epitaph;
pub mod facts;
pub mod last_reset;
pub mod last_words;
pub mod machine;
pub mod report;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod true_device;

use std::fmt;
use std::path::Path;

use lubdub::lease::Lease;
use lubdub::time::{Duration, Instant};

use super::report::Level;
use device::{Device, Dog};
use facts::{Facts, SYSFS};
use last_words::LastWords;
use machine::Machine;
use report::State;
pub use report::WatchdogReport;

/// A feed in this part of the timeout is enough: the driver may have a slow bus between itself and its timer.
const FEEDS: u64 = 4;
/// The longest timeout that is tried, in seconds.
const LONGEST: u32 = 1_024;
/// Of a pretimeout: what the kernel needs to write its log.
const PRETIMEOUT: u32 = 1;
/// The shortest timeout of which more than three quarters, the longest time between two feeds, are left before the
/// pretimeout.
const PRETIMEOUT_FROM: u32 = 5;
/// How much later than its timeout a watchdog may bite: a tick of a timer that counts seconds, and a reserve.
const LATEST: Duration = Duration::from_secs(2);
/// How often a restart that the kernel refuses is asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// What the timeout is chosen from.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// The node's lease, and with it how long the peer waits.
    pub lease: Lease,
    /// K.
    pub keepalive: Duration,
}

impl Timings {
    /// The shortest timeout, in seconds, that a healthy loop cannot miss: between two feeds there is at most a quarter of
    /// it and a keepalive, which leaves another quarter for whatever is late.
    fn least(&self) -> u32 {
        whole_seconds(self.keepalive.times(2)).max(1)
    }

    /// The longest that has bitten before anybody takes over, wherever between two beats the daemon ends.
    fn fitting(&self) -> Option<u32> {
        let longest = self.lease.watchdog(self.keepalive)?;
        Some(u32::try_from(longest.as_micros() / 1_000_000).unwrap_or(u32::MAX))
    }

    /// What the driver is asked for.
    fn wanted(&self) -> u32 {
        self.fitting().unwrap_or(self.least())
    }

    /// A watchdog of so many seconds has bitten before anybody takes over.
    fn in_time(&self, seconds: u32) -> bool {
        self.fitting().is_some_and(|longest| seconds <= longest)
    }
}

/// Where lines for the log go.
pub type Say<'a> = &'a mut dyn FnMut(Level, fmt::Arguments<'_>);

/// An open watchdog.
pub struct Watchdog {
    /// None once it is disarmed.
    device: Option<Box<dyn Device>>,
    facts: Facts,
    report: WatchdogReport,
    boot_status: Option<u32>,
    /// What it was set to when it was opened.
    former: Option<u32>,
    fed_at: Instant,
    /// The last feed failed, and that has been said.
    starving: bool,
    /// When it should have reset the machine, once it shall.
    bitten_by: Option<Instant>,
}

impl Watchdog {
    /// Opens the device, which arms it, and sets its timeout. From here on it wants to be fed. Says in `log` what the
    /// driver took and what a person should know.
    ///
    /// # Errors
    /// In words with the remedy: it is in use, not there, not permitted; it does not reset; its timeout is not known or
    /// too short for this keepalive. It is disarmed then, where it was not running before.
    pub fn open(path: &str, timings: &Timings, now: Instant, log: Say<'_>) -> Result<Self, String> {
        let facts = Facts::of(Path::new(path), Path::new(SYSFS));
        let device = Box::new(Dog::open(Path::new(path))?);
        Self::arm(path, device, facts, timings, now, log)
    }

    /// One that tests look at, for a keepalive of a second and a deadtime of ten.
    #[cfg(test)]
    pub fn recorded(device: Box<dyn Device>, now: Instant) -> Self {
        let (keepalive, deadtime) = (Duration::from_secs(1), Duration::from_secs(10));
        let exclusive = lubdub::lease::Exclusive::Auto;
        let wish = lubdub::lease::Wish { deadtime, keepalive, asked: None, exclusive, fine_available: true };
        let timings = Timings { lease: lubdub::lease::choose(&wish), keepalive };
        Self::arm("/dev/watchdog0", device, Facts::default(), &timings, now, &mut |_, _| ()).unwrap()
    }

    fn arm(
        path: &str,
        mut device: Box<dyn Device>,
        facts: Facts,
        timings: &Timings,
        now: Instant,
        log: Say<'_>,
    ) -> Result<Self, String> {
        let former = device.timeout().ok();
        let mut report = match set_up(path, &mut *device, &facts, timings) {
            Ok(report) => report,
            Err(why) => return Err(format!("the watchdog {path} {why}{}", refuse(device, &facts, former))),
        };
        report.nowayout = facts.nowayout;
        report.was_running = facts.running;
        let boot_status = device.boot_status().ok();
        report.introduce(log);
        Ok(Self {
            device: Some(device),
            facts,
            report,
            boot_status,
            former,
            fed_at: now,
            starving: false,
            bitten_by: None,
        })
    }

    /// `WDIOF_` bits of why the machine started, for [`last_reset::LastReset::find`].
    pub fn boot_status(&self) -> Option<u32> {
        self.boot_status
    }

    /// Puts the reset off by another timeout. To be called in a turn that has just put a beat on a link, and in any turn
    /// while this node holds nothing that needs guarding; it costs a system call four times a timeout at most. Once it
    /// shall bite it is not fed any more.
    ///
    /// # Errors
    /// The device does not take it: said once, tried again at every beat until it does.
    pub fn feed(&mut self, now: Instant) -> Result<(), String> {
        let Some(device) = self.device.as_mut().filter(|_| self.bitten_by.is_none()) else { return Ok(()) };
        if !self.starving && now < self.fed_at + self.report.timeout.part(FEEDS) {
            return Ok(());
        }
        match device.feed() {
            Ok(()) => {
                self.fed_at = now;
                self.starving = false;
                self.report.fed += 1;
                Ok(())
            }
            Err(error) => {
                self.report.failed += 1;
                if std::mem::replace(&mut self.starving, true) {
                    return Ok(());
                }
                let WatchdogReport { path, timeout, .. } = &self.report;
                let seconds = timeout.as_millis() / 1_000;
                Err(format!("the watchdog {path} cannot be fed: {error}; it resets this node within {seconds} s"))
            }
        }
    }

    /// Disarms and closes it. To be called when the last resource is confirmed stopped, and not before. Does nothing when
    /// that has happened already.
    ///
    /// # Errors
    /// It runs on, and will reset the machine unless somebody feeds it; or it is biting, which is not called off.
    pub fn disarm(&mut self) -> Result<(), String> {
        if self.bitten_by.is_some() {
            return Err(format!("the watchdog {} is about to reset this node", self.report.path));
        }
        let Some(device) = self.device.take() else { return Ok(()) };
        let left = self.former.map_or(self.report.timeout, secs).as_millis() / 1_000;
        self.report.state = State::Disarmed;
        match give_back(device, &self.facts, self.former).as_str() {
            "" => Ok(()),
            why => {
                self.report.state = State::LeftRunning;
                let path = &self.report.path;
                Err(format!("the watchdog {path}{why}: it resets this node in {left} s unless somebody feeds it"))
            }
        }
    }

    /// Resets the machine: it is not fed any more, its timeout is the shortest there is, and the reason is in the
    /// kernel's log and in the run directory. It returns within about a second, even where the disk hangs: the peer is to
    /// be told before. The caller goes on beating, so that the peer knows, and calls [`Self::wake`] at
    /// [`Self::wake_at`]. Calling it again changes nothing.
    ///
    /// # Errors
    /// What could not be said or set; the reset comes all the same.
    pub fn bite(&mut self, now: Instant, words: &LastWords, machine: &mut dyn Machine) -> Result<(), String> {
        if self.bitten_by.is_some() {
            return Ok(());
        }
        let Some(device) = self.device.as_mut() else { return reboot_now(words, machine) };
        let left = (self.fed_at + self.report.timeout).since(now);
        let shortest = self.facts.least.unwrap_or(1).max(1);
        // Where that is not sooner the driver would only begin anew.
        let sooner = if secs(shortest) < left { device.set_timeout(shortest).ok().map(secs) } else { None };
        self.bitten_by = Some(now + sooner.unwrap_or(left) + LATEST);
        self.report.state = State::Biting;
        leave_word(words, machine)
    }

    /// It shall reset the machine.
    pub fn bites(&self) -> bool {
        self.bitten_by.is_some()
    }

    /// When [`Self::wake`] has something to do: only once it shall bite.
    pub fn wake_at(&self) -> Option<Instant> {
        self.bitten_by
    }

    /// Restarts the machine by reboot(2) if the watchdog should have reset it by now and has not.
    ///
    /// # Errors
    /// The kernel refuses that, too; tried again every second.
    pub fn wake(&mut self, now: Instant, machine: &mut dyn Machine) -> Result<(), String> {
        match self.bitten_by {
            Some(due) if now >= due => {
                self.bitten_by = Some(now + AGAIN);
                Err(format!("the watchdog {} did not reset this node, and {}", self.report.path, restart(machine)))
            }
            _ => Ok(()),
        }
    }

    /// How it fares, for the status.
    pub fn report(&self) -> &WatchdogReport {
        &self.report
    }
}

/// Restarts the machine at once, as `reboot -nf` does, with the reason in the kernel's log and in the run directory: for a
/// node without a watchdog. It does not return.
///
/// # Errors
/// The kernel refuses it.
pub fn reboot_now(words: &LastWords, machine: &mut dyn Machine) -> Result<(), String> {
    let silent = leave_word(words, machine).err().map_or(String::new(), |why| format!(" ({why})"));
    Err(format!("{}{silent}", restart(machine)))
}

fn restart(machine: &mut dyn Machine) -> String {
    let error = machine.restart();
    format!("this node cannot be restarted: {error}; lubdub runs as root with CAP_SYS_BOOT; reset it by hand")
}

/// The kernel's log first: it cannot hang.
fn leave_word(words: &LastWords, machine: &mut dyn Machine) -> Result<(), String> {
    let logged = machine.kernel_log(&format!("resets this node: {} ({})", words.why, words.epitaph.word()));
    let kept = machine.keep(words);
    let failed = |place: &str, outcome: std::io::Result<()>| outcome.err().map(|error| format!("{place}: {error}"));
    let failed = [failed("the kernel's log", logged), failed("the run directory", kept)];
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("the reason is not written to {}", failed.join(", nor to "))) }
}

/// Sets the timeout and says what came of it.
///
/// # Errors
/// What comes after "the watchdog PATH".
fn set_up(path: &str, device: &mut dyn Device, facts: &Facts, timings: &Timings) -> Result<WatchdogReport, String> {
    let support = device.support().map_err(|error| format!("is no watchdog of Linux: {error}; see `wdctl`"))?;
    let identity = &support.identity;
    if support.only_rings() {
        return Err(format!("({identity}) raises an alarm and resets nothing; name another one, see `wdctl`"));
    }
    if support.sets_timeout() {
        let wanted = timings.wanted().min(facts.most.unwrap_or(u32::MAX)).max(facts.least.unwrap_or(1));
        choose(device, wanted, timings.least());
    }
    // What it is set to now, whatever it said before.
    let seconds = device.timeout().map_err(|error| format!("({identity}) does not tell its timeout: {error}"))?;
    if seconds < timings.least() {
        let (least, keepalive) = (timings.least(), timings.keepalive.as_millis());
        return Err(format!(
            "({identity}) has a timeout of {seconds} s and takes none of {least} s or more, which a keepalive of \
             {keepalive} ms needs; shorten keepalive"
        ));
    }
    let pretimeout = support.has_pretimeout() && seconds >= PRETIMEOUT_FROM;
    Ok(WatchdogReport {
        path: path.into(),
        identity: identity.clone(),
        timeout: secs(seconds),
        wanted: secs(timings.wanted()),
        in_time: timings.in_time(seconds),
        outlives_close: support.outlives_close(),
        pretimeout: pretimeout.then(|| device.set_pretimeout(PRETIMEOUT).ok().map(secs)).flatten(),
        ..WatchdogReport::default()
    })
}

/// Sets the timeout that is wanted; where the driver refuses it, half of it and so on down to `least`; then its double and
/// so on. A driver that refuses all of them keeps what it has.
fn choose(device: &mut dyn Device, wanted: u32, least: u32) {
    let shorter = std::iter::successors(Some(wanted), |seconds| Some(seconds / 2).filter(|half| *half >= least));
    let longer = std::iter::successors(wanted.checked_mul(2), |seconds| seconds.checked_mul(2));
    let longer = longer.take_while(|seconds| *seconds <= LONGEST);
    for seconds in shorter.chain(longer) {
        if device.set_timeout(seconds).is_ok() {
            return;
        }
    }
}

/// Gives back what cannot be used, as it was found. What a person should know, or nothing.
fn refuse(mut device: Box<dyn Device>, facts: &Facts, former: Option<u32>) -> String {
    if facts.running {
        // It may be guarding what a former daemon left running.
        let _ = former.map(|seconds| device.set_timeout(seconds));
        return "; it was running before and stays armed".into();
    }
    // What is no watchdog is not to be written to.
    if device.support().is_err() {
        return String::new();
    }
    match give_back(device, facts, former).as_str() {
        "" => String::new(),
        why => format!("; it{why}"),
    }
}

/// Puts the former timeout back, disarms the device and closes it. What went wrong, or nothing.
fn give_back(mut device: Box<dyn Device>, facts: &Facts, former: Option<u32>) -> String {
    // For whoever opens it next, and where it cannot be disarmed.
    let _ = former.map(|seconds| device.set_timeout(seconds));
    let released = device.release();
    drop(device);
    match released {
        Err(error) => format!(" cannot be disarmed: {error}"),
        Ok(()) if facts.nowayout => " cannot be disarmed (nowayout)".into(),
        Ok(()) if facts.still_running() => " was closed and runs on".into(),
        Ok(()) => String::new(),
    }
}

const fn secs(seconds: u32) -> Duration {
    Duration::from_secs(seconds as u64)
}

/// Rounded up.
fn whole_seconds(time: Duration) -> u32 {
    time.as_micros().div_ceil(1_000_000).try_into().unwrap_or(u32::MAX)
}
