//! ACQUIRE c, d and e: what says that a silent peer holds nothing, before anybody has looked at the VIP.

use super::peer::Peer;
use super::setup::Setup;
use crate::time::{Duration, Instant};

/// What speaks for a takeover from a peer that is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Not enough, or it is forbidden.
    None,
    /// Silence was long enough, but not every link has been read in this turn.
    Due,
    /// Nothing fresh came for this long, and every link has been read.
    Silence(Duration),
    /// Every link has lost its other end, the last one then.
    Unplugged(Instant),
    /// The peer is off for certain.
    Fenced,
}

/// What there is for a group. `group`: it has a VIP, and this node's grant of it stands.
pub(super) fn weigh(peer: &Peer, setup: &Setup, now: Instant, group: (bool, bool), swept: bool) -> Evidence {
    let (has_vip, granted) = group;
    if peer.is_alive(now, setup) || peer.left {
        Evidence::None
    } else if peer.fenced {
        Evidence::Fenced
    } else if now >= peer.takeover_at(now, setup, has_vip, granted) {
        if swept { Evidence::Silence(now.since(peer.silent_since)) } else { Evidence::Due }
    } else {
        match peer.unplugged {
            // Only the VIP tells two pulled cables from a power cut.
            Some(_) if !has_vip || granted || peer.untrusted(now, setup).is_some() => Evidence::None,
            Some(since) => {
                if swept {
                    Evidence::Unplugged(since)
                } else {
                    Evidence::Due
                }
            }
            None => Evidence::None,
        }
    }
}
