//! The lease: until when this node may have its VIPs, and what becomes of them then.
//!
//! The kernel ends a VIP by itself when nobody renews it; see [`Lifetime`] for how late, and for suspend. All VIPs are
//! renewed in one turn, so that their ends fall together: each end that stands alone can make the next one late.
//!
//! Two guards stand on either side of that end. The kernel refuses a renewal that comes after it
//! (net/netlink/renewal.rs here, [`Form::Existing`]), and a node that runs again after it removes what may be left.

use std::net::IpAddr;

use lubdub::time::{Duration, Instant};

use super::secondaries::Promotion;
use super::{Held, Vips, interface_name, millis};
use crate::host::clock;
use crate::host::gate::Gate;
use crate::host::netlink::{Address, Form, Lifetime, Renewal};
use crate::host::resources::Level;

/// From a beat handed to a link to the renewal that it pays for, at most: the peer counts with it.
pub const PROMPT: Duration = Duration::from_millis(5);

const SECOND: Duration = Duration::from_secs(1);

/// What remains of the finer lease of a VIP that something else than its lifetime limits; none when it has run out.
pub type Remaining = Box<dyn Fn(IpAddr) -> Option<Duration>>;

/// One renewal: the beat that it followed, and the end.
#[derive(Clone, Copy, Debug)]
struct Term {
    from: Instant,
    until: Instant,
}

/// The lease as it stands.
#[derive(Default)]
pub struct Lease {
    /// Nothing is added before the first renewal.
    required: bool,
    /// The last renewal; none while VIPs are held for ever.
    term: Option<Term>,
    pub(super) finer: Option<Remaining>,
    late: u64,
    fine: Option<Fine>,
}

/// A lease in milliseconds, beside which the address's own is only there so that nothing stays for ever.
struct Fine {
    gate: Gate,
    /// When it ends, as the last renewal had it.
    until: Option<Instant>,
    /// Room for what is renewed.
    held: Vec<IpAddr>,
}

/// The address's own lifetime where a finer lease silences the VIP before.
const COARSE: Duration = Duration::from_secs(8);

impl Lease {
    /// How long an address lives that is added or renewed now; none when less than a second would be left, the least
    /// that the kernel takes.
    ///
    /// Right after the beat the whole term counts, as for the VIPs that are renewed then; later what remains, rounded
    /// down.
    pub fn lifetime(&self, now: Instant) -> Option<Lifetime> {
        let Some(term) = self.term else { return (!self.required).then_some(Lifetime::Forever) };
        let from = if now.since(term.from) <= PROMPT { term.from } else { now };
        whole(term.until.since(from)).map(Lifetime::Seconds)
    }

    /// When VIPs end whatever else is so.
    fn ends_at(&self) -> Option<Instant> {
        let coarse = self.term.map(|term| term.until);
        let fine = self.fine.as_ref().and_then(|fine| fine.until);
        coarse.into_iter().chain(fine).min()
    }

    /// True when VIPs are held on a lease.
    pub fn binds(&self) -> bool {
        self.required || self.term.is_some()
    }

    /// How long ago it ran out.
    fn over(&self, now: Instant) -> Option<Duration> {
        self.ends_at().filter(|until| now >= *until).map(|until| now.since(until))
    }
}

/// Whole seconds, rounded down; none below one.
fn whole(left: Duration) -> Option<u32> {
    let seconds = left.as_micros() / SECOND.as_micros();
    (seconds > 0).then(|| u32::try_from(seconds).unwrap_or(u32::MAX))
}

impl Vips {
    /// From now on VIPs are held on a lease, or for ever: then those held lose theirs.
    pub fn require_lease(&mut self, required: bool) {
        self.lease.required = required;
        if !required && self.lease.term.take().is_some() {
            self.renew_for(Lifetime::Forever);
        }
    }

    /// What else limits a VIP.
    pub fn limit_by(&mut self, finer: Remaining) {
        self.lease.finer = Some(finer);
    }

    /// Renews every VIP held until `until`, for a beat that was handed to a link at `now`. VIPs that are added before the
    /// next renewal get what remains until then.
    ///
    /// Nothing is renewed, and the former end stays, more than 5 ms after the beat (counted), and when the lease is
    /// shorter than a second. One request that took longer than that is followed by another, for what remains (counted). VIPs whose former lease has run out are removed, see [`Vips::expire`].
    pub fn renew(&mut self, until: Instant, now: Instant) {
        let begun = clock::now();
        self.expire(begun);
        let Some(seconds) = whole(until.since(now)) else { return };
        if begun.since(now) > PROMPT {
            self.lease.late += 1;
            return;
        }
        if self.lease.term.replace(Term { from: now, until }).is_none() {
            let held: Vec<_> = self.held.iter().map(|held| (held.entry.address, held.entry.index)).collect();
            held.into_iter().for_each(|(address, index)| self.guard(address, index));
        }
        if self.held.is_empty() {
            return;
        }
        self.renew_for(Lifetime::Seconds(seconds));
        // Whoever held the kernel's lock meanwhile has made the lease longer. (Of one second nothing can be taken back;
        // the lateness that the peer counts with has room for a tenth of a second, and the next beat pays for it.)
        let ended = clock::now();
        if ended.since(now) > PROMPT {
            self.lease.late += 1;
            if let Some(rest) = whole(until.since(ended)).filter(|rest| *rest < seconds) {
                self.renew_for(Lifetime::Seconds(rest));
            }
        }
        // A new term is a new chance for what could not be put back.
        self.suspect |= self.misses();
    }

    fn renew_for(&mut self, lifetime: Lifetime) {
        let mut refused = Vec::new();
        let renewals = self.held.iter_mut().map(|held| &mut held.renewal);
        let outcome = self.kernel.renew(renewals, lifetime, |at, _| refused.push(at));
        refused.iter().for_each(|at| self.held[*at].unrenewed = true);
        // Gone, or in need of the other form: to be looked at in this turn.
        self.suspect |= outcome.is_err() || !refused.is_empty();
    }

    /// From now on `gate` silences VIPs that are not renewed, in the place of another one if there was one.
    pub fn gate(&mut self, gate: Gate) {
        self.lease.fine = Some(Fine { gate, until: None, held: Vec::new() });
    }

    /// Nothing silences VIPs any more but the end of their own lifetime.
    pub fn remove_gate(&mut self) {
        if let Some(Err(error)) = self.lease.fine.take().map(|fine| fine.gate.remove()) {
            (self.log)(Level::Warning, format_args!("the nftables tables `lubdub` are still there: {error}"));
        }
    }

    /// Renews every VIP held until `until`, in milliseconds; and its lifetime, where that has come down to the half. For a
    /// beat that was handed to a link at `now`.
    pub fn renew_finely(&mut self, until: Instant, now: Instant) {
        self.expire(clock::now());
        if clock::now().since(now) > PROMPT {
            self.lease.late += 1;
            return;
        }
        let Some(fine) = &mut self.lease.fine else { return };
        let first = fine.until.replace(until).is_none();
        fine.held.clear();
        fine.held.extend(self.held.iter().map(|held| held.entry.address));
        let mut lapsed = Vec::new();
        if first {
            // They were held on another lease, or none, until now.
            lapsed.extend(fine.held.iter().filter(|address| fine.gate.admit(**address, until).is_err()));
        }
        match fine.gate.renew(&fine.held, until) {
            Ok(renewal) => {
                lapsed.extend_from_slice(renewal.lapsed);
                if renewal.rebuilt {
                    (self.log)(
                        Level::Warning,
                        format_args!(
                            "somebody changed the nftables tables `lubdub`, without which a VIP has no lease: rebuilt"
                        ),
                    );
                }
            }
            Err(error) => (self.log)(Level::Error, format_args!("the lease of the VIPs is not renewed: {error}")),
        }
        lapsed.into_iter().for_each(|address| self.lapse(address));
        if self.renew_due(now) {
            self.renew(now + COARSE, now);
        }
    }

    /// The gate closed before this node renewed it.
    fn lapse(&mut self, address: IpAddr) {
        let Some(at) = self.held.iter().position(|held| held.entry.address == address) else { return };
        let held = self.held.remove(at);
        self.announcer.cease(address);
        self.lapsed.push(address);
        let removed = self.kernel.delete(&held.entry).map_or_else(|error| error.to_string(), |()| "removed".to_owned());
        self.ungate(address);
        (self.log)(Level::Error, format_args!("the lease of {address} ran out and was not renewed: {removed}"));
        self.unguard();
    }

    /// Before an address is added: it is heard until the lease ends. False while there is no lease yet.
    pub(super) fn admit(&mut self, address: IpAddr) -> Result<bool, String> {
        let Some(fine) = &mut self.lease.fine else { return Ok(true) };
        let Some(until) = fine.until.filter(|until| clock::now() < *until) else { return Ok(false) };
        fine.gate.admit(address, until).map(|()| true).map_err(|error| format!("{address} gets no lease: {error}"))
    }

    /// After an address is gone: nothing is closed for it any more.
    pub(super) fn ungate(&mut self, address: IpAddr) {
        let Some(fine) = &mut self.lease.fine else { return };
        if let Err(error) = fine.gate.release(address) {
            (self.log)(Level::Warning, format_args!("the gate of {address} is still there: {error}"));
        }
    }

    /// VIPs whose lease has run out are held no more: what the kernel has not ended yet is removed, nothing is announced,
    /// and they are told by [`Vips::take_lapsed`].
    pub fn expire(&mut self, now: Instant) {
        let Some(over) = self.lease.over(now).filter(|_| !self.held.is_empty()) else { return };
        for held in std::mem::take(&mut self.held) {
            let address = held.entry.address;
            self.announcer.cease(address);
            let removed = self.kernel.delete(&held.entry);
            self.ungate(address);
            self.lapsed.push(address);
            let ago = millis(over);
            match removed {
                Ok(()) => (self.log)(
                    Level::Error,
                    format_args!("the lease of {address} ran out {ago} ago and was not renewed: removed"),
                ),
                Err(error) => (self.log)(
                    Level::Error,
                    format_args!("the lease of {address} ran out {ago} ago, and it cannot be removed: {error}"),
                ),
            }
        }
        self.unguard();
    }

    /// The VIPs that lapsed since the last call.
    pub fn take_lapsed(&mut self) -> Vec<IpAddr> {
        std::mem::take(&mut self.lapsed)
    }

    /// When the VIPs held lapse.
    pub fn lapse_at(&self) -> Option<Instant> {
        self.lease.ends_at().filter(|_| !self.held.is_empty())
    }

    /// True when half of the last term is over, or there was none.
    pub fn renew_due(&self, now: Instant) -> bool {
        self.lease.term.is_none_or(|term| now >= term.from + term.until.since(term.from).part(2))
    }

    /// Renewals left out or shortened because they came more than 5 ms after their beat.
    pub fn late_renewals(&self) -> u64 {
        self.lease.late
    }

    /// Makes up for renewals that were refused although the VIP is there: this kernel does not take their form.
    pub(super) fn renew_plainly(&mut self, addresses: &[Address], lifetime: Lifetime) {
        let there = |held: &Held| held.unrenewed && addresses.iter().any(|a| held.is(a));
        for held in self.held.iter_mut().filter(|held| there(held)) {
            held.unrenewed = false;
            held.renewal = Renewal::of(&held.entry, Form::Plain);
            let mut why = None;
            let outcome = self.kernel.renew(std::iter::once(&mut held.renewal), lifetime, |_, error| why = Some(error));
            if let Some(error) = why.or(outcome.err()) {
                let address = held.entry.address;
                (self.log)(Level::Error, format_args!("the lease of {address} cannot be renewed: {error}"));
            }
        }
    }

    /// For as long as a VIP is held on a lease, its end must not take the other addresses of its interface with it.
    pub(super) fn guard(&mut self, address: IpAddr, index: u32) {
        if self.lease.binds() && address.is_ipv4() && !self.promotions.iter().any(|(guarded, _)| *guarded == index) {
            // Where it is not permitted, there is nothing else that could be done.
            self.promotions.extend(Promotion::begin(&interface_name(index)).ok().map(|promotion| (index, promotion)));
        }
    }

    /// Ends that where no VIP is held any more.
    pub(super) fn unguard(&mut self) {
        let held = &self.held;
        self.promotions.retain(|(index, _)| held.iter().any(|h| h.entry.index == *index && h.entry.address.is_ipv4()));
    }

    /// An IPv6 address with a lifetime gives it to the prefix route, even to one that another address with a lifetime
    /// has made (from a router's advertisement, say), which would then be without it (net/ipv6/addrconf.c,
    /// `addrconf_prefix_route`). That one's route does for both.
    pub(super) fn on_its_own_route(&self, entry: Address, addresses: &[Address]) -> Address {
        let lends = |other: &&Address| {
            other.shares_route(&entry) && other.lifetime() != Lifetime::Forever && !self.holds(other.address)
        };
        let shared = self.lease.binds() && addresses.iter().filter(|a| a.address != entry.address).any(|a| lends(&a));
        if shared { entry.without_route() } else { entry }
    }
}
