//! When a node wants to be woken, and why.

use super::Node;
use super::decide::failback;
use super::io::Why;
use super::leave::Leaving;
use crate::time::Instant;

impl Node {
    pub(super) fn deadline(&self) -> (Instant, Why) {
        if self.judge {
            return (self.now, Why::Judge);
        }
        let (now, setup) = (self.now, &self.setup);
        let mut soonest = self.speech_deadline();
        let mut at = |at: Option<Instant>, why| {
            if let Some(at) = at.filter(|at| *at > now && *at < soonest.0) {
                soonest = (at, why);
            }
        };
        at(Some(self.peer.look_at(now, setup)).filter(|_| setup.guard.probes), Why::Look);
        for has_vip in [false, true] {
            at(self.peer.goodbye_at(setup, has_vip), Why::Link);
        }
        at(Some(self.peer.silent_since + self.peer.patience(setup)), Why::Judge);
        at(self.peer.untrusted_until(setup), Why::Link);
        at(self.peer.asks_until(setup), Why::Link);
        at(self.peer.asked.again(), Why::Link);
        for link in &self.links {
            at(link.heard_until(setup.timing.deadtime), Why::Link);
        }
        let failback = failback(&self.peer, setup);
        for group in &self.groups {
            at(Some(self.peer.takeover_at(now, setup, group.has_vip(), group.is_granted())), Why::Judge);
            at(group.sight.silent_at(), Why::Judge);
            for due in group.deadlines(&setup.guard, setup.timing.deadtime) {
                at(Some(due), Why::Group);
            }
            at(failback.map(|(since, least)| group.failback_at(now, since, least)), Why::Failback);
        }
        at(self.mute_until(), Why::Group);
        if let Some(Leaving::Goodbye { until, .. }) = self.leaving {
            at(Some(until), Why::Goodbye);
        }
        soonest
    }
}
