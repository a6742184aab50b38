//! What happened, for the log and the status. Never read back by a decision.

use super::link::{LinkState, LinkWhy};
use super::peer::PeerState;
use crate::time::Duration;
use crate::wire::beat::{State, Term};
use crate::wire::loss::Loss;
use serde::{Deserialize, Serialize};

/// Something worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A link changed.
    Link {
        /// Its number.
        link: u8,
        /// Before.
        from: LinkState,
        /// Now.
        to: LinkState,
        /// Why it is not up.
        why: Option<LinkWhy>,
    },
    /// The verdict on the peer changed.
    Peer {
        /// Before.
        from: PeerState,
        /// Now.
        to: PeerState,
        /// How long nothing fresh had been heard.
        silent: Duration,
    },
    /// A session began.
    Session {
        /// The peer is a new life of its daemon, or was never heard before.
        new_run: bool,
        /// How it lost this node last: in the first session of a run, why the life before ended.
        lost: Loss,
    },
    /// The peer's ha.cf has another deadtime: each node judges by its own.
    DeadtimesDiffer {
        /// Of this node.
        mine: Duration,
        /// Of the peer.
        theirs: Duration,
    },
    /// A fresh beat came later than warntime.
    Late {
        /// Since the beat before.
        interval: Duration,
    },
    /// A group changed its state.
    Group {
        /// Its number.
        group: u8,
        /// Before.
        from: State,
        /// Now.
        to: State,
        /// Why.
        cause: Cause,
    },
    /// Both nodes held a group after a partition, and this one keeps it.
    Kept {
        /// Its number.
        group: u8,
        /// The claim of this node.
        mine: Term,
        /// The claim of the peer.
        theirs: Term,
    },
    /// A stop of a group failed; it may still run here, so that the peer must not start it.
    StopFailed {
        /// Its number.
        group: u8,
        /// How many stops have failed.
        times: u32,
        /// When the next is tried.
        again_in: Duration,
    },
    /// The peer has been stopping a group for so long that its stop may have failed: it may still run there, so that this
    /// node does not start it (L3).
    PeerStops {
        /// Its number.
        group: u8,
        /// For how long.
        lasts: Duration,
    },
    /// The VIP of a group that this node would take is in use although nothing is heard from the peer (L9).
    HeldOff {
        /// Its number.
        group: u8,
        /// How long nothing fresh had been heard.
        silent: Duration,
    },
    /// The peer asks for VIPs on the service LAN although nothing is heard from it: every heartbeat link is broken (L9).
    Asked {
        /// How long nothing fresh had been heard.
        silent: Duration,
    },
    /// This node cannot see whether a VIP that it would take is in use (EYES).
    Blind {
        /// The group's number.
        group: u8,
    },
    /// This node's own loop was late.
    Stalled {
        /// By how much.
        length: Duration,
    },
    /// So many events did not fit between two polls.
    Lost {
        /// How many.
        count: u32,
    },
}

/// Why a group changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The first look of a new run found nothing left, or removed it.
    Inventory,
    /// The peer has stopped it and granted it.
    Consent,
    /// The peer left with the group stopped.
    Goodbye,
    /// The peer has been silent for this long.
    Silence(Duration),
    /// Every link has shown physical loss for this long, and the VIP is silent.
    Unplugged(Duration),
    /// The peer was fenced.
    Fenced,
    /// What a former run of this node left is taken on, and nothing at all was heard.
    Adopted,
    /// The start succeeded.
    Started,
    /// The start failed.
    StartFailed,
    /// Every stop succeeded.
    Stopped,
    /// An order on this node.
    Order,
    /// The peer asks for it by order, or because this node gives it.
    Handover,
    /// The preferred node is back.
    Failback,
    /// The peer's claim is higher: after a partition this node yields.
    Yielded {
        /// The claim of this node.
        mine: Term,
        /// The claim of the peer.
        theirs: Term,
    },
    /// The peer holds it too and cannot hear this node.
    Unheard,
    /// The peer answers for the VIP, and this node's claim is the weaker one.
    Answered,
    /// The lease ran out: nobody has renewed the VIP in time.
    Lapsed,
    /// The service LAN is out of reach, and so is the peer.
    Blind,
    /// The service LAN has been out of reach for deadtime, and the peer may see it.
    LanLost,
    /// It is back, or the peer does not see it either.
    LanNoBetter,
    /// No link of this node has a device any more, so that the peer counts it out.
    Mute,
    /// The daemon stops.
    Leaving,
    /// The peer to which it was to be given is gone.
    NobodyAsks,
    /// An operator cleared a failure.
    Cleared,
}
