//! Two nodes as a configuration would describe them.

use crate::choices::Choices;
use lubdub::lease;
use lubdub::node::{Cluster, GroupSetup, Guard, LinkKind, Name, Setup, Timing};
use lubdub::time::Duration;
use lubdub::wire::auth::{Key, Keyring, Method};

/// The nodes' names.
pub(crate) const NAMES: [&str; 2] = ["node1", "node2"];
/// Their cluster.
pub(crate) const CLUSTER: &str = "linux-ha";

/// A setup with what the two nodes have in common.
#[derive(Clone)]
pub(crate) struct Plan {
    pub timing: Timing,
    pub links: Vec<LinkKind>,
    pub groups: usize,
    pub auto_failback: bool,
    pub digest: u8,
    pub secret: u8,
    pub guard: Guard,
}

impl Plan {
    /// One cable and one Ethernet, two groups, beats a tenth of a second apart.
    pub fn usual() -> Self {
        let ms = Duration::from_millis;
        Self {
            timing: Timing { keepalive: ms(100), warntime: ms(200), deadtime: ms(300), initdead: ms(3_000) },
            links: vec![LinkKind::Serial { baud: 115_200 }, LinkKind::Broadcast],
            groups: 2,
            auto_failback: true,
            digest: 7,
            secret: 0,
            guard: Guard::default(),
        }
    }

    /// What the fuzzer likes, as far as a configuration allows it: `2 * keepalive < deadtime <= initdead`.
    pub fn choose(choices: &mut Choices<'_>) -> Self {
        let ms = |count: usize| Duration::from_millis(count as u64);
        let keepalive = ms(1 + choices.below(200));
        let deadtime = keepalive.times(2) + ms(1 + choices.below(256));
        let timing = Timing {
            keepalive,
            warntime: ms(choices.below(256) * 2),
            deadtime,
            initdead: deadtime + ms(choices.below(256) * 16),
        };
        let kind = |serial: bool| match serial {
            true => LinkKind::Serial { baud: 9_600 },
            false => LinkKind::Broadcast,
        };
        let links = (0..1 + choices.below(3)).map(|_| kind(choices.flag())).collect();
        let (groups, auto_failback) = (choices.below(4), choices.flag());
        let guard = choose_guard(choices, keepalive);
        Self { timing, links, groups, auto_failback, digest: 7, secret: 0, guard }
    }

    /// The setup of the node `side` in its life `run`.
    pub fn setup(&self, side: usize, run: u64) -> Setup {
        let name = |side: usize| Name::try_from(NAMES[side]).expect("a short name");
        let group = |number| GroupSetup { preferred: number % 2 == side, has_vip: number != 1 };
        Setup {
            name: name(side),
            peer: name(1 - side),
            cluster: Cluster::try_from(CLUSTER).expect("a short name"),
            timing: self.timing,
            auto_failback: self.auto_failback,
            links: self.links.iter().copied().collect(),
            groups: (0..self.groups).map(group).collect(),
            macs: Default::default(),
            guard: self.guard,
            digest: [self.digest; 8],
            keys: Keyring::new(3, [self.key()]).expect("one key"),
            run,
            seed: [run as u8; 32],
        }
    }

    /// The key that both nodes sign with.
    pub fn key(&self) -> Key {
        Key::new(3, Method::Md5, &[b'k', self.secret]).expect("a short secret")
    }
}

/// Any guard, with a lease of a length that is allowed.
pub(crate) fn choose_guard(choices: &mut Choices<'_>, keepalive: Duration) -> Guard {
    let bits = choices.byte();
    let longer = Duration::from_millis(choices.below(256) as u64 * 10);
    Guard {
        lease: (bits & 1 != 0).then(|| lease::shortest(keepalive) + longer),
        outlast: bits & 2 != 0,
        probes: bits & 4 != 0,
        fencing: bits & 24 == 24,
    }
}
