//! What a node must be told before it lives.

use super::guard::Guard;
use crate::time::Duration;
use crate::wire::auth::Keyring;
use crate::wire::beat::{GROUPS_MAX, LINKS_MAX};
use crate::wire::hello::{CLUSTER_MAX, MACS_MAX, NAME_MAX};
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

/// A node's name, in lower case.
pub type Name = String<NAME_MAX>;
/// A cluster's name.
pub type Cluster = String<CLUSTER_MAX>;

/// The medium of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkKind {
    /// A cable of this many bits a second, 10 bits a byte. A frame begins only when the one before has left, so that
    /// news on the cable is never older than one frame.
    Serial {
        /// Bits a second.
        baud: u32,
    },
    /// Ethernet. Anybody on it can send garbage, and a node hears its own broadcasts.
    Broadcast,
}

/// The timings of ha.cf. `keepalive < warntime`, `2 * keepalive < deadtime <= initdead`. A warntime beyond deadtime warns of
/// nothing; the VIPs are asked for in time all the same.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Between two beats.
    pub keepalive: Duration,
    /// A beat later than this is reported.
    pub warntime: Duration,
    /// Silence this long means that the peer is dead.
    pub deadtime: Duration,
    /// Silence this long since the start means that there is no peer; also the least time before a failback.
    pub initdead: Duration,
}

/// A group, as far as ownership is concerned.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct GroupSetup {
    /// This node is the one named on the group's line.
    pub preferred: bool,
    /// The group has a VIP, so that a third party can be asked who answers for it.
    pub has_vip: bool,
}

/// Everything a node is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// This node.
    pub name: Name,
    /// The other node.
    pub peer: Name,
    /// The cluster.
    pub cluster: Cluster,
    /// The timings.
    pub timing: Timing,
    /// `auto_failback`.
    pub auto_failback: bool,
    /// The links: serial ones first, the same order on both nodes.
    pub links: Vec<LinkKind, LINKS_MAX>,
    /// The groups, in the order of haresources.
    pub groups: Vec<GroupSetup, GROUPS_MAX>,
    /// MAC addresses of the interfaces that VIPs live on.
    pub macs: Vec<[u8; 6], MACS_MAX>,
    /// Digest of haresources and auto_failback.
    pub digest: [u8; 8],
    /// What keeps a silent node from being a second owner.
    pub guard: Guard,
    /// The keys.
    pub keys: Keyring,
    /// Names this life of the daemon; random.
    pub run: u64,
    /// Random and secret: nonces are drawn from it. Never written anywhere.
    #[serde(skip)]
    pub seed: [u8; 32],
}
