//! SIGHUP: other keys, timings and groups, without moving a resource. A bad file changes nothing.

use lubdub::conf::{Config, Diagnostics};
use lubdub::journal::Told;
use lubdub::wire::beat::State;

use super::names::Names;
use super::orders::Outcome;
use super::report::Level;
use super::{Daemon, assemble, check, clock, leases};

/// What only a restart can change, in one string to compare: the nodes, the links, the port and the watchdog. That one is
/// armed at the start and not let go while anything is held, and what a failed stop leads to depends on it.
pub fn fixed(config: &Config<'_>) -> String {
    format!("{} {} {:?} {} {:?}", config.me, config.peer, config.links, config.udpport, config.watchdog)
}

impl Daemon {
    #[inline(never)] // Its frame is large, and the loop's is in locked memory.
    pub(super) fn reload(&mut self) {
        match self.try_reload() {
            Ok(()) => self.say(Level::Notice, format_args!("reload: done")),
            Err(reasons) => {
                reasons.iter().for_each(|reason| self.say(Level::Err, format_args!("reload: {reason}")));
                self.say(Level::Err, format_args!("reload: refused, the configuration in force is kept"));
            }
        }
    }

    fn try_reload(&mut self) -> Result<(), Vec<String>> {
        let texts = check::load(&self.config_dir)?;
        let node = self.names.me.clone();
        let mut diagnostics = Box::<Diagnostics>::default();
        let read = texts.read(&node, &mut diagnostics);
        let judged = read.as_ref().map(|config| {
            let choice = leases::choose(&texts, config, &mut diagnostics);
            (choice, diagnostics.errors() > 0)
        });
        let lines = diagnostics.iter().map(|doubt| {
            format!("{}:{}:{}: {}; remedy: {}", doubt.file, doubt.line, doubt.column, doubt.message, doubt.remedy)
        });
        let lines: Vec<String> = lines.collect();
        let (Some(config), Some((leases::Choice { guarantee, gate, warning }, false))) = (read, judged) else {
            return Err(lines);
        };
        warning.iter().for_each(|line| self.say(Level::Warning, format_args!("reload: {line}")));
        lines.iter().for_each(|line| self.say(Level::Warning, format_args!("reload: {line}")));
        if fixed(&config) != self.fixed {
            return Err(vec![
                "node, serial, baud, bcast, udpport or watchdog changed: that needs a restart".to_owned(),
            ]);
        }
        if let Some((key, state)) = self.moving() {
            return Err(vec![format!("group {key} is {state}; send SIGHUP again when it has settled")]);
        }
        let setup = assemble::setup(&config, &guarantee).map_err(|error| vec![error.to_string()])?;
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
        Ok(())
    }

    /// A group on its way up or down.
    fn moving(&self) -> Option<(&str, &'static str)> {
        let moving = |state| matches!(state, State::Starting | State::Stopping);
        let mut groups = self.node.groups().zip(&self.names.groups);
        groups
            .find(|(group, _)| moving(group.state))
            .map(|(group, key)| (key.as_str(), super::words::group(group.state)))
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
