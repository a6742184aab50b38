//! Puts back what the kernel has lost of the VIPs held.

use std::io;
use std::net::IpAddr;

use lubdub::time::Instant;
use nix::net::if_::if_nametoindex;

use super::{Held, LABEL_MAX, Vips, interface_name, refused};
use crate::host::clock;
use crate::host::netlink::{Address, Lifetime};

/// Why a VIP that is held had to be put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Somebody removed it, or it went with its primary address or its interface.
    Removed,
    /// Somebody gave it another prefix, or put it through duplicate address detection.
    Changed,
    /// Duplicate address detection, begun by somebody else, has found that another station has it.
    Duplicate,
}

impl Vips {
    /// Puts back every VIP held that the kernel has lost, and announces it, unless its lease has run out. Returns those
    /// put back with what had become of them, and those that could not be with the reason, each of these once until it
    /// is back.
    pub(super) fn put_back(&mut self, now: Instant) -> Vec<(IpAddr, Result<Loss, String>)> {
        self.suspect = false;
        let mut told = Vec::new();
        // A list that cannot be had counts as empty: adding what is there already does no harm.
        let addresses = self.kernel.addresses().unwrap_or_default();
        let present = clock::now();
        self.expire(present);
        let Some(lifetime) = self.lease.lifetime(present) else {
            // Too little is left: the next renewal comes within a keepalive, or the VIPs lapse.
            let gone = |held: &&mut Held| !addresses.iter().any(|a| held.is(a));
            self.held.iter_mut().filter(gone).for_each(|held| held.missing = true);
            return told;
        };
        self.renew_plainly(&addresses, lifetime);
        for at in 0..self.held.len() {
            if addresses.iter().any(|a| self.held[at].is(a)) {
                self.held[at].missing = false;
                continue;
            }
            let address = self.held[at].entry.address;
            match self.add_again(at, &addresses, lifetime) {
                Ok(loss) => {
                    self.announcer.begin(now, address, self.held[at].entry.index);
                    told.push((address, Ok(loss)));
                }
                Err(_) if self.held[at].missing => {}
                Err(error) => {
                    self.held[at].missing = true;
                    let why = refused(&error, address, &self.held[at].interface);
                    told.push((address, Err(format!("{address} on {why}"))));
                }
            }
        }
        told
    }

    /// Adds a held VIP again, under the interface's present index: it may have been recreated, or be there under another
    /// name.
    fn add_again(&mut self, at: usize, addresses: &[Address], lifetime: Lifetime) -> io::Result<Loss> {
        let held = &self.held[at];
        let mut loss = Loss::Removed;
        for spoilt in addresses.iter().filter(|a| held.is_spoilt(a)) {
            loss = if spoilt.is_duplicate() { Loss::Duplicate } else { Loss::Changed };
            self.kernel.delete(spoilt)?;
        }
        let index = if_nametoindex(held.interface.as_str()).unwrap_or(held.entry.index);
        let entry = &held.entry;
        let label = entry.label.as_deref().and_then(|label| relabelled(label, &interface_name(index)));
        let entry = Address::new(index, entry.address, entry.prefix, entry.broadcast(), label);
        let interface = held.interface.clone();
        let entry = self.on_its_own_route(entry, addresses);
        self.guard(entry.address, index);
        self.create(&entry, lifetime)?;
        self.held[at] = Held::new(interface, entry);
        Ok(loss)
    }
}

/// The label under the interface's present name.
fn relabelled(label: &str, interface: &str) -> Option<String> {
    let label = label.split_once(':').map_or(label.to_owned(), |(_, alias)| format!("{interface}:{alias}"));
    Some(label).filter(|label| label.len() <= LABEL_MAX)
}
