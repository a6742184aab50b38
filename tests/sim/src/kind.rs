//! The kinds of fault. A seed switches whole kinds on and off.

use std::collections::BTreeMap;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident),* $(,)?) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind),* }
        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];
        }
    };
}

kinds! {
    /// A bit of a byte on the cable is wrong.
    BitFlip,
    /// A byte on the cable is lost.
    LostByte,
    /// A byte on the cable comes twice.
    DoubledByte,
    /// Random bytes on the cable.
    Noise,
    /// Text of a console on the cable.
    Console,
    /// Both ends differ in speed for a while: nothing but garbage arrives.
    WrongBaud,
    /// One end hears itself.
    Loop,
    /// A cable's far end sends back each byte, as a terminal echoes.
    Echo,
    /// One link is cut, in one direction or both.
    Cut,
    /// One link comes and goes every few beats.
    Flap,
    /// All links are cut, in one direction or both.
    Partition,
    /// Each link carries in one direction only, the next one in the other.
    Crosswise,
    /// Datagrams are lost now and then.
    Loss,
    /// Datagrams are lost for a while.
    BurstLoss,
    /// Datagrams come twice.
    Duplicate,
    /// Datagrams are late, and overtake each other.
    Reorder,
    /// Datagrams take longer for a while, all alike.
    Delay,
    /// Datagrams take longer for a while, each for itself.
    Jitter,
    /// Garbage in masses.
    Flood,
    /// Frames of somebody who knows the format but not the key.
    Forgery,
    /// Frames of any earlier moment of either node come again.
    Replay,
    /// A stretch of what was said once, hello and all, is played again.
    Recording,
    /// A start fails.
    StartFails,
    /// A start hangs until its timeout.
    StartHangs,
    /// A stop fails.
    StopFails,
    /// A stop hangs until its timeout.
    StopHangs,
    /// The daemon dies, what it started runs on; it is started again.
    Crash,
    /// The box loses power and is switched on again.
    PowerLoss,
    /// The daemon is not scheduled for a while.
    Freeze,
    /// The whole machine stands still for a while, its clock too.
    Pause,
    /// The two clocks do not run alike.
    Drift,
    /// The daemon wakes late.
    Lag,
    /// Orders of operators.
    Orders,
    /// The daemon is stopped in order and started again.
    Leave,
    /// A kernel ends the VIPs of a daemon that is dead or frozen.
    Lapse,
    /// Haresources is edited on one node after the other, with a reload each.
    Edit,
    /// The key is changed on one node after the other, with a reload each.
    Rotation,
    /// The peer comes back as somebody not to be trusted.
    Stranger,
    /// The service LAN does not carry, from one node or to it or between the two, or a port of it has no carrier.
    LanFault,
    /// A switch reboots through which the service LAN goes, and maybe a heartbeat link.
    Switch,
    /// The other stations of the service LAN are silent for a while.
    Quiet,
    /// Somebody else answers for the VIPs.
    Squatter,
    /// A kernel ends a lease as late as it may.
    LateKernel,
    /// A daemon is too late to renew after a beat.
    LateShell,
    /// The daemon is killed and started again, within its lease or soon after.
    Respawn,
    /// A cable is pulled, or all of them, and both ends see it.
    Unplug,
    /// Fencing devices fail or hang.
    Fencing,
    /// The lease becomes longer or shorter on one node after the other, with a reload each.
    Relet,
    /// A takeover by silence waits for deadtime only.
    ExclusiveOff,
}

impl Kind {
    /// The kinds that harm the links alone.
    pub const fn is_of_links(self) -> bool {
        (self as usize) <= Self::Recording as usize
    }

    /// The kinds that matter only where VIPs have a lease.
    pub const fn is_of_leases(self) -> bool {
        (self as usize) >= Self::LanFault as usize
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u64);

impl Kinds {
    /// With one more.
    pub const fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u32;
    }

    /// Whether it is there.
    pub const fn has(self, kind: Kind) -> bool {
        self.0 >> kind as u32 & 1 != 0
    }

    /// Those that are there, in their order.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.iter().copied().filter(move |kind| self.has(*kind))
    }
}

/// How often each kind was injected, and in which varieties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Kind::ALL.len()],
    varieties: BTreeMap<(Kind, &'static str), u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: [0; Kind::ALL.len()], varieties: BTreeMap::new() }
    }
}

const _: () = assert!(Kind::ALL.len() <= 64, "a set of kinds has 64 bits");

impl Tally {
    /// Once more.
    pub const fn count(&mut self, kind: Kind) {
        self.counts[kind as usize] += 1;
    }

    /// Of this variety it is what [`Self::count`] has counted.
    pub fn variety(&mut self, kind: Kind, variety: &'static str) {
        *self.varieties.entry((kind, variety)).or_default() += 1;
    }

    /// How often.
    pub const fn of(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// The varieties of a kind, and how often each.
    pub fn varieties(&self, kind: Kind) -> impl Iterator<Item = (&'static str, u64)> {
        self.varieties.range((kind, "")..).take_while(move |((it, _), _)| *it == kind).map(|((_, name), n)| (*name, *n))
    }

    /// Adds another seed's.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
        for (variety, count) in &other.varieties {
            *self.varieties.entry(*variety).or_default() += count;
        }
    }
}
