//! What keeps a second owner away, fault by fault, for each kind of resource, and the refusals of `exclusive on`.

use super::diagnostic::{Diagnostics, Place, Reporter};
use super::excerpt::Echo;
use super::fencing;
use super::lexer::{Words, is_blank, lines};
use super::phrase::{Phrase, say};
use super::{Config, Group, Link, Resource, Source};
use crate::lease::{self, Exclusive, Lease, Wish};
use crate::time::Duration;

/// What may befall an owner that does not die of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is gone; the kernel goes on.
    DaemonKilled,
    /// The process stands still; the kernel goes on.
    DaemonFrozen,
    /// Kernel and all stand still, and may go on later.
    MachineFrozen,
    /// Every heartbeat link is cut; both nodes and the service LAN are whole.
    CablesCut,
}

/// What prevents a second owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The kernel ends the VIP.
    Lease,
    /// The hardware resets the machine.
    Watchdog,
    /// The peer is switched off first.
    Stonith,
    /// The VIP answers, and nobody takes what answers.
    Probes,
}

/// A means and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The means.
    pub means: Means,
    /// Lease and watchdog: after this long without a beat the old owner surely holds nothing. Stonith: after this long it
    /// begins, and nobody takes over before it is confirmed. Probes: how long they ask before they believe in silence.
    pub within: Duration,
}

/// The kinds of resource that differ in what guards them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ward {
    /// An address on a LAN of its own.
    Vip,
    /// An address on an interface that carries beats too: cut with them, it answers no probe.
    VipBesideBeats,
    /// A script or `ipvsadm` in a group whose VIP can be asked for.
    Companion,
    /// A script or `ipvsadm` in a group without such a VIP.
    Lone,
}

/// The watchdog as it will be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// Its timeout, in whole seconds.
    pub timeout: Duration,
    /// After this long without a beat it has surely bitten.
    pub silence: Duration,
    /// It bites before anybody takes over.
    pub in_time: bool,
}

/// What a configuration guarantees on a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Guarantee {
    /// The lease of every VIP.
    pub lease: Lease,
    /// The watchdog, where one is configured.
    pub watchdog: Option<Watchdog>,
    /// There is a fencing device, without whose confirmation silence allows no takeover.
    pub stonith: bool,
    /// `deadtime`.
    pub deadtime: Duration,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::DaemonKilled, Self::DaemonFrozen, Self::MachineFrozen, Self::CablesCut];
}

impl Ward {
    /// The kind of a resource of this group.
    pub fn of(config: &Config<'_>, group: &Group<'_>, resource: &Resource<'_>) -> Self {
        let beats = |vip: &super::Vip<'_>| {
            config
                .links
                .iter()
                .any(|link| matches!(link, Link::Broadcast { interface } if vip.interface == Some(*interface)))
        };
        let can_be_asked = |resource| matches!(resource, Resource::Vip(vip) if !beats(&vip));
        match resource {
            Resource::Vip(vip) if beats(vip) => Self::VipBesideBeats,
            Resource::Vip(_) => Self::Vip,
            Resource::Script { .. } if group.resources().any(can_be_asked) => Self::Companion,
            Resource::Script { .. } => Self::Lone,
        }
    }

    /// Whether it is an address.
    pub fn is_vip(self) -> bool {
        matches!(self, Self::Vip | Self::VipBesideBeats)
    }
}

impl Guarantee {
    /// What this configuration guarantees where the kernel has nf_tables or has not.
    pub fn of(config: &Config<'_>, fine_available: bool) -> Self {
        let Config { deadtime, keepalive, exclusive, .. } = *config;
        let lease = lease::choose(&Wish { deadtime, keepalive, asked: config.lease, exclusive, fine_available });
        let fitting = lease.watchdog(keepalive);
        let timeout = fitting.unwrap_or(Duration::from_secs(1));
        let watchdog =
            Watchdog { timeout, silence: lease::watchdog_silence(timeout, keepalive), in_time: fitting.is_some() };
        let watchdog = config.watchdog.map(|_| watchdog);
        Self { lease, watchdog, stonith: !config.stonith.is_empty(), deadtime }
    }

    /// What guards a resource of this kind against this fault; none: nothing does.
    pub fn guard(&self, ward: Ward, fault: Fault) -> Option<Guard> {
        let lease = Guard { means: Means::Lease, within: self.lease.silence };
        let probes = Guard { means: Means::Probes, within: lease::PROBE_WAIT.times(lease::PROBES) };
        let stonith = self.stonith.then_some(Guard { means: Means::Stonith, within: self.lease.takeover });
        let bites = self.watchdog.filter(|watchdog| watchdog.in_time);
        let watchdog = bites.map(|watchdog| Guard { means: Means::Watchdog, within: watchdog.silence });
        match (fault, ward) {
            (Fault::CablesCut, Ward::Vip | Ward::Companion) => Some(probes),
            (Fault::CablesCut, Ward::VipBesideBeats | Ward::Lone) => stonith,
            (Fault::MachineFrozen, _) => stonith.or(watchdog),
            (Fault::DaemonKilled | Fault::DaemonFrozen, Ward::Companion | Ward::Lone) => watchdog.or(stonith),
            (Fault::DaemonKilled | Fault::DaemonFrozen, _) if self.lease.outlasted() => Some(lease),
            // The kernel answers for the VIP as long as it has it, and what answers is not taken.
            (Fault::DaemonKilled | Fault::DaemonFrozen, _) => Some(probes),
        }
    }

    /// The first fault against which nothing guards a resource of this kind, as `exclusive on` counts: a machine that
    /// stands still answers nobody, so what it does when it goes on is named by `check` and not refused.
    pub fn gap(&self, ward: Ward) -> Option<Fault> {
        let mut counted = Fault::ALL.into_iter().filter(|fault| *fault != Fault::MachineFrozen);
        counted.find(|fault| self.guard(ward, *fault).is_none())
    }

    /// Reports what `exclusive on` does not allow in a configuration that was read from these files.
    pub fn judge<'a>(
        &self,
        config: &Config<'a>,
        ha_cf: &Source<'a>,
        haresources: &Source<'a>,
        diagnostics: &mut Diagnostics<'a>,
    ) {
        if config.exclusive != Exclusive::On {
            return;
        }
        if self.deadtime < self.lease.silence {
            let message = say("`exclusive on`: deadtime ({}) ends before the lease surely has ({})");
            let message = message.with(self.deadtime).with(self.lease.silence);
            let mut report = Reporter::new(ha_cf.name, Echo::UpTo(fencing::shown_len), diagnostics);
            let remedy = say("make deadtime at least {}, shorten keepalive, or write `exclusive auto` to wait for it");
            report.error(place_of_exclusive(ha_cf), message, remedy.with(self.lease.silence));
        }
        let mut report = Reporter::new(haresources.name, Echo::Plain, diagnostics);
        for group in &config.groups {
            for resource in group.resources() {
                let ward = Ward::of(config, group, &resource);
                let place = Place::of(haresources.text, resource.word());
                if let (Some(fault), Some(place)) = (self.gap(ward), place) {
                    report.error(place, complaint(fault, resource.word()), self.remedy(ward, config.keepalive));
                }
            }
        }
    }

    fn remedy<'a>(&self, ward: Ward, keepalive: Duration) -> Phrase<'a> {
        match ward {
            Ward::Vip | Ward::VipBesideBeats => {
                say("send the beats over another interface, or add a `stonith_host` line to ha.cf")
            }
            Ward::Lone => {
                say("put it in a group with an address of its own LAN, or add a `stonith_host` line to ha.cf")
            }
            Ward::Companion if self.watchdog.is_some() => {
                let enough = lease::enough_for_a_watchdog(keepalive);
                say("the watchdog bites too late: make deadtime at least {}, or add a `stonith_host` line").with(enough)
            }
            Ward::Companion => say("add `watchdog /dev/watchdog` or a `stonith_host` line to ha.cf"),
        }
    }
}

fn complaint(fault: Fault, word: &str) -> Phrase<'_> {
    say(match fault {
        Fault::DaemonKilled => "`exclusive on`: nothing ends `{}` when the daemon is killed or frozen",
        Fault::DaemonFrozen | Fault::MachineFrozen => "`exclusive on`: nothing ends `{}` when its owner is frozen",
        Fault::CablesCut => "`exclusive on`: nothing keeps `{}` from a second owner when the links are cut",
    })
    .with(word)
}

/// The value of the last `exclusive` line.
fn place_of_exclusive<'a>(ha_cf: &Source<'a>) -> Place<'a> {
    let place = |(number, text)| {
        let mut words = Words::new(number, text, is_blank, true);
        words.next().filter(|word| word.text == "exclusive")?;
        words.next().map(|value| value.place)
    };
    lines(ha_cf.text).filter_map(place).last().unwrap_or_else(|| Place::end_of(ha_cf.text))
}
