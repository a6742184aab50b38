//! Faults of the service LAN, and cables that are pulled.

use crate::Side;
use crate::kind::Kind;
use crate::timeline::span;
use crate::world::{What, World};
use lubdub::time::{Duration, Instant};

impl World {
    /// Something of the way between the nodes over the service LAN.
    pub(super) fn harm_lan(&mut self, side: Side) {
        let until = self.until();
        let variety = self.rng.below(6);
        let port = &mut self.lan.ports[side];
        let variety = match variety {
            0 => {
                port.dead_until = until;
                "a port without carrier"
            }
            1 => {
                port.deaf_out_until = until;
                "nothing out of a port"
            }
            2 => {
                port.deaf_in_until = until;
                "nothing into a port"
            }
            3 => {
                port.split_until = until;
                "one way between the nodes"
            }
            _ => {
                self.lan.ports.iter_mut().for_each(|port| port.split_until = until);
                "both ways between the nodes"
            }
        };
        self.tally.count(Kind::LanFault);
        self.tally.variety(Kind::LanFault, variety);
        let lasts = span(until.since(self.now));
        self.relate(format_args!("service LAN of node{}: {variety}, for {lasts}", side + 1));
        self.changes_lan_until(until);
    }

    /// A switch reboots, and with it whatever goes through it.
    pub(super) fn reboot_switch(&mut self) {
        let until = self.until();
        self.lan.down_until = until;
        self.tally.count(Kind::Switch);
        if let Some(link) = self.scenario.shared {
            self.tally.variety(Kind::Switch, "with a heartbeat link");
            self.cut_both(link, until);
        }
        if self.rng.percent(50) {
            self.tally.variety(Kind::Switch, "with every link");
            (0..self.scenario.links.len()).for_each(|link| self.cut_both(link, until));
        }
        self.relate(format_args!("the switch reboots for {}", span(until.since(self.now))));
        self.changes_lan_until(until);
    }

    fn cut_both(&mut self, link: usize, until: Instant) {
        self.media.ways.iter_mut().for_each(|ways| ways[link].cut_until = ways[link].cut_until.max(until));
    }

    pub(super) fn hush(&mut self) {
        self.lan.quiet_until = self.until();
        self.tally.count(Kind::Quiet);
        let until = self.lan.quiet_until;
        self.relate(format_args!("the other stations are silent for {}", span(until.since(self.now))));
        self.changes_lan_until(until);
    }

    pub(super) fn squat(&mut self) {
        self.lan.squatter_until = self.until();
        let lasts = self.lan.squatter_until.since(self.now);
        self.relate(format_args!("somebody else answers for the VIPs for {}", span(lasts)));
    }

    fn changes_lan_until(&mut self, until: Instant) {
        self.after(Duration::ZERO, What::LanChanges);
        self.at(until, What::LanChanges);
    }

    /// One cable is pulled, or all of them at once; some show it at both ends.
    pub(super) fn unplug(&mut self) {
        let until = self.until();
        let links = self.scenario.links.len();
        let all = self.rng.percent(50);
        let one = self.rng.index(links);
        for link in (0..links).filter(|link| all || *link == one) {
            self.unplugged[link] = until;
            self.cut_both(link, until);
        }
        self.tally.count(Kind::Unplug);
        self.tally.variety(Kind::Unplug, if all { "every cable" } else { "one cable" });
        let which = if all { "every cable".to_owned() } else { format!("cable {one}") };
        self.relate(format_args!("{which} is pulled for {}", span(until.since(self.now))));
        let noticed = self.rng.magnitude(Duration::from_millis(5));
        self.after(noticed, What::LinesChange);
        self.at(until, What::LinesChange);
    }
}
