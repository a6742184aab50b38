//! The words for the node's verdicts, the same in the log, in `status` and in its JSON.

use lubdub::node::{Cause, Hold, LinkState, LinkWhy, PeerState, Untrusted};
use lubdub::wire::beat::State;
use lubdub::wire::loss::Loss;

use super::lines::Shown;

/// A group's state. `giving` is held, and to be rid of.
pub const fn group(state: State) -> &'static str {
    match state {
        State::Stopped => "stopped",
        State::Starting => "starting",
        State::Held | State::Giving => "held",
        State::Stopping => "stopping",
        State::Failed => "failed",
    }
}

/// A link's state.
pub const fn link(state: LinkState) -> &'static str {
    match state {
        LinkState::Up => "up",
        LinkState::OneWay => "one-way",
        LinkState::Down => "down",
    }
}

/// What the modem lines or the carrier of a link show of its other end.
pub const fn shown(shown: Shown) -> &'static str {
    match shown {
        Shown::Unknown => "unknown",
        Shown::None => "none",
        Shown::Strapped => "strapped",
        Shown::Up => "up",
        Shown::Lost => "lost",
    }
}

/// Why a link is not up.
pub const fn link_why(why: LinkWhy) -> &'static str {
    match why {
        LinkWhy::Silence => "silence",
        LinkWhy::OneWay => "one-way",
        LinkWhy::Looped => "looped",
        LinkWhy::Noise => "noise",
        LinkWhy::WrongBaud => "wrong-baud",
        LinkWhy::NoDevice => "no-device",
    }
}

/// The peer's state.
pub const fn peer(state: PeerState) -> &'static str {
    match state {
        PeerState::Unknown => "unknown",
        PeerState::Alive => "alive",
        PeerState::Dead => "dead",
        PeerState::Left => "left",
        PeerState::Untrusted(_) => "untrusted",
        PeerState::SplitSuspected => "split-suspected",
    }
}

/// Why the peer is not alive.
pub const fn peer_why(state: PeerState) -> Option<&'static str> {
    Some(match state {
        PeerState::Alive => return None,
        PeerState::Unknown | PeerState::Dead | PeerState::SplitSuspected => "silence",
        PeerState::Left => "goodbye",
        PeerState::Untrusted(why) => untrusted(why),
    })
}

/// Why a peer is not trusted.
pub const fn untrusted(why: Untrusted) -> &'static str {
    match why {
        Untrusted::WrongKey => "wrong-key",
        Untrusted::OtherCluster => "other-cluster",
        Untrusted::SameName => "same-name",
        Untrusted::DifferentHaresources => "different-haresources",
        Untrusted::OtherVersion(_) => "other-version",
    }
}

/// A group's state where the steps of a handover are told apart.
pub const fn step(state: State) -> &'static str {
    match state {
        State::Giving => "giving",
        other => group(other),
    }
}

/// Why a group changed its state.
pub const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Inventory => "inventory",
        Cause::Consent => "consent",
        Cause::Goodbye => "goodbye",
        Cause::Silence(_) => "silence",
        Cause::Unplugged(_) => "unplugged",
        Cause::Fenced => "fenced",
        Cause::Adopted => "adopted",
        Cause::Answered => "answered",
        Cause::Lapsed => "lapsed",
        Cause::Blind => "blind",
        Cause::LanLost => "lan-lost",
        Cause::LanNoBetter => "lan-no-better",
        Cause::Mute => "mute",
        Cause::Started => "started",
        Cause::StartFailed => "start-failed",
        Cause::Stopped => "stopped",
        Cause::Order => "order",
        Cause::Handover => "handover",
        Cause::Failback => "failback",
        Cause::Yielded { .. } => "yielded",
        Cause::Unheard => "unheard",
        Cause::Leaving => "leaving",
        Cause::NobodyAsks => "nobody-asks",
        Cause::Cleared => "cleared",
    }
}

/// How the peer lost this node last.
pub const fn loss(loss: Loss) -> &'static str {
    match loss {
        Loss::None => "nothing",
        Loss::Goodbye => "goodbye",
        Loss::Silence => "silence",
        Loss::Unplugged => "unplugged",
        Loss::Stopping => "stopping",
        Loss::Fenced => "fenced",
    }
}

/// Why a group is not taken from a silent peer.
pub const fn hold(hold: Hold) -> &'static str {
    match hold {
        Hold::InUse => "vip-in-use",
        Hold::Blind => "blind",
        Hold::Fencing => "fencing",
    }
}

/// How a `ping` node fares, if that is known yet.
pub const fn ping(answers: Option<bool>) -> &'static str {
    match answers {
        Some(true) => "answering",
        Some(false) => "silent",
        None => "unknown",
    }
}
