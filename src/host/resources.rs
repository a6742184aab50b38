//! What this node runs: the groups of haresources, each a list of resources that start left to right and stop right to
//! left. Groups move in parallel, inside a group one thing happens at a time.
//!
//! The loop orders steps with [`Resources::run`] and learns by [`Resources::poll`] what came of them. Nothing is decided
//! here: a failed start is reported, not undone.

mod lease;
mod reload;
mod step;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use lubdub::node::{Groups, Timing};
use lubdub::time::{Duration, Instant};

use super::eyes::{PingNews, PingNode, PingReport, Sighting};
use super::ipvs;
use super::script::{Killed, Runner, Timeouts, Timer};
use super::vip::{Remaining, VipReport, VipSpec, Vips, Watch};
use step::Steps;

/// Where scripts and their programs look for others.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It went as it should.
    Info,
    /// Doubtful, but nothing is lost.
    Warning,
    /// Something did not work.
    Error,
    /// A person has to come.
    Critical,
}

/// Where lines for the person at the console go.
pub type Log = Rc<dyn Fn(Level, fmt::Arguments<'_>)>;

/// The files and settings that resources depend on.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `/etc/ha.d`; scripts are in its `resource.d`.
    pub config_dir: PathBuf,
    /// `/etc/init.d`.
    pub init_dir: PathBuf,
    /// Files with IPVS rules; the first that exists is used.
    pub ipvs_rules: Vec<PathBuf>,
    /// `PATH` of scripts; `ipvsadm` is looked for there too.
    pub search_path: String,
    /// This node's name, `HA_CURHOST`.
    pub node: String,
    /// `HA_NICEFAILBACK`: false only with `auto_failback legacy`.
    pub nice_failback: bool,
    /// `HA_LOGFACILITY`, if there is one.
    pub logfacility: Option<String>,
    /// `HA_debug`.
    pub debug: u8,
}

impl Paths {
    /// The usual places, for a node of this name.
    pub fn new(config_dir: &Path, node: &str) -> Self {
        Self {
            config_dir: config_dir.to_owned(),
            init_dir: "/etc/init.d".into(),
            ipvs_rules: ipvs::RULES.map(PathBuf::from).to_vec(),
            search_path: SEARCH_PATH.to_owned(),
            node: node.to_owned(),
            nice_failback: true,
            logfacility: None,
            debug: 0,
        }
    }
}

/// One resource of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A virtual address.
    Vip(VipSpec),
    /// The built-in `ipvsadm`, unless `resource.d` has a script of that name.
    Ipvs,
    /// Anything else.
    Script {
        /// Its file name in `resource.d` or `/etc/init.d`.
        name: String,
        /// What comes before the verb.
        args: Vec<String>,
    },
}

/// One line of haresources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPlan {
    /// What the log calls it.
    pub key: String,
    /// Its resources, left to right.
    pub items: Vec<Item>,
}

/// What is done with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Left to right; what runs already is not started again.
    Start,
    /// Right to left, in order.
    Stop,
    /// All VIPs at once, before [`Resources::run`] returns; then the rest right to left as far as it runs. For healing,
    /// forced release, and for what an inventory has found and nobody adopts.
    Drop,
    /// Looks and touches nothing: is there a leftover of a former life that may be adopted? Not begun while another step
    /// is under way.
    Inventory,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// Everything asked for is so.
    Done,
    /// A start: something did not start, and nothing after it was tried. A stop or drop: something may still run.
    Failed,
}

/// What there is to tell the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A step is over. A step that another one replaced is not reported.
    Done {
        /// The group's number.
        group: usize,
        /// The step.
        verb: Verb,
        /// What came of it.
        result: StepResult,
    },
    /// An inventory found every VIP of the group, each on a lease that has not run out, the first until then at the
    /// earliest. Comes before the inventory's end is told. A group without a VIP is never found.
    Found {
        /// The group's number.
        group: usize,
        /// Nobody else has these VIPs before then, and no renewal may come later.
        until: Instant,
    },
    /// The lease of a VIP ran out. It is gone and is not put back; told once for each group.
    Lapsed {
        /// The group's number.
        group: usize,
    },
    /// An interface other than loopback got or lost its carrier, or is gone.
    Carrier {
        /// The interface.
        name: String,
        /// True when it runs.
        up: bool,
    },
    /// What is to be seen of a group's VIPs on their LAN.
    Seen(Sighting),
    /// A `ping` node fell silent, or answers again.
    Ping(PingNews),
    /// Worth a warning in the log.
    Note(String),
    /// A person has to come.
    Alarm(String),
}

type Running = Pin<Box<dyn Future<Output = StepResult>>>;

struct Group {
    steps: Rc<Steps>,
    running: Option<(Verb, Running)>,
    /// A start that waits for the end of the stop that is under way.
    start_next: bool,
}

/// All groups of this node.
pub struct Resources {
    groups: Vec<Group>,
    /// Groups that left haresources, on their way down.
    retired: Vec<Group>,
    paths: Rc<Paths>,
    timeouts: Timeouts,
    log: Log,
    vips: Rc<RefCell<Vips>>,
    watch: Watch,
    runner: Rc<Runner>,
    timer: Rc<Timer>,
    events: VecDeque<Event>,
}

impl Resources {
    /// Opens what the groups need; touches nothing yet. To be called within a runtime that has io enabled.
    ///
    /// # Errors
    /// Netlink is not to be had.
    pub fn new(plans: Vec<GroupPlan>, paths: Paths, timeouts: Timeouts, log: Log) -> io::Result<Self> {
        let watch = Watch::new(numbered(plans.iter()), &log)?;
        let vips = Rc::new(RefCell::new(Vips::new(log.clone())?));
        let timer = Rc::new(Timer::default());
        let runner = Rc::new(Runner::new(&paths, timeouts.grace, timer.clone(), log.clone()));
        let mut all = Self {
            groups: Vec::new(),
            retired: Vec::new(),
            paths: Rc::new(paths),
            timeouts,
            log,
            vips,
            watch,
            runner,
            timer,
            events: VecDeque::new(),
        };
        all.groups = plans.into_iter().map(|plan| all.group(plan)).collect();
        Ok(all)
    }

    fn group(&self, plan: GroupPlan) -> Group {
        let steps = Steps {
            begun: vec![Cell::new(false); plan.items.len()],
            found: Cell::new(None),
            plan,
            paths: self.paths.clone(),
            timeouts: self.timeouts,
            runner: self.runner.clone(),
            vips: self.vips.clone(),
            timer: self.timer.clone(),
            killed: Killed::default(),
            log: self.log.clone(),
        };
        Group { steps: Rc::new(steps), running: None, start_next: false }
    }

    /// Begins a step of a group; [`Resources::poll`] carries it on, and is to be called next.
    ///
    /// A start under way is given up for a stop or drop: its script's process group is killed, and its end awaited as
    /// part of the new step. A stop or drop under way is never interrupted: another stop or drop becomes part of it
    /// (reported by the newer verb), a start waits for its end (both are reported). A number without a group is ignored.
    pub fn run(&mut self, group: usize, verb: Verb) {
        let Some(group) = self.groups.get_mut(group) else { return };
        if verb == Verb::Drop {
            group.steps.drop_vips();
        }
        match (&mut group.running, verb) {
            (Some(_), Verb::Inventory) => {}
            (Some((Verb::Start, _)), Verb::Start) => {}
            (Some(_), Verb::Start) => group.start_next = true,
            (Some((under_way @ (Verb::Stop | Verb::Drop), _)), _) => {
                *under_way = verb;
                group.start_next = false;
            }
            (None | Some((Verb::Start | Verb::Inventory, _)), _) => group.begin(verb),
        }
    }

    /// Carries on every step, and watches over VIPs and interfaces. To be called until it is pending; then it wakes, or
    /// [`Resources::wake_at`] says when to call it again.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Event> {
        self.end_leases(now);
        if let Some(event) = self.told() {
            return Poll::Ready(event);
        }
        self.timer.turn(now);
        self.poll_steps(cx);
        self.runner.poll_lingering(cx);
        let mut vips = self.vips.borrow_mut();
        self.watch.poll(cx, now, &mut vips, &mut self.events);
        vips.announce_due(now);
        drop(vips);
        self.tell_lapsed();
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    /// When [`Resources::poll`] is to be called at the latest: a time limit, an announcement, a count to be told.
    pub fn wake_at(&self) -> Option<Instant> {
        let vips = self.vips.borrow();
        let due = [self.timer.wake_at(), vips.wake_at(), vips.lapse_at(), self.watch.wake_at()];
        due.into_iter().flatten().min()
    }

    /// Announces every VIP held again, from the beginning of the burst.
    pub fn announce(&mut self, now: Instant) {
        self.vips.borrow_mut().announce(now, None);
    }

    /// Announcements that could not be sent since the start.
    pub fn unannounced(&self) -> u64 {
        self.vips.borrow().unannounced()
    }

    /// How each VIP of the groups fares.
    pub fn vips(&self) -> impl Iterator<Item = VipReport> {
        self.watch.vips()
    }

    /// What the peer has told of its MACs: a VIP in use there is in use by no stranger.
    pub fn know_peer(&mut self, macs: &[[u8; 6]], now: Instant) {
        self.watch.know_peer(macs, now, &mut self.events);
    }

    /// Asks these `ping` nodes from now on. Returns why some are not.
    pub fn ping(&mut self, nodes: Vec<PingNode>, timing: Timing, now: Instant) -> Vec<String> {
        self.watch.eyes().ping(nodes, timing, now)
    }

    /// How the `ping` nodes fare.
    pub fn pings(&self) -> impl Iterator<Item = PingReport> {
        self.watch.pings()
    }

    /// When the peer was last heard: in doubt about it the `ping` nodes are asked quickly.
    pub fn peer_heard(&mut self, at: Instant) {
        self.watch.eyes().peer_heard(at);
    }

    /// Looks for the VIPs of these groups from now on, and of no others; what comes of it is [`Event::Seen`]. Rounds of
    /// probes are 10 ms apart at first, and when nothing changes `keepalive`, at least 100 ms. A reload ends the looking,
    /// since groups may have other numbers afterwards.
    pub fn look(&mut self, groups: Groups, keepalive: Duration, now: Instant) {
        self.watch.eyes().look(groups, keepalive, now, &mut self.vips.borrow_mut(), &mut self.events);
    }

    /// Reads what has been answered, past the reactor, which may not have looked since. To be called before silence is
    /// judged; [`Resources::told`] has what came of it.
    pub fn sweep(&mut self, now: Instant) {
        self.watch.eyes().sweep(now, &self.vips.borrow(), &mut self.events);
    }

    /// The next event that needs no waiting for.
    pub fn told(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_steps(&mut self, cx: &mut Context<'_>) {
        self.retired
            .retain_mut(|group| group.running.as_mut().is_some_and(|(_, step)| step.as_mut().poll(cx).is_pending()));
        for (number, group) in self.groups.iter_mut().enumerate() {
            while let Some((verb, step)) = &mut group.running {
                let (verb, Poll::Ready(result)) = (*verb, step.as_mut().poll(cx)) else { break };
                let found = group.steps.found.take();
                self.events.extend(found.map(|until| Event::Found { group: number, until }));
                self.events.push_back(Event::Done { group: number, verb, result });
                group.running = None;
                if std::mem::take(&mut group.start_next) {
                    group.begin(Verb::Start);
                }
            }
        }
    }
}

/// The VIPs of these groups, each with the number of its group.
fn numbered<'a>(plans: impl Iterator<Item = &'a GroupPlan>) -> Vec<(u8, VipSpec)> {
    let vips = |(group, plan): (u8, &'a GroupPlan)| {
        let vip = move |item: &Item| if let Item::Vip(vip) = item { Some((group, vip.clone())) } else { None };
        plan.items.iter().filter_map(vip)
    };
    (0..).zip(plans).flat_map(vips).collect()
}

impl Group {
    fn begin(&mut self, verb: Verb) {
        // The old step first: what it ran is killed when it goes.
        self.running = None;
        self.running = Some((verb, Box::pin(self.steps.clone().run(verb))));
    }
}
