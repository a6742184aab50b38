//! The queue of events and the life of one seed.

use crate::Side;
use crate::appliance::{Appliance, Mask};
use crate::fencing::Attempt;
use crate::frame::{Frame, Parcel};
use crate::kind::{Kind, Tally};
use crate::lan::Lan;
use crate::medium::Media;
use crate::oracle::{Oracle, Scene, Violation};
use crate::recording::{Play, Recorder};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::timeline::Timeline;
use crate::told;
use crate::trouble::Edit;
use lubdub::journal::Recorder as FieldJournal;
use lubdub::journal::recorder::SEGMENT;
use lubdub::node::{Event, Input, Node, Order};
use lubdub::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::fmt::Arguments;
use std::rc::Rc;

/// Frames remembered for replays.
const HISTORY_MAX: usize = 2_048;
/// Wakes at one moment that no sound node needs.
const WAKES_MAX: u32 = 200;

/// What happens at a moment.
pub(crate) enum What {
    Arrives {
        to: Side,
        link: usize,
        parcel: Parcel,
    },
    StepEnds {
        side: Side,
        group: u8,
        number: u64,
    },
    Thaws {
        side: Side,
        life: u32,
    },
    Boots {
        side: Side,
        life: u32,
        mask: Mask,
    },
    Unmasks {
        side: Side,
        life: u32,
    },
    /// A kernel ends the VIPs of a daemon that is dead or frozen.
    Lapses {
        side: Side,
        sent: Instant,
    },
    Orders {
        side: Side,
        order: Order,
    },
    Incident {
        recurs: bool,
    },
    Forges {
        to: Side,
        link: usize,
        times: u64,
    },
    Replays {
        to: Side,
        link: usize,
        times: u64,
    },
    Floods {
        to: Side,
        link: usize,
        times: u64,
    },
    /// A link comes and goes.
    Flaps {
        from: Side,
        link: usize,
        times: u64,
    },
    Plays {
        play: Play,
    },
    Edits {
        side: Side,
        edit: Edit,
    },
    Reloads {
        side: Side,
        life: u32,
    },
    /// A kernel may have to end a VIP.
    Expires {
        side: Side,
        group: usize,
    },
    /// A daemon asks for VIPs on the service LAN.
    Probes {
        side: Side,
        run: u32,
        round: u64,
    },
    /// A slow probe was answered by now, or was not.
    Settles {
        side: Side,
        run: u32,
        round: u64,
    },
    /// Somebody answers for a VIP there, or announces it.
    Answers {
        to: Side,
        group: u8,
        stranger: bool,
    },
    /// A daemon's question about a VIP reaches the other node.
    Asks {
        to: Side,
        group: u8,
    },
    /// A daemon hears another station there.
    HearsStation {
        side: Side,
        run: u32,
    },
    /// Something changes on the service LAN, now or as a daemon notices.
    LanChanges,
    Sees {
        side: Side,
    },
    /// A cable is pulled or plugged in.
    LinesChange,
    FencingEnds {
        side: Side,
        run: u32,
        attempt: Attempt,
    },
    FencesAgain {
        side: Side,
        run: u32,
    },
    Calms,
    Clears,
}

/// What a seed came to.
#[derive(Debug)]
pub struct Outcome {
    /// The first law that was broken, if any.
    pub violation: Option<Violation>,
    /// How long it lived.
    pub lived: Duration,
    /// Events that happened.
    pub events: u64,
    /// Faults injected.
    pub tally: Tally,
    /// Starts of groups.
    pub starts: u64,
    /// Moments at which two daemons began to hold one group, with every excuse.
    pub doubles: u64,
    /// Sessions begun although neither daemon was new.
    pub churn: u64,
}

/// Two appliances and what lies between them.
pub struct World {
    pub(crate) now: Instant,
    pub(crate) scenario: Scenario,
    pub(crate) rng: Rng,
    pub(crate) boxes: [Appliance; 2],
    pub(crate) media: Media,
    pub(crate) lan: Lan,
    /// Each cable is pulled until then.
    pub(crate) unplugged: Vec<Instant>,
    /// What becomes of a story's attempts to fence.
    pub(crate) device: [Attempt; 2],
    /// When each kernel looks at each group's VIP next.
    pub(crate) ends: [Vec<Option<Instant>>; 2],
    pub(crate) oracle: Oracle,
    pub(crate) timeline: Timeline,
    pub(crate) tally: Tally,
    pub(crate) history: Vec<Rc<Frame>>,
    pub(crate) recorder: Recorder,
    /// Steps of an operator's work on the files that are still to come.
    pub(crate) edits: usize,
    /// Incidents that transitions have provoked since then.
    pub(crate) provoked: (Instant, u32),
    pub(crate) calm: bool,
    pub(crate) frames: u64,
    /// A story says what happens.
    pub(crate) by_hand: bool,
    /// What the nodes of a story have noted.
    pub(crate) noted: Vec<(Instant, Side, Event)>,
    /// Daemons keep field journals; those of former lives.
    journals: Option<Vec<FieldJournal<Vec<u8>>>>,
    queue: BTreeMap<(Instant, u64), What>,
    count: u64,
    events: u64,
    wakes: u32,
}

impl World {
    /// The world of a seed before its first event.
    pub fn new(scenario: Scenario, timeline: Timeline) -> Self {
        let mut world = Self::idle(scenario, timeline);
        world.begin();
        world
    }

    /// A world in which nothing happens by itself, and everything that the nodes note is kept: a story says what happens.
    pub(crate) fn by_hand(scenario: Scenario) -> Self {
        Self { by_hand: true, ..Self::idle(scenario, Timeline::kept()) }
    }

    fn idle(scenario: Scenario, timeline: Timeline) -> Self {
        Self {
            now: Instant::ZERO,
            rng: Rng::new(scenario.seed),
            boxes: [Appliance::new(0, &scenario), Appliance::new(1, &scenario)],
            media: Media::new(scenario.links.len()),
            lan: Lan::default(),
            unplugged: vec![Instant::ZERO; scenario.links.len()],
            device: [Attempt::Succeeds; 2],
            ends: [vec![None; scenario.preferred.len()], vec![None; scenario.preferred.len()]],
            oracle: Oracle::new(&scenario),
            timeline,
            tally: Tally::default(),
            history: Vec::new(),
            recorder: Recorder::default(),
            provoked: (Instant::ZERO, 0),
            edits: 0,
            calm: false,
            frames: 0,
            by_hand: false,
            noted: Vec::new(),
            journals: None,
            queue: BTreeMap::new(),
            count: 0,
            events: 0,
            wakes: 0,
            scenario,
        }
    }

    fn begin(&mut self) {
        for side in [0, 1] {
            let most = self.scenario.timing[side].initdead.times(2);
            let after = self.rng.magnitude(most);
            self.after(after, What::Boots { side, life: 0, mask: None });
        }
        for kind in [Kind::Drift, Kind::Lag, Kind::ExclusiveOff] {
            if self.scenario.kinds.has(kind) {
                self.tally.count(kind);
            }
        }
        self.at(self.scenario.calm, What::Calms);
        self.after(self.scenario.pace, What::Incident { recurs: true });
    }

    /// Lives to the end, or to the first broken law.
    pub fn live(&mut self) -> Outcome {
        while self.oracle.violation.is_none() && self.step(self.scenario.end) {}
        let (oracle, scene) = self.watch();
        oracle.end(&scene);
        if let Some(violation) = self.oracle.violation.clone() {
            self.relate(format_args!("BROKEN {violation}"));
        }
        Outcome {
            violation: self.oracle.violation.clone(),
            lived: self.now.since(Instant::ZERO),
            events: self.events,
            tally: self.tally.clone(),
            starts: self.oracle.starts,
            doubles: self.oracle.doubles,
            churn: self.oracle.churn,
        }
    }

    /// Lets the next event happen, if it comes before the faults end and no law is broken.
    pub fn step_until_calm(&mut self) -> bool {
        self.oracle.violation.is_none() && self.step(self.scenario.calm)
    }

    /// Lets the next event happen, if it comes by `end`, and the oracle look.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        let Some(at) = self.next_moment().filter(|at| *at <= end) else { return false };
        self.wakes = if at > self.now { 0 } else { self.wakes };
        self.now = self.now.max(at);
        self.events += 1;
        self.one_event();
        let (oracle, scene) = self.watch();
        oracle.look(&scene);
        true
    }

    /// Every daemon keeps a field journal from its start on.
    pub fn with_journals(self) -> Self {
        Self { journals: Some(Vec::new()), ..self }
    }

    /// The journals of all lives that have ended, and of the present ones.
    pub fn journals(&self) -> impl Iterator<Item = &FieldJournal<Vec<u8>>> {
        self.journals.iter().flatten().chain(self.boxes.iter().filter_map(|it| it.journal.as_ref()))
    }

    /// A new daemon begins a journal.
    fn begin_journal(&mut self, side: Side) {
        let Some(former) = &mut self.journals else { return };
        let it = &mut self.boxes[side];
        former.extend(it.journal.take());
        if let Some(node) = &it.node {
            let mut journal = FieldJournal::new([vec![0; SEGMENT], vec![0; SEGMENT]]);
            journal.begin(node);
            it.journal = Some(journal);
        }
    }

    /// The story so far.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Writes a line of the story: the states of both nodes' groups, and what happens.
    pub(crate) fn relate(&mut self, what: Arguments<'_>) {
        if self.timeline.is_kept() {
            let [one, other] = self.boxes.each_ref().map(told::states);
            self.timeline.line(self.now, format_args!("{one}|{other}  {what}"));
        }
    }

    /// The oracle, and what it looks at.
    pub(crate) fn watch(&mut self) -> (&mut Oracle, Scene<'_>) {
        let scene = Scene {
            now: self.now,
            scenario: &self.scenario,
            boxes: &self.boxes,
            media: &self.media,
            lan: &self.lan,
            unplugged: &self.unplugged,
            calm: self.calm,
            // What a story does is for the story to count.
            faults: if self.by_hand { self.events } else { Kind::ALL.iter().map(|kind| self.tally.of(*kind)).sum() },
        };
        (&mut self.oracle, scene)
    }

    pub(crate) fn at(&mut self, when: Instant, what: What) {
        self.count += 1;
        self.queue.insert((when, self.count), what);
    }

    pub(crate) fn after(&mut self, span: Duration, what: What) {
        self.at(self.now + span, what);
    }

    fn next_moment(&self) -> Option<Instant> {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        self.boxes.iter().filter(|it| it.awake()).filter_map(|it| it.alarm).chain(queued).min()
    }

    fn one_event(&mut self) {
        if self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= self.now)
            && let Some((_, what)) = self.queue.pop_first()
        {
            return self.happen(what);
        }
        for side in [0, 1] {
            if self.boxes[side].awake() && self.boxes[side].alarm.is_some_and(|at| at <= self.now) {
                self.wakes += 1;
                if self.wakes > WAKES_MAX {
                    let now = self.now;
                    self.oracle.accuse(now, "L11", format_args!("node{} is woken again and again", side + 1));
                }
                return self.alarm(side);
            }
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Arrives { to, link, parcel } => {
                let parcel = self.as_heard(to, parcel);
                self.boxes[to].receive(link, parcel);
                self.turn(to);
            }
            What::StepEnds { side, group, number } => self.step_ends(side, group, number),
            What::Thaws { side, life } if self.boxes[side].life == life => self.thaw(side),
            What::Boots { side, life, mask } if self.boxes[side].life == life => self.boot(side, mask),
            What::Unmasks { side, life } if self.boxes[side].life == life => {
                self.crash(side);
                self.after(Duration::from_millis(1), What::Boots { side, life, mask: None });
            }
            What::Lapses { side, sent } => self.lapse(side, sent),
            What::Orders { side, order } => self.order(side, order),
            What::Incident { recurs } => self.incident(recurs),
            What::Forges { to, link, times } => self.forge(to, link, times),
            What::Replays { to, link, times } => self.replay(to, link, times),
            What::Floods { to, link, times } => self.flood(to, link, times),
            What::Flaps { from, link, times } => self.flap(from, link, times),
            What::Plays { play } => self.play(play),
            What::Edits { side, edit } if !self.calm => self.edit(side, edit),
            What::Reloads { side, life } => self.reload(side, life),
            What::Expires { side, group } => self.expire(side, group),
            What::Probes { side, run, round } if self.boxes[side].run == run => self.probe(side, round),
            What::Settles { side, run, round } if self.boxes[side].run == run => self.settle_probe(side, round),
            What::Answers { to, group, stranger } => self.arrives_on_lan(to, group, stranger),
            What::Asks { to, group } => self.question_arrives(to, group),
            What::HearsStation { side, run } if self.boxes[side].run == run => self.hears_station(side),
            What::LanChanges => self.lan_changed(),
            What::Sees { side } => self.sees(side),
            What::LinesChange => self.lines_changed(),
            What::FencingEnds { side, run, attempt } if self.boxes[side].run == run => self.fencing_ends(side, attempt),
            What::FencesAgain { side, run } if self.boxes[side].run == run => self.fences_again(side),
            What::Calms => self.calm_down(),
            What::Clears => [0, 1].into_iter().for_each(|side| self.order(side, Order::Clear(u32::MAX))),
            _ => {}
        }
    }

    pub(crate) fn boot(&mut self, side: Side, mask: Mask) {
        if self.boxes[side].node.is_some() {
            return;
        }
        // Two of the same kind would trust each other.
        let mask = mask.filter(|_| self.boxes[1 - side].disguise.is_none());
        let it = &mut self.boxes[side];
        it.life += 1;
        it.run += 1;
        (it.powered, it.leave) = (true, None);
        it.lines.fill(None);
        (it.disguise, it.mask) = (mask, mask);
        it.read = it.files.clone();
        it.read.listed = it.read.keys.len();
        let local = it.clock.local(self.now);
        let Some(setup) = it.setup(&self.scenario, &mut self.rng) else { return };
        it.node = Some(Node::new(local, setup));
        match mask {
            Some(why) => self.relate(format_args!("node{} is started as {why:?}", side + 1)),
            None => self.relate(format_args!("node{} is started", side + 1)),
        }
        self.begin_recording();
        self.note_distrust();
        let (oracle, scene) = self.watch();
        oracle.booted(&scene, side);
        self.drain(side);
        self.begin_journal(side);
        self.lines_changed();
        self.note_pings(side);
        self.sees(side);
        if let Some(life) = mask.map(|_| self.boxes[side].life).filter(|_| !self.by_hand) {
            let most = self.scenario.initdead().times(3);
            let after = self.rng.magnitude(most);
            self.after(after, What::Unmasks { side, life });
        }
    }

    pub(crate) fn order(&mut self, side: Side, order: Order) {
        if !self.boxes[side].awake() {
            return;
        }
        if order != Order::Leave {
            self.tally.count(Kind::Orders);
        }
        let refused = self.boxes[side].node.as_ref().and_then(|node| node.refuses(order));
        match refused {
            Some(why) => {
                self.relate(format_args!("node{} is ordered {}, and refuses: {why:?}", side + 1, told::order(order)))
            }
            None => self.relate(format_args!("node{} is ordered {}", side + 1, told::order(order))),
        }
        // The shell does not hand on what the node refuses.
        if refused.is_none() {
            let (oracle, scene) = self.watch();
            oracle.ordered(&scene, side, order);
            self.tell(side, Input::Order(order));
            self.turn(side);
        }
    }

    fn calm_down(&mut self) {
        self.calm = true;
        self.media.heal();
        self.lan.heal();
        self.unplugged.fill(Instant::ZERO);
        self.relate(format_args!("the faults end"));
        let (oracle, scene) = self.watch();
        oracle.calmed(&scene);
        self.agree_on_files();
        for side in [0, 1] {
            for resource in &mut self.boxes[side].resources {
                if let Some(step) = &mut resource.step {
                    step.ok = true;
                }
            }
            if self.boxes[side].frozen.is_some() {
                self.thaw(side);
            }
            if self.boxes[side].disguise.is_some() {
                self.crash(side);
            }
            self.order(side, Order::Withdraw(u32::MAX));
            let life = self.boxes[side].life;
            self.after(Duration::from_millis(5), What::Boots { side, life, mask: None });
        }
        self.lines_changed();
        self.lan_changed();
        for seconds in [0, 2, 12] {
            self.after(Duration::from_secs(seconds), What::Clears);
        }
    }

    /// Keeps some of all frames ever sent: each as likely as the others.
    pub(crate) fn remember(&mut self, frame: &Rc<Frame>) {
        self.recorder.record(frame);
        if self.history.len() < HISTORY_MAX {
            self.history.push(frame.clone());
        } else {
            let place = self.rng.below(self.frames.max(1)) as usize;
            if place < HISTORY_MAX {
                self.history[place] = frame.clone();
            }
        }
    }
}
