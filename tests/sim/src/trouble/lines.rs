//! Faults of the links, and what strangers send on them.

use crate::Side;
use crate::frame::Parcel;
use crate::kind::Kind;
use crate::timeline::span;
use crate::world::{What, World};
use lubdub::node::LinkKind;
use lubdub::time::Duration;

impl World {
    fn choose_link(&mut self, serial: bool) -> Option<usize> {
        let fits = |link: &LinkKind| matches!(link, LinkKind::Serial { .. }) == serial;
        let links: Vec<_> = (0..).zip(&self.scenario.links).filter(|(_, link)| fits(link)).map(|(n, _)| n).collect();
        (!links.is_empty()).then(|| self.rng.pick(&links))
    }

    pub(super) fn disturb_cable(&mut self, kind: Kind, side: Side) {
        let Some(link) = self.choose_link(true) else { return };
        self.tally.count(kind);
        let until = self.until();
        match kind {
            Kind::WrongBaud | Kind::Loop | Kind::Echo => {
                self.relate(format_args!(
                    "{kind:?} on link {link} of node{} for {}",
                    side + 1,
                    span(until.since(self.now))
                ));
            }
            _ => self.relate(format_args!("{kind:?} on link {link} to node{}", side + 1)),
        }
        match kind {
            Kind::WrongBaud => self.media.ways.iter_mut().for_each(|ways| ways[link].garbled_until = until),
            Kind::Loop => {
                let way = &mut self.media.ways[side][link];
                way.looped_until = until;
                if self.rng.percent(70) {
                    way.cut_until = until;
                }
            }
            Kind::Echo => self.media.ways[side][link].echoed_until = until,
            Kind::Console => {
                let text = b"\r\nnode login: \x07[ 1234.5] usb 1-1: new device\r\n";
                self.boxes[side].receive(link, Parcel::Raw(text.to_vec()));
                self.turn(side);
            }
            _ => {
                let len = 1 + self.rng.index(600);
                let bytes = (0..len).map(|_| self.rng.bits() as u8).collect();
                self.boxes[side].receive(link, Parcel::Raw(bytes));
                self.turn(side);
            }
        }
    }

    pub(super) fn cut_link(&mut self, kind: Kind, side: Side) {
        let link = self.rng.index(self.scenario.links.len());
        self.tally.count(kind);
        let until = self.until();
        let both = self.rng.percent(50);
        let ways = if both { "both ways" } else { "one way" };
        self.tally.variety(kind, ways);
        let lasts = span(until.since(self.now));
        self.relate(format_args!("{kind:?} of link {link} from node{}, {ways}, for {lasts}", side + 1));
        for from in [0, 1] {
            if both || from == side {
                let way = &mut self.media.ways[from][link];
                if kind == Kind::Cut { way.cut_until = until } else { way.burst_until = until }
            }
        }
    }

    pub(super) fn begin_flapping(&mut self, from: Side) {
        let link = self.rng.index(self.scenario.links.len());
        let times = 2 + self.rng.below(30);
        self.tally.count(Kind::Flap);
        self.relate(format_args!("link {link} from node{} comes and goes {times} times", from + 1));
        self.after(Duration::ZERO, What::Flaps { from, link, times });
    }

    /// Down for a while, up for a while, and again.
    pub(crate) fn flap(&mut self, from: Side, link: usize, times: u64) {
        if times == 0 || self.calm {
            return;
        }
        let most = self.scenario.keepalive().times(4);
        let (down, up) = (self.rng.magnitude(most), self.rng.magnitude(most));
        let way = &mut self.media.ways[from][link];
        way.cut_until = way.cut_until.max(self.now + down);
        self.after(down + up, What::Flaps { from, link, times: times - 1 });
    }

    pub(super) fn slow_segment(&mut self, kind: Kind, from: Side) {
        let Some(link) = self.choose_link(false) else { return };
        self.tally.count(kind);
        let until = self.until();
        // A beat still makes the round trip within either's deadtime: beyond that each must take the other for deaf.
        let timing = self.scenario.timing;
        let least = timing[0].deadtime.min(timing[1].deadtime);
        let most = (least - self.scenario.keepalive().times(2)).part(3);
        let extra = self.rng.magnitude(most);
        let both = self.rng.percent(50);
        let (longer, lasts) = (span(extra), span(until.since(self.now)));
        self.relate(format_args!("{kind:?} of {longer} on link {link} from node{}, for {lasts}", from + 1));
        for side in [0, 1] {
            if both || side == from {
                let way = &mut self.media.ways[side][link];
                let (delay, jitter) =
                    if kind == Kind::Delay { (extra, Duration::ZERO) } else { (Duration::ZERO, extra) };
                (way.late_until, way.delay, way.jitter) = (until, delay, jitter);
            }
        }
    }

    pub(super) fn partition(&mut self, side: Side) {
        self.tally.count(Kind::Partition);
        let (one, other) = (self.until(), self.until());
        let (variety, ends) = match self.rng.below(4) {
            0 => ("in one direction", [one, self.now]),
            1 => ("each direction for its own time", [one, other]),
            _ => ("in both directions", [one, one]),
        };
        self.tally.variety(Kind::Partition, variety);
        let [to, back] = ends.map(|end| span(end.since(self.now)));
        self.relate(format_args!("partition: nothing from node{} for {to}, nothing to it for {back}", side + 1));
        for (from, until) in [(side, ends[0]), (1 - side, ends[1])] {
            self.media.ways[from].iter_mut().for_each(|way| way.cut_until = way.cut_until.max(until));
        }
    }

    /// Each link carries in one direction only: no partition, as long as two of them make a round trip.
    pub(super) fn cut_crosswise(&mut self, side: Side) {
        if self.scenario.links.len() < 2 {
            return;
        }
        self.tally.count(Kind::Crosswise);
        let until = self.until();
        let lasts = span(until.since(self.now));
        let to = side + 1;
        self.relate(format_args!("link 0 carries to node{to} only, and the next the other way only, for {lasts}"));
        for link in 0..self.scenario.links.len() {
            let way = &mut self.media.ways[(side + link) % 2][link];
            way.cut_until = way.cut_until.max(until);
        }
    }

    pub(super) fn intrude(&mut self, kind: Kind, to: Side) {
        let link = self.rng.index(self.scenario.links.len());
        let times = 1 + self.rng.below(60);
        self.relate(format_args!("{times} x {kind:?} to node{} on link {link}", to + 1));
        let what = match kind {
            Kind::Flood => What::Floods { to, link, times },
            Kind::Forgery => What::Forges { to, link, times },
            _ => What::Replays { to, link, times },
        };
        self.after(Duration::ZERO, what);
    }
}
