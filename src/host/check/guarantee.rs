//! What `check` says about one owner: by what means, in how many milliseconds, and where not.

use super::report::Json;
use crate::host::sentry::FAILED_STOPS;
use lubdub::conf::{Config, Fault, Guarantee, Guard, Means, StopFailure, Ward};
use lubdub::lease::{Exclusive, Kind, silence};
use lubdub::time::Duration;
use std::fmt::{self, Display, Formatter};

mod uncovered;

/// Columns of a line at the console.
const COLUMNS: usize = 80;
/// Where the table's second and third column begin.
const VIPS_AT: usize = 18;
const SCRIPTS_AT: usize = 42;

const OWN_WORDS: &str = "`lease`, `exclusive` and `stop_failure` are lubdub's own: Heartbeat refuses them.";
const SECOND: Duration = Duration::from_secs(1);

/// Whether this kernel can end a lease to the millisecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fine {
    /// It can.
    Present,
    /// It cannot, and why; leases are of whole seconds.
    Absent(String),
    /// Nobody looked.
    Assumed,
}

impl Fine {
    /// It can.
    pub fn there(_: ()) -> Self {
        Self::Present
    }

    /// Whether leases to the millisecond are counted on.
    pub fn is_available(&self) -> bool {
        !matches!(self, Self::Absent(_))
    }
}

/// The guarantee of a configuration, in words. Displays as the person at the console reads it, in lines of at most 80
/// columns unless a word of the configuration is longer.
pub struct Statement<'c> {
    config: &'c Config<'c>,
    guarantee: Guarantee,
    fine: Fine,
    /// Each resource with the key of its group, in the order of haresources.
    resources: Vec<Entry<'c>>,
}

struct Entry<'c> {
    key: &'c str,
    word: &'c str,
    ward: Ward,
}

impl<'c> Statement<'c> {
    pub fn new(config: &'c Config<'c>, guarantee: Guarantee, fine: Fine) -> Self {
        let entries = config.groups.iter().flat_map(|group| {
            group.resources().map(|resource| Entry {
                key: group.key,
                word: resource.word(),
                ward: Ward::of(config, group, &resource),
            })
        });
        Self { config, guarantee, fine, resources: entries.collect() }
    }

    /// One JSON object.
    pub fn to_json(&self) -> String {
        let Guarantee { lease, watchdog, .. } = &self.guarantee;
        let faults = |ward| Fault::ALL.map(|fault| json_guard(fault, self.guarantee.guard(ward, fault))).join(",");
        let resource = |entry: &Entry<'_>| {
            let (group, word, faults) = (Json(entry.key), Json(entry.word), faults(entry.ward));
            let one_owner = self.guarantee.gap(entry.ward).is_none();
            format!("{{\"group\":{group},\"resource\":{word},\"one_owner\":{one_owner},{faults}}}")
        };
        let resources: Vec<String> = self.resources.iter().map(resource).collect();
        let uncovered: Vec<String> = self.uncovered().iter().map(|case| Json(case.id).to_string()).collect();
        let plugins: Vec<String> = self.config.stonith.iter().map(|device| Json(device.plugin).to_string()).collect();
        let watchdog = watchdog.map_or("null".into(), |watchdog| {
            let (timeout, in_time) = (watchdog.timeout.as_millis(), watchdog.in_time);
            format!("{{\"timeout_ms\":{timeout},\"in_time\":{in_time}}}")
        });
        format!(
            "{{\"exclusive\":\"{}\",\"takeover_ms\":{},\"lease\":{{\"ms\":{},\"kind\":\"{}\",\"gone_ms\":{}}},\
             \"fine_lease\":{},\"watchdog\":{watchdog},\"stop_failure\":\"{}\",\"stonith\":[{}],\"resources\":[{}],\"not_covered\":[{}]}}",
            exclusive(self.config.exclusive),
            millis(lease.takeover),
            millis(lease.length),
            kind(lease.kind),
            millis(lease.silence),
            match self.fine {
                Fine::Present => "true",
                Fine::Absent(_) => "false",
                Fine::Assumed => "null",
            },
            match self.config.stop_failure {
                StopFailure::Hold => "hold",
                StopFailure::Reboot => "reboot",
            },
            plugins.join(","),
            resources.join(","),
            uncovered.join(","),
        )
    }

    /// The kernel tells in whole seconds what is left of an address's lifetime, and none is left of one.
    fn show_forgetful(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let length = self.guarantee.lease.length;
        if length != SECOND {
            return Ok(());
        }
        let longer = match self.fine.is_available() {
            true => "`lease 1900ms` is adopted".to_owned(),
            false => format!("one of 2 s is adopted, with `deadtime {}ms`", millis(silence(SECOND.times(2)))),
        };
        let text =
            format!("a lease of 1 s is not adopted by a daemon that is started again, and its VIPs go down; {longer}");
        wrap(f, "- ", "  ", &text)
    }

    /// A word that Heartbeat refuses is in ha.cf, or named here.
    fn has_own_words(&self) -> bool {
        let (watchdog, config) = (self.config.watchdog.is_some(), self.config);
        let last_rung = config.stop_failure == StopFailure::Hold || !watchdog;
        config.lease.is_some() || config.exclusive != Exclusive::Auto || last_rung
    }

    /// What ends what cannot be stopped.
    fn show_last_rung(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let last = match (self.config.stop_failure, self.config.watchdog) {
            (StopFailure::Reboot, Some(device)) => format!("{device} resets the node after {FAILED_STOPS} tries"),
            (StopFailure::Reboot, None) => format!("the node restarts itself after {FAILED_STOPS} tries"),
            (StopFailure::Hold, _) => "a person ends it; `stop_failure reboot` restarts the node instead".to_owned(),
        };
        let text =
            format!("a stop that fails: its script is killed, its VIPs are removed, it is tried again; then {last}");
        wrap(f, "- ", "  ", &text)
    }

    /// The resources of one kind, and how most of them are guarded.
    fn column(&self, vips: bool) -> Option<Ward> {
        let mut wards = self.resources.iter().map(|entry| entry.ward).filter(|ward| ward.is_vip() == vips);
        let first = wards.clone().next();
        wards.find(|ward| matches!(ward, Ward::Vip | Ward::Companion)).or(first)
    }

    fn show_table(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (vips, scripts) = (self.column(true), self.column(false));
        let title = |ward: Option<Ward>, title| ward.map_or("", |_| title);
        show_row(f, ["", title(vips, "VIP"), title(scripts, "ipvsadm, scripts")])?;
        for fault in Fault::ALL {
            let cell = |ward: Option<Ward>| ward.map_or(String::new(), |ward| self.cell(ward, fault));
            show_row(f, [self.name(fault), &cell(vips), &cell(scripts)])?;
            for column in [vips, scripts].into_iter().flatten() {
                self.show_exceptions(f, column, fault)?;
            }
        }
        Ok(())
    }

    /// Those that are not guarded as the others of their kind.
    fn show_exceptions(&self, f: &mut Formatter<'_>, column: Ward, fault: Fault) -> fmt::Result {
        let usual = self.guarantee.guard(column, fault);
        let differs = |ward: Ward| ward.is_vip() == column.is_vip() && self.guarantee.guard(ward, fault) != usual;
        let mut names = self.resources.iter().filter(|entry| differs(entry.ward)).peekable();
        let Some(first) = names.peek() else { return Ok(()) };
        let why = if first.ward.is_vip() { "its interface carries beats" } else { "no VIP to ask for" };
        let cell = self.cell(first.ward, fault);
        let words = names.map(|entry| match entry.word == entry.key {
            true => entry.word.to_owned(),
            false => format!("{} of {}", entry.word, entry.key),
        });
        wrap(f, "  but ", "      ", &format!("{} ({why}): {cell}", words.collect::<Vec<_>>().join(", ")))
    }

    fn cell(&self, ward: Ward, fault: Fault) -> String {
        let Some(Guard { means, within }) = self.guarantee.guard(ward, fault) else { return "nothing".into() };
        format!("{} {} ms", self::means(means), millis(within))
    }

    /// What a fault is called here.
    fn name(&self, fault: Fault) -> &'static str {
        match (fault, self.config.links.len()) {
            (Fault::DaemonKilled, _) => "daemon killed",
            (Fault::DaemonFrozen, _) => "daemon frozen",
            (Fault::MachineFrozen, _) => "machine frozen",
            (Fault::CablesCut, 1) => "the link cut",
            (Fault::CablesCut, 2) => "both cables cut",
            (Fault::CablesCut, _) => "all cables cut",
        }
    }

    fn show_means(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Guarantee { lease, watchdog, .. } = &self.guarantee;
        if self.resources.iter().any(|entry| entry.ward.is_vip()) {
            let ended = match lease.kind {
                Kind::Address => "the kernel ends an address that is not renewed",
                Kind::Fine if self.fine == Fine::Assumed => {
                    "nf_tables (assumed here) silences a VIP that is not renewed"
                }
                Kind::Fine => "nf_tables silences a VIP that is not renewed",
            };
            wrap(f, "- ", "  ", &format!("lease {} ms: {ended}", millis(lease.length)))?;
            self.show_forgetful(f)?;
            if let Fine::Absent(why) = &self.fine
                && Guarantee::of(self.config, true).lease != *lease
            {
                wrap(f, "- ", "  ", &format!("no lease of milliseconds, which would fit: {why}"))?;
            }
        }
        if let (Some(device), Some(watchdog)) = (self.config.watchdog, watchdog) {
            let late = if watchdog.in_time { "" } else { ", too late for this deadtime" };
            let timeout = millis(watchdog.timeout);
            wrap(
                f,
                "- ",
                "  ",
                &format!("watchdog {timeout} ms: {device} resets a machine that is not healthy{late}"),
            )?;
        }
        if !self.config.pings.is_empty() && self.resources.iter().any(|entry| entry.ward.is_vip()) {
            let deadtime = millis(self.guarantee.deadtime);
            let text = format!(
                "{} `ping` {}: a node that none of them answers takes no VIP; with every path cut the isolated owner gives \
                 its VIPs up after {deadtime} ms",
                self.config.pings.len(),
                if self.config.pings.len() == 1 { "node" } else { "nodes" },
            );
            wrap(f, "- ", "  ", &text)?;
        }
        self.show_last_rung(f)?;
        if self.guarantee.stonith {
            let plugins: Vec<&str> = self.config.stonith.iter().map(|device| device.plugin).collect();
            let plugins = plugins.join(", then ");
            wrap(f, "- ", "  ", &format!("stonith by {plugins}: silence takes over only what it has confirmed"))?;
        }
        Ok(())
    }
}

impl Statement<'_> {
    /// What the milliseconds of the table are, for the means that are in it.
    fn show_legend(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let guards = |entry: &Entry<'_>| Fault::ALL.map(|fault| self.guarantee.guard(entry.ward, fault));
        let used: Vec<Means> = self.resources.iter().flat_map(guards).flatten().map(|guard| guard.means).collect();
        for (means, text) in [
            (Means::Lease, "lease: so long after its last beat the old owner has no VIP"),
            (Means::Watchdog, "watchdog: so long after its last beat the old owner is reset"),
            (Means::Stonith, "stonith: so long after its last beat fencing begins, takeover follows"),
            (Means::Probes, "probes: so long they ask; while the VIP is answered it is not taken"),
        ] {
            if used.contains(&means) {
                wrap(f, "  ", "  ", text)?;
            }
        }
        Ok(())
    }
}

impl Display for Statement<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.resources.is_empty() {
            return Ok(());
        }
        let takeover = millis(self.guarantee.lease.takeover);
        let exclusive = exclusive(self.config.exclusive);
        writeln!(f, "\nOne owner (exclusive {exclusive}): a silent peer is taken over after {takeover} ms.")?;
        self.show_means(f)?;
        writeln!(f)?;
        self.show_table(f)?;
        writeln!(f)?;
        self.show_legend(f)?;
        writeln!(f, "\nNot covered:")?;
        self.uncovered().iter().try_for_each(|case| wrap(f, "- ", "  ", &case.text))?;
        writeln!(f, "\n`lubdub check --json` has the table for each resource.")?;
        if self.has_own_words() {
            wrap(f, "", "", OWN_WORDS)?;
        }
        Ok(())
    }
}

fn json_guard(fault: Fault, guard: Option<Guard>) -> String {
    let name = match fault {
        Fault::DaemonKilled => "daemon_killed",
        Fault::DaemonFrozen => "daemon_frozen",
        Fault::MachineFrozen => "machine_frozen",
        Fault::CablesCut => "cables_cut",
    };
    match guard {
        Some(Guard { means, within }) => {
            format!("\"{name}\":{{\"by\":\"{}\",\"ms\":{}}}", self::means(means), millis(within))
        }
        None => format!("\"{name}\":null"),
    }
}

fn means(means: Means) -> &'static str {
    match means {
        Means::Lease => "lease",
        Means::Watchdog => "watchdog",
        Means::Stonith => "stonith",
        Means::Probes => "probes",
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Address => "address",
        Kind::Fine => "fine",
    }
}

fn exclusive(exclusive: Exclusive) -> &'static str {
    match exclusive {
        Exclusive::Auto => "auto",
        Exclusive::On => "on",
        Exclusive::Off => "off",
    }
}

/// Whole milliseconds, rounded up: a promise must not be shorter than what it promises.
fn millis(time: Duration) -> u64 {
    time.as_micros().div_ceil(1_000)
}

fn show_row(f: &mut Formatter<'_>, [first, second, third]: [&str; 3]) -> fmt::Result {
    let gap = if second.is_empty() { VIPS_AT } else { SCRIPTS_AT };
    let line = format!("{:gap$}{third}", format!("{first:VIPS_AT$}{second}"));
    writeln!(f, "{}", line.trim_end())
}

/// Writes words as lines of 80 columns; the first begins with `first`, the others with `rest`.
fn wrap(f: &mut Formatter<'_>, first: &str, rest: &str, text: &str) -> fmt::Result {
    let mut line = first.to_owned();
    let mut fresh = true;
    for word in text.split(' ') {
        if !fresh && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            writeln!(f, "{line}")?;
            rest.clone_into(&mut line);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    writeln!(f, "{line}")
}

#[cfg(test)]
mod tests;
