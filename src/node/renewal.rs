//! This node's own lease: when its VIPs are renewed, and when they have ended without it.

use super::digest::{Digest, Lens, maybe};
use crate::lease::{RENEWAL_MAX, silence};
use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};

/// A lease is renewed only in a turn that has just handed a beat to a link, so that the peer, which counts from the last
/// beat it heard, knows when it ends.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Renewal {
    lease: Option<Duration>,
    /// A longer one, to be used once the peer has been told of it.
    next: Option<Duration>,
    /// A frame went out in this turn.
    spoke: bool,
    /// When VIPs were last renewed, while there are any.
    renewed_at: Option<Instant>,
}

impl Renewal {
    pub fn new(lease: Option<Duration>) -> Self {
        Self { lease, next: lease, spoke: false, renewed_at: None }
    }

    /// Another setup. A lease that ends sooner is in force at once, one that ends later when the peer knows of it: what the
    /// peer counts with until then is the old one.
    pub fn reload(&mut self, lease: Option<Duration>) {
        self.next = lease;
        let longer = match (self.lease, lease) {
            (Some(old), Some(new)) => silence(new) > silence(old),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !longer {
            self.lease = lease;
        }
    }

    /// The lease that a hello tells: what will be in force.
    pub fn told(&self) -> Option<Duration> {
        self.next
    }

    /// The peer knows the lease that the hellos told.
    pub fn is_known(&mut self) {
        self.lease = self.next;
    }

    pub fn spoke(&mut self) {
        self.spoke = true;
    }

    /// The moment until which VIPs are to be renewed now, if they are. `urgent`: one is about to be added.
    pub fn due(&mut self, now: Instant, keepalive: Duration, urgent: bool) -> Option<Instant> {
        if !core::mem::take(&mut self.spoke) {
            return None;
        }
        let Some(lease) = self.lease else {
            // What had a lease before is to stay from now on.
            return self.renewed_at.take().map(|_| Instant::FAR);
        };
        // Half of it is always left, so that a beat may be late; more often would only cost.
        let half = self.renewed_at.map_or(Instant::ZERO, |at| at + lease.part(2));
        if !urgent && now + keepalive + RENEWAL_MAX < half {
            return None;
        }
        self.renewed_at = Some(now);
        Some(now + lease)
    }

    /// There is nothing to renew.
    pub fn rest(&mut self) {
        (self.renewed_at, self.spoke) = (None, false);
    }

    /// Nobody has renewed for as long as the lease: the kernel has ended every VIP, or is about to.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.renewed_at.zip(self.lease).is_some_and(|(at, lease)| now >= at + lease)
    }

    /// What of it decides.
    pub fn digest(&self, lens: &Lens, out: &mut impl Digest) {
        let Self { lease, next, spoke: _, renewed_at } = self;
        for lease in [lease, next] {
            maybe(out, *lease, |out, lease| out.word(lease.as_micros()));
        }
        out.word(lens.fresh(*renewed_at, lease.unwrap_or_default()));
    }
}
