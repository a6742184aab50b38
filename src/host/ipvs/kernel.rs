//! The IPVS table by netlink, without any program: what is in it, and away with it.
//!
//! Commands and attributes are those of linux/ip_vs.h; IPVS has them since Linux 2.6.28.

use std::io;
use std::net::IpAddr;

use crate::host::netlink::{Generic, NLM_F_ACK, NLM_F_DUMP, attributes};

/// `IPVS_GENL_NAME`.
const FAMILY: &str = "IPVS";
const DEL_SERVICE: u8 = 3;
const GET_SERVICE: u8 = 4;
const FLUSH: u8 = 17;
/// `IPVS_CMD_ATTR_SERVICE`, and within it `IPVS_SVC_ATTR_AF` and `IPVS_SVC_ATTR_ADDR`.
const SERVICE: u16 = 1;
const AF: u16 = 1;
const ADDR: u16 = 3;

/// True when the table of the calling thread's network namespace has a service. A kernel without IPVS has none.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN, or the kernel did not answer within a second.
pub fn has_services() -> io::Result<bool> {
    let Some(mut ipvs) = Generic::new(FAMILY)? else { return Ok(false) };
    let mut found = false;
    ipvs.command(GET_SERVICE, NLM_F_DUMP, &[], |_| found = true)?;
    Ok(found)
}

/// Removes every service of the table. A kernel without IPVS has none to remove.
///
/// # Errors
/// As [`has_services`].
pub fn flush() -> io::Result<()> {
    let Some(mut ipvs) = Generic::new(FAMILY)? else { return Ok(()) };
    ipvs.command(FLUSH, NLM_F_ACK, &[], |_| {})
}

/// Removes the services of one address, whoever made them. Those of a firewall mark have none and stay.
///
/// # Errors
/// As [`has_services`], or a service was gone before it could be removed.
pub fn remove(address: IpAddr) -> io::Result<()> {
    let Some(mut ipvs) = Generic::new(FAMILY)? else { return Ok(()) };
    let mut found = Vec::new();
    // As it is listed, a service with its one attribute around it, so it is named to be removed.
    ipvs.command(GET_SERVICE, NLM_F_DUMP, &[], |listed| {
        if attributes(listed).any(|(kind, service)| kind == SERVICE && is_at(service, address)) {
            found.push(listed.to_vec());
        }
    })?;
    found.iter().try_for_each(|service| ipvs.command(DEL_SERVICE, NLM_F_ACK, service, |_| {}))
}

fn is_at(service: &[u8], address: IpAddr) -> bool {
    let value = |wanted| attributes(service).find(|(kind, _)| *kind == wanted).map_or(&[][..], |(_, value)| value);
    let family = value(AF).first_chunk().map(|number| i32::from(u16::from_ne_bytes(*number)));
    match address {
        IpAddr::V4(v4) => family == Some(nix::libc::AF_INET) && value(ADDR).starts_with(&v4.octets()),
        IpAddr::V6(v6) => family == Some(nix::libc::AF_INET6) && value(ADDR) == v6.octets(),
    }
}
