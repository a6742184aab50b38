//! What a seed draws before the first event: the configuration of the pair, the kinds of fault, their rates.

use crate::Side;
use crate::kind::{Kind, Kinds};
use crate::rng::Rng;
use crate::timeline::span;
use crate::told::LEGEND;
use lubdub::lease::{Exclusive, Wish, choose};
use lubdub::node::{Guard, LinkKind, Timing};
use lubdub::time::{Duration, Instant};
use lubdub::wire::auth::Method;
use std::fmt;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A seed lives this long at most.
pub const LIFE_MAX: Duration = Duration::from_secs(3600);
/// And for this many beats at most.
pub const BEATS_MAX: u64 = 15_000;
/// Groups of a pair at most.
pub const GROUPS_MAX: usize = 4;
/// Bytes of a hello on the cable at most, with the names and keys of this simulator.
const HELLO_LEN: u64 = 125;

/// Everything that is fixed for a seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// The timings of each node.
    pub timing: [Timing; 2],
    /// `auto_failback`.
    pub auto_failback: bool,
    /// The links, serial ones first.
    pub links: Vec<LinkKind>,
    /// Who is preferred for each group.
    pub preferred: Vec<Side>,
    /// Whether each group has a VIP.
    pub has_vip: Vec<bool>,
    /// How frames are signed.
    pub method: Method,
    /// Millionths by which each clock is fast.
    pub drift: [i64; 2],
    /// How late a daemon wakes at most.
    pub lag: Duration,
    /// A kernel ends the VIPs of a daemon that has sent nothing for this long.
    pub lease: Option<Duration>,
    /// What keeps each node's peer from being a second owner.
    pub guard: [Guard; 2],
    /// There are other stations on the service LAN.
    pub stations: bool,
    /// `ping` nodes are configured.
    pub pings: bool,
    /// Links that show their other end without a frame.
    pub lines: Vec<bool>,
    /// A heartbeat link that goes through the service LAN's switch.
    pub shared: Option<usize>,
    /// How long a step takes at most when nothing is wrong.
    pub step: Duration,
    /// How long a step hangs until it is given up.
    pub hang: Duration,
    /// A node hears its own broadcasts.
    pub hears_itself: bool,
    /// Reads may cut frames in two.
    pub chops: bool,
    /// The kinds of fault there are.
    pub kinds: Kinds,
    /// Millionths of bytes or datagrams that each steady fault hits.
    pub rate: u64,
    /// Between two incidents, at most.
    pub pace: Duration,
    /// In so many of a hundred cases a transition provokes an incident: the worst moment.
    pub spite: u64,
    /// When the faults end.
    pub calm: Instant,
    /// When the seed ends.
    pub end: Instant,
}

impl Scenario {
    /// Draws everything.
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6c75_6264_7562);
        let rng = &mut rng;
        let links = draw_links(rng);
        let timing = draw_timing(rng, &links);
        let groups = rng.pick(&[1, 1, 2, 2, 3, 4]);
        let mut kinds = draw_kinds(rng);
        let mut plan = Leases::draw(&mut Rng::new(seed ^ 0x6c65_6173_6573), &links, &timing, &mut kinds);
        let lease = !plan.is_guarded() && (kinds.has(Kind::Lapse) || rng.percent(40));
        if lease {
            kinds.insert(Kind::Lapse);
        }
        let longest = |part: fn(&Timing) -> Duration| timing.iter().map(part).max().unwrap_or_default();
        let keepalive = longest(|timing| timing.keepalive);
        // Later than that by its own keepalive would be a stall at each turn.
        let soonest = keepalive.min(timing[0].keepalive).min(timing[1].keepalive);
        let hang = rng.span(MS(50), MS(5_000));
        let step = rng.pick(&[MS(2), MS(20), MS(300)]);
        let settle = longest(|timing| timing.initdead).times(3) + longest(|timing| timing.deadtime).times(4);
        let settle = settle + hang.times(4) + MS(90_000);
        let life = LIFE_MAX.min(keepalive.times(BEATS_MAX));
        let calm = Duration::from_micros(life.as_micros() * 3 / 4).min(life - settle).max(life.part(4));
        Self {
            seed,
            auto_failback: rng.percent(50),
            preferred: (0..groups).map(|n| if rng.percent(70) { n % 2 } else { rng.index(2) }).collect(),
            has_vip: (0..groups).map(|_| rng.percent(80)).collect(),
            method: rng.pick(&[Method::Crc, Method::Crc, Method::Md5, Method::Md5, Method::Sha1, Method::Sha256]),
            drift: draw_drift(rng, kinds),
            lag: if kinds.has(Kind::Lag) { rng.span(MS(0), soonest.part(2)) } else { Duration::ZERO },
            lease: lease.then(|| timing[0].deadtime.min(timing[1].deadtime).times(8).part(10)),
            guard: plan.guard,
            stations: plan.stations,
            pings: plan.pings,
            lines: std::mem::take(&mut plan.lines),
            shared: plan.shared,
            step,
            hang,
            hears_itself: rng.percent(50),
            chops: rng.percent(50),
            rate: rng.pick(&[100, 1_000, 10_000, 50_000, 200_000]),
            pace: keepalive.times(rng.pick(&[5, 20, 100, 400])),
            spite: rng.pick(&[0, 2, 10, 40]),
            calm: Instant::ZERO + calm,
            end: Instant::ZERO + calm + settle,
            timing,
            links,
            kinds,
        }
    }

    /// Whether a group is preferred on a side.
    pub fn is_preferred(&self, side: Side, group: usize) -> bool {
        self.preferred[group] == side
    }

    /// VIPs have leases, and are asked for before they are taken.
    pub fn is_guarded(&self) -> bool {
        self.guard.iter().any(|guard| guard.lease.is_some())
    }

    /// How long a node pauses between two questions to its `ping` nodes, and how long three of them take in doubt.
    pub fn ping_pace(&self, side: Side) -> [Duration; 2] {
        let keepalive = self.timing[side].keepalive;
        [keepalive.max(MS(1_000)), keepalive.part(4).max(MS(10)).min(MS(250)).times(3)]
    }

    /// The longer keepalive of the two.
    pub fn keepalive(&self) -> Duration {
        self.timing[0].keepalive.max(self.timing[1].keepalive)
    }

    /// The longer deadtime of the two.
    pub fn deadtime(&self) -> Duration {
        self.timing[0].deadtime.max(self.timing[1].deadtime)
    }

    /// The longer initdead of the two.
    pub fn initdead(&self) -> Duration {
        self.timing[0].initdead.max(self.timing[1].initdead)
    }
}

/// As the head of a timeline: the configuration, the kinds of fault, their rates.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for (side, timing) in self.timing.iter().enumerate() {
            let Timing { keepalive, warntime, deadtime, initdead } = *timing;
            let [keepalive, warntime, deadtime, initdead] = [keepalive, warntime, deadtime, initdead].map(span);
            write!(f, "node{}: keepalive {keepalive}, warntime {warntime}, ", side + 1)?;
            writeln!(f, "deadtime {deadtime}, initdead {initdead}, clock {:+} ppm", self.drift[side])?;
        }
        for (number, link) in self.links.iter().enumerate() {
            writeln!(f, "link {number}: {link:?}")?;
        }
        for (number, side) in self.preferred.iter().enumerate() {
            let vip = if self.has_vip[number] { "with" } else { "without" };
            writeln!(f, "group {number}: of node{}, {vip} a VIP", side + 1)?;
        }
        for (side, guard) in self.guard.iter().enumerate().filter(|(_, guard)| guard.lease.is_some()) {
            let Guard { lease, outlast, fencing, .. } = guard;
            let lease = span(lease.unwrap_or_default());
            writeln!(f, "node{}: lease {lease}, outlasted: {outlast}, fencing: {fencing}", side + 1)?;
        }
        if self.is_guarded() {
            let (stations, pings, lines, shared) = (self.stations, self.pings, &self.lines, self.shared);
            writeln!(f, "stations: {stations}, ping: {pings}, lines: {lines:?}, through the switch: {shared:?}")?;
        }
        let failback = if self.auto_failback { "on" } else { "off" };
        writeln!(f, "auto_failback {failback}, keys {:?}, steps up to {}", self.method, span(self.step))?;
        write!(f, "faults:")?;
        self.kinds.iter().try_for_each(|kind| write!(f, " {kind:?}"))?;
        writeln!(f)?;
        let [calm, end] = [self.calm, self.end].map(|at| span(at.since(Instant::ZERO)));
        writeln!(f, "one about every {} until {calm}; the end at {end}", span(self.pace))?;
        write!(f, "{LEGEND}")
    }
}

fn draw_links(rng: &mut Rng) -> Vec<LinkKind> {
    let baud = rng.pick(&[9_600, 19_200, 115_200, 115_200]);
    let serial = LinkKind::Serial { baud };
    match rng.below(8) {
        0..3 => vec![serial, LinkKind::Broadcast],
        3 | 4 => vec![serial],
        5 => vec![LinkKind::Broadcast],
        6 => vec![serial, serial],
        _ => vec![serial, LinkKind::Broadcast, LinkKind::Broadcast],
    }
}

/// Timings that the cable can carry: a hello must fit in a keepalive.
fn draw_timing(rng: &mut Rng, links: &[LinkKind]) -> [Timing; 2] {
    let least = links.iter().map(|link| match link {
        LinkKind::Serial { baud } => Duration::from_micros(HELLO_LEN * 10_000_000 / u64::from(*baud)),
        LinkKind::Broadcast => MS(5),
    });
    let least = least.max().unwrap_or_default();
    let choices = [20, 50, 100, 100, 200, 500, 1_000, 2_000].map(MS);
    let fits = |keepalive: &Duration| *keepalive >= least;
    let choices: Vec<_> = choices.into_iter().filter(fits).collect();
    let first = one_timing(rng, &choices);
    let second = if rng.percent(15) { one_timing(rng, &choices) } else { first };
    // A keepalive of one node must fit the deadtime of the other, as `check` demands of one file.
    let fits = first.keepalive.times(2) < second.deadtime && second.keepalive.times(2) < first.deadtime;
    if fits { [first, second] } else { [first, first] }
}

fn one_timing(rng: &mut Rng, choices: &[Duration]) -> Timing {
    let keepalive = rng.pick(choices);
    let tenths = rng.pick(&[25, 30, 30, 50, 100, 300]);
    let deadtime = keepalive.times(tenths).part(10);
    // Beyond deadtime it is a mistake that `check` warns of, and that may not keep a VIP from being asked for.
    let latest = if rng.percent(5) { deadtime.times(4) } else { deadtime };
    let warntime = rng.span(keepalive + MS(1), latest);
    let initdead = deadtime.times(rng.pick(&[1, 2, 4, 10])).min(Duration::from_secs(120)).max(deadtime);
    Timing { keepalive, warntime, deadtime, initdead }
}

fn draw_kinds(rng: &mut Rng) -> Kinds {
    let mut kinds = Kinds::default();
    let percent = rng.pick(&[10, 25, 50]);
    for kind in Kind::ALL.iter().filter(|kind| !kind.is_of_leases()) {
        if rng.percent(percent) {
            kinds.insert(*kind);
        }
    }
    kinds
}

/// Together they drift by less than the 0.1 % that the rules allow.
fn draw_drift(rng: &mut Rng, kinds: Kinds) -> [i64; 2] {
    let one = |rng: &mut Rng| rng.below(1_000) as i64 - 500;
    if kinds.has(Kind::Drift) { [one(rng), one(rng)] } else { [0, 0] }
}

/// What a seed draws of leases: half of all seeds have them.
struct Leases {
    guard: [Guard; 2],
    stations: bool,
    pings: bool,
    lines: Vec<bool>,
    shared: Option<usize>,
}

impl Leases {
    /// Draws from chance of its own, so that a seed without leases is what it was.
    fn draw(rng: &mut Rng, links: &[LinkKind], timing: &[Timing; 2], kinds: &mut Kinds) -> Self {
        let none = Self {
            guard: Default::default(),
            stations: false,
            pings: false,
            lines: vec![false; links.len()],
            shared: None,
        };
        if rng.percent(50) {
            return none;
        }
        let percent = rng.pick(&[15, 30, 60]);
        for kind in Kind::ALL.iter().filter(|kind| kind.is_of_leases() && **kind != Kind::ExclusiveOff) {
            if rng.percent(percent) {
                kinds.insert(*kind);
            }
        }
        if rng.percent(15) {
            kinds.insert(Kind::ExclusiveOff);
        }
        let fencing = rng.percent(20);
        let fine = rng.percent(60);
        let asked = rng.percent(25).then(|| timing[0].keepalive.times(2 + rng.below(20)));
        let guard = timing.map(|timing| Guard {
            lease: Some(lease(&timing, kinds.has(Kind::ExclusiveOff), asked, fine)),
            outlast: !kinds.has(Kind::ExclusiveOff),
            probes: true,
            fencing,
        });
        let ethernet = links.iter().position(|link| *link == LinkKind::Broadcast);
        let shared = ethernet.filter(|_| rng.percent(40));
        let lines = (0..links.len()).map(|link| Some(link) != shared && rng.percent(60)).collect();
        Self { guard, stations: rng.percent(70), pings: rng.percent(30), lines, shared }
    }

    fn is_guarded(&self) -> bool {
        self.guard[0].lease.is_some()
    }
}

/// The lease of a node with these timings.
pub(crate) fn lease(timing: &Timing, off: bool, asked: Option<Duration>, fine_available: bool) -> Duration {
    let exclusive = if off { Exclusive::Off } else { Exclusive::Auto };
    let wish = Wish { deadtime: timing.deadtime, keepalive: timing.keepalive, asked, exclusive, fine_available };
    choose(&wish).length
}
