//! The lease of the VIPs, as the loop renews it and learns of its end.

use lubdub::lease::Kind;
use lubdub::time::Instant;

use crate::host::gate::Gate;

use super::{Event, Item, Remaining, Resources};

impl Resources {
    /// From now on VIPs are held on a lease: none is added before [`Resources::renew`] was called for the first time. Or
    /// for ever, as at the beginning.
    pub fn require_lease(&mut self, required: bool) {
        self.vips.borrow_mut().require_lease(required);
    }

    /// Renews every VIP held, in this very call, so that the kernel ends them at `until`; a VIP whose start is under way
    /// is added by the next [`Resources::poll`] with what remains until then. `now` is when the beat that pays for it was
    /// handed to a link.
    ///
    /// `until` is whole seconds after `now`; what is more is cut off. More than 5 ms after `now` nothing is renewed, see
    /// [`Resources::late_renewals`]. Where a lease has run out before, the VIPs are removed instead and
    /// [`Event::Lapsed`] follows.
    ///
    /// A lease of whole seconds is the address's own; any other needs a gate, and a gate that is not needed any more is
    /// removed. [`Instant::FAR`]: VIPs are held for ever.
    pub fn renew(&mut self, until: Instant, now: Instant) {
        let mut vips = self.vips.borrow_mut();
        match Kind::of(until.since(now)) {
            _ if until == Instant::FAR => {
                vips.remove_gate();
                vips.require_lease(false);
            }
            Kind::Fine => vips.renew_finely(until, now),
            Kind::Address => {
                vips.remove_gate();
                vips.renew(until, now);
            }
        }
        drop(vips);
        self.tell_lapsed();
    }

    /// From now on a lease of milliseconds can be had, from this gate.
    pub fn gate(&mut self, gate: Gate) {
        self.vips.borrow_mut().gate(gate);
    }

    /// Nothing is held any more, and nothing of the lease is to stay.
    pub fn remove_gate(&mut self) {
        self.vips.borrow_mut().remove_gate();
    }

    /// Renewals left out, or shortened afterwards, because they came more than 5 ms after their beat.
    pub fn late_renewals(&self) -> u64 {
        self.vips.borrow().late_renewals()
    }

    /// What else limits each VIP: how much of its finer lease is left, none when it has run out. An inventory takes the
    /// lesser of this and the address's own.
    pub fn limit_by(&mut self, finer: Remaining) {
        self.vips.borrow_mut().limit_by(finer);
    }
}

impl Resources {
    /// Removes VIPs whose lease has run out; [`Event::Lapsed`] follows. [`Resources::poll`] begins with it; to be called
    /// before anything is sent by a loop that may have been stopped.
    pub fn end_leases(&mut self, now: Instant) {
        self.vips.borrow_mut().expire(now);
        self.tell_lapsed();
    }

    pub(super) fn tell_lapsed(&mut self) {
        let lapsed = self.vips.borrow_mut().take_lapsed();
        if lapsed.is_empty() {
            return;
        }
        let has = |item: &Item| matches!(item, Item::Vip(vip) if lapsed.contains(&vip.address));
        for (group, _) in self.groups.iter().enumerate().filter(|(_, group)| group.steps.plan.items.iter().any(has)) {
            self.events.push_back(Event::Lapsed { group });
        }
    }
}
