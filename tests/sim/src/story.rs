//! Scenarios written by hand: the same world and the same oracle as a seed's, but nothing happens that the story does not
//! say. A [`Pair`] takes commands, lives on until something is so, and shows what a person at the console would see.
//!
//! Two kernels that have one group at the same time break a story, unless it says that it expects them; so does the first
//! law that the oracle sees broken. Whatever breaks a story prints the timeline.

mod demand;
mod faults;
mod files;
mod recording;
mod service;

use crate::Side;
use crate::kind::Kinds;
use crate::scenario::{GROUPS_MAX, Scenario};
use crate::world::World;
use lubdub::node::{Event, Groups, LinkKind, LinkStatus, Node, Owner, PeerState, Refusal, Timing};
use lubdub::time::{Duration, Instant};
use lubdub::wire::auth::Method;
use lubdub::wire::beat::State;
use std::fmt::Display;
use std::rc::Rc;

pub use demand::Demand;
pub use faults::Fate;
pub use recording::Recording;
pub use service::{Device, FINE, LEASED};

/// The node that the tutorial's group is preferred on.
pub const NODE1: Side = 0;
/// The other one.
pub const NODE2: Side = 1;
/// Both.
pub const BOTH: [Side; 2] = [NODE1, NODE2];
/// The null-modem cable.
pub const SERIAL: usize = 0;
/// The crossover Ethernet.
pub const ETHERNET: usize = 1;
/// The group of the tutorial, preferred on node1.
pub const GROUP: usize = 0;
/// The second line of haresources in an active/active pair, preferred on node2.
pub const SECOND: usize = 1;

/// This group alone.
pub const fn only(group: usize) -> Groups {
    1 << group
}

/// keepalive of the tutorial.
pub const KEEPALIVE: Duration = Duration::from_millis(100);
/// deadtime of the tutorial.
pub const DEADTIME: Duration = Duration::from_millis(300);
/// initdead of the tutorial, and the least wait before a failback.
pub const INITDEAD: Duration = Duration::from_millis(3_000);
/// A few beats on their way and the work of the resources, on the tutorial's cable.
pub const FRAMES: Duration = Duration::from_millis(15);

/// A length in milliseconds.
pub const MS: fn(u64) -> Duration = Duration::from_millis;
/// A length in seconds.
pub const SECS: fn(u64) -> Duration = Duration::from_secs;

/// Lines of the timeline that a broken story prints.
const LINES: usize = 120;

/// Two appliances of a story.
pub struct Pair {
    world: World,
    spoilt: [[faults::Spoilt; GROUPS_MAX]; 2],
    doubles: u64,
    doubles_expected: bool,
}

/// The README's three files: keepalive 100 ms, warntime 200 ms, deadtime 300 ms, initdead 3 s, `auto_failback on`, a
/// cable of 115200 baud and a broadcast interface, md5, one group.
pub fn tutorial() -> Scenario {
    let timing = Timing { keepalive: KEEPALIVE, warntime: MS(200), deadtime: DEADTIME, initdead: INITDEAD };
    Scenario {
        timing: [timing; 2],
        auto_failback: true,
        links: vec![LinkKind::Serial { baud: 115_200 }, LinkKind::Broadcast],
        preferred: vec![NODE1],
        has_vip: vec![true],
        method: Method::Md5,
        drift: [0, 0],
        lag: Duration::ZERO,
        lease: None,
        guard: Default::default(),
        stations: true,
        pings: false,
        lines: vec![false, false],
        shared: None,
        step: MS(2),
        hang: SECS(20),
        hears_itself: false,
        chops: true,
        kinds: Kinds::default(),
        spite: 0,
        calm: Instant::FAR,
        end: Instant::FAR,
        ..Scenario::draw(1)
    }
}

impl Pair {
    /// The tutorial's pair, switched off.
    pub fn tutorial() -> Self {
        Self::with(|_| {})
    }

    /// The tutorial's pair with a second line in haresources, switched off.
    pub fn active_active() -> Self {
        Self::with(second_line)
    }

    /// The tutorial's pair, but for what `differ` changes; switched off.
    pub fn with(differ: impl FnOnce(&mut Scenario)) -> Self {
        let mut scenario = tutorial();
        differ(&mut scenario);
        Self { world: World::by_hand(scenario), spoilt: Default::default(), doubles: 0, doubles_expected: false }
    }

    /// Both nodes are switched on; each group is held by its preferred node, every link is up, and some time goes by.
    #[track_caller]
    pub fn settled(mut self) -> Self {
        self.power_on(NODE1);
        self.power_on(NODE2);
        self.within(SECS(5)).that("both nodes have settled", Self::is_settled);
        self.run(SECS(1));
        self
    }

    fn is_settled(&self) -> bool {
        let owned = |group: usize| self.owner(group) == Some(self.world.scenario.preferred[group]);
        let up = |link: LinkStatus| link.state == lubdub::node::LinkState::Up;
        let node = |side: Side| self.world.boxes[side].node.as_ref();
        (0..self.groups()).all(owned) && BOTH.iter().all(|side| node(*side).is_some_and(|node| node.links().all(up)))
    }

    /// Lives for `span`.
    #[track_caller]
    pub fn run(&mut self, span: Duration) {
        let end = self.now() + span;
        while self.world.step(end) {
            self.look();
        }
        self.world.now = end;
    }

    /// From here on two nodes may have one group at a time: the story tells how it comes to that, and how it ends.
    pub fn expect_two_owners(&mut self) {
        self.doubles_expected = true;
    }

    /// That has ended.
    #[track_caller]
    pub fn expect_one_owner(&mut self) {
        self.doubles_expected = false;
        self.look();
    }

    /// After every event and every command.
    #[track_caller]
    fn look(&mut self) {
        self.meddle();
        let (oracle, scene) = self.world.watch();
        oracle.look(&scene);
        if let Some(violation) = self.world.oracle.violation.clone() {
            self.fail(format_args!("a law is broken: {violation}"));
        }
        // What a lease guards is the VIP; scripts have none.
        let leased = self.world.scenario.is_guarded();
        let twice = |group: &usize| {
            BOTH.iter().all(|side| if leased { self.answers(*side, *group) } else { self.has(*side, *group) })
        };
        if let Some(group) = (0..self.groups()).find(twice) {
            self.doubles += 1;
            if !self.doubles_expected {
                self.fail(format_args!("both nodes have group {group}"));
            }
        }
    }

    /// Ends the story as broken.
    #[track_caller]
    pub fn fail(&self, what: impl Display) -> ! {
        let lines = self.world.timeline.tail(LINES).join("\n");
        panic!("at {} us: {what}\n{lines}", self.now().as_micros());
    }

    /// Holds the story to something.
    #[track_caller]
    pub fn check(&self, so: bool, what: impl Display) {
        if !so {
            self.fail(what);
        }
    }
}

/// What there is to see.
impl Pair {
    /// The moment.
    pub fn now(&self) -> Instant {
        self.world.now
    }

    fn groups(&self) -> usize {
        self.world.scenario.preferred.len()
    }

    /// The daemon of a node that is on.
    #[track_caller]
    pub fn node(&self, side: Side) -> &Node {
        match &self.world.boxes[side].node {
            Some(node) => node,
            None => self.fail(format_args!("node{} is off", side + 1)),
        }
    }

    /// No daemon runs.
    pub fn is_off(&self, side: Side) -> bool {
        self.world.boxes[side].node.is_none()
    }

    /// Something of a group runs on a box, or its VIP is there, whatever the daemon says.
    pub fn has(&self, side: Side, group: usize) -> bool {
        let resource = self.world.boxes[side].resources[group];
        resource.vip || resource.runs
    }

    /// The box's kernel answers for the group's VIP.
    pub fn answers(&self, side: Side, group: usize) -> bool {
        self.world.boxes[side].resources[group].vip
    }

    /// The box that has a group, if exactly one has.
    pub fn owner(&self, group: usize) -> Option<Side> {
        match BOTH.map(|side| self.has(side, group)) {
            [true, false] => Some(NODE1),
            [false, true] => Some(NODE2),
            _ => None,
        }
    }

    /// The box whose kernel answers for the group's VIP, if exactly one does.
    pub fn server(&self, group: usize) -> Option<Side> {
        match BOTH.map(|side| self.answers(side, group)) {
            [true, false] => Some(NODE1),
            [false, true] => Some(NODE2),
            _ => None,
        }
    }

    /// The state of a group on a node that is on.
    #[track_caller]
    pub fn state(&self, side: Side, group: usize) -> State {
        self.group(side, group).state
    }

    /// The claim of a group on a node that is on.
    #[track_caller]
    pub fn term(&self, side: Side, group: usize) -> u8 {
        self.group(side, group).term.0
    }

    /// Who owns a group in the eyes of a node that is on.
    #[track_caller]
    pub fn owner_in_the_eyes_of(&self, side: Side, group: usize) -> Owner {
        self.group(side, group).owner
    }

    #[track_caller]
    fn group(&self, side: Side, group: usize) -> lubdub::node::GroupStatus {
        match self.node(side).groups().nth(group) {
            Some(status) => status,
            None => self.fail(format_args!("there is no group {group}")),
        }
    }

    /// The peer in the eyes of a node that is on.
    #[track_caller]
    pub fn peer(&self, side: Side) -> PeerState {
        self.node(side).peer()
    }

    /// A link in the eyes of a node that is on.
    #[track_caller]
    pub fn link(&self, side: Side, link: usize) -> LinkStatus {
        match self.node(side).links().nth(link) {
            Some(status) => status,
            None => self.fail(format_args!("there is no link {link}")),
        }
    }

    /// What a node has noted since a moment.
    pub fn noted(&self, side: Side, since: Instant) -> impl Iterator<Item = Event> {
        self.world.noted.iter().filter(move |(at, of, _)| *of == side && *at >= since).map(|(_, _, event)| *event)
    }

    /// How often a node has begun to start a group since a moment.
    pub fn starts(&self, side: Side, group: usize, since: Instant) -> usize {
        let begun = |event: &Event| matches!(event, Event::Group { group: of, to: State::Starting, .. } if usize::from(*of) == group);
        self.noted(side, since).filter(begun).count()
    }

    /// Starts of any group on any node since a moment.
    pub fn moves(&self, since: Instant) -> usize {
        let all = |side: Side| (0..self.groups()).map(move |group| self.starts(side, group, since)).sum::<usize>();
        BOTH.into_iter().map(all).sum()
    }

    /// Moments at which both boxes had one group.
    pub fn doubles(&self) -> u64 {
        self.doubles
    }

    /// Beats and hellos that a node has handed to a link since a moment. A long story remembers some of them only.
    pub fn frames(&self, side: Side, link: usize, since: Instant) -> impl Iterator<Item = &crate::frame::Frame> {
        let of = move |frame: &&Rc<crate::frame::Frame>| {
            frame.from == side && usize::from(frame.link) == link && frame.sent >= since
        };
        self.world.history.iter().filter(of).map(|frame| &**frame)
    }

    /// What an order would be refused with.
    #[track_caller]
    pub fn refuses(&self, side: Side, order: lubdub::node::Order) -> Option<Refusal> {
        self.node(side).refuses(order)
    }
}

/// A second group, preferred on node2.
pub fn second_line(scenario: &mut Scenario) {
    scenario.preferred = vec![NODE1, NODE2];
    scenario.has_vip = vec![true, true];
}
