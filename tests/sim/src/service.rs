//! What a daemon does on the service LAN: it asks for VIPs, hears who answers or announces, and knows whether it could.

use crate::Side;
use crate::appliance::Appliance;
use crate::kind::Kind;
use crate::world::{What, World};
use lubdub::lease::PROBE_WAIT;
use lubdub::node::{By, Eyes, Groups, Input};
use lubdub::time::{Duration, Instant};
use std::collections::VecDeque;

/// Probes before it asks more slowly.
const HURRIED: u32 = 10;
/// The least pause between slow probes.
const SLOW: Duration = Duration::from_millis(100);
/// A few stations know the answer in this time, or nobody does.
const TRAVEL: Duration = Duration::from_micros(400);
/// What a socket keeps for a daemon that does not read.
const HEARD_MAX: usize = 256;

/// What somebody says of a group's VIP.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// That it has it.
    Has(By),
    /// The peer: whether anybody has it.
    Asks,
}

/// What a daemon sees of the service LAN.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The groups that it asks for.
    pub looking: Groups,
    /// Somebody else was heard there in this run.
    knows_stations: bool,
    /// And since the looking began, or since the answers stopped.
    heard_station: bool,
    /// Probes since something changed.
    probes: u32,
    /// The VIP was answered for: since the last probe, and between that and the one before.
    answered: [bool; 2],
    /// A probe is to come, the one of this number.
    scheduled: bool,
    round: u64,
    /// Since when no answer of a `ping` node gets here, on the world's clock, and when the daemon knows.
    unreached: Option<(Instant, Instant)>,
    /// What it has told its node.
    told: Option<Eyes>,
    /// Answers, announcements and questions that it has not read.
    heard: VecDeque<(u8, Word)>,
}

impl World {
    /// The daemon looks at carrier and stations; what is new is told.
    pub(crate) fn see(&mut self, side: Side) -> bool {
        let eyes = self.eyes(side);
        let it = &mut self.boxes[side];
        if !it.awake() || !it.read.guard.probes || it.sight.told == Some(eyes) {
            return false;
        }
        if it.sight.told.replace(eyes).is_some() {
            self.relate(format_args!("node{}'s eyes are {eyes:?}", side + 1));
        }
        let vips = Appliance::vips(&self.scenario);
        for group in (0..Groups::BITS as u8).filter(|group| vips >> group & 1 != 0) {
            let (oracle, _) = self.watch();
            oracle.sees(side, usize::from(group), eyes);
            self.tell(side, Input::Eyes { group, eyes });
        }
        true
    }

    fn eyes(&self, side: Side) -> Eyes {
        let sight = &self.boxes[side].sight;
        if sight.unreached.is_some_and(|(_, known)| self.now >= known) {
            Eyes::Silent
        } else if !self.lan.has_carrier(side, self.now) {
            Eyes::Cut
        } else if sight.looking != 0 && (sight.knows_stations || self.scenario.pings) && !sight.heard_station {
            Eyes::Closed
        } else {
            Eyes::Open
        }
    }

    /// Something has changed on the service LAN, or may have: each daemon notices, of its `ping` nodes a little later.
    pub(crate) fn lan_changed(&mut self) {
        for side in [0, 1] {
            if !self.lan.has_carrier(side, self.now) {
                self.boxes[side].sight.heard_station = false;
            }
            self.after(Duration::ZERO, What::Sees { side });
            self.note_pings(side);
        }
    }

    /// The daemon notices silence of its `ping` nodes deadtime after their last answer, which may have come as long before
    /// as the pause between two questions; where that pause is longer than deadtime, after three more questions.
    pub(crate) fn note_pings(&mut self, side: Side) {
        if !self.scenario.pings || !self.boxes[side].read.guard.probes {
            return;
        }
        if self.reaches_station(side) {
            self.boxes[side].sight.unreached = None;
        } else if self.boxes[side].sight.unreached.is_none() {
            let (deadtime, [pause, three]) = (self.scenario.timing[side].deadtime, self.scenario.ping_pace(side));
            let least = if deadtime > pause + three { deadtime - pause } else { three };
            let known = self.now + self.rng.span(least, deadtime.max(pause) + three);
            self.boxes[side].sight.unreached = Some((self.now, known));
            self.at(known, What::Sees { side });
        }
    }

    fn reaches_station(&self, side: Side) -> bool {
        (self.scenario.stations || self.scenario.pings)
            && self.lan.reaches(side, self.now)
            && self.lan.quiet_until <= self.now
    }

    /// A daemon may see something now.
    pub(crate) fn sees(&mut self, side: Side) {
        let reaches = self.reaches_station(side);
        let sight = &mut self.boxes[side].sight;
        sight.knows_stations |= reaches;
        if self.see(side) {
            self.turn(side);
        }
    }

    /// A station has answered a question of before.
    pub(crate) fn hears_station(&mut self, side: Side) {
        self.boxes[side].sight.heard_station = true;
        self.sees(side);
    }

    /// The node wants VIPs asked for.
    pub(crate) fn look_for(&mut self, side: Side, groups: Groups) {
        let (oracle, scene) = self.watch();
        oracle.looks(&scene, side, groups);
        let sight = &mut self.boxes[side].sight;
        if sight.looking == 0 {
            (sight.heard_station, sight.answered) = (false, [false; 2]);
        }
        (sight.looking, sight.probes) = (groups, 0);
        if groups != 0 && !sight.scheduled {
            self.schedule_probe(side, Duration::ZERO);
        }
    }

    /// The daemon asks for each VIP, and along with it for the stations that it knows.
    pub(crate) fn probe(&mut self, side: Side, round: u64) {
        let it = &mut self.boxes[side];
        if it.sight.round != round {
            return;
        }
        if it.sight.looking == 0 || !it.awake() {
            it.sight.scheduled = false;
            return;
        }
        self.note_streak(side);
        let looking = self.boxes[side].sight.looking;
        for group in (0..self.scenario.preferred.len()).filter(|group| looking >> group & 1 != 0) {
            self.ask(side, group);
        }
        if self.reaches_station(side) {
            let run = self.boxes[side].run;
            self.after(TRAVEL.part(2), What::HearsStation { side, run });
        }
        self.sees(side);
        self.probe_again(side);
    }

    fn probe_again(&mut self, side: Side) {
        let slow = self.scenario.timing[side].keepalive.max(SLOW);
        let lag = Duration::from_micros(self.rng.below(self.scenario.lag.as_micros() + 1));
        let hurried = self.boxes[side].sight.probes < HURRIED;
        self.schedule_probe(side, if hurried { PROBE_WAIT } else { slow } + lag);
        if !hurried {
            let (run, round) = (self.boxes[side].run, self.boxes[side].sight.round);
            self.after(PROBE_WAIT + lag, What::Settles { side, run, round });
        }
    }

    fn schedule_probe(&mut self, side: Side, after: Duration) {
        let it = &mut self.boxes[side];
        it.sight.scheduled = true;
        it.sight.round += 1;
        let (run, round) = (it.run, it.sight.round);
        self.after(after, What::Probes { side, run, round });
    }

    /// A slow probe has had its time: when the answers have stopped, or begun, the next one comes at once.
    pub(crate) fn settle_probe(&mut self, side: Side, round: u64) {
        let it = &self.boxes[side];
        let [now, before] = it.sight.answered;
        if it.sight.round == round && now != before && it.awake() {
            self.schedule_probe(side, Duration::ZERO);
        }
    }

    /// When the answers stop, or begin, the asking is hurried again; when they stop the proof of before is void.
    fn note_streak(&mut self, side: Side) {
        let sight = &mut self.boxes[side].sight;
        let [now, before] = sight.answered;
        if now != before {
            sight.probes = 0;
            sight.heard_station &= now;
        }
        sight.answered = [false, now];
        sight.probes += 1;
    }

    /// One probe for the VIP of a group.
    fn ask(&mut self, side: Side, group: usize) {
        let other = 1 - side;
        let travel = Duration::from_micros(50) + self.rng.magnitude(TRAVEL);
        let it = &self.boxes[other];
        let answers = it.resources[group].vip && it.powered && !it.is_paused();
        if answers && self.lan.is_whole(self.now) {
            self.after(travel, What::Answers { to: side, group: group as u8, stranger: false });
        }
        if self.lan.carries(side, self.now) && self.boxes[other].powered {
            self.after(travel, What::Asks { to: other, group: group as u8 });
        }
        if self.lan.squatter_until > self.now && self.lan.reaches(side, self.now) {
            self.after(travel, What::Answers { to: side, group: group as u8, stranger: true });
        }
        let (oracle, scene) = self.watch();
        oracle.probed(&scene, side, group);
        self.tell(side, Input::Probed { group: group as u8 });
    }

    /// A kernel's VIP is announced.
    pub(crate) fn announce(&mut self, side: Side, group: usize) {
        let it = &self.boxes[side];
        if self.scenario.has_vip[group] && it.resources[group].vip && self.lan.carries(side, self.now) {
            let travel = Duration::from_micros(50) + self.rng.magnitude(TRAVEL);
            self.after(travel, What::Answers { to: 1 - side, group: group as u8, stranger: false });
        }
    }

    /// An answer or an announcement arrives at a node's interface.
    pub(crate) fn arrives_on_lan(&mut self, to: Side, group: u8, stranger: bool) {
        let carried = if stranger { self.lan.reaches(to, self.now) } else { self.lan.carries(1 - to, self.now) };
        let it = &mut self.boxes[to];
        let Some(node) = it.node.as_ref().filter(|_| carried && it.read.guard.probes) else { return };
        if it.sight.heard.len() == HEARD_MAX {
            return;
        }
        // A MAC that the peer has not told is a stranger's, whoever's it is.
        let by = if stranger || node.peer_macs().is_empty() { By::Stranger } else { By::Peer };
        if stranger {
            self.tally.count(Kind::Squatter);
        }
        it.sight.heard.push_back((group, Word::Has(by)));
        self.turn(to);
    }

    /// A question of the other node arrives: of a MAC that the peer has not told it is nobody's.
    pub(crate) fn question_arrives(&mut self, to: Side, group: u8) {
        let carried = self.lan.carries(1 - to, self.now);
        let it = &mut self.boxes[to];
        let known = it.node.as_ref().is_some_and(|node| !node.peer_macs().is_empty());
        if carried && known && it.read.guard.probes && it.sight.heard.len() < HEARD_MAX {
            it.sight.heard.push_back((group, Word::Asks));
            self.turn(to);
        }
    }

    /// Reads one thing that the service LAN has brought.
    pub(crate) fn read_lan(&mut self, side: Side) -> bool {
        if self.see(side) {
            return true;
        }
        let it = &mut self.boxes[side];
        let Some((group, word)) = it.sight.heard.pop_front() else { return false };
        let Word::Has(by) = word else {
            let (oracle, scene) = self.watch();
            oracle.asked(&scene, side);
            self.tell(side, Input::Asked { group });
            return true;
        };
        it.sight.answered[0] |= it.sight.looking >> group & 1 != 0;
        let (oracle, scene) = self.watch();
        oracle.answered(&scene, side, usize::from(group), by);
        self.tell(side, Input::Answered { group, by });
        true
    }

    /// The daemon goes on: what it asks for is asked for again.
    pub(crate) fn looks_again(&mut self, side: Side) {
        let sight = &self.boxes[side].sight;
        if sight.looking != 0 && !sight.scheduled {
            self.schedule_probe(side, Duration::ZERO);
        }
    }
}
