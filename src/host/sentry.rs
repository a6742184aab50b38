//! The hardware watchdog as the loop keeps it: fed by turns that have spoken, left to bite where a stop cannot be had, and
//! asked after a boot why that came. With it, or without, the last rung of the ladder that a failed stop climbs (L3).

use std::fmt;
use std::path::{Path, PathBuf};

use lubdub::conf::{Config, Guarantee, StopFailure};
use lubdub::lease::Exclusive;
use lubdub::time::Instant;
use lubdub::wire::loss::Loss;

use super::report::Level;
use super::watchdog::epitaph::Epitaph;
use super::watchdog::last_reset::LastReset;
use super::watchdog::last_words::{LastWords, boot_id};
use super::watchdog::machine::{Linux, Machine};
use super::watchdog::{Timings, Watchdog, WatchdogReport, reboot_now};

/// Stops of one group that fail in a row before a node resets itself, where ha.cf asks for that (L3): by the last one its
/// scripts were killed, its VIPs and IPVS rules removed, and something of it may still run.
pub const FAILED_STOPS: u32 = 3;

/// The watchdog, if there is one, and what is known of the last reset.
pub struct Sentry {
    dog: Option<Watchdog>,
    machine: Box<dyn Machine>,
    stop_failure: StopFailure,
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
        let (machine, run_dir) = (Box::new(Linux::new(run_dir.to_owned())), run_dir.to_owned());
        let stop_failure = config.stop_failure;
        let peer = config.peer.to_ascii_lowercase();
        let mut sentry = Self { dog, machine, stop_failure, last_reset: found.reset, run_dir, peer, spoke: false };
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
        if let Err(why) = dog.wake(now, &mut *self.machine) {
            say(Level::Crit, format_args!("ALARM {why}"));
        }
        if let Err(why) = if spoke || idle { dog.feed(now) } else { Ok(()) } {
            say(Level::Crit, format_args!("ALARM {why}"));
        }
    }

    /// A reload: what ha.cf asks for now. Which watchdog there is needs a restart.
    pub fn reload(&mut self, config: &Config<'_>) {
        self.stop_failure = config.stop_failure;
    }

    /// A stop of a group has failed so many times in a row. The peer knows: its beats say `stopping` until there are none,
    /// and it takes nothing before the lease and the watchdog of this node are surely over.
    pub fn stop_failed(
        &mut self,
        now: Instant,
        group: &str,
        times: u32,
        say: &mut dyn FnMut(Level, fmt::Arguments<'_>),
    ) {
        // A restart that the kernel refuses is asked for again with every stop that fails.
        if times >= FAILED_STOPS && self.stop_failure == StopFailure::Reboot {
            let why = format!("group {group} could not be stopped {times} times, and may still run here");
            self.bite(now, &LastWords::now(Epitaph::StopFailed, why), say);
        }
    }

    fn bite(&mut self, now: Instant, words: &LastWords, say: &mut dyn FnMut(Level, fmt::Arguments<'_>)) {
        if self.stop_failure == StopFailure::Hold || self.dog.as_ref().is_some_and(Watchdog::bites) {
            return;
        }
        let how = if self.dog.is_some() { "by its watchdog" } else { "by reboot(2)" };
        say(Level::Crit, format_args!("ALARM this node resets itself, {how}: {}", words.why));
        let outcome = match &mut self.dog {
            Some(dog) => dog.bite(now, words, &mut *self.machine),
            None => reboot_now(words, &mut *self.machine),
        };
        if let Err(why) = outcome {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::watchdog::testing::{Driver, Noted, Recorded};
    use lubdub::time::Duration;
    use std::cell::RefCell;
    use std::io;
    use std::rc::Rc;

    /// A machine that tests look at while the sentry has it.
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Noted>>);

    impl Machine for Shared {
        fn kernel_log(&mut self, line: &str) -> io::Result<()> {
            self.0.borrow_mut().kernel_log(line)
        }

        fn keep(&mut self, words: &LastWords) -> io::Result<()> {
            self.0.borrow_mut().keep(words)
        }

        fn restart(&mut self) -> io::Error {
            self.0.borrow_mut().restart()
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    /// Six failed stops, a second apart: what was done to the machine, and what was said.
    fn ladder(stop_failure: StopFailure, dog: Option<Watchdog>) -> (Vec<String>, Vec<String>) {
        let (machine, mut said) = (Shared::default(), Vec::new());
        let mut sentry = Sentry {
            dog,
            machine: Box::new(machine.clone()),
            stop_failure,
            last_reset: LastReset::default(),
            run_dir: PathBuf::new(),
            peer: "node2".into(),
            spoke: false,
        };
        for times in 1..=6 {
            sentry.stop_failed(at(u64::from(times) * 1_000), "web", times, &mut |_, text| said.push(text.to_string()));
            sentry.turn_ends(at(u64::from(times) * 1_000), false, &mut |_, text| said.push(text.to_string()));
        }
        let done = machine.0.borrow().done.clone();
        (done, said)
    }

    fn dog(driver: &Rc<RefCell<Driver>>) -> Watchdog {
        Watchdog::recorded(Box::new(Recorded(driver.clone())), at(0))
    }

    const WHY: &str = "group web could not be stopped 3 times, and may still run here";

    /// A node that cannot speak is reset while it holds something, and only then: it does not come back to be reset again.
    #[test]
    fn a_node_that_cannot_speak_is_fed_while_it_holds_nothing() {
        for idle in [false, true] {
            let driver = Rc::new(RefCell::new(Driver::usual()));
            let mut sentry = Sentry {
                dog: Some(dog(&driver)),
                machine: Box::new(Shared::default()),
                stop_failure: StopFailure::Reboot,
                last_reset: LastReset::default(),
                run_dir: PathBuf::new(),
                peer: "node2".into(),
                spoke: false,
            };
            for second in 1..60 {
                sentry.turn_ends(at(second * 1_000), idle, &mut |_, text| panic!("{text}"));
            }
            assert_eq!(driver.borrow().done.contains(&"fed".to_owned()), idle, "{:?}", driver.borrow().done);
        }
    }

    #[test]
    fn what_no_line_asks_for_is_not_done() {
        assert_eq!(ladder(StopFailure::Hold, None), (vec![], vec![]));
        let driver = Rc::new(RefCell::new(Driver::usual()));
        let (done, said) = ladder(StopFailure::Hold, Some(dog(&driver)));
        assert_eq!((done, said), (vec![], vec![]));
    }

    #[test]
    fn without_a_watchdog_the_machine_is_restarted_and_asked_again_when_it_refuses() {
        let (done, said) = ladder(StopFailure::Reboot, None);
        let once = [format!("kernel: resets this node: {WHY} (stop-failed)"), format!("kept: {WHY}"), "restart".into()];
        assert_eq!(done[..3], once);
        assert_eq!(done.iter().filter(|what| *what == "restart").count(), 4, "{done:?}");
        assert_eq!(said[0], format!("ALARM this node resets itself, by reboot(2): {WHY}"));
        assert!(said[1].contains("cannot be restarted"), "{said:?}");
    }

    #[test]
    fn a_watchdog_bites_once_and_is_not_fed_any_more() {
        let driver = Rc::new(RefCell::new(Driver::usual()));
        let (done, said) = ladder(StopFailure::Reboot, Some(dog(&driver)));
        assert_eq!(done[..2], [format!("kernel: resets this node: {WHY} (stop-failed)"), format!("kept: {WHY}")]);
        assert_eq!(said[0], format!("ALARM this node resets itself, by its watchdog: {WHY}"));
        assert_eq!(driver.borrow().done.last().map(String::as_str), Some("closed"), "{:?}", driver.borrow().done);
        assert!(!driver.borrow().done[1..].contains(&"fed".to_owned()), "{:?}", driver.borrow().done);
    }
}
