//! SIGHUP: other keys, timings and groups, without moving a resource. A bad file changes nothing.

use lubdub::conf::{Config, Diagnostics, Link, Severity};
use lubdub::journal::Told;
use lubdub::wire::beat::State;

use super::Daemon;
use crate::host::names::Names;
use crate::host::orders::Outcome;
use crate::host::report::Level;
use crate::host::{assemble, check, clock, leases, words};

/// What only a restart can change, to compare: the nodes, the links, the port and the watchdog. That one is armed at the
/// start and not let go while anything is held, and what a failed stop leads to depends on it.
///
/// Values and no text of `{:?}`: in the static binary that prints nothing (deploy/build-static), and all would be equal.
#[derive(PartialEq, Eq)]
pub struct Fixed {
    nodes: [String; 2],
    links: Vec<FixedLink>,
    udpport: u16,
    watchdog: Option<String>,
}

#[derive(PartialEq, Eq)]
enum FixedLink {
    Serial { device: String, baud: u32 },
    Broadcast { interface: String },
}

impl Fixed {
    pub fn of(config: &Config<'_>) -> Self {
        let link = |link: &Link<'_>| match *link {
            Link::Serial { device, baud } => FixedLink::Serial { device: device.to_owned(), baud },
            Link::Broadcast { interface } => FixedLink::Broadcast { interface: interface.to_owned() },
        };
        Self {
            nodes: [config.me, config.peer].map(str::to_owned),
            links: config.links.iter().map(link).collect(),
            udpport: config.udpport,
            watchdog: config.watchdog.map(str::to_owned),
        }
    }
}

/// A line of the log; how bad it is says its level.
fn one_line(finding: &check::Finding) -> (Level, String) {
    (level(finding.severity), format!("{}; remedy: {}", finding.message, finding.remedy))
}

fn level(severity: Severity) -> Level {
    match severity {
        Severity::Error => Level::Err,
        Severity::Warning => Level::Warning,
    }
}

impl Daemon {
    #[inline(never)] // Its frame is large, and the loop's is in locked memory.
    pub(super) fn reload(&mut self) {
        let mut said = Vec::new();
        let done = self.try_reload(&mut said);
        for (level, text) in said {
            self.say(level, format_args!("reload: {text}"));
        }
        match done {
            Some(()) => self.say(Level::Notice, format_args!("reload: done")),
            None => self.say(Level::Err, format_args!("reload: refused, the configuration in force is kept")),
        }
    }

    /// None when it is refused; `said` gets what there is to say of it.
    fn try_reload(&mut self, said: &mut Vec<(Level, String)>) -> Option<()> {
        let texts = match check::load(&self.config_dir) {
            Ok(texts) => texts,
            Err(unfit) => {
                said.extend(unfit.findings.iter().map(one_line));
                return None;
            }
        };
        said.extend(texts.doubts().iter().map(one_line));
        let node = self.names.me.clone();
        let mut diagnostics = Box::<Diagnostics>::default();
        let read = texts.read(&node, &mut diagnostics);
        let judged = read.as_ref().map(|config| leases::choose(&texts, config, &mut diagnostics));
        said.extend(diagnostics.iter().map(|doubt| {
            let place = format!("{}:{}:{}: ", doubt.file, doubt.line, doubt.column);
            (level(doubt.severity), format!("{place}{}; remedy: {}", doubt.message, doubt.remedy))
        }));
        let (Some(config), Some(leases::Choice { guarantee, gate, warning }), 0) = (read, judged, diagnostics.errors())
        else {
            return None;
        };
        said.extend(warning.map(|line| (Level::Warning, line)));
        let refused = |why: String| Some((Level::Err, why));
        if Fixed::of(&config) != self.fixed {
            said.extend(refused(
                "node, serial, baud, bcast, udpport or watchdog changed: that needs a restart".to_owned(),
            ));
            return None;
        }
        let programs = check::programs(&config, &self.config_dir);
        said.extend(programs.iter().map(one_line));
        if programs.iter().any(|finding| finding.severity == Severity::Error) {
            return None;
        }
        if let Some((key, state)) = self.moving() {
            said.extend(refused(format!("group {key} is {state}; send SIGHUP again when it has settled")));
            return None;
        }
        let setup = match assemble::setup(&config, &guarantee) {
            Ok(setup) => setup,
            Err(error) => {
                said.extend(refused(error.to_string()));
                return None;
            }
        };
        // The first VIP of a daemon that had none is not to come before its lease.
        if setup.guard.lease.is_some() {
            self.resources.require_lease(true);
        }
        if let Some(gate) = gate {
            self.resources.gate(gate);
        }
        self.fence.reload(&config);
        self.sentry.reload(&config);
        self.adopt(&config, setup);
        Some(())
    }

    /// A group on its way up or down.
    fn moving(&self) -> Option<(&str, &'static str)> {
        let moving = |state| matches!(state, State::Starting | State::Stopping);
        let mut groups = self.node.groups().zip(&self.names.groups);
        groups.find(|(group, _)| moving(group.state)).map(|(group, key)| (key.as_str(), words::group(group.state)))
    }

    fn adopt(&mut self, config: &Config<'_>, setup: lubdub::node::Setup) {
        let names = Names::of(config);
        let was = |key: &String| self.names.groups.iter().position(|old| old == key);
        let kept: Vec<Option<u8>> = names.groups.iter().map(|key| was(key).map(|number| number as u8)).collect();
        let held: Vec<bool> = self.node.groups().map(|group| group.state.holds()).collect();
        let held: Vec<bool> =
            kept.iter().map(|was| was.is_some_and(|was| held.get(usize::from(was)) == Some(&true))).collect();
        for waiting in std::mem::take(&mut self.orders) {
            let Outcome { code, text, .. } = waiting.overtaken();
            self.control.answer(waiting.client, code, &text);
        }
        self.resources.reload(assemble::plans(config), &kept, &held);
        for why in self.resources.ping(assemble::pings(config), assemble::timing(config), clock::now()) {
            self.say(Level::Err, format_args!("reload: `ping` nodes are not all asked, and count as silent: {why}"));
        }
        self.names = names;
        self.vips = assemble::vips(config);
        self.timing = assemble::timing(config);
        self.log.borrow_mut().set_debug(config.debug > 0);
        self.journal.reloaded(&self.names, self.timing, &kept);
        self.told_at = clock::now();
        self.node.reload(self.told_at, setup.clone(), &kept);
        self.drain();
        // The groups have other numbers.
        self.look(self.looking);
        let kept = kept.into_iter().collect();
        self.journal.record(Told::Reload { setup: &setup, kept }, &self.node);
        // A VIP may have come to an interface that was a crossover cable.
        self.look_at_carriers();
    }
}
