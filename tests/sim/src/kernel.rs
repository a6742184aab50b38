//! What a kernel does by itself: it ends VIPs that nobody renews, whether a daemon lives, is frozen or is dead.

use crate::Side;
use crate::appliance::Report;
use crate::kind::Kind;
use crate::world::{What, World};
use lubdub::lease::Kind as Lease;
use lubdub::time::{Duration, Instant};

/// q and g as the rules have them, and not as the core does, which may be wrong.
const RENEWAL_MAX: Duration = Duration::from_millis(5);
const ADDRESS_LATE: Duration = Duration::from_millis(1_350);
const FINE_LATE: Duration = Duration::from_millis(5);

/// w, likewise, and r as a part.
const PROBE_WAIT: Duration = Duration::from_millis(10);
const DRIFT_PART: u64 = 1_000;

/// S of a lease of this length, as the rules have it: no takeover by silence comes sooner. Zero where there is no lease.
pub fn silence(length: Duration) -> Duration {
    if length == Duration::ZERO {
        return length;
    }
    let own_clock = length + late(length);
    own_clock + own_clock.part(DRIFT_PART) + RENEWAL_MAX + PROBE_WAIT
}

/// g.
fn late(length: Duration) -> Duration {
    match Lease::of(length) {
        Lease::Address => ADDRESS_LATE,
        Lease::Fine => FINE_LATE,
    }
}

/// How long a VIP lives, on its machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// What the kernel says.
    pub until: Instant,
    /// What it does.
    pub gone: Instant,
}

impl World {
    /// The daemon renews every VIP that it holds, so that they end then; unless its turn was late.
    pub(crate) fn renew(&mut self, side: Side, until: Instant) {
        let delay = self.rng.magnitude(RENEWAL_MAX);
        if self.strikes(Kind::LateShell, 2) {
            self.relate(format_args!("node{} is too late to renew", side + 1));
            return;
        }
        let length = until.since(self.boxes[side].clock.local(self.now));
        let leave = (until < Instant::FAR).then_some((until + delay, length));
        let lifetime = leave.map(|leave| self.lifetime(leave));
        let it = &mut self.boxes[side];
        (it.leave, it.renewed) = (leave, self.now);
        let groups = it.resources.len();
        let leased = it.resources.iter_mut().zip(&self.scenario.has_vip).filter(|(_, has)| **has);
        for (resource, _) in leased.filter(|(resource, _)| resource.ours && resource.vip) {
            resource.lifetime = lifetime;
        }
        (0..groups).for_each(|group| self.expect_end(side, group));
        for group in 0..groups {
            if std::mem::take(&mut self.boxes[side].resources[group].waits) {
                self.add_vip(side, group);
            }
        }
    }

    /// A kernel with a lease of this length ends it late by the g of its kind at most.
    fn lifetime(&mut self, (until, length): (Instant, Duration)) -> Lifetime {
        let late = late(length);
        let late = match self.rng.below(4) {
            _ if !self.scenario.kinds.has(Kind::LateKernel) => Duration::ZERO,
            0 => late,
            _ => self.rng.span(Duration::ZERO, late),
        };
        Lifetime { until, gone: until + late }
    }

    /// A VIP is added, with what remains of the lease. Where nothing remains, or nothing was renewed yet, the start waits
    /// for the next renewal, as that of the daemon does (src/host/vip/lease.rs).
    pub(crate) fn add_vip(&mut self, side: Side, group: usize) {
        if !self.scenario.has_vip[group] {
            return self.boxes[side].resources[group].vip = true;
        }
        let it = &mut self.boxes[side];
        let local = it.clock.local(self.now);
        let leave = it.leave.filter(|(until, _)| local < *until);
        if it.read.guard.lease.is_some() && leave.is_none() {
            return it.resources[group].waits = true;
        }
        let lifetime = leave.map(|leave| self.lifetime(leave));
        let resource = &mut self.boxes[side].resources[group];
        (resource.vip, resource.lifetime) = (true, lifetime);
        self.expect_end(side, group);
        self.announce(side, group);
    }

    fn expect_end(&mut self, side: Side, group: usize) {
        let it = &self.boxes[side];
        if let Some(life) = it.resources[group].lifetime.filter(|_| it.resources[group].vip) {
            let at = it.clock.world(life.gone).max(self.now);
            // One event a group at a time is enough: it finds a later end when it comes. A shorter lease ends earlier.
            if self.ends[side][group].is_none_or(|end| at < end) {
                self.ends[side][group] = Some(at);
                self.at(at, What::Expires { side, group });
            }
        }
    }

    /// The kernel looks whether a VIP is to go.
    pub(crate) fn expire(&mut self, side: Side, group: usize) {
        if self.ends[side][group].is_none_or(|end| self.now < end) {
            return;
        }
        self.ends[side][group] = None;
        let it = &mut self.boxes[side];
        let local = it.clock.local(self.now);
        let resource = &mut it.resources[group];
        let Some(life) = resource.lifetime.filter(|_| resource.vip) else { return };
        if it.frozen.is_some_and(|frozen| frozen.whole_machine) {
            return;
        }
        if local < life.gone {
            return self.expect_end(side, group);
        }
        (resource.vip, resource.lifetime) = (false, None);
        if life.gone > life.until {
            self.tally.count(Kind::LateKernel);
        }
        self.relate(format_args!("node{}'s kernel ends the VIP of group {group}", side + 1));
        if self.boxes[side].node.is_some() {
            self.boxes[side].reports.push_back(Report::Lapsed(group as u8));
            self.turn(side);
        }
    }

    /// The machine goes on, and its timers with it.
    pub(crate) fn kernel_resumes(&mut self, side: Side) {
        (0..self.scenario.preferred.len()).for_each(|group| self.expect_end(side, group));
    }

    /// Whether a fault of this kind happens now, in so many of a hundred cases.
    pub(crate) fn strikes(&mut self, kind: Kind, percent: u64) -> bool {
        let struck = !self.calm && self.scenario.kinds.has(kind) && self.rng.percent(percent);
        if struck {
            self.tally.count(kind);
        }
        struck
    }
}
