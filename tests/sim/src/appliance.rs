//! One box: a daemon that can die or freeze, and resources that outlive it.

use crate::Side;
use crate::clock::Clock;
use crate::frame::Parcel;
use crate::kernel::Lifetime;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::service::Sight;
use lubdub::journal::Recorder;
use lubdub::node::{GroupSetup, Groups, Guard, Node, Setup, Untrusted, Verb, Why};
use lubdub::time::{Duration, Instant};
use lubdub::wire::auth::{Key, Keyring};
use lubdub::wire::beat::State;
use std::collections::VecDeque;

/// Bytes that a device keeps for a daemon that does not read; what comes after is lost.
const BUFFER_MAX: usize = 4_096;

/// What a step will come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Steps are numbered.
    pub number: u64,
    /// What is done.
    pub verb: Verb,
    /// Whether it will succeed.
    pub ok: bool,
}

/// The resources of one group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resource {
    /// The kernel answers for the VIP.
    pub vip: bool,
    /// Something of it may run.
    pub runs: bool,
    /// The step under way.
    pub step: Option<Step>,
    /// Its start waits for a renewal: no VIP is added without a lease.
    pub waits: bool,
    /// The present daemon has begun to start it, and not to stop it: it renews the VIP.
    pub ours: bool,
    /// When the kernel ends the VIP by itself; none where it never does.
    pub lifetime: Option<Lifetime>,
}

/// What a shell has for its node, beside what the links bring.
#[derive(Clone, Copy, Debug)]
pub enum Report {
    /// A step has ended.
    Done(u8, Verb, bool),
    /// The inventory has found a VIP with a lease until then.
    Found(u8, Instant),
    /// The kernel has ended a VIP.
    Lapsed(u8),
    /// The other end of a link is gone, or back.
    Line(u8, bool),
    /// A device has fenced the peer.
    Fenced,
}

/// What a daemon reads when it starts, as far as both nodes' must agree.
#[derive(Clone, Debug)]
pub struct Files {
    /// Digest of haresources and auto_failback.
    pub digest: [u8; 8],
    /// The keys of authkeys: number and secret. The first is the one to send with.
    pub keys: Vec<(u8, &'static str)>,
    /// So many of them the file lists; a daemon keeps those of before until its peer signs with a listed one.
    pub listed: usize,
    /// What it has let go of in this life, as far as can be told from outside.
    pub let_go: Vec<u8>,
    /// How exclusive ownership is made sure of.
    pub guard: Guard,
}

impl Default for Files {
    fn default() -> Self {
        Self { digest: [7; 8], keys: vec![(3, "redhat")], listed: 1, let_go: Vec::new(), guard: Guard::default() }
    }
}

/// Who a daemon says that it is.
pub type Mask = Option<Untrusted>;

/// A daemon that does not run although it lives.
#[derive(Clone, Copy, Debug)]
pub struct Frozen {
    /// Since when.
    pub since: Instant,
    /// The machine stands still, and its clock with it.
    pub whole_machine: bool,
}

/// One appliance.
pub struct Appliance {
    /// Which.
    pub side: Side,
    /// Its daemon.
    pub node: Option<Node>,
    /// Counts the lives of the daemon.
    pub life: u32,
    /// Counts them too; a reload that makes another life of it for the oracle does not count.
    pub run: u32,
    /// Its clock.
    pub clock: Clock,
    /// It is not scheduled.
    pub frozen: Option<Frozen>,
    /// Its configuration.
    pub files: Files,
    /// What it is to the other node in this life.
    pub mask: Mask,
    /// What its devices have received and nobody has read, with the number of bytes.
    pub inbox: Vec<(usize, VecDeque<Parcel>)>,
    /// What the daemon has not been told yet, of steps, kernel, lines and devices.
    pub reports: VecDeque<Report>,
    /// The box has power.
    pub powered: bool,
    /// What it sees of the service LAN.
    pub sight: Sight,
    /// Links whose other end this daemon has seen, and whether it still sees it; none: never.
    pub lines: Vec<Option<bool>>,
    /// Until when VIPs may live that are added before the next renewal, on its own clock, and for how long that was given.
    pub leave: Option<(Instant, Duration)>,
    /// The last renewal that the kernel took, by the world's clock.
    pub renewed: Instant,
    /// It wants its peer fenced.
    pub fences: bool,
    /// Until when the daemon waits, on its own clock, and why.
    pub wait: Option<(Instant, Why)>,
    /// When it will wake for that.
    pub alarm: Option<Instant>,
    /// The groups.
    pub resources: Vec<Resource>,
    /// What its daemon has read of the files in this life.
    pub read: Files,
    /// As whom it was started; [`Self::mask`] says besides whether the files make strangers of the two.
    pub disguise: Mask,
    /// The last beat that it handed to a link.
    pub last_sent: Instant,
    /// Its daemon's field journal, where one is kept.
    pub journal: Option<Recorder<Vec<u8>>>,
}

impl Appliance {
    /// A box that is off.
    pub fn new(side: Side, scenario: &Scenario) -> Self {
        Self {
            side,
            node: None,
            life: 0,
            run: 0,
            clock: Clock::new(Instant::from_micros(1_000_000 * (1 + side as u64)), scenario.drift[side]),
            frozen: None,
            files: Files { guard: scenario.guard[side], ..Files::default() },
            mask: None,
            inbox: scenario.links.iter().map(|_| Default::default()).collect(),
            reports: VecDeque::new(),
            powered: false,
            sight: Sight::default(),
            lines: vec![None; scenario.links.len()],
            leave: None,
            renewed: Instant::ZERO,
            fences: false,
            wait: None,
            alarm: None,
            resources: vec![Resource::default(); scenario.preferred.len()],
            read: Files::default(),
            disguise: None,
            last_sent: Instant::ZERO,
            journal: None,
        }
    }

    /// A daemon that runs.
    pub fn awake(&self) -> bool {
        self.node.is_some() && self.frozen.is_none()
    }

    /// The state of a group as the daemon sees it.
    pub fn state(&self, group: usize) -> Option<State> {
        self.node.as_ref()?.groups().nth(group).map(|group| group.state)
    }

    /// The daemon holds a group.
    pub fn holds(&self, group: usize) -> bool {
        self.state(group).is_some_and(State::holds)
    }

    /// The groups that have a VIP.
    pub fn vips(scenario: &Scenario) -> Groups {
        scenario.has_vip.iter().rev().fold(0, |mask, has| mask << 1 | Groups::from(*has))
    }

    /// The machine stands still, and its kernel with it.
    pub fn is_paused(&self) -> bool {
        self.frozen.is_some_and(|frozen| frozen.whole_machine)
    }

    /// Something arrives at a device; it is lost where there is no room, or nobody has the device open.
    pub fn receive(&mut self, link: usize, parcel: Parcel) {
        if self.node.is_none() {
            return;
        }
        let (used, queue) = &mut self.inbox[link];
        let len = parcel.bytes().len();
        if *used + len <= BUFFER_MAX {
            *used += len;
            queue.push_back(parcel);
        }
    }

    /// The next thing to read on a link.
    pub fn read(&mut self, link: usize) -> Option<Parcel> {
        let (used, queue) = &mut self.inbox[link];
        let parcel = queue.pop_front()?;
        *used -= parcel.bytes().len();
        Some(parcel)
    }

    /// The daemon is gone; what it started runs on.
    pub fn kill(&mut self) {
        self.node = None;
        self.frozen = None;
        self.wait = None;
        self.alarm = None;
        self.reports.clear();
        (self.sight, self.fences) = (Sight::default(), false);
        self.inbox.iter_mut().for_each(|(used, queue)| {
            *used = 0;
            queue.clear();
        });
        // Its children die with it or are killed by the next run: their ends are nobody's news.
        self.resources
            .iter_mut()
            .for_each(|resource| (resource.step, resource.ours, resource.waits) = (None, false, false));
    }

    /// What a new daemon on this box is told.
    pub fn setup(&self, scenario: &Scenario, rng: &mut Rng) -> Option<Setup> {
        let side = self.side;
        let names = ["node1.a.com", "node2.a.com"];
        let same_name = self.mask == Some(Untrusted::SameName);
        let (me, peer) = if same_name { (1 - side, side) } else { (side, 1 - side) };
        let wrong_key = self.mask == Some(Untrusted::WrongKey);
        let keys: &[_] = if wrong_key { &[(3, "other")] } else { &self.files.keys };
        let cluster = if self.mask == Some(Untrusted::OtherCluster) { "other" } else { "linux-ha" };
        let digest = if self.mask == Some(Untrusted::DifferentHaresources) { [9; 8] } else { self.files.digest };
        let mut seed = [0; 32];
        seed.fill_with(|| rng.bits() as u8);
        let group =
            |number| GroupSetup { preferred: scenario.is_preferred(side, number), has_vip: scenario.has_vip[number] };
        Some(Setup {
            name: names[me].try_into().ok()?,
            peer: names[peer].try_into().ok()?,
            cluster: cluster.try_into().ok()?,
            timing: scenario.timing[side],
            auto_failback: scenario.auto_failback,
            links: scenario.links.iter().copied().collect(),
            groups: (0..scenario.preferred.len()).map(group).collect(),
            macs: [[2, 0, 0, 0, 0, side as u8]].into_iter().collect(),
            guard: self.files.guard,
            digest,
            keys: Keyring::new(
                keys.first()?.0,
                keys.iter().filter_map(|(id, secret)| Key::new(*id, scenario.method, secret.as_bytes())),
            )?,
            run: rng.bits(),
            seed,
        })
    }
}

impl Files {
    /// The peer signs beats with a key: where it is a listed one, those of before are forgotten.
    pub fn forget_keys(&mut self, key: Option<u8>) {
        let listed = |id: u8| self.keys[..self.listed.min(self.keys.len())].iter().any(|(key, _)| *key == id);
        if self.keys.len() > self.listed && key.is_some_and(listed) {
            self.let_go.extend(self.keys.drain(self.listed..).map(|(id, _)| id));
        }
    }
}
