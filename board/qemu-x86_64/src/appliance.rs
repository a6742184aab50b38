//! One emulated appliance that has power.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lubdub_lab::{Error, Output, Result, Status, now};
use serde_json::json;

use crate::bench::Bench;
use crate::cable::Jack;
use crate::control::Control;
use crate::guard::Guard;
use crate::hardware::{Attached, Hardware, Serial};
use crate::image::Image;
use crate::qmp::{Event, Qmp};
use crate::tail::Tail;

/// A boot takes 5 to 10 s, and a minute on a host that has much else to do.
pub const BOOT: Duration = Duration::from_secs(120);
/// A command may take so long: takeover and standby give themselves 60 s.
const COMMAND: Duration = Duration::from_secs(70);
/// A reset that was asked for happens within a second, on a host that has time for it.
const RESET: Duration = Duration::from_secs(60);
/// How often a condition inside the machine is looked at.
const GLANCE: &str = "0.1";

/// A running machine. Dropping it pulls the plug.
#[derive(Debug)]
pub struct Appliance {
    node: String,
    since: Instant,
    control: Control,
    console: Tail,
    keyboard: UnixStream,
    said: PathBuf,
    jack: Option<Jack>,
    qemu: Guard,
    qmp: Qmp,
    _folder: Bench,
}

impl Appliance {
    /// Gives it power. It does not wait for anything, see [`Appliance::await_shell`].
    ///
    /// # Errors
    /// No process or socket can be made.
    pub fn power_on(image: &Image, hardware: &Hardware) -> Result<Self> {
        let folder = Bench::new()?;
        let said = folder.folder().join("qemu.log");
        let (console, console_end) = UnixStream::pair()?;
        let (control, control_end) = UnixStream::pair()?;
        let monitor = folder.folder().join("qmp");
        let jack = match &hardware.serial {
            Some(Serial::Cable(jack)) => Some(jack.clone()),
            _ => None,
        };
        let plugged = jack.clone();
        let listener = move |event: &str| {
            // QEMU leaves the lines of a machine that is reset as they were; hardware does not.
            if let ("RESET" | "WATCHDOG", Some(jack)) = (event, &plugged) {
                jack.reset();
            }
        };
        let qmp = Qmp::listen(&monitor, Box::new(listener))?;
        let line = hardware.command_line(image, Attached::Descriptors(&monitor));
        let since = now();
        let qemu = Guard::run(&said, &line, [console_end.into(), control_end.into()])?;
        Ok(Self {
            node: hardware.node.clone(),
            since,
            control: Control::new(control),
            keyboard: console.try_clone()?,
            console: Tail::follow(console)?,
            said,
            jack,
            qemu,
            qmp,
            _folder: folder,
        })
    }

    /// Waits until it takes commands, and says how long that took from power-on. Its services were started before.
    ///
    /// # Errors
    /// It takes longer, or QEMU ended: with what the console showed.
    pub fn await_shell(&mut self, within: Duration) -> Result<Duration> {
        self.control.await_ready(within).map_err(|why| {
            let said = std::fs::read_to_string(&self.said).unwrap_or_default();
            let console = self.console.text();
            Error::new(format!("{} does not boot: {why}\nqemu: {said}\nconsole:\n{console}", self.node))
        })?;
        Ok(now() - self.since)
    }

    /// When it got power.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Runs a shell script.
    ///
    /// # Errors
    /// The machine does not answer. A script that fails is no error, see [`Output::ok`].
    pub fn run(&mut self, script: &str) -> Result<Output> {
        self.run_within(script, COMMAND)
    }

    /// Runs a shell script; after this time, in whole seconds, it is killed and its exit status is 137.
    ///
    /// # Errors
    /// As [`Appliance::run`].
    pub fn run_within(&mut self, script: &str, within: Duration) -> Result<Output> {
        self.control.run(script, within)
    }

    /// Waits inside the machine until a command succeeds.
    ///
    /// # Errors
    /// It does not within the time; with its log.
    pub fn await_success(&mut self, command: &str, within: Duration) -> Result<()> {
        let script = format!("until {{ {command}\n}} >/dev/null 2>&1; do sleep {GLANCE}; done");
        if self.run_within(&script, within)?.exit.success() {
            return Ok(());
        }
        let log = self.log()?;
        Err(Error::new(format!("{}: not within {within:?}: {command}\nits log:\n{log}", self.node)))
    }

    /// What its daemons have said to syslog.
    ///
    /// # Errors
    /// As [`Appliance::run`].
    pub fn log(&mut self) -> Result<String> {
        Ok(self.run("logread")?.stdout)
    }

    /// What `lubdub status --json` says.
    ///
    /// # Errors
    /// No daemon runs, or the machine does not answer.
    pub fn status(&mut self) -> Result<Status> {
        let output = self.run("lubdub status --json")?;
        serde_json::from_str(&output.stdout).map_err(|why| {
            Error::new(format!("{} gives no status: {why} ({}) {}", self.node, output.exit, output.stderr))
        })
    }

    /// The end of what its console has shown.
    pub fn console(&self) -> String {
        self.console.text()
    }

    /// Its console, as it goes on.
    pub fn tail(&self) -> Tail {
        self.console.clone()
    }

    /// Waits until the console shows this.
    ///
    /// # Errors
    /// It does not within the time; with what it shows.
    pub fn await_console(&self, wanted: &str, within: Duration) -> Result<()> {
        if self.console.await_text(wanted, within) {
            return Ok(());
        }
        let node = &self.node;
        Err(Error::new(format!("{node}: no {wanted:?} within {within:?} on the console:\n{}", self.console())))
    }

    /// Types at the console.
    ///
    /// # Errors
    /// The machine has no power.
    pub fn type_in(&mut self, text: &str) -> Result<()> {
        Ok(self.keyboard.write_all(text.as_bytes())?)
    }

    /// How fast its clock runs, measured over this time: 1 is right.
    ///
    /// # Errors
    /// As [`Appliance::run`].
    pub fn clock_speed(&mut self, over: Duration) -> Result<f64> {
        let script = format!("cat /proc/uptime; sleep {}; cat /proc/uptime", over.as_secs());
        let begin = now();
        let said = self.run(&script)?.ok()?;
        let took = now() - begin;
        let read = |line: &str| line.split(' ').next().and_then(|word| word.parse::<f64>().ok());
        let times: Vec<f64> = said.lines().filter_map(read).collect();
        match times[..] {
            [from, to] => Ok((to - from) / took.as_secs_f64()),
            _ => Err(Error::new(format!("{}: no uptime: {said}", self.node))),
        }
    }

    /// Its monitor.
    pub fn qmp(&self) -> &Qmp {
        &self.qmp
    }

    /// The machine stands still, its clocks and its watchdog too.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn freeze(&self) -> Result<()> {
        self.qmp.run("stop")?;
        self.set_frozen(true);
        Ok(())
    }

    /// It goes on.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn thaw(&self) -> Result<()> {
        self.set_frozen(false);
        self.qmp.run("cont")?;
        Ok(())
    }

    fn set_frozen(&self, frozen: bool) {
        if let Some(jack) = &self.jack {
            jack.freeze(frozen);
        }
    }

    /// The cable of this card, 0 or 1, is plugged in or pulled out: its carrier comes and goes.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn set_carrier(&self, card: usize, up: bool) -> Result<()> {
        self.qmp.run_with("set_link", json!({ "name": format!("card{card}"), "up": up }))?;
        Ok(())
    }

    /// The reset button: returns when the machine begins anew. [`Appliance::await_shell`] tells when it is there.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn reset(&mut self) -> Result<()> {
        let count = self.qmp.count();
        if let Some(jack) = &self.jack {
            jack.reset();
        }
        self.qmp.run("system_reset")?;
        self.await_event(count, "RESET", RESET)?;
        Ok(())
    }

    /// Waits for an event after the first `count` of them, see [`Qmp::count`].
    ///
    /// # Errors
    /// It does not come; with the console.
    pub fn await_event(&self, count: usize, name: &str, within: Duration) -> Result<Event> {
        self.qmp.await_event(count, name, within).ok_or_else(|| {
            Error::new(format!("{}: no {name} within {within:?}; its console:\n{}", self.node, self.console()))
        })
    }

    /// Pulls the plug: the machine is gone when this returns.
    pub fn power_off(mut self) {
        self.qemu.end();
    }
}
