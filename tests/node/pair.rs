//! Two nodes, a cable and a broadcast segment in virtual time: real frames, no clock, no sleep.
//!
//! Events are taken in the order of their time, so a story that passes once passes always.

#![allow(dead_code, reason = "what a shell can do, whether or not a test does it")]

use lubdub::journal::entry::Told;
use lubdub::journal::recorder::SEGMENT;
use lubdub::journal::{Decision, Recorder, Replay, Story};
use lubdub::node::{
    By, Event, Eyes, GroupSetup, Groups, Guard, Input, LinkKind, Name, Node, Order, Output, Owner, PeerState, Setup,
    Timing, Verb, Why,
};
use lubdub::time::{Duration, Instant};
use lubdub::wire::auth::{Key, Keyring, Method};
use lubdub::wire::beat::State;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

pub const MS: fn(u64) -> Duration = Duration::from_millis;

/// Which node: 0 is node1, preferred for the even groups.
pub type Side = usize;

/// What goes wrong with the resources of one node's group.
#[derive(Clone, Copy, Default)]
pub struct Trouble {
    pub start_fails: bool,
    pub stop_fails: bool,
}

/// One appliance.
pub struct Box {
    pub node: Option<Node>,
    pub holds: Vec<bool>,
    pub trouble: Vec<Trouble>,
    /// Not scheduled: nothing is handled before this.
    frozen_until: Option<Instant>,
    backlog: Vec<(u8, Vec<u8>)>,
    wake: Option<(Instant, Why)>,
    steps: BTreeMap<u8, (u64, Verb)>,
    pub left: bool,
    pub runs: u64,
    pub events: Vec<(Instant, Event)>,
    /// Whether it sees the service LAN.
    pub eyes: Eyes,
    /// Until when each VIP is in the kernel, and until when the daemon last had leave to renew.
    ends: Vec<Instant>,
    leave: Instant,
    /// The groups it asks for.
    looking: Groups,
    pub probes: usize,
    /// Times that it was told to announce a held group again.
    pub announced: usize,
    /// It wants its peer fenced.
    pub fences: bool,
    /// Its field journal, once [`Pair::record`] has begun one.
    pub journal: Option<Recorder<Vec<u8>>>,
    /// The stories of its groups and of the peer, as the journal has them.
    pub stories: Vec<Story>,
    pub peer_story: Story,
}

enum What {
    Probe { on: Side },
    Found { on: Side, group: u8, until: Instant },
    Answer { to: Side, group: u8 },
    Question { to: Side, group: u8 },
    Arrives { to: Side, link: u8, bytes: Vec<u8> },
    StepEnds { on: Side, group: u8, id: u64 },
    Thaw { on: Side },
}

pub struct Pair {
    pub now: Instant,
    pub boxes: [Box; 2],
    /// `cut[from][link]`: frames from that side on that link vanish.
    pub cut: [Vec<bool>; 2],
    /// So many of a hundred frames are lost.
    pub loss: u64,
    dice: u64,
    pub links: Vec<LinkKind>,
    pub step_time: Duration,
    pub timing: Timing,
    pub auto_failback: bool,
    pub groups: usize,
    /// The groups have VIPs.
    pub vips: bool,
    pub digest: [[u8; 8]; 2],
    pub secret: [&'static str; 2],
    /// A second key, which is then the one to send with.
    pub extra_key: [Option<(u8, &'static str)>; 2],
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    what: BTreeMap<u64, What>,
    count: u64,
    /// Moments at which both held a group.
    pub doubles: Vec<Instant>,
    pub frames: [Vec<(Instant, u8, Vec<u8>)>; 2],
    pub guard: Guard,
    /// The service LAN carries nothing between the nodes.
    pub lan_cut: bool,
}

impl Pair {
    pub fn new() -> Self {
        let idle = || Box {
            node: None,
            holds: Vec::new(),
            trouble: Vec::new(),
            frozen_until: None,
            backlog: Vec::new(),
            wake: None,
            steps: BTreeMap::new(),
            left: false,
            runs: 0,
            events: Vec::new(),
            eyes: Eyes::Open,
            ends: Vec::new(),
            leave: Instant::FAR,
            looking: 0,
            probes: 0,
            announced: 0,
            fences: false,
            journal: None,
            stories: vec![Story::default(); 32],
            peer_story: Story::default(),
        };
        Self {
            now: Instant::from_micros(1_000_000),
            boxes: [idle(), idle()],
            cut: [vec![false; 2], vec![false; 2]],
            loss: 0,
            dice: 0x9e37_79b9_7f4a_7c15,
            links: vec![LinkKind::Serial { baud: 115_200 }, LinkKind::Broadcast],
            step_time: MS(2),
            timing: Timing { keepalive: MS(100), warntime: MS(200), deadtime: MS(300), initdead: MS(3000) },
            auto_failback: true,
            groups: 2,
            vips: true,
            digest: [[7; 8]; 2],
            secret: ["redhat", "redhat"],
            extra_key: [None, None],
            queue: BinaryHeap::new(),
            what: BTreeMap::new(),
            count: 0,
            doubles: Vec::new(),
            frames: [Vec::new(), Vec::new()],
            guard: Guard::default(),
            lan_cut: false,
        }
    }

    /// Both on, and settled for five seconds.
    pub fn settled() -> Self {
        let mut pair = Self::new();
        pair.boot(0);
        pair.boot(1);
        pair.run(MS(5000));
        pair
    }

    pub fn setup(&self, side: Side, run: u64) -> Setup {
        let names: [Name; 2] = ["node1.a.com", "node2.a.com"].map(|name| Name::try_from(name).unwrap());
        let key = |(id, secret): (u8, &str)| Key::new(id, Method::Md5, secret.as_bytes()).unwrap();
        let ring = match self.extra_key[side] {
            None => Keyring::new(3, [key((3, self.secret[side]))]),
            Some(extra) => Keyring::new(extra.0, [key((3, self.secret[side])), key(extra)]),
        };
        Setup {
            name: names[side].clone(),
            peer: names[1 - side].clone(),
            cluster: "linux-ha".try_into().unwrap(),
            timing: self.timing,
            auto_failback: self.auto_failback,
            links: self.links.iter().copied().collect(),
            groups: (0..self.groups).map(|n| GroupSetup { preferred: n % 2 == side, has_vip: self.vips }).collect(),
            macs: [[2, 0, 0, 0, 0, side as u8]].into_iter().collect(),
            guard: self.guard,
            digest: self.digest[side],
            keys: ring.unwrap(),
            run,
            seed: [run as u8; 32],
        }
    }

    pub fn boot(&mut self, side: Side) {
        let run = self.boxes[side].runs * 2 + side as u64 + 1;
        let node = Node::new(self.now, self.setup(side, run));
        let it = &mut self.boxes[side];
        it.runs += 1;
        it.node = Some(node);
        it.holds.resize(self.groups, false);
        it.trouble.resize(self.groups, Trouble::default());
        it.left = false;
        it.steps.clear();
        it.ends.resize(self.groups, Instant::FAR);
        it.leave = Instant::FAR;
        let eyes = it.eyes;
        self.drain(side);
        self.record(side);
        self.see(side, eyes);
    }

    /// A VIP with so much of a lease left.
    pub fn give(&mut self, side: Side, group: usize, left: Duration) {
        let it = &mut self.boxes[side];
        it.holds[group] = true;
        it.ends[group] = self.now + left;
    }

    /// The node's sight of the service LAN changes.
    pub fn see(&mut self, side: Side, eyes: Eyes) {
        self.boxes[side].eyes = eyes;
        for group in 0..self.groups as u8 {
            self.tell(side, Input::Eyes { group, eyes });
        }
    }

    /// Whether it asks for a VIP.
    pub fn is_looking(&self, side: Side) -> bool {
        self.boxes[side].looking != 0
    }

    /// Power fails: nothing is left of it.
    pub fn power_off(&mut self, side: Side) {
        self.kill(side);
        self.boxes[side].holds.fill(false);
    }

    /// The daemon dies; what it started runs on.
    pub fn kill(&mut self, side: Side) {
        let it = &mut self.boxes[side];
        it.node = None;
        it.wake = None;
        it.steps.clear();
        it.backlog.clear();
        it.looking = 0;
    }

    /// The daemon is not scheduled for this long; what arrives waits for it.
    pub fn freeze(&mut self, side: Side, span: Duration) {
        let until = self.now + span;
        self.boxes[side].frozen_until = Some(until);
        self.at(until, What::Thaw { on: side });
    }

    /// SIGHUP after the files were changed: as many groups as now, all the same ones.
    pub fn reload(&mut self, side: Side) {
        let setup = self.setup(side, 0);
        let kept: Vec<_> = (0..self.groups as u8).map(Some).collect();
        let now = self.now;
        self.boxes[side].trouble.resize(self.groups, Trouble::default());
        self.boxes[side].ends.resize(self.groups, Instant::FAR);
        if let Some(node) = &mut self.boxes[side].node {
            node.reload(now, setup.clone(), &kept);
            self.drain(side);
            self.write_down(side, Told::Reload { setup: &setup, kept: kept.into_iter().collect() });
        }
    }

    /// Replays what this side has recorded: how many inputs, and the events that came of them. Everything must come as it
    /// came.
    pub fn replayed(&self, side: Side) -> (usize, Vec<(Instant, Event)>) {
        let Some(journal) = &self.boxes[side].journal else { return (0, Vec::new()) };
        let segments = journal.segments();
        let (mut turns, mut events) = (0, Vec::new());
        for (number, segment) in segments.iter().enumerate().filter(|(_, segment)| !segment.is_empty()) {
            let mut replay = Replay::new(segment).unwrap();
            loop {
                let mut noted = Vec::new();
                let turn = replay.turn(|output| {
                    if let Output::Note(event) = output {
                        noted.push(*event);
                    }
                });
                let Some(turn) = turn.unwrap() else { break };
                assert!(turn.agrees, "input {turns} at {:?}: {:?}", turn.at, turn.told);
                turns += 1;
                events.extend(noted.into_iter().map(|event| (turn.at, event)));
            }
            assert!(number == 1 || replay.leads_to(segments[1]), "the older segment ends where the newer one begins");
        }
        assert!(self.boxes[side].events.ends_with(&events), "{events:?}\n{}", self.story());
        (turns, events)
    }

    /// Keeps a field journal of this node from now on.
    pub fn record(&mut self, side: Side) {
        let mut journal = Recorder::new([vec![0; SEGMENT], vec![0; SEGMENT]]);
        journal.begin(self.boxes[side].node.as_ref().expect("the node is on"));
        self.boxes[side].journal = Some(journal);
    }

    fn write_down(&mut self, side: Side, told: Told<'_, &Setup>) {
        let it = &mut self.boxes[side];
        if let (Some(journal), Some(node)) = (&mut it.journal, &it.node) {
            journal.record(told, node);
        }
        if it.left {
            self.kill(side);
        }
    }

    fn tell_story(&mut self, side: Side, event: Event) {
        let it = &mut self.boxes[side];
        let Some(node) = &it.node else { return };
        let decision = Decision::of(node, event, 0);
        match lubdub::journal::story::whose(&event) {
            Some(lubdub::journal::story::Whose::Group(group)) => it.stories[usize::from(group)].add(decision),
            Some(lubdub::journal::story::Whose::Peer) => it.peer_story.add(decision),
            None => {}
        }
    }

    pub fn order(&mut self, side: Side, order: Order) {
        self.tell(side, Input::Order(order));
    }

    pub fn cut_all(&mut self, cut: bool) {
        self.cut.iter_mut().for_each(|links| links.fill(cut));
    }

    fn at(&mut self, when: Instant, what: What) {
        self.count += 1;
        self.queue.push(Reverse((when, self.count)));
        self.what.insert(self.count, what);
    }

    pub fn tell(&mut self, side: Side, input: Input<'_>) {
        if let Some(node) = &mut self.boxes[side].node {
            node.handle(self.now, input);
            self.drain(side);
            self.write_down(side, Told::Input(input));
        }
    }

    fn drain(&mut self, side: Side) {
        loop {
            let Some(node) = &mut self.boxes[side].node else { return };
            let output = node.poll();
            if let Some(journal) = &mut self.boxes[side].journal {
                journal.saw(&output);
            }
            match output {
                Output::Transmit { link, frame } => self.transmit(side, link, frame.bytes().to_vec()),
                Output::Run { group, verb } => self.step(side, group, verb),
                Output::Renew { until } => self.renew(side, until),
                Output::Look { groups } => self.look_for(side, groups),
                Output::Fence { wanted } => self.boxes[side].fences = wanted,
                Output::Note(event) => {
                    self.boxes[side].events.push((self.now, event));
                    self.tell_story(side, event);
                }
                Output::Left => self.boxes[side].left = true,
                Output::Wait { until, why } => {
                    self.boxes[side].wake = Some((until, why));
                    break;
                }
            }
        }
    }

    fn transmit(&mut self, from: Side, link: u8, bytes: Vec<u8>) {
        self.frames[from].push((self.now, link, bytes.clone()));
        // xorshift64 (Marsaglia, 2003)
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        if self.cut[from][usize::from(link)] || self.dice % 100 < self.loss {
            return;
        }
        let wire = match self.links[usize::from(link)] {
            LinkKind::Serial { baud } => {
                Duration::from_micros(bytes.len() as u64 * 10_000_000 / u64::from(baud)) + Duration::from_micros(300)
            }
            LinkKind::Broadcast => Duration::from_micros(120),
        };
        self.at(self.now + wire, What::Arrives { to: 1 - from, link, bytes });
    }

    fn renew(&mut self, side: Side, until: Instant) {
        let it = &mut self.boxes[side];
        it.leave = until;
        for (held, ends) in it.holds.iter().zip(&mut it.ends) {
            if *held {
                *ends = until;
            }
        }
    }

    fn look_for(&mut self, side: Side, groups: Groups) {
        if self.boxes[side].looking == 0 && groups != 0 {
            self.at(self.now, What::Probe { on: side });
        }
        self.boxes[side].looking = groups;
    }

    /// The daemon asks for VIPs every 10 ms.
    fn probe(&mut self, side: Side) {
        if !self.awake(side) {
            let until = self.boxes[side].frozen_until.unwrap();
            return self.at(until, What::Probe { on: side });
        }
        let looking = self.boxes[side].looking;
        for group in (0..self.groups as u8).filter(|group| looking >> group & 1 != 0) {
            self.boxes[side].probes += 1;
            if self.boxes[1 - side].holds.get(usize::from(group)) == Some(&true) && !self.lan_cut {
                self.at(self.now + Duration::from_micros(200), What::Answer { to: side, group });
            }
            if self.boxes[1 - side].node.is_some() && !self.lan_cut {
                self.at(self.now + Duration::from_micros(200), What::Question { to: 1 - side, group });
            }
            self.tell(side, Input::Probed { group });
        }
        if self.boxes[side].looking != 0 {
            self.at(self.now + MS(10), What::Probe { on: side });
        }
    }

    /// The kernel ends what nobody has renewed, and a daemon that is awake learns of it.
    fn expire(&mut self) {
        for side in [0, 1] {
            for group in 0..self.groups {
                let it = &mut self.boxes[side];
                if !it.holds.get(group).is_some_and(|held| *held) || self.now < it.ends[group] {
                    continue;
                }
                it.holds[group] = false;
                if self.awake(side) {
                    self.tell(side, Input::Lapsed { group: group as u8 });
                }
            }
        }
    }

    fn step(&mut self, side: Side, group: u8, verb: Verb) {
        if verb == Verb::Announce {
            self.boxes[side].announced += 1;
            // Whoever listens hears who has it.
            if self.holding(side, usize::from(group)) && !self.lan_cut {
                self.at(self.now + Duration::from_micros(200), What::Answer { to: 1 - side, group });
            }
            return;
        }
        if verb == Verb::Inventory {
            let it = &self.boxes[side];
            let (held, ends) = (it.holds[usize::from(group)], it.ends[usize::from(group)]);
            if held && ends < Instant::FAR {
                self.count += 1;
                self.at(self.now + Duration::from_micros(50), What::Found { on: side, group, until: ends });
            }
        }
        if verb == Verb::Drop {
            self.boxes[side].holds[usize::from(group)] = false;
        }
        self.count += 1;
        let id = self.count;
        self.boxes[side].steps.insert(group, (id, verb));
        if verb == Verb::Start && !self.boxes[side].trouble[usize::from(group)].start_fails {
            let it = &mut self.boxes[side];
            it.holds[usize::from(group)] = true;
            it.ends[usize::from(group)] = it.leave;
            if !self.lan_cut {
                // A new VIP is announced.
                self.at(self.now + Duration::from_micros(200), What::Answer { to: 1 - side, group });
            }
        }
        self.at(self.now + self.step_time, What::StepEnds { on: side, group, id });
    }

    fn end_step(&mut self, side: Side, group: u8, id: u64) {
        let it = &mut self.boxes[side];
        let index = usize::from(group);
        let Some((current, verb)) = it.steps.get(&group).copied() else { return };
        if current != id {
            return;
        }
        it.steps.remove(&group);
        let ok = match verb {
            Verb::Start => !it.trouble[index].start_fails,
            _ => !it.trouble[index].stop_fails,
        };
        if matches!(verb, Verb::Stop | Verb::Drop) && ok {
            it.holds[index] = false;
        }
        self.tell(side, Input::Done { group, verb, ok });
    }

    /// Lives for `span`.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.next_moment().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.one_event();
            self.look();
        }
        self.now = end;
    }

    /// Lives until `condition` holds; panics after `limit`. How long it took.
    pub fn until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> Duration {
        let begin = self.now;
        let end = begin + limit;
        while !condition(self) {
            let next = self.next_moment().filter(|at| *at <= end);
            assert!(next.is_some(), "not within {limit:?}\n{}", self.story());
            self.now = self.now.max(next.unwrap());
            self.one_event();
            self.look();
        }
        self.now.since(begin)
    }

    fn awake(&self, side: Side) -> bool {
        self.boxes[side].frozen_until.is_none()
    }

    fn next_moment(&self) -> Option<Instant> {
        let wakes = (0..2).filter(|side| self.awake(*side)).filter_map(|side| self.boxes[side].wake.map(|(at, _)| at));
        let queued = self.queue.peek().map(|Reverse((at, _))| *at);
        let ends = self.boxes.iter().flat_map(|it| it.holds.iter().zip(&it.ends));
        let ends = ends.filter(|(held, ends)| **held && **ends < Instant::FAR).map(|(_, ends)| *ends);
        wakes.chain(queued).chain(ends).min()
    }

    fn one_event(&mut self) {
        self.expire();
        if self.queue.peek().is_some_and(|Reverse((at, _))| *at <= self.now) {
            let Reverse((_, id)) = self.queue.pop().unwrap();
            let what = self.what.remove(&id).unwrap();
            return self.happen(what);
        }
        for side in [0, 1] {
            // Before it may conclude anything it has read what the service LAN has.
            if self.awake(side)
                && let Some((at, why)) = self.boxes[side].wake
                && at <= self.now
            {
                self.boxes[side].wake = None;
                self.tell(side, Input::Wake { swept: why == Why::Judge });
            }
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Probe { on } => self.probe(on),
            What::Found { on, group, until } => self.tell(on, Input::Found { group, until }),
            What::Answer { to, group } if self.awake(to) => self.tell(to, Input::Answered { group, by: By::Peer }),
            What::Question { to, group } if self.awake(to) => self.tell(to, Input::Asked { group }),
            What::Answer { .. } | What::Question { .. } => {}
            What::Arrives { to, link, bytes } if !self.awake(to) => self.boxes[to].backlog.push((link, bytes)),
            What::Arrives { to, link, bytes } => self.tell(to, Input::Bytes { link, bytes: &bytes }),
            What::StepEnds { on, group, id } if !self.awake(on) => {
                let until = self.boxes[on].frozen_until.unwrap();
                self.at(until, What::StepEnds { on, group, id });
            }
            What::StepEnds { on, group, id } => self.end_step(on, group, id),
            What::Thaw { on } => {
                self.boxes[on].frozen_until = None;
                for (link, bytes) in std::mem::take(&mut self.boxes[on].backlog) {
                    self.tell(on, Input::Bytes { link, bytes: &bytes });
                }
            }
        }
    }

    fn look(&mut self) {
        let both = (0..self.groups).any(|group| self.holding(0, group) && self.holding(1, group));
        if both && self.doubles.last() != Some(&self.now) {
            self.doubles.push(self.now);
        }
    }

    pub fn holding(&self, side: Side, group: usize) -> bool {
        self.boxes[side].holds.get(group).copied().unwrap_or(false)
    }

    pub fn owner(&self, group: usize) -> Option<Side> {
        match (self.holding(0, group), self.holding(1, group)) {
            (true, false) => Some(0),
            (false, true) => Some(1),
            _ => None,
        }
    }

    pub fn node(&self, side: Side) -> &Node {
        self.boxes[side].node.as_ref().expect("the node is on")
    }

    pub fn state(&self, side: Side, group: usize) -> State {
        self.node(side).groups().nth(group).unwrap().state
    }

    pub fn sees_owner(&self, side: Side, group: usize) -> Owner {
        self.node(side).groups().nth(group).unwrap().owner
    }

    pub fn term(&self, side: Side, group: usize) -> u8 {
        self.node(side).groups().nth(group).unwrap().term.0
    }

    pub fn peer(&self, side: Side) -> PeerState {
        self.node(side).peer()
    }

    /// Times that `side` began to start group `group` since `since`.
    pub fn starts(&self, side: Side, group: u8, since: Instant) -> usize {
        let started =
            |event: &Event| matches!(event, Event::Group { group: g, to: State::Starting, .. } if *g == group);
        self.boxes[side].events.iter().filter(|(at, event)| *at >= since && started(event)).count()
    }

    pub fn has_event(&self, side: Side, matching: impl Fn(&Event) -> bool) -> bool {
        self.boxes[side].events.iter().any(|(_, event)| matching(event))
    }

    pub fn story(&self) -> String {
        let mut lines: Vec<(Instant, String)> = Vec::new();
        for side in [0, 1] {
            for (at, event) in &self.boxes[side].events {
                lines.push((*at, format!("{:>10} node{}: {event:?}", at.as_micros(), side + 1)));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line + "\n").collect()
    }
}

/// Every story is lived through once more, from the journals.
impl Drop for Pair {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.replayed(0);
            self.replayed(1);
        }
    }
}
