//! What a former life of this node may have left in the kernel, looked at and not touched.

use lubdub::time::{Duration, Instant};

use super::{Place, VipSpec, Vips, counts};
use crate::host::clock;
use crate::host::netlink::{Address, Lifetime};

impl Vips {
    /// Until when these VIPs are leased, if every one of them is there as it should be, and on a lease that has not run
    /// out: then a former life of this node has left them, and may go on with them. What is there for ever is not ours.
    ///
    /// The end is the earliest that can be: the kernel tells whole seconds rounded up, so that up to a second of what it
    /// tells may be over. So a lease of one second, the shortest, is never found: it is removed, and taken again by consent,
    /// which costs a round trip, or by silence. And a longer one seems to end up to a second early, so that its last third
    /// seems to begin early, too; that is safe, since the peer waits for the whole of it.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn leftover(&mut self, specs: &[&VipSpec]) -> Result<Option<Instant>, String> {
        // Before the list is made: what was left then is left now at the least.
        let now = clock::now();
        let addresses = self.addresses()?;
        let left = specs.iter().map(|spec| self.left(spec, &addresses));
        let least = left.reduce(|a, b| a.zip(b).map(|(a, b)| a.min(b))).flatten();
        Ok(least.map(|left| now + left))
    }

    fn left(&self, spec: &VipSpec, addresses: &[Address]) -> Option<Duration> {
        let place = Place::of(spec, addresses).ok()?;
        let as_it_should_be = |a: &Address| (a.index, a.prefix) == (place.index, place.prefix) && a.is_usable();
        let mut least: Option<Duration> = None;
        for address in addresses.iter().filter(|a| counts(spec, a)) {
            let Lifetime::Seconds(seconds) = address.lifetime() else { return None };
            let sure = Duration::from_secs(seconds.saturating_sub(1).into());
            if !as_it_should_be(address) || sure == Duration::ZERO {
                return None;
            }
            least = Some(least.map_or(sure, |least| least.min(sure)));
        }
        match (&self.lease.finer, least) {
            (Some(finer), Some(coarse)) => finer(spec.address).map(|fine| fine.min(coarse)),
            (_, least) => least,
        }
    }
}
