//! The cases in which two nodes may own one resource after all.

use super::{Statement, millis};
use lubdub::conf::{Fault, Link, Ward};
use lubdub::time::Duration;

/// Bits on the cable of a beat at most: 32 bytes, each with start and stop.
const BEAT_BITS: u64 = 320;

/// One case.
pub(super) struct Case {
    /// Its name in JSON.
    pub id: &'static str,
    /// Its name and what then happens, for people.
    pub text: String,
}

impl Statement<'_> {
    pub(super) fn uncovered(&self) -> Vec<Case> {
        let paths = if self.guarantee.stonith { self.unreachable_device() } else { self.paths() };
        [paths, self.thaw(), self.scripts(), self.lone_groups(), self.garbage()].into_iter().flatten().collect()
    }

    fn has(&self, ward: Ward) -> bool {
        self.resources.iter().any(|entry| entry.ward == ward)
    }

    fn links(&self) -> &'static str {
        match self.config.links.len() {
            1 => "the heartbeat link",
            2 => "both cables",
            _ => "all cables",
        }
    }

    fn paths(&self) -> Vec<Case> {
        let (links, deadtime) = (self.links(), millis(self.guarantee.deadtime));
        if !self.config.pings.is_empty() {
            let text = format!(
                "every path cut, {links} and the service LAN, while each node reaches a `ping` node: two owners until one \
                 heals"
            );
            return vec![Case { id: "every-path-cut-both-answered", text }];
        }
        let cut =
            format!("every path cut, {links} and the service LAN: two owners until one heals; `ping` nodes end it");
        let pulled = format!(
            "{links} and the service LAN pulled at once: an owner that sees no carrier gives its VIPs up after \
             {deadtime} ms"
        );
        vec![Case { id: "every-path-cut", text: cut }, Case { id: "cables-and-lan-pulled", text: pulled }]
    }

    fn unreachable_device(&self) -> Vec<Case> {
        let text = "a fencing device out of reach: no takeover until `lubdub fence confirm`".into();
        vec![Case { id: "fencing-out-of-reach", text }]
    }

    fn thaw(&self) -> Vec<Case> {
        if self.guarantee.stonith || !(self.has(Ward::Vip) || self.has(Ward::VipBesideBeats)) {
            return Vec::new();
        }
        let frame = self.config.links.iter().map(|link| match link {
            Link::Serial { baud, .. } => BEAT_BITS * 1_000_000 / u64::from((*baud).max(1)),
            Link::Broadcast { .. } => 0,
        });
        let longest = millis(self.config.keepalive + Duration::from_micros(frame.max().unwrap_or(0)));
        let watchdog = if self.config.watchdog.is_some() { ", its watchdog too" } else { "" };
        let text = format!(
            "a paused machine, whose clocks stand still{watchdog}: two answer for up to {longest} ms when it goes on"
        );
        vec![Case { id: "machine-paused", text }]
    }

    fn scripts(&self) -> Vec<Case> {
        let is_open = |ward| self.has(ward) && self.guarantee.guard(ward, Fault::DaemonKilled).is_none();
        if !is_open(Ward::Companion) && !is_open(Ward::Lone) {
            return Vec::new();
        }
        let remedy = match self.guarantee.watchdog {
            Some(_) => "a longer deadtime or `stonith_host` ends them",
            None => "`watchdog` or `stonith_host` ends them",
        };
        let text = format!("ipvsadm and scripts of a killed or frozen daemon run on beside the peer's: {remedy}");
        vec![Case { id: "scripts-run-on", text }]
    }

    fn lone_groups(&self) -> Vec<Case> {
        if self.guarantee.stonith || !self.has(Ward::Lone) {
            return Vec::new();
        }
        let links = self.links();
        let text = format!("a group that no probe can ask for, with {links} cut: two owners until one heals");
        vec![Case { id: "nothing-to-ask-for", text }]
    }

    /// Whoever is on the Ethernet can hold back the start of what cannot be asked for, and nothing more.
    fn garbage(&self) -> Vec<Case> {
        let on_ethernet = |link: &Link<'_>| matches!(link, Link::Broadcast { .. });
        if !self.config.links.iter().any(on_ethernet) || self.config.groups.iter().all(lubdub::conf::Group::has_vip) {
            return Vec::new();
        }
        let text = "unauthentic Ethernet frames: as long as they last, a group without a VIP is not started".into();
        vec![Case { id: "garbage-holds-back", text }]
    }
}
