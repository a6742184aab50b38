//! What must never be, and what must be soon: looked at from outside, after every event.
//!
//! The oracle knows both daemons, both kernels and every frame; a node knows only what it has heard. It judges by the
//! laws of ownership and their rules, never by what a node believes.

mod claims;
mod doubles;
mod evidence;
mod hearing;
mod kernels;
mod looking;
mod orders;
mod settling;
mod transitions;
mod words;

use crate::Side;
use crate::appliance::Appliance;
use crate::frame::Frame;
use crate::lan::Lan;
use crate::medium::Media;
use crate::scenario::{GROUPS_MAX, Scenario};
use lubdub::node::Node;
use lubdub::time::{Duration, Instant};
use lubdub::wire::beat::{GroupWord, State, Term};
use std::fmt;
use std::rc::Rc;

pub use hearing::Before;

/// A broken law.
#[derive(Clone, Debug)]
pub struct Violation {
    /// When.
    pub at: Instant,
    /// The law or rule.
    pub law: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.what)
    }
}

/// What the oracle looks at.
pub struct Scene<'a> {
    /// The moment, by the world's clock.
    pub now: Instant,
    /// What the seed drew.
    pub scenario: &'a Scenario,
    /// The appliances.
    pub boxes: &'a [Appliance; 2],
    /// The links.
    pub media: &'a Media,
    /// The service LAN.
    pub lan: &'a Lan,
    /// Until when each cable is pulled.
    pub unplugged: &'a [Instant],
    /// The faults have ended.
    pub calm: bool,
    /// Faults injected so far.
    pub faults: u64,
}

impl Scene<'_> {
    /// The moment by a node's own clock.
    fn local(&self, side: Side) -> Instant {
        self.boxes[side].clock.local(self.now)
    }

    fn node(&self, side: Side) -> Option<&Node> {
        self.boxes[side].node.as_ref()
    }

    fn groups(&self) -> usize {
        self.scenario.preferred.len()
    }

    fn trusted(&self) -> bool {
        let off = self.boxes.iter().any(|it| it.node.is_none());
        // In the middle of a rotation a daemon that starts anew knows one of the two keys.
        let [ours, theirs] = &self.boxes[..] else { return false };
        let common = ours.files.keys.iter().any(|key| theirs.files.keys.contains(key));
        off || common && self.boxes.iter().all(|it| it.mask.is_none())
    }
}

/// What the oracle remembers of one node.
#[derive(Debug, Default)]
struct Watch {
    /// When this life began, by its own clock.
    born: Instant,
    /// When something fresh of the peer was last accepted, by the node's own clock.
    life_at: Option<Instant>,
    /// The newest beat accepted, and when by the node's own clock; and when the one before.
    accepted: Option<Rc<Frame>>,
    accepted_at: Option<Instant>,
    accepted_before: Option<Instant>,
    /// Since when beats have been accepted without a gap, by the world's clock.
    streak: Option<Instant>,
    /// The last whole frame of anybody that reached it, by the world's clock.
    reached_at: Instant,
    /// Since when whole frames of the peer have arrived without a gap, and the last of them.
    arriving: Option<(Instant, Instant)>,
    /// Last hello of a masked peer, where it forbids and where it only delays, by the node's own clock.
    barred_at: Option<Instant>,
    doubted_at: Option<Instant>,
    /// Since when the peer is alive without a break, by the node's own clock.
    alive_since: Option<Instant>,
    /// When the peer last said that a group failed there, by the node's own clock.
    peer_failed_at: Vec<Option<Instant>>,
    /// When this node last yielded a group, and whether because it was not heard.
    yielded_at: Vec<Option<(Instant, bool)>>,
    /// When its verdict on the peer last changed.
    turned_at: Instant,
    /// When it last began a session.
    session_at: Option<Instant>,
    /// When its present session began.
    met_at: Option<Instant>,
    /// The claim with which each group was last acquired.
    claims: Vec<Term>,
    /// The latest term of each group that this node knew of when it last did not hold it.
    seen: Vec<Term>,
    /// The first goodbye: when, by the node's own clock, and its sequence number.
    goodbye: Option<(Instant, u16)>,
    /// The last word on each group, on each link.
    said: Vec<Vec<Option<GroupWord>>>,
    /// The last word on each group, on any link.
    last_said: Vec<GroupWord>,
    /// The end of its last pause as a whole machine.
    paused_until: Instant,
    /// Its last start, freeze or thaw.
    disturbed_at: Instant,
    /// The last rounds of its peer's questions, by its own clock.
    asked: std::collections::VecDeque<Instant>,
    /// What it has asked of each VIP, by its own clock.
    looks: Vec<looking::Look>,
    /// Since when each link shows that its other end is gone, by its own clock.
    lost: Vec<Option<Instant>>,
    /// Its peer was fenced, and has not been heard since.
    fenced: bool,
    /// The longest lease that its VIPs may have, as far as the peer knows.
    own_lease: Duration,
    /// That of its former life, which may have told it in a hello that is still to be read.
    former_lease: Duration,
    /// The lease that the peer has told in the present session.
    peer_lease: Duration,
    /// S of the longest that it may have told.
    peer_silence_max: Duration,
    /// When it last began to start each group, and whether that was a claim that nobody has confirmed.
    started: Vec<Option<(Instant, bool)>>,
}

impl Watch {
    fn new(groups: usize, links: usize) -> Self {
        Self {
            yielded_at: vec![None; groups],
            peer_failed_at: vec![None; groups],
            claims: vec![Term(0); groups],
            seen: vec![Term(0); groups],
            said: vec![vec![None; groups]; links],
            looks: vec![looking::Look::default(); groups],
            lost: vec![None; links],
            started: vec![None; groups],
            ..Self::default()
        }
    }
}

/// The oracle.
pub struct Oracle {
    /// The first broken law.
    pub violation: Option<Violation>,
    /// Starts of groups.
    pub starts: u64,
    /// Moments at which two daemons began to hold one group, with every excuse.
    pub doubles: u64,
    /// Sessions begun although neither daemon was new.
    pub churn: u64,
    watches: [Watch; 2],
    /// Since when both hold each group.
    double_since: Vec<Option<Instant>>,
    /// When a daemon last read its files again, or the two did not trust each other.
    read_at: Instant,
    /// No beat has made the round trip since then, or both kernels answer for the group since then.
    estranged: Vec<bool>,
    /// Since when nobody holds each group although somebody could.
    orphan_since: Vec<Option<Instant>>,
    /// Since when exactly one daemon runs.
    alone_since: Option<Instant>,
    /// What operators want of each group.
    mandates: Vec<orders::Mandate>,
    /// Faults injected when it was last looked.
    faults: u64,
    /// Starts of each group since something was last wrong, and the last.
    late_starts: Vec<(u32, Instant)>,
    /// Two kernels answer for each group since then.
    twins_since: Vec<Option<Instant>>,
    /// Such moments, all with an excuse.
    pub twins: u64,
    /// When the service LAN last did not carry both ways between the nodes.
    lan_broken_at: Option<Instant>,
    /// Since when no answer of a `ping` node gets to each node, where any is configured.
    unreached_since: [Option<Instant>; 2],
    /// The longest S that a node has been told of: a lease of before is waited for as long as it may still be in force.
    longest_silence: Duration,
    /// Failbacks of each group: every one doubles the wait for the next, up to an hour.
    given_back: Vec<u32>,
}

impl Oracle {
    /// One that has seen nothing.
    pub fn new(scenario: &Scenario) -> Self {
        let groups = scenario.preferred.len();
        let watch = || Watch::new(groups, scenario.links.len());
        Self {
            violation: None,
            starts: 0,
            doubles: 0,
            churn: 0,
            watches: [watch(), watch()],
            double_since: vec![None; groups],
            read_at: Instant::ZERO,
            estranged: vec![false; groups],
            orphan_since: vec![None; groups],
            alone_since: None,
            mandates: vec![orders::Mandate::default(); groups],
            faults: 0,
            late_starts: vec![(0, Instant::ZERO); groups],
            twins_since: vec![None; groups],
            twins: 0,
            lan_broken_at: None,
            unreached_since: [None; 2],
            longest_silence: Duration::ZERO,
            given_back: vec![0; groups],
        }
    }

    /// A law is broken. Only the first is kept: what follows from it is no news.
    pub fn accuse(&mut self, at: Instant, law: &'static str, what: fmt::Arguments<'_>) {
        if self.violation.is_none() {
            self.violation = Some(Violation { at, law, what: what.to_string() });
        }
    }

    /// When the beat was sent that a node echoes: the newest that it has accepted, or none in a new session.
    pub fn echoed(&self, side: Side, echo: u16) -> Option<Instant> {
        let frame = self.watches[side].accepted.as_ref()?;
        frame.beat.as_ref().filter(|beat| beat.seq == echo).map(|_| frame.sent)
    }

    /// A new life of a daemon.
    pub fn booted(&mut self, scene: &Scene<'_>, side: Side) {
        self.watches[1 - side].arriving = None;
        self.forget_orders();
        self.watches[side] = Watch {
            born: scene.local(side),
            disturbed_at: scene.now,
            // The kernel outlives the daemon.
            paused_until: self.watches[side].paused_until,
            // And so does what a claim has put into it.
            started: std::mem::take(&mut self.watches[side].started),
            own_lease: scene.boxes[side].read.guard.lease.unwrap_or_default(),
            former_lease: self.watches[side].own_lease,
            ..Watch::new(scene.groups(), scene.scenario.links.len())
        };
    }

    /// A machine goes on after a pause that no clock of its own shows.
    pub fn resumed(&mut self, scene: &Scene<'_>, side: Side) {
        self.watches[side].paused_until = scene.now;
    }

    /// A daemon goes on after it was not scheduled for `length`, which is nobody's silence (L7). A node sees at least so
    /// much of it as is left after the keepalive in which it would have woken anyway.
    pub fn stalled(&mut self, scene: &Scene<'_>, side: Side, length: Duration) {
        let keepalive = scene.scenario.timing[side].keepalive;
        let seen = length - length.part(1_000) - keepalive;
        if seen > keepalive {
            let watch = &mut self.watches[side];
            watch.born += seen;
            watch.asked.iter_mut().for_each(|at| *at += seen);
            watch.life_at = watch.life_at.map(|at| at + seen);
            watch.looks.iter_mut().for_each(looking::Look::forget);
        }
    }

    /// A daemon has read its files again.
    pub fn reloaded(&mut self, scene: &Scene<'_>) {
        self.read_at = scene.now;
    }

    /// A daemon was stopped or goes on.
    pub fn disturbed(&mut self, scene: &Scene<'_>, side: Side) {
        let watch = &mut self.watches[side];
        watch.disturbed_at = scene.now;
        watch.streak = None;
        watch.arriving = None;
    }

    /// After every event.
    pub fn look(&mut self, scene: &Scene<'_>) {
        self.note_quiet(scene);
        self.note_lan(scene);
        let [one, other] = scene.boxes.each_ref().map(states);
        for (group, states) in one.into_iter().zip(other).map(<[_; 2]>::from).take(scene.groups()).enumerate() {
            self.look_for_double(scene, group, states);
            self.look_for_twins(scene, group, states);
            self.look_for_orphan(scene, group, states);
        }
        self.look_for_deafness(scene);
        self.look_for_isolation(scene);
        self.look_for_probes(scene);
        self.note_terms(scene);
    }
}

/// The states of a node's groups, none where no daemon runs.
fn states(it: &Appliance) -> [Option<State>; GROUPS_MAX] {
    let mut states = [None; GROUPS_MAX];
    let groups = it.node.iter().flat_map(Node::groups);
    states.iter_mut().zip(groups).for_each(|(state, group)| *state = Some(group.state));
    states
}

/// A length with the drift of two clocks and a turn of the loop added.
fn roughly(span: Duration) -> Duration {
    span + span.part(500) + Duration::from_millis(1)
}
