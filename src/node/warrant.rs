//! ACQUIRE c, d and e: what says that a silent peer holds nothing, before anybody has looked at the VIP.

use super::peer::Peer;
use super::setup::Setup;
use crate::time::{Duration, Instant};

/// What speaks for a takeover from a peer that is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Warrant {
    /// Not enough, or it is forbidden.
    None,
    /// There is enough, but not every link has been read in this turn.
    Due,
    /// Nothing fresh came for this long, and every link has been read.
    Silence(Duration),
    /// Every link has lost its other end, the last one then.
    Unplugged(Instant),
    /// The peer is off for certain, and nothing of it came since.
    Fenced,
}

/// What there is for a group. `group`: it has a VIP, and this node's grant of it stands.
pub(super) fn weigh(peer: &Peer, setup: &Setup, now: Instant, group: (bool, bool), swept: bool) -> Warrant {
    let (has_vip, granted) = group;
    if peer.is_alive(now, setup) || peer.left {
        Warrant::None
    } else if peer.is_fenced() {
        if swept { Warrant::Fenced } else { Warrant::Due }
    } else if now >= peer.takeover_at(now, setup, has_vip, granted) {
        if swept { Warrant::Silence(now.since(peer.silent_since)) } else { Warrant::Due }
    } else {
        match peer.unplugged {
            // Only the VIP tells two pulled cables from a power cut.
            Some(_) if !has_vip || granted || peer.untrusted(now, setup).is_some() => Warrant::None,
            Some(since) => {
                if swept {
                    Warrant::Unplugged(since)
                } else {
                    Warrant::Due
                }
            }
            None => Warrant::None,
        }
    }
}
