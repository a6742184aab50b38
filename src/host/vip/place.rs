//! Where a VIP belongs: its interface and prefix, as haresources names them or as the route to it tells.

use nix::net::if_::if_nametoindex;

use super::{VipSpec, counts, interface_name, route};
use crate::host::netlink::Address;

/// Where a VIP belongs.
pub struct Place {
    /// Its interface's name.
    pub interface: String,
    /// Its interface's number now.
    pub index: u32,
    /// Bits of its network.
    pub prefix: u8,
}

impl Place {
    /// As the file says, and where it does not, as the kernel has it.
    ///
    /// # Errors
    /// What the person at the console has to know: no such interface, no route.
    pub fn of(spec: &VipSpec, addresses: &[Address]) -> Result<Self, String> {
        let (interface, prefix) = match (&spec.interface, spec.prefix) {
            (Some(interface), Some(prefix)) => (interface.clone(), prefix),
            (interface, prefix) => Self::derived(spec, interface.as_deref(), prefix, addresses)?,
        };
        let index = if_nametoindex(interface.as_str())
            .map_err(|e| format!("{spec}: no interface {interface} ({}); see: ip link", e.desc()))?;
        Ok(Self { interface, index, prefix })
    }

    /// From the VIP itself where it is already, else from the route that reaches it.
    fn derived(
        spec: &VipSpec,
        interface: Option<&str>,
        prefix: Option<u8>,
        addresses: &[Address],
    ) -> Result<(String, u8), String> {
        let there = addresses.iter().filter(|a| counts(spec, a) && prefix.is_none_or(|p| p == a.prefix));
        for address in there {
            let name = interface_name(address.index);
            if interface.is_none_or(|i| i == name) {
                return Ok((name, address.prefix));
            }
        }
        let bits = if spec.address.is_ipv4() { 24 } else { 64 };
        let route = route::to(spec.address, interface)
            .map_err(|e| format!("{spec}: the routes cannot be read: {e}"))?
            .ok_or_else(|| {
                format!("{spec}: no route reaches it; name prefix and interface: {}/{bits}/eth0", spec.address)
            })?;
        if prefix.is_none() && route.prefix == 0 {
            return Err(format!(
                "{spec}: only the default route reaches it, which tells no prefix; name it: {}/{bits}/{}",
                spec.address, route.interface
            ));
        }
        Ok((route.interface, prefix.unwrap_or(route.prefix)))
    }
}
