//! Drives a node as its contract says and as the daemon's loop does: one source at a time, each output carried out
//! before the next is asked for, every link read before silence is judged.

use crate::Side;
use crate::appliance::{Appliance, Report, Step};
use crate::frame::{self, Frame, Parcel};
use crate::kind::Kind;
use crate::medium::Chance;
use crate::oracle::Before;
use crate::told;
use crate::world::{What, World};
use lubdub::journal::Told;
use lubdub::node::{Event, Input, Output, Setup, Untrusted, Verb, Why};
use lubdub::time::Duration;
use std::cell::Cell;
use std::rc::Rc;

/// Bytes read at a time.
const READ_MAX: usize = 2_048;
/// Reads of one link before silence is judged.
const SWEEPS_MAX: usize = 64;
/// Outputs between two waits that no sound node needs.
const OUTPUTS_MAX: usize = 2_000;

impl World {
    /// Lets a daemon do what there is to do.
    pub(crate) fn turn(&mut self, side: Side) {
        while self.boxes[side].awake() && self.one_source(side) {
            self.wake_if_due(side);
        }
    }

    /// Handles one thing that is ready; any of them may be the first.
    fn one_source(&mut self, side: Side) -> bool {
        let links = self.scenario.links.len();
        let first = self.rng.index(links + 1);
        for source in (first..=links).chain(0..first) {
            if source == links {
                if self.report(side) || self.read_lan(side) {
                    return true;
                }
            } else if self.read(side, source) {
                return true;
            }
        }
        false
    }

    /// Tells one thing that steps, kernel, lines or devices have brought.
    fn report(&mut self, side: Side) -> bool {
        let Some(report) = self.boxes[side].reports.pop_front() else { return false };
        let input = match report {
            Report::Done(group, verb, ok) => Input::Done { group, verb, ok },
            Report::Found(group, until) => Input::Found { group, until },
            Report::Lapsed(group) => Input::Lapsed { group },
            Report::Line(link, lost) => {
                let (oracle, scene) = self.watch();
                oracle.line(&scene, side, usize::from(link), lost);
                Input::Line { link, lost }
            }
            Report::Fenced => {
                let (oracle, scene) = self.watch();
                oracle.fenced(&scene, side);
                Input::Fenced
            }
        };
        self.tell(side, input);
        true
    }

    fn wake_if_due(&mut self, side: Side) {
        let it = &self.boxes[side];
        if it.awake() && it.wait.is_some_and(|(until, _)| until <= it.clock.local(self.now)) {
            self.wake(side);
        }
    }

    /// The alarm rings.
    pub(crate) fn alarm(&mut self, side: Side) {
        self.turn(side);
        self.wake_if_due(side);
    }

    fn wake(&mut self, side: Side) {
        let judge = self.boxes[side].wait.is_some_and(|(_, why)| why == Why::Judge);
        if judge {
            for link in 0..self.scenario.links.len() {
                for _ in 0..SWEEPS_MAX {
                    if !self.read(side, link) {
                        break;
                    }
                }
            }
            while self.boxes[side].awake() && self.read_lan(side) {}
        }
        if self.boxes[side].awake() {
            self.tell(side, Input::Wake { swept: judge });
        }
    }

    /// Reads a link once: a datagram of a segment, what there is of a cable.
    fn read(&mut self, side: Side, link: usize) -> bool {
        let it = &mut self.boxes[side];
        let Some(parcel) = it.read(link) else { return false };
        let serial = matches!(self.scenario.links[link], lubdub::node::LinkKind::Serial { .. });
        let mut bytes = parcel.bytes().to_vec();
        let mut parcels = vec![parcel];
        while serial && bytes.len() < READ_MAX {
            let Some(parcel) = it.read(link) else { break };
            bytes.extend_from_slice(parcel.bytes());
            parcels.push(parcel);
        }
        if self.timeline.has_frames() {
            for parcel in &parcels {
                match parcel {
                    Parcel::Whole(frame) => {
                        self.relate(format_args!("node{} reads on link {link} {}", side + 1, told::Frame(frame)))
                    }
                    Parcel::Raw(bytes) => {
                        self.relate(format_args!("node{} reads on link {link} {} bytes", side + 1, bytes.len()))
                    }
                }
            }
        }
        let it = &mut self.boxes[side];
        let (local, until) = (it.clock.local(self.now), it.wait.map(|(until, _)| until));
        let Some(node) = it.node.as_ref() else { return false };
        let before = Before::of(node, until.is_some_and(|until| until <= local));
        // A frame ends with its last byte, so what is told first never acts.
        let chopped = self.scenario.chops && serial && parcels.len() == 1;
        let cut = if chopped { self.rng.index(bytes.len().max(1)) } else { 0 };
        if cut > 0 {
            self.tell(side, Input::Bytes { link: link as u8, bytes: &bytes[..cut] });
        }
        let it = &mut self.boxes[side];
        if let Some(node) = &mut it.node {
            node.handle(local, Input::Bytes { link: link as u8, bytes: &bytes[cut..] });
            let others = parcels.iter().filter_map(|parcel| match parcel {
                Parcel::Whole(frame) => Some(frame).filter(|frame| frame.from != side),
                Parcel::Raw(_) => None,
            });
            // A recording with the same number may have come with it: what was heard is the one sent last.
            let heard = others.filter(|frame| before.has_heard(node, link, frame)).max_by_key(|frame| frame.number);
            it.read.forget_keys(heard.and_then(|frame| frame.key));
            let (oracle, scene) = self.watch();
            oracle.delivered(&scene, side, link, &parcels, &before);
            self.drain(side);
            self.write_down(side, Told::Input(Input::Bytes { link: link as u8, bytes: &bytes[cut..] }));
        }
        true
    }

    pub(crate) fn tell(&mut self, side: Side, input: Input<'_>) {
        let local = self.boxes[side].clock.local(self.now);
        if let Some(node) = &mut self.boxes[side].node {
            node.handle(local, input);
            self.drain(side);
            self.write_down(side, Told::Input(input));
        }
    }

    /// What its daemon was told goes into its journal.
    pub(crate) fn write_down(&mut self, side: Side, told: Told<'_, &Setup>) {
        let it = &mut self.boxes[side];
        if let (Some(journal), Some(node)) = (&mut it.journal, &it.node) {
            journal.record(told, node);
        }
    }

    pub(crate) fn drain(&mut self, side: Side) {
        let mut spoke = false;
        let mut renewal = None;
        for _ in 0..OUTPUTS_MAX {
            let Some(node) = &mut self.boxes[side].node else { return };
            let output = node.poll();
            if let Some(journal) = &mut self.boxes[side].journal {
                journal.saw(&output);
            }
            match output {
                Output::Transmit { link, frame } => {
                    spoke = true;
                    self.transmit(side, link, frame.bytes());
                }
                Output::Renew { until } => {
                    renewal = Some((until, spoke));
                    self.renew(side, until);
                }
                Output::Look { groups } => self.look_for(side, groups),
                Output::Fence { wanted } => self.fence(side, wanted),
                Output::Run { group, verb } => self.run(side, group, verb),
                Output::Note(event) => self.note(side, &event),
                Output::Left => return self.left(side),
                Output::Wait { until, why } => {
                    let lag = Duration::from_micros(self.rng.below(self.scenario.lag.as_micros() + 1));
                    let it = &mut self.boxes[side];
                    it.wait = Some((until, why));
                    it.alarm = Some(it.clock.world(until).max(self.now) + lag);
                    if let Some((until, spoke)) = renewal {
                        let (oracle, scene) = self.watch();
                        oracle.renewed(&scene, side, until, spoke);
                    }
                    return;
                }
            }
        }
        let now = self.now;
        self.oracle.accuse(now, "L11", format_args!("node{}'s outputs do not end", side + 1));
    }

    fn transmit(&mut self, side: Side, link: u8, bytes: &[u8]) {
        let it = &self.boxes[side];
        let body = frame::body(bytes).unwrap_or_default();
        let tag_len = self.scenario.method.tag_len();
        self.frames += 1;
        let beat = frame::beat(&body, tag_len);
        let frame = Rc::new(Frame {
            number: self.frames,
            from: side,
            life: it.life,
            link,
            sent: self.now,
            knows: beat.as_ref().and_then(|beat| self.oracle.echoed(side, beat.echo)),
            key: frame::key(&body),
            beat,
            delivered: Cell::new(false),
            taken: Cell::new(false),
            bytes: bytes.to_vec(),
        });
        if self.timeline.has_frames() {
            self.relate(format_args!("node{} sends on link {link} {}", side + 1, told::Frame(&frame)));
        }
        self.boxes[side].last_sent = self.now;
        self.remember(&frame);
        let (oracle, scene) = self.watch();
        oracle.said(&scene, side, &frame);
        self.carry(&frame);
    }

    fn carry(&mut self, frame: &Rc<Frame>) {
        let mut chance =
            Chance { rng: &mut self.rng, on: !self.calm, scenario: &self.scenario, tally: &mut self.tally };
        let arrivals = self.media.carry(self.now, frame, &self.scenario, &mut chance);
        for arrival in arrivals {
            let link = usize::from(frame.link);
            self.at(arrival.at, What::Arrives { to: arrival.to, link, parcel: arrival.parcel });
        }
    }

    /// What arrives as a node finds it: where one of the two speaks another version, each hears it from the other.
    pub(crate) fn as_heard(&self, to: Side, parcel: Parcel) -> Parcel {
        let other_version = |it: &Appliance| matches!(it.disguise, Some(Untrusted::OtherVersion(_)));
        match parcel {
            Parcel::Whole(frame) if frame.from != to && self.boxes.iter().any(other_version) => {
                Parcel::Raw(frame::of_other_version(&frame.bytes))
            }
            parcel => parcel,
        }
    }

    fn note(&mut self, side: Side, event: &Event) {
        self.relate(format_args!("node{} {}", side + 1, told::Told(event)));
        let (oracle, scene) = self.watch();
        oracle.noted(&scene, side, event);
        if self.by_hand {
            self.noted.push((self.now, side, *event));
        }
        if matches!(event, Event::Session { .. }) {
            self.begin_recording();
        }
        if matches!(event, Event::Group { .. } | Event::Session { .. } | Event::Peer { .. }) {
            self.provoke();
        }
    }

    fn left(&mut self, side: Side) {
        self.relate(format_args!("node{} has left", side + 1));
        let (oracle, scene) = self.watch();
        oracle.left(&scene, side);
        self.boxes[side].kill();
        if self.by_hand {
            return;
        }
        let life = self.boxes[side].life;
        let most = self.scenario.initdead().times(2);
        let after = if self.calm { Duration::from_millis(5) } else { self.rng.magnitude(most) };
        self.after(after, What::Boots { side, life, mask: None });
    }

    fn run(&mut self, side: Side, group: u8, verb: Verb) {
        self.relate(format_args!("node{} {} group {group}", side + 1, told::verb(verb)));
        let (oracle, scene) = self.watch();
        oracle.runs(&scene, side, group, verb);
        if verb == Verb::Announce {
            return self.announce(side, usize::from(group));
        }
        let (span, ok) = self.fate(verb);
        self.frames += 1;
        let number = self.frames;
        let resource = &mut self.boxes[side].resources[usize::from(group)];
        resource.step = Some(Step { number, verb, ok });
        resource.waits = false;
        resource.ours = verb == Verb::Start;
        match verb {
            Verb::Start => {
                resource.runs = true;
                self.add_vip(side, usize::from(group));
            }
            Verb::Drop => (resource.vip, resource.lifetime) = (false, None),
            _ => {}
        }
        self.after(span, What::StepEnds { side, group, number });
    }

    /// How long a step takes and whether it succeeds.
    fn fate(&mut self, verb: Verb) -> (Duration, bool) {
        let (fails, hangs) = match verb {
            Verb::Inventory => {
                return (Duration::from_micros(100) + self.rng.magnitude(Duration::from_millis(2)), true);
            }
            Verb::Start => (Kind::StartFails, Kind::StartHangs),
            _ => (Kind::StopFails, Kind::StopHangs),
        };
        let on = !self.calm;
        if on && self.scenario.kinds.has(hangs) && self.rng.percent(15) {
            self.tally.count(hangs);
            return (self.scenario.hang, self.rng.percent(50));
        }
        let failed = on && self.scenario.kinds.has(fails) && self.rng.percent(25);
        if failed {
            self.tally.count(fails);
        }
        (Duration::from_micros(100) + self.rng.magnitude(self.scenario.step), !failed)
    }

    pub(crate) fn step_ends(&mut self, side: Side, group: u8, number: u64) {
        let it = &mut self.boxes[side];
        let resource = &mut it.resources[usize::from(group)];
        let Some(step) = resource.step.filter(|step| step.number == number) else { return };
        if it.frozen.is_some_and(|frozen| frozen.whole_machine) {
            return self.after(self.scenario.step, What::StepEnds { side, group, number });
        }
        if resource.waits && step.ok {
            let pause = self.scenario.timing[side].keepalive;
            return self.after(pause, What::StepEnds { side, group, number });
        }
        (resource.step, resource.waits) = (None, false);
        match step.verb {
            Verb::Start => {}
            Verb::Inventory => {
                let local = it.clock.local(self.now);
                let life = resource.lifetime.filter(|life| resource.vip && life.until > local);
                it.reports.extend(life.map(|life| Report::Found(group, life.until)));
            }
            _ if step.ok => (resource.vip, resource.runs, resource.lifetime) = (false, false, None),
            _ => resource.vip &= self.rng.percent(50),
        }
        it.reports.push_back(Report::Done(group, step.verb, step.ok));
        self.turn(side);
    }
}
