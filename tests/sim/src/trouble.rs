//! Injects faults: which one, on whom, for how long.

use crate::Side;
use crate::appliance::Frozen;
use crate::frame::Parcel;
use crate::kind::Kind;
use crate::world::{What, World};
use lubdub::node::{LinkKind, Order, Untrusted};
use lubdub::time::{Duration, Instant};

impl World {
    /// Something goes wrong, one of what this seed has.
    pub(crate) fn incident(&mut self, recurs: bool) {
        if self.calm {
            return;
        }
        if recurs {
            let pace = self.scenario.pace;
            let pause = self.rng.span(pace.part(10), pace);
            self.after(pause, What::Incident { recurs });
        }
        let kinds: Vec<_> = self.scenario.kinds.iter().collect();
        if !kinds.is_empty() {
            let kind = self.rng.pick(&kinds);
            self.inject(kind);
        }
    }

    /// The worst moment for an incident is just after a transition.
    pub(crate) fn provoke(&mut self) {
        if !self.calm && self.rng.percent(self.scenario.spite) {
            let most = self.scenario.keepalive().times(2);
            let after = self.rng.magnitude(most);
            self.after(after, What::Incident { recurs: false });
        }
    }

    fn inject(&mut self, kind: Kind) {
        let side = self.rng.index(2);
        match kind {
            Kind::Noise | Kind::Console | Kind::WrongBaud | Kind::Loop => self.disturb_cable(kind, side),
            Kind::Cut | Kind::BurstLoss => self.cut_link(kind, side),
            Kind::Partition => self.partition(side),
            Kind::Flood | Kind::Forgery | Kind::Replay => self.intrude(kind, side),
            Kind::Crash | Kind::PowerLoss => self.die(kind, side),
            Kind::Freeze | Kind::Pause => self.freeze(kind, side),
            Kind::Orders => self.command(side),
            Kind::Leave => {
                self.tally.count(kind);
                self.order(side, Order::Leave);
            }
            Kind::Stranger => self.become_stranger(side),
            // The steady kinds strike by themselves.
            _ => {}
        }
    }

    /// Shorter or longer than deadtime, alike.
    fn fault_span(&mut self) -> Duration {
        let deadtime = self.scenario.deadtime();
        match self.rng.below(4) {
            0 => self.rng.magnitude(deadtime),
            1 => self.rng.span(deadtime.part(2), deadtime.times(2)),
            2 => self.rng.span(Duration::ZERO, deadtime.times(10)),
            _ => self.rng.magnitude(self.scenario.initdead().times(3)),
        }
    }

    fn until(&mut self) -> Instant {
        self.now + self.fault_span()
    }

    fn choose_link(&mut self, serial: bool) -> Option<usize> {
        let fits = |link: &LinkKind| matches!(link, LinkKind::Serial { .. }) == serial;
        let links: Vec<_> = (0..).zip(&self.scenario.links).filter(|(_, link)| fits(link)).map(|(n, _)| n).collect();
        (!links.is_empty()).then(|| self.rng.pick(&links))
    }

    fn disturb_cable(&mut self, kind: Kind, side: Side) {
        let Some(link) = self.choose_link(true) else { return };
        self.tally.count(kind);
        let until = self.until();
        self.timeline.line(self.now, format_args!("{kind:?} on link {link} from node{} until {until:?}", side + 1));
        match kind {
            Kind::WrongBaud => self.media.ways.iter_mut().for_each(|ways| ways[link].garbled_until = until),
            Kind::Loop => {
                let way = &mut self.media.ways[side][link];
                way.looped_until = until;
                if self.rng.percent(70) {
                    way.cut_until = until;
                }
            }
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

    fn cut_link(&mut self, kind: Kind, side: Side) {
        let link = self.rng.index(self.scenario.links.len());
        self.tally.count(kind);
        let until = self.until();
        let both = self.rng.percent(50);
        let ways = if both { "both ways" } else { "one way" };
        self.timeline
            .line(self.now, format_args!("{kind:?} of link {link} from node{}, {ways}, until {until:?}", side + 1));
        for from in [0, 1] {
            if both || from == side {
                let way = &mut self.media.ways[from][link];
                if kind == Kind::Cut { way.cut_until = until } else { way.burst_until = until }
            }
        }
    }

    fn partition(&mut self, side: Side) {
        self.tally.count(Kind::Partition);
        let (one, other) = (self.until(), self.until());
        // One direction only, both alike, or each for its own time.
        let ends = match self.rng.below(4) {
            0 => [one, self.now],
            1 => [one, other],
            _ => [one, one],
        };
        self.timeline.line(self.now, format_args!("partition from node{} until {ends:?}", side + 1));
        for (from, until) in [(side, ends[0]), (1 - side, ends[1])] {
            self.media.ways[from].iter_mut().for_each(|way| way.cut_until = way.cut_until.max(until));
        }
    }

    fn intrude(&mut self, kind: Kind, to: Side) {
        let link = self.rng.index(self.scenario.links.len());
        let times = 1 + self.rng.below(60);
        self.timeline.line(self.now, format_args!("{times} x {kind:?} to node{} on link {link}", to + 1));
        let what = match kind {
            Kind::Flood => What::Floods { to, link, times },
            Kind::Forgery => What::Forges { to, link, times },
            _ => What::Replays { to, link, times },
        };
        self.after(Duration::ZERO, what);
    }

    /// The daemon dies; what it started runs on until the kernel ends it.
    pub(crate) fn crash(&mut self, side: Side) {
        self.timeline.line(self.now, format_args!("node{}'s daemon is killed", side + 1));
        self.boxes[side].kill();
        self.schedule_lapse(side);
    }

    fn die(&mut self, kind: Kind, side: Side) {
        if self.boxes[side].node.is_none() {
            return;
        }
        self.tally.count(kind);
        self.crash(side);
        if kind == Kind::PowerLoss {
            self.timeline.line(self.now, format_args!("node{} has no power", side + 1));
            self.boxes[side].resources.fill(Default::default());
        }
        let life = self.boxes[side].life;
        let after = self.fault_span();
        self.after(after, What::Boots { side, life, mask: None });
    }

    fn freeze(&mut self, kind: Kind, side: Side) {
        if !self.boxes[side].awake() {
            return;
        }
        self.tally.count(kind);
        let whole_machine = kind == Kind::Pause;
        let span = self.fault_span();
        self.timeline.line(self.now, format_args!("{kind:?} of node{} for {span:?}", side + 1));
        self.boxes[side].frozen = Some(Frozen { since: self.now, whole_machine });
        if !whole_machine {
            self.schedule_lapse(side);
        }
        let life = self.boxes[side].life;
        self.after(span, What::Thaws { side, life });
        let (oracle, scene) = self.watch();
        oracle.disturbed(&scene, side);
    }

    pub(crate) fn thaw(&mut self, side: Side) {
        let Some(frozen) = self.boxes[side].frozen.take() else { return };
        self.timeline.line(self.now, format_args!("node{} thaws", side + 1));
        let it = &mut self.boxes[side];
        if frozen.whole_machine {
            it.clock.stood_still(frozen.since, self.now);
            it.alarm = it.wait.map(|(until, _)| it.clock.world(until).max(self.now));
        }
        let life = it.life;
        let (oracle, scene) = self.watch();
        oracle.disturbed(&scene, side);
        if frozen.whole_machine {
            oracle.resumed(&scene, side);
        } else {
            oracle.stalled(&scene, side, scene.now.since(frozen.since));
        }
        self.after(self.scenario.deadtime(), What::PutsBack { side, life });
        if self.rng.percent(50) { self.turn(side) } else { self.alarm(side) }
    }

    fn schedule_lapse(&mut self, side: Side) {
        if let Some(lease) = self.scenario.lease {
            let sent = self.boxes[side].last_sent;
            self.at((sent + lease).max(self.now), What::Lapses { side, sent });
        }
    }

    pub(crate) fn lapse(&mut self, side: Side, sent: Instant) {
        let it = &mut self.boxes[side];
        if it.awake() || it.last_sent != sent || it.frozen.is_some_and(|frozen| frozen.whole_machine) {
            return;
        }
        it.resources.iter_mut().for_each(|resource| resource.vip = false);
        self.timeline.line(self.now, format_args!("node{}'s VIPs lapse", side + 1));
    }

    pub(crate) fn put_back(&mut self, side: Side) {
        let it = &mut self.boxes[side];
        for group in 0..it.resources.len() {
            if it.awake() && it.holds(group) {
                it.resources[group].vip = true;
            }
        }
    }

    fn command(&mut self, side: Side) {
        self.tally.count(Kind::Orders);
        let mask = 1 + self.rng.below((1 << self.scenario.preferred.len()) - 1) as u32;
        let order = match self.rng.below(8) {
            0..3 => Order::Takeover(mask),
            3..6 => Order::Standby(mask),
            6 => Order::Withdraw(mask),
            _ => Order::Clear(mask),
        };
        self.after(Duration::ZERO, What::Orders { side, order });
    }

    /// The box comes back as somebody not to be trusted.
    fn become_stranger(&mut self, side: Side) {
        if self.boxes.iter().any(|it| it.mask.is_some()) || self.boxes[side].node.is_none() {
            return;
        }
        self.tally.count(Kind::Stranger);
        self.crash(side);
        let why = self.rng.pick(&[
            Untrusted::WrongKey,
            Untrusted::OtherCluster,
            Untrusted::SameName,
            Untrusted::DifferentHaresources,
            Untrusted::OtherVersion(0),
        ]);
        // With crc nobody has a wrong key.
        let crc = self.scenario.method == lubdub::wire::auth::Method::Crc;
        let why = if crc && why == Untrusted::WrongKey { Untrusted::OtherCluster } else { why };
        let life = self.boxes[side].life;
        let after = self.fault_span();
        self.after(after, What::Boots { side, life, mask: Some(why) });
    }
}
