//! A node whose shell keeps the contract of `lubdub::node` and looks whether the node does.

use crate::frame::{payload, unframed};
use lubdub::node::{Groups, Guard, Input, Node, Output, Setup, Verb, Why};
use lubdub::time::{Duration, Instant};
use lubdub::wire::auth::Key;
use lubdub::wire::beat::{Beat, GROUPS_MAX, LINKS_MAX, State};
use lubdub::wire::envelope::{Envelope, Kind};

/// When a story begins.
pub(crate) const START: Instant = Instant::from_micros(1_000_000);

/// Outputs between two inputs at most: a removal and an announcement and a start for each group, a hello and a beat for
/// each link, 64 events and the count of those lost, a renewal, a look, a wish to fence, the leave and the wait.
const OUTPUTS_MAX: usize = 4 * GROUPS_MAX + 2 * LINKS_MAX + 64 + 6;

/// What runs of a group, as its resources would tell.
#[derive(Clone, Copy)]
struct Resources {
    /// The step under way.
    step: Option<Verb>,
    /// Something of it may run.
    up: bool,
    /// The inventory has found it, so that a start may go on with it.
    found: bool,
}

/// The resources of a group that a run before this one may have left.
const LEFTOVER: Resources = Resources { step: None, up: true, found: false };

/// A node and all that it asked for.
pub(crate) struct Watched {
    node: Node,
    key: Key,
    now: Instant,
    links: usize,
    /// When the node wants to be woken, and what for.
    pub wait: (Instant, Why),
    /// It has said goodbye.
    pub left: bool,
    /// Every frame since somebody took them.
    pub sent: Vec<(u8, Vec<u8>)>,
    groups: Vec<Resources>,
    guard: Guard,
    /// The longest lease that may be in force: one of an earlier setup until the peer knows of the present one.
    lease: Option<Duration>,
    /// What it last said that it wants.
    looking: Groups,
    fencing: bool,
}

impl Watched {
    pub fn new(now: Instant, setup: Setup) -> Self {
        let key = setup.keys.iter().next().expect("a ring has a key").clone();
        let (links, groups, guard) = (setup.links.len(), vec![LEFTOVER; setup.groups.len()], setup.guard);
        let mut watched = Self {
            node: Node::new(now, setup),
            key,
            now,
            links,
            wait: (now, Why::Beat),
            left: false,
            sent: Vec::new(),
            groups,
            guard,
            lease: guard.lease,
            looking: 0,
            fencing: false,
        };
        watched.drain(false);
        watched
    }

    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The steps under way.
    pub fn steps(&self) -> impl Iterator<Item = (u8, Verb)> {
        (0..).zip(&self.groups).filter_map(|(number, group)| group.step.map(|step| (number, step)))
    }

    /// What people are shown of the groups.
    pub fn states(&self) -> Vec<State> {
        self.node.groups().map(|group| group.state).collect()
    }

    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        if self.left {
            return;
        }
        self.now = self.now.max(now);
        self.node.handle(now, input);
        self.drain(matches!(input, Input::Wake { swept: true }));
    }

    /// The step under way of a group ends, if there is one.
    pub fn end_step(&mut self, now: Instant, number: u8, ok: bool) {
        let Some(group) = self.groups.get_mut(usize::from(number)) else { return };
        let Some(verb) = group.step.take() else { return };
        group.up = match verb {
            Verb::Start => true,
            Verb::Inventory => group.up,
            _ => !ok,
        };
        self.handle(now, Input::Done { group: number, verb, ok });
    }

    /// The inventory of a group, where one is under way, finds a VIP whose lease runs for so long.
    pub fn find(&mut self, now: Instant, number: u8, left: Duration) {
        if let Some(group) = self.groups.get_mut(usize::from(number)) {
            group.found |= group.step == Some(Verb::Inventory);
        }
        self.handle(now, Input::Found { group: number, until: now + left });
    }

    /// SIGHUP: the new group `n` is the old one `kept[n]`, if any.
    pub fn reload(&mut self, now: Instant, setup: Setup, kept: &[Option<u8>]) {
        if self.left {
            return;
        }
        self.now = self.now.max(now);
        self.key = setup.keys.iter().next().expect("a ring has a key").clone();
        let old = |number: &Option<u8>| number.map_or(LEFTOVER, |number| self.groups[usize::from(number)]);
        self.groups = kept.iter().map(old).collect();
        self.guard = setup.guard;
        self.lease = self.lease.max(setup.guard.lease);
        self.node.reload(now, setup, kept);
        self.drain(false);
    }

    fn drain(&mut self, swept: bool) {
        // Bit n of each link: a beat of this turn says that group n is starting.
        let mut claims = vec![0u32; self.links];
        let mut spoke = false;
        for _ in 0..OUTPUTS_MAX {
            match self.node.poll() {
                Output::Transmit { link, frame } => {
                    spoke = true;
                    claims[usize::from(link)] |= self.judge_frame(link, frame.bytes());
                    self.sent.push((link, frame.bytes().to_vec()));
                }
                Output::Run { group, verb } => self.begin(group, verb, &claims),
                Output::Renew { until } => self.judge_renewal(until, std::mem::take(&mut spoke)),
                Output::Look { groups } => self.judge_look(groups),
                Output::Fence { wanted } => {
                    assert_ne!(wanted, std::mem::replace(&mut self.fencing, wanted), "said again");
                    assert!(!wanted || self.guard.fencing, "nobody is to be fenced");
                }
                Output::Note(_) => {}
                Output::Left => {
                    assert!(self.groups.iter().all(|group| !group.up), "left with something running");
                    self.left = true;
                }
                Output::Wait { until, why } => return self.judge_wait(until, why, swept),
            }
        }
        panic!("more than {OUTPUTS_MAX} outputs for one input");
    }

    /// A lease is renewed once in a turn that has spoken, never for longer than it is.
    fn judge_renewal(&self, until: Instant, spoke: bool) {
        assert!(spoke, "renewed without a frame in this turn");
        let within = self.lease.is_some_and(|lease| until <= self.now + lease);
        let for_ever = until == Instant::FAR && self.guard.lease.is_none();
        assert!(within || for_ever, "until {until:?}, by a lease of {:?}", self.lease);
    }

    fn judge_look(&mut self, groups: Groups) {
        assert_ne!(groups, std::mem::replace(&mut self.looking, groups), "said again");
        assert!(groups == 0 || self.guard.probes, "nobody asks for VIPs");
        assert!(u64::from(groups) < 1 << self.groups.len(), "groups that there are not: {groups:b}");
    }

    fn judge_wait(&mut self, until: Instant, why: Why, swept: bool) {
        if why == Why::Judge && !swept {
            assert!(until >= self.now, "{until:?} is over");
        } else {
            assert!(until > self.now, "{why:?} at {until:?}, {} after now: it would be woken for ever", {
                until.since(self.now).as_micros()
            });
        }
        self.wait = (until, why);
    }

    fn begin(&mut self, number: u8, verb: Verb, claims: &[u32]) {
        let in_session = self.node.peer_deadtime().is_some();
        let group = self.groups.get_mut(usize::from(number)).expect("a group of the setup");
        match verb {
            Verb::Announce => return,
            Verb::Start => {
                let adopted = std::mem::take(&mut group.found);
                assert!((adopted || !group.up) && group.step.is_none(), "a start of what may run: group {number}");
                let said = claims.iter().all(|link| link >> number & 1 != 0);
                assert!(said || !in_session, "a start before its claim is on every link: group {number}");
            }
            Verb::Stop => assert!(group.step.is_none(), "a stop beside {:?} of group {number}", group.step),
            Verb::Drop => assert!(group.step != Some(Verb::Drop), "a drop beside a drop of {number}"),
            Verb::Inventory => assert!(group.step.is_none() && group.up, "an inventory of what is known: {number}"),
        }
        (group.step, group.up) = (Some(verb), true);
    }

    /// What a beat says of what runs here must be true. The groups that it claims.
    fn judge_frame(&self, link: u8, frame: &[u8]) -> u32 {
        let body = unframed(frame).expect("a node sends whole frames");
        let envelope = Envelope::open(&body).expect("a node sends bodies of this version");
        assert_eq!(envelope.link, link);
        let beat = payload(&self.key, &body).filter(|_| envelope.kind == Kind::Beat).and_then(Beat::decode);
        assert_eq!(beat.is_some(), envelope.kind == Kind::Beat);
        let Some(beat) = beat else { return 0 };
        assert_eq!(beat.groups.len(), self.groups.len());
        for (word, group) in beat.groups.iter().zip(&self.groups) {
            assert!(!(word.state.is_down() && group.up), "said to be {:?}, and may run", word.state);
            assert!(!(word.granted && group.up), "granted, and may run");
            assert!(!(beat.goodbye && group.up), "goodbye, and may run");
        }
        let starting = (0..).zip(&beat.groups).filter(|(_, word)| word.state == State::Starting);
        starting.fold(0, |mask, (number, _)| mask | 1 << number)
    }

    /// The node is woken as it asked to be, at or after the time that it named.
    pub fn wake(&mut self, late: Duration) {
        let (until, why) = self.wait;
        self.handle(until.max(self.now) + late, Input::Wake { swept: why == Why::Judge });
    }
}
