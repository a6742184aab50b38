//! What the shell tells a node, and what a node wants of the shell.

use super::event::Event;
use super::group::Verb;
use super::sight::{By, Eyes};
use crate::time::Instant;
use crate::wire::beat::{GROUPS_MAX, LINKS_MAX};
use crate::wire::envelope::Sealed;
use serde::{Deserialize, Serialize};

/// A set of groups: bit `n` is group `n`.
pub type Groups = u32;
const _: () = assert!(GROUPS_MAX <= Groups::BITS as usize && LINKS_MAX <= 8);

/// What the shell tells the node.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Input<'a> {
    /// Bytes of a link, cut in any way.
    Bytes {
        /// The link.
        link: u8,
        /// What was read.
        #[serde(borrow)]
        bytes: &'a [u8],
    },
    /// A link's device came or went.
    Carrier {
        /// The link.
        link: u8,
        /// It is there.
        up: bool,
    },
    /// A step ended. For a start: everything runs. For the others: nothing does.
    Done {
        /// The group.
        group: u8,
        /// The step.
        verb: Verb,
        /// It succeeded.
        ok: bool,
    },
    /// An operator's order.
    Order(Order),
    /// The modem lines of a cable, or the carrier of a direct one, have shown its other end, and do not any more; or show
    /// it again. Never said of a link that goes through the service LAN, nor of one that has shown nothing yet.
    Line {
        /// The link.
        link: u8,
        /// The other end is gone.
        lost: bool,
    },
    /// A probe has been sent for every VIP of a group.
    Probed {
        /// The group.
        group: u8,
    },
    /// Somebody else answers for a VIP of a group, or announces it.
    Answered {
        /// The group.
        group: u8,
        /// Who.
        by: By,
    },
    /// A MAC that the peer has told has sent a probe for a VIP of a group: it looks whether somebody has it.
    Asked {
        /// The group.
        group: u8,
    },
    /// Whether answers about a group's VIPs could be heard.
    Eyes {
        /// The group.
        group: u8,
        /// How far.
        eyes: Eyes,
    },
    /// The kernel has ended a VIP of a group that nobody renewed.
    Lapsed {
        /// The group.
        group: u8,
    },
    /// The inventory has found all VIPs of a group, with a lease of a former run. The step's `Done` follows.
    Found {
        /// The group.
        group: u8,
        /// When the lease runs out.
        until: Instant,
    },
    /// The peer is off for certain: a device has confirmed it, or a human vouches for it. Ignored while it lives, and within
    /// a keepalive of a stall, during which it may have been said;
    /// [`Node::is_peer_fenced`](super::Node::is_peer_fenced) tells.
    Fenced,
    /// Time has passed.
    Wake {
        /// Every link was read since the deadline passed, and the service LAN's answers too.
        swept: bool,
    },
}

/// Orders of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// These groups are wanted here.
    Takeover(Groups),
    /// These groups are wanted on the peer.
    Standby(Groups),
    /// Whoever ordered these groups no longer waits.
    Withdraw(Groups),
    /// What made these groups fail is repaired.
    Clear(Groups),
    /// Release everything and say goodbye.
    Leave,
}

/// What the node wants of the shell.
#[allow(clippy::large_enum_variant, reason = "there is no heap to put the frame on, and it is sent at once")]
pub enum Output {
    /// Hand this frame to the link's device, or drop it: never wait.
    Transmit {
        /// The link.
        link: u8,
        /// The frame.
        frame: Sealed,
    },
    /// Begin a step of a group; all VIPs of a `Drop` are gone before the next `poll`.
    Run {
        /// The group.
        group: u8,
        /// The step.
        verb: Verb,
    },
    /// Renew the lease of every VIP here until then, and give what remains of it to those added before the next renewal;
    /// [`Instant::FAR`]: they stay until they are removed. A shell that is later than [`RENEWAL_MAX`](crate::lease::RENEWAL_MAX) leaves it.
    Renew {
        /// When they end.
        until: Instant,
    },
    /// Ask for the VIPs of these groups, and no others, on the service LAN from now on.
    Look {
        /// The groups.
        groups: Groups,
    },
    /// See to it that the peer is off, from now on or not any more.
    Fence {
        /// It is wanted.
        wanted: bool,
    },
    /// For the log and the status.
    Note(Event),
    /// Everything is released and goodbye is said: the daemon may exit.
    Left,
    /// Nothing more to do before `until`.
    Wait {
        /// When.
        until: Instant,
        /// What for.
        why: Why,
    },
}

/// Why a node wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// A beat is due.
    Beat,
    /// Silence is to be judged: read every link first.
    Judge,
    /// A cable has room for a beat that is owed.
    Line,
    /// A link has been silent for deadtime, or strangers have.
    Link,
    /// The VIPs of a silent peer are to be asked for.
    Look,
    /// A stop is tried again, or an unused grant given back.
    Group,
    /// The preferred node has been back for long enough.
    Failback,
    /// The goodbye was repeated for long enough.
    Goodbye,
}
