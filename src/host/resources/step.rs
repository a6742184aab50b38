//! One step of one group, from its first resource to its last.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::Poll;

use lubdub::time::{Duration, Instant};

use super::{GroupPlan, Item, Level, Log, Paths, StepResult, Verb};
use crate::host::clock;
use crate::host::ipvs::{self, Table};
use crate::host::script::{self, Call, Killed, Outcome, Runner, Status, Timeouts, Timer, executable};
use crate::host::vip::{VipSpec, Vips, millis};

/// Tries of a stop before it counts as failed, and one alone where it hangs. Heartbeat tried ten times; here each may take
/// a minute, and a group that does not stop is better known soon.
const STOP_TRIES: u32 = 3;

/// What the steps of a group work with.
pub struct Steps {
    pub plan: GroupPlan,
    pub paths: Rc<Paths>,
    pub timeouts: Timeouts,
    pub runner: Rc<Runner>,
    pub vips: Rc<RefCell<Vips>>,
    pub timer: Rc<Timer>,
    pub killed: Killed,
    /// For each resource: its start was begun, and no stop since was confirmed.
    pub begun: Vec<Cell<bool>>,
    /// What an inventory has found: until when the leftover is leased.
    pub found: Cell<Option<Instant>>,
    pub log: Log,
}

impl Steps {
    /// The whole step.
    pub async fn run(self: Rc<Self>, verb: Verb) -> StepResult {
        let begun = clock::now();
        let buried = self.runner.bury(&self.killed).await;
        if !buried {
            self.say(Level::Error, format_args!("a killed script does not end: it hangs in the kernel"));
        }
        let succeeded = match verb {
            Verb::Start => buried && self.start().await,
            Verb::Stop => self.stop(false).await & buried,
            Verb::Drop => self.stop(true).await & buried,
            Verb::Inventory => self.inventory() & buried,
        };
        let done = match verb {
            Verb::Start => "started",
            Verb::Stop => "stopped",
            Verb::Drop => "dropped",
            Verb::Inventory => "looked over",
        };
        let took = millis(clock::now().since(begun));
        if succeeded {
            self.say(Level::Info, format_args!("{done} in {took}"));
            StepResult::Done
        } else {
            // A start is tried again, and the last failure is an alarm of its own; what does not stop is one at once.
            let level = if verb == Verb::Start { Level::Warning } else { Level::Critical };
            self.say(level, format_args!("not {done}, given up after {took}"));
            StepResult::Failed
        }
    }

    /// Removes every VIP, right to left; true when all are gone. Does not wait for anything.
    pub fn drop_vips(&self) -> bool {
        self.vips_of_plan().rev().fold(true, |gone, vip| self.remove(vip) & gone)
    }

    fn vips_of_plan(&self) -> impl DoubleEndedIterator<Item = &VipSpec> {
        self.plan.items.iter().filter_map(|item| match item {
            Item::Vip(vip) => Some(vip),
            _ => None,
        })
    }

    async fn start(&self) -> bool {
        for (item, begun) in self.plan.items.iter().zip(&self.begun) {
            let started = match item {
                Item::Vip(vip) => self.add(vip).await,
                item => match self.service(item) {
                    Some(service) => {
                        begun.set(true);
                        service.start().await
                    }
                    None => Err(self.missing(item)),
                },
            };
            if let Err(why) = started {
                self.say(Level::Error, format_args!("start failed: {why}"));
                return false;
            }
        }
        true
    }

    /// Everything is tried, also after a failure. `only_running`: what says that it does not run is left alone.
    async fn stop(&self, only_running: bool) -> bool {
        let mut stopped = true;
        for (item, begun) in self.plan.items.iter().zip(&self.begun).rev() {
            let this = match item {
                Item::Vip(vip) => self.remove(vip),
                item => match self.service(item) {
                    Some(service) => service.stop(only_running).await,
                    None => self.vanished(item, begun.get()),
                },
            };
            if stopped && !this {
                // The ladder of L3: what answers for the group goes at once, whatever else still runs.
                self.drop_vips();
                self.drop_forwarding();
            }
            begun.set(begun.get() && !this);
            stopped &= this;
        }
        // Until here somebody else may have added one.
        stopped && self.vips_of_plan().all(|vip| self.gone(vip))
    }

    /// Waits for the next renewal where too little of the lease is left to add a VIP.
    async fn add(&self, vip: &VipSpec) -> Result<(), String> {
        let limit = self.timer.now() + self.timeouts.start;
        poll_fn(|_| match self.vips.borrow_mut().add(vip, self.timer.now()) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => self.timer.poll_at(limit).map(|()| Err(format!("{vip}: no beat has paid for a lease"))),
            Err(why) => Poll::Ready(Err(why)),
        })
        .await
    }

    /// False when the kernel cannot be asked.
    fn inventory(&self) -> bool {
        let vips: Vec<_> = self.vips_of_plan().collect();
        let leftover = self.vips.borrow_mut().leftover(&vips);
        self.found.set(leftover.as_ref().ok().copied().flatten());
        leftover.map_err(|why| self.say(Level::Error, format_args!("{why}"))).is_ok()
    }

    fn remove(&self, vip: &VipSpec) -> bool {
        match self.vips.borrow_mut().remove(vip) {
            Ok(_) => true,
            Err(why) => {
                self.say(Level::Critical, format_args!("{why}"));
                false
            }
        }
    }

    /// Removes what IPVS does for the VIPs. A director that goes on, and is a real server too, would send back what the
    /// other one forwards to it.
    fn drop_forwarding(&self) {
        for vip in self.vips_of_plan() {
            if let Err(error) = ipvs::kernel::remove(vip.address) {
                self.say(Level::Error, format_args!("IPVS services of {vip} cannot be removed: {error}"));
            }
        }
    }

    fn gone(&self, vip: &VipSpec) -> bool {
        let present = self.vips.borrow_mut().present(vip);
        present == Ok(false) || self.remove(vip)
    }

    /// None when there is no such script.
    fn service<'a>(&'a self, item: &'a Item) -> Option<Service<'a>> {
        let (name, args): (&str, &[String]) = match item {
            Item::Script { name, args } => (name, args),
            Item::Ipvs | Item::Vip(_) => (ipvs::NAME, &[]),
        };
        let built_in = matches!(item, Item::Ipvs);
        let path = if built_in { self.own_ipvsadm() } else { Some(script::find(&self.paths, name)?) };
        Some(Service { steps: self, name, args, path })
    }

    fn own_ipvsadm(&self) -> Option<PathBuf> {
        Some(self.paths.config_dir.join("resource.d").join(ipvs::NAME)).filter(|path| executable(path))
    }

    fn missing(&self, item: &Item) -> String {
        let name = if let Item::Script { name, .. } = item { name } else { ipvs::NAME };
        let (own, system) = (self.paths.config_dir.join("resource.d"), &self.paths.init_dir);
        format!("{name}: no executable of that name in {} or {}", own.display(), system.display())
    }

    /// A script that is not there cannot have been started by us, unless it was taken away since.
    fn vanished(&self, item: &Item, begun: bool) -> bool {
        let why = self.missing(item);
        if begun {
            self.say(Level::Critical, format_args!("cannot be stopped and may still run: {why}"));
        } else {
            self.say(Level::Warning, format_args!("nothing to stop: {why}"));
        }
        !begun
    }

    fn say(&self, level: Level, text: fmt::Arguments<'_>) {
        (self.log)(level, format_args!("group {}: {text}", self.plan.key));
    }
}

/// A resource that is a program: a script, or `ipvsadm` without one.
struct Service<'a> {
    steps: &'a Steps,
    name: &'a str,
    args: &'a [String],
    /// None for the built-in `ipvsadm`.
    path: Option<PathBuf>,
}

impl Service<'_> {
    async fn start(&self) -> Result<(), String> {
        if self.status().await == Status::Running {
            self.say(Level::Info, format_args!("runs already, not started again"));
            return Ok(());
        }
        let begun = clock::now();
        match &self.path {
            None => self.table().start(&self.steps.killed).await.map_err(|why| format!("{}: {why}", self.name))?,
            Some(path) => {
                let outcome = self.call(path, "start", self.steps.timeouts.start).await;
                if !outcome.ended.success() {
                    return Err(format!("{} start: {}", self.name, outcome.ended));
                }
            }
        }
        self.say(Level::Info, format_args!("started in {}", millis(clock::now().since(begun))));
        Ok(())
    }

    /// True when it is confirmed that it does not run.
    async fn stop(&self, only_running: bool) -> bool {
        if only_running && self.status().await == Status::Stopped {
            return true;
        }
        let mut left = STOP_TRIES;
        while left > 0 {
            let begun = clock::now();
            let Err(why) = self.stop_once().await else {
                self.say(Level::Info, format_args!("stopped in {}", millis(clock::now().since(begun))));
                return true;
            };
            // What hangs once hangs again, and what the ladder removes waits for the end of this.
            let hung = clock::now().since(begun) >= self.steps.timeouts.stop;
            left = if hung { 0 } else { left - 1 };
            match self.status().await {
                Status::Stopped => {
                    self.say(Level::Warning, format_args!("{why}, but it does not run: taken as stopped"));
                    return true;
                }
                Status::Running => self.say(Level::Error, format_args!("{why}, and it still runs; {left} more tries")),
                Status::Unknown(unknown) => {
                    self.say(Level::Error, format_args!("{why}, and {unknown}; {left} more tries"));
                }
            }
            if left > 0 {
                self.steps.timer.until(self.steps.timer.now() + self.steps.timeouts.retry).await;
            }
        }
        self.say(Level::Critical, format_args!("cannot be stopped and may still run; its VIPs are removed"));
        false
    }

    async fn stop_once(&self) -> Result<(), String> {
        match &self.path {
            None => self.table().stop(&self.steps.killed).await,
            Some(path) => {
                let ended = self.call(path, "stop", self.steps.timeouts.stop).await.ended;
                if ended.success() { Ok(()) } else { Err(format!("stop failed ({ended})")) }
            }
        }
    }

    async fn status(&self) -> Status {
        match &self.path {
            None => self.table().status(&self.steps.killed).await,
            Some(path) => script::status(&self.call(path, "status", self.steps.timeouts.status).await),
        }
    }

    async fn call(&self, path: &Path, verb: &str, limit: Duration) -> Outcome {
        let args: Vec<String> = self.args.iter().cloned().chain([verb.to_owned()]).collect();
        let words = verb == "status";
        let call = Call { path, name: self.name, args: &args, stdin: None, words, limit };
        self.steps.runner.call(call, &self.steps.killed).await
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.steps.paths, &self.steps.runner, &self.steps.timeouts)
    }

    fn say(&self, level: Level, text: fmt::Arguments<'_>) {
        (self.steps.log)(level, format_args!("{}: {text}", self.name));
    }
}
