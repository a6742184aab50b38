//! The frame that begins a session and carries what changes rarely.

use super::loss::Loss;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Bytes of a node's name at most (`HOST_NAME_MAX` of Linux).
pub const NAME_MAX: usize = 64;
/// Bytes of a cluster's name at most.
pub const CLUSTER_MAX: usize = 32;
/// Service MACs told at most.
pub const MACS_MAX: usize = 4;
/// Key fingerprints told at most.
pub const FINGERPRINTS_MAX: usize = super::auth::KEYS_MAX;
/// Bytes of a hello's payload at most.
pub const HELLO_MAX: usize = 330;

/// A number used once. The sender's is its offer: what the peer must sign for a session to begin.
pub type Nonce = [u8; 8];

/// The hello. Everything in it is in clear and authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The sender's offer.
    pub nonce: Nonce,
    /// The peer's offer that this hello answers.
    pub answers: Option<Nonce>,
    /// One life of the daemon.
    pub run: u64,
    /// Counts the hellos of a run: an older one is not believed.
    pub sequence: u32,
    /// The sender's node name, in lower case.
    #[serde(borrow)]
    pub node: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
    /// Milliseconds.
    pub keepalive_ms: u32,
    /// Milliseconds.
    pub deadtime_ms: u32,
    /// Milliseconds.
    pub initdead_ms: u32,
    /// Milliseconds: the length of the sender's lease, whole seconds being the address's own; 0: no lease.
    pub lease_ms: u32,
    /// How the sender lost the peer last, whom this hello answers: why the life before ended, for one that comes back.
    pub lost: Loss,
    /// Digest of haresources and auto_failback.
    pub digest: [u8; 8],
    /// MAC addresses of the interfaces that VIPs live on.
    pub macs: Vec<[u8; 6], MACS_MAX>,
    /// [`super::auth::Key::fingerprint`] of each key that the sender accepts.
    pub fingerprints: Vec<u32, FINGERPRINTS_MAX>,
}

impl<'a> Hello<'a> {
    /// Writes the payload at the start of `buf` and tells its length; none when a name is too long.
    pub fn encode(&self, buf: &mut [u8; HELLO_MAX]) -> Option<usize> {
        postcard::to_slice(self, buf).ok().map(|bytes| bytes.len())
    }

    /// Reads a payload whole; none when it is malformed or too long in any part.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (hello, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        let fits = hello.node.len() <= NAME_MAX && hello.cluster.len() <= CLUSTER_MAX;
        (fits && rest.is_empty()).then_some(hello)
    }
}
