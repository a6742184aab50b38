//! Virtual addresses: added, announced, watched and removed.
//!
//! The address is in the kernel first and is announced in the same call; nothing is waited for in between.

mod lease;
mod leftover;
mod loss;
mod place;
pub mod route;
mod secondaries;
#[cfg(test)]
mod tests;
mod watch;

pub use lease::Remaining;
pub use place::Place;
pub use watch::{VipReport, Watch};

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use lubdub::time::{Duration, Instant};
use nix::errno::Errno;
use nix::net::if_::if_indextoname;

use super::announce::Announcer;
use super::clock;
use super::netlink::{Address, Form, Kernel, LOOPBACK, Lifetime, Renewal, is};
use super::resources::{Level, Log};
use lease::Lease;
use loss::Loss;
use secondaries::Promotion;

/// `IFNAMSIZ` less its NUL: the kernel refuses a longer label.
const LABEL_MAX: usize = 15;
/// Aliases `eth0:0` to `eth0:9999` are tried; more do not fit with a name of usual length.
const ALIASES: u32 = 10_000;

/// One VIP as haresources has it. What is not given is derived from the route that reaches the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipSpec {
    /// The address.
    pub address: IpAddr,
    /// Bits of its network, 0 to 32, or to 128 for IPv6.
    pub prefix: Option<u8>,
    /// The interface, without a label.
    pub interface: Option<String>,
    /// The broadcast address, otherwise the network's last; IPv6 has none.
    pub broadcast: Option<Ipv4Addr>,
    /// What follows the colon of `eth0:0`, otherwise the next free number; IPv6 has none.
    pub label: Option<String>,
}

impl fmt::Display for VipSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        self.prefix.map_or(Ok(()), |prefix| write!(f, "/{prefix}"))
    }
}

/// A VIP that this node holds, and how it stands in the kernel.
struct Held {
    /// Its interface as it was called when the VIP was added.
    interface: String,
    entry: Address,
    renewal: Renewal,
    /// Gone, and could not be put back yet.
    missing: bool,
    /// Its last renewal was refused.
    unrenewed: bool,
}

impl Held {
    fn new(interface: String, entry: Address) -> Self {
        let renewal = Renewal::of(&entry, Form::Existing);
        Self { interface, entry, renewal, missing: false, unrenewed: false }
    }

    /// As it should be there.
    fn is(&self, address: &Address) -> bool {
        address.same(&self.entry) && address.is_usable()
    }

    /// There, but not as it should be.
    fn is_spoilt(&self, address: &Address) -> bool {
        (address.index, address.address) == (self.entry.index, self.entry.address) && !self.is(address)
    }
}

/// The VIPs of this node.
pub struct Vips {
    kernel: Kernel,
    held: Vec<Held>,
    announcer: Announcer,
    /// VIPs whose label was too long; said once.
    unlabelled: Vec<IpAddr>,
    lease: Lease,
    lapsed: Vec<IpAddr>,
    /// A VIP may be missing: its renewal was refused.
    suspect: bool,
    /// By the number of the interface.
    promotions: Vec<(u32, Promotion)>,
    log: Log,
}

impl Vips {
    /// Opens the sockets for requests and announcements.
    ///
    /// # Errors
    /// No netlink socket. Without permission for packet sockets it goes on unannounced, with a warning.
    pub fn new(log: Log) -> io::Result<Self> {
        let (announcer, refused) = Announcer::new();
        if let Some(error) = refused {
            let text = format!("VIPs will not be announced: no packet socket ({error}); grant CAP_NET_RAW");
            log(Level::Warning, format_args!("{text}"));
        }
        Ok(Self {
            kernel: Kernel::new()?,
            held: Vec::new(),
            announcer,
            unlabelled: Vec::new(),
            lease: Lease::default(),
            lapsed: Vec::new(),
            suspect: false,
            promotions: Vec::new(),
            log,
        })
    }

    /// Adds a VIP and announces it. One that is there already is taken as it is. Logged with the time it took.
    ///
    /// False, with nothing done, while less than a second of the lease is left: to be tried again after the next
    /// renewal, which [`Vips::renew`] lets it have whole.
    ///
    /// # Errors
    /// What the person at the console has to know: no route, no interface, address on another interface, refused.
    pub fn add(&mut self, spec: &VipSpec, now: Instant) -> Result<bool, String> {
        let begun = clock::now();
        if self.lease.lifetime(begun).is_none() {
            return Ok(false);
        }
        let addresses = self.addresses()?;
        let place = Place::of(spec, &addresses)?;
        let existing = self.existing(spec, &place, &addresses)?;
        let verb = if existing.is_some() { "was there already, announced" } else { "added and announced" };
        let entry = existing.clone().unwrap_or_else(|| self.entry(spec, &place, &addresses));
        self.guard(spec.address, place.index);
        if !self.admit(spec.address)? {
            return Ok(false);
        }
        let Some(lifetime) = self.lease.lifetime(clock::now()) else { return Ok(false) };
        let outcome = if existing.is_some() { self.keep(&entry, lifetime) } else { self.create(&entry, lifetime) };
        outcome.map_err(|e| format!("{spec} cannot be added to {}", refused(&e, spec.address, &place.interface)))?;
        self.announcer.begin(now, spec.address, place.index);
        let took = clock::now().since(begun);
        self.held.retain(|h| h.entry.address != spec.address);
        let said = format!("{} {verb} in {}", described(&entry, &place.interface), millis(took));
        self.held.push(Held::new(place.interface, entry));
        (self.log)(Level::Info, format_args!("{said}"));
        Ok(true)
    }

    /// Removes a VIP from every interface but loopback, whatever its prefix there: wherever this node has it, it
    /// answers for it. (On loopback it is a real server's or a backup director's and does not count, unless the file
    /// names loopback.) Addresses that the kernel removes along with it are put back. True when there was something.
    ///
    /// # Errors
    /// The kernel did not remove it.
    pub fn remove(&mut self, spec: &VipSpec) -> Result<bool, String> {
        let begun = clock::now();
        self.held.retain(|h| h.entry.address != spec.address);
        self.unguard();
        self.announcer.cease(spec.address);
        let before = self.addresses()?;
        let (ours, others): (Vec<_>, Vec<_>) = before.into_iter().partition(|a| counts(spec, a));
        if ours.is_empty() {
            self.ungate(spec.address);
            return Ok(false);
        }
        for address in &ours {
            let primary = others.iter().any(|other| address.is_primary_of(other));
            // Where it is not permitted, what vanished is put back below.
            let _promotion = primary.then(|| Promotion::begin(&interface_name(address.index)));
            self.kernel.delete(address).map_err(|e| format!("{spec} cannot be removed: {e}"))?;
        }
        let after = self.addresses()?;
        if after.iter().any(|a| counts(spec, a)) {
            return Err(format!("{spec} is still there after the kernel agreed to remove it: somebody adds it again"));
        }
        self.ungate(spec.address);
        let took = clock::now().since(begun);
        (self.log)(Level::Info, format_args!("{spec} removed in {}", millis(took)));
        let vanished = |a: &&Address| a.address.is_ipv4() && !after.iter().any(|b| b.same(a));
        self.restore(spec, others.iter().filter(vanished));
        Ok(true)
    }

    /// True when the kernel has the VIP where it counts.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn present(&mut self, spec: &VipSpec) -> Result<bool, String> {
        Ok(self.addresses()?.iter().any(|a| counts(spec, a)))
    }

    /// Announces every VIP held again, from the beginning of the burst.
    pub fn announce(&mut self, now: Instant, interface: Option<u32>) {
        self.announcer.again(now, interface);
    }

    /// Every address of this node; none where they cannot be listed.
    pub fn all(&mut self) -> Vec<Address> {
        self.kernel.addresses().unwrap_or_default()
    }

    /// Sends the announcements that are due.
    pub fn announce_due(&mut self, now: Instant) {
        self.announcer.due(now);
    }

    /// When the next announcement is due.
    pub fn wake_at(&self) -> Option<Instant> {
        self.announcer.wake_at()
    }

    /// Announcements that could not be sent.
    pub fn unannounced(&self) -> u64 {
        self.announcer.failed()
    }

    /// True when a VIP with this address is held.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.held.iter().any(|h| h.entry.address == address)
    }

    /// True when a VIP held could not be put back yet.
    fn misses(&self) -> bool {
        self.held.iter().any(|h| h.missing)
    }

    /// The VIPs held on an interface.
    fn on(&self, index: u32) -> impl Iterator<Item = IpAddr> {
        self.held.iter().filter(move |h| h.entry.index == index).map(|h| h.entry.address)
    }

    fn addresses(&mut self) -> Result<Vec<Address>, String> {
        self.kernel.addresses().map_err(|e| format!("this node's addresses cannot be listed: {e}"))
    }

    /// The VIP as the kernel has it already, if that is what the file wants. Another prefix is corrected, and so is an
    /// IPv6 address whose duplicates are still looked for.
    fn existing(&mut self, spec: &VipSpec, place: &Place, now: &[Address]) -> Result<Option<Address>, String> {
        for address in now.iter().filter(|a| counts(spec, a)) {
            if address.index != place.index {
                let there = interface_name(address.index);
                return Err(format!(
                    "{spec} is on {there} already, not on {}; remove it there: ip address del {}/{} dev {there}",
                    place.interface, address.address, address.prefix
                ));
            }
            if address.prefix == place.prefix && address.is_usable() {
                return Ok(Some(address.clone()));
            }
            let not_so = |e| format!("{spec} is there with prefix {} and cannot be replaced: {e}", address.prefix);
            self.kernel.delete(address).map_err(not_so)?;
        }
        Ok(None)
    }

    /// The VIP as it is to be added.
    fn entry(&mut self, spec: &VipSpec, place: &Place, addresses: &[Address]) -> Address {
        let (label, broadcast) = match spec.address {
            IpAddr::V4(address) => (
                self.label(spec, &place.interface, addresses),
                spec.broadcast.or_else(|| broadcast(address, place.prefix)),
            ),
            IpAddr::V6(_) => (None, None),
        };
        let entry = Address::new(place.index, spec.address, place.prefix, broadcast, label);
        self.on_its_own_route(entry, addresses)
    }

    fn create(&mut self, entry: &Address, lifetime: Lifetime) -> io::Result<()> {
        match self.kernel.add(&entry.clone().lasting(lifetime)) {
            // Somebody was faster with the very same address.
            Err(error) if is(&error, Errno::EEXIST) => self.renew_one(entry, Form::Plain, lifetime),
            outcome => outcome,
        }
    }

    /// An address that is there is to have this lifetime and stays as it is otherwise.
    fn keep(&mut self, entry: &Address, lifetime: Lifetime) -> io::Result<()> {
        match self.renew_one(entry, Form::Existing, lifetime) {
            // Its former lease has just run out.
            Err(_) => self.create(entry, lifetime),
            Ok(()) => Ok(()),
        }
    }

    fn renew_one(&mut self, entry: &Address, form: Form, lifetime: Lifetime) -> io::Result<()> {
        if (lifetime, entry.lifetime()) == (Lifetime::Forever, Lifetime::Forever) {
            return Ok(());
        }
        let mut outcome = Ok(());
        let mut renewal = Renewal::of(entry, form);
        self.kernel.renew(std::iter::once(&mut renewal), lifetime, |_, error| outcome = Err(error))?;
        outcome
    }

    /// `eth0:0`, or none with one warning when that is too long for the kernel.
    fn label(&mut self, spec: &VipSpec, interface: &str, addresses: &[Address]) -> Option<String> {
        let label = match &spec.label {
            Some(given) => Some(format!("{interface}:{given}")),
            None => free_label(interface, addresses.iter().filter_map(|a| a.label.as_deref())),
        };
        let fitting = label.filter(|l| l.len() <= LABEL_MAX);
        if fitting.is_none() && !self.unlabelled.contains(&spec.address) {
            self.unlabelled.push(spec.address);
            let text =
                format!("{spec} gets no label on {interface}: the kernel takes {LABEL_MAX} characters with the colon");
            (self.log)(Level::Warning, format_args!("{text}"));
        }
        fitting
    }
}

/// True when this entry of the kernel's is the VIP and not loopback's private copy of it.
fn counts(spec: &VipSpec, address: &Address) -> bool {
    address.address == spec.address && (address.index != LOOPBACK || spec.interface.as_deref() == Some("lo"))
}

/// The interface, and why the kernel does not add an address there.
fn refused(error: &io::Error, address: IpAddr, interface: &str) -> String {
    if address.is_ipv6() && is(error, Errno::EACCES) {
        return format!("{interface}: IPv6 is off there; sysctl -w net.ipv6.conf.{interface}.disable_ipv6=0");
    }
    format!("{interface}: {error}")
}

fn interface_name(index: u32) -> String {
    match if_indextoname(index) {
        Ok(name) => name.to_string_lossy().into_owned(),
        Err(_) => format!("interface {index}"),
    }
}

/// The network's last address, as ifconfig shows it; none where a network has no room for it (RFC 3021).
fn broadcast(address: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
    let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    (prefix < 31).then(|| Ipv4Addr::from(u32::from(address) | hosts))
}

/// The first alias number of the interface that nobody uses.
fn free_label<'a>(interface: &str, used: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut taken: Vec<u32> = used.filter_map(|l| l.strip_prefix(interface)?.strip_prefix(':')?.parse().ok()).collect();
    taken.sort_unstable();
    let number = (0..ALIASES).find(|n| taken.binary_search(n).is_err())?;
    Some(format!("{interface}:{number}"))
}

fn described(entry: &Address, interface: &str) -> String {
    let shown = entry.label.as_deref().unwrap_or(interface);
    format!("{}/{} on {shown}", entry.address, entry.prefix)
}

/// A length of time as the log shows it.
pub fn millis(took: Duration) -> String {
    format!("{}.{:02} ms", took.as_millis(), took.as_micros() % 1_000 / 10)
}
