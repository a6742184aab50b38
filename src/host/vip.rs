//! Virtual addresses: added, announced, watched and removed.
//!
//! The address is in the kernel first and is announced in the same call; nothing is waited for in between.

mod place;
pub mod route;
mod secondaries;
#[cfg(test)]
mod tests;
mod watch;

pub use place::Place;
pub use watch::{VipReport, Watch};

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use lubdub::time::{Duration, Instant};
use nix::errno::Errno;
use nix::net::if_::{if_indextoname, if_nametoindex};

use super::announce::Announcer;
use super::clock;
use super::netlink::{Address, Kernel, LOOPBACK, is};
use super::resources::{Level, Log};
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
    /// Gone, and could not be put back yet.
    missing: bool,
}

impl Held {
    /// As it should be there.
    fn is(&self, address: &Address) -> bool {
        address.same(&self.entry) && address.is_usable()
    }

    /// There, but not as it should be.
    fn is_spoilt(&self, address: &Address) -> bool {
        (address.index, address.address) == (self.entry.index, self.entry.address) && !self.is(address)
    }
}

/// Why a VIP that is held had to be put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// Somebody removed it, or it went with its primary address or its interface.
    Removed,
    /// Somebody gave it another prefix, or put it through duplicate address detection.
    Changed,
    /// Duplicate address detection, begun by somebody else, has found that another station has it.
    Duplicate,
}

/// The VIPs of this node.
pub struct Vips {
    kernel: Kernel,
    held: Vec<Held>,
    announcer: Announcer,
    /// VIPs whose label was too long; said once.
    unlabelled: Vec<IpAddr>,
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
        Ok(Self { kernel: Kernel::new()?, held: Vec::new(), announcer, unlabelled: Vec::new(), log })
    }

    /// Adds a VIP and announces it. One that is there already is taken as it is. Logged with the time it took.
    ///
    /// # Errors
    /// What the person at the console has to know: no route, no interface, address on another interface, refused.
    pub fn add(&mut self, spec: &VipSpec, now: Instant) -> Result<(), String> {
        let begun = clock::now();
        let addresses = self.addresses()?;
        let place = Place::of(spec, &addresses)?;
        let (entry, verb) = match self.existing(spec, &place, &addresses)? {
            Some(entry) => (entry, "was there already, announced"),
            None => (self.create(spec, &place, &addresses)?, "added and announced"),
        };
        self.announcer.begin(now, spec.address, place.index);
        let took = clock::now().since(begun);
        self.held.retain(|h| h.entry.address != spec.address);
        let said = format!("{} {verb} in {}", described(&entry, &place.interface), millis(took));
        self.held.push(Held { interface: place.interface, entry, missing: false });
        (self.log)(Level::Info, format_args!("{said}"));
        Ok(())
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
        self.announcer.cease(spec.address);
        let before = self.addresses()?;
        let (ours, others): (Vec<_>, Vec<_>) = before.into_iter().partition(|a| counts(spec, a));
        if ours.is_empty() {
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

    /// Puts back every VIP held that the kernel has lost, and announces it. Returns those put back with what had become
    /// of them, and those that could not be with the reason, each of these once until it is back.
    fn put_back(&mut self, now: Instant) -> Vec<(IpAddr, Result<Loss, String>)> {
        let mut told = Vec::new();
        // A list that cannot be had counts as empty: adding what is there already does no harm.
        let addresses = self.kernel.addresses().unwrap_or_default();
        for held in self.held.iter_mut().filter(|h| !addresses.iter().any(|a| h.is(a))) {
            let address = held.entry.address;
            match add_again(&mut self.kernel, held, &addresses) {
                Ok(loss) => {
                    held.missing = false;
                    self.announcer.begin(now, address, held.entry.index);
                    told.push((address, Ok(loss)));
                }
                Err(_) if held.missing => {}
                Err(error) => {
                    held.missing = true;
                    let why = refused(&error, address, &held.interface);
                    told.push((address, Err(format!("{address} on {why}"))));
                }
            }
        }
        told
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

    fn create(&mut self, spec: &VipSpec, place: &Place, addresses: &[Address]) -> Result<Address, String> {
        let (label, broadcast) = match spec.address {
            IpAddr::V4(address) => (
                self.label(spec, &place.interface, addresses),
                spec.broadcast.or_else(|| broadcast(address, place.prefix)),
            ),
            IpAddr::V6(_) => (None, None),
        };
        let entry = Address::new(place.index, spec.address, place.prefix, broadcast, label);
        match self.kernel.add(&entry) {
            // Somebody was faster with the very same address.
            Err(error) if !is(&error, Errno::EEXIST) => {
                Err(format!("{spec} cannot be added to {}", refused(&error, spec.address, &place.interface)))
            }
            _ => Ok(entry),
        }
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

    /// Puts back what vanished with its primary address.
    fn restore<'a>(&mut self, removed: &VipSpec, vanished: impl Iterator<Item = &'a Address>) {
        for address in vanished {
            let text = format!("{}/{}", address.address, address.prefix);
            match self.kernel.add(address) {
                Err(error) if !is(&error, Errno::EEXIST) => {
                    (self.log)(
                        Level::Error,
                        format_args!("{text} vanished with {removed} and cannot be put back: {error}"),
                    );
                }
                _ => (self.log)(
                    Level::Warning,
                    format_args!("{text} vanished with {removed}, its primary address: put back"),
                ),
            }
        }
    }
}

/// True when this entry of the kernel's is the VIP and not loopback's private copy of it.
fn counts(spec: &VipSpec, address: &Address) -> bool {
    address.address == spec.address && (address.index != LOOPBACK || spec.interface.as_deref() == Some("lo"))
}

/// Adds a held VIP again, under the interface's present index: it may have been recreated, or be there under another
/// name.
fn add_again(kernel: &mut Kernel, held: &mut Held, addresses: &[Address]) -> io::Result<Loss> {
    let mut loss = Loss::Removed;
    for spoilt in addresses.iter().filter(|a| held.is_spoilt(a)) {
        loss = if spoilt.is_duplicate() { Loss::Duplicate } else { Loss::Changed };
        kernel.delete(spoilt)?;
    }
    let index = if_nametoindex(held.interface.as_str()).unwrap_or(held.entry.index);
    let entry = &held.entry;
    let label = entry.label.as_deref().and_then(|label| relabelled(label, &interface_name(index)));
    let entry = Address::new(index, entry.address, entry.prefix, entry.broadcast(), label);
    match kernel.add(&entry) {
        Err(error) if !is(&error, Errno::EEXIST) => Err(error),
        _ => {
            held.entry = entry;
            Ok(loss)
        }
    }
}

/// The label under the interface's present name.
fn relabelled(label: &str, interface: &str) -> Option<String> {
    let label = label.split_once(':').map_or(label.to_owned(), |(_, alias)| format!("{interface}:{alias}"));
    Some(label).filter(|label| label.len() <= LABEL_MAX)
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
