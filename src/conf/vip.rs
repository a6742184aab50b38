//! A virtual IP as haresources writes it, of either family.
//!
//! `::` parts a script from its arguments and is also a part of most IPv6 addresses. A word is an IPv6 address if its
//! text before the first `/` is one that a host can have (2000::/3, fc00::/7 or fe80::/10) or that a group of them has
//! (ff00::/8), or stands in brackets, or can be nothing else because no name of a script is written so.
//! What remains, `cafe::1` for one, is a script with an argument as it always was; `[cafe::1]` and `IPv6addr::cafe::1` are
//! read as addresses, and refused as such.

use super::INTERFACE_NAME_MAX;
use super::phrase::say;
use super::resource::{Remark, SEPARATOR};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The agents of Heartbeat whose work is built in.
const AGENTS: [&str; 3] = ["IPaddr", "IPaddr2", IPV6_AGENT];
/// The one that takes no IPv4 address.
const IPV6_AGENT: &str = "IPv6addr";

/// A virtual IP as haresources writes it; what is absent is taken from the route to the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vip<'a> {
    /// The word as written.
    pub word: &'a str,
    /// The address.
    pub address: IpAddr,
    /// Bits of the network's prefix, 1 to 32, or to 128 for IPv6.
    pub prefix: Option<u8>,
    /// The interface, without a label.
    pub interface: Option<&'a str>,
    /// The broadcast address; IPv6 has none.
    pub broadcast: Option<Ipv4Addr>,
    /// The whole label, interface and colon included (`eth0:0`), where one is written; IPv6 has none.
    pub label: Option<&'a str>,
}

impl<'a> Vip<'a> {
    /// Whether `text` may hold the address of this one. An IPv4 address has one spelling, so a text without it need not
    /// be taken apart.
    pub(super) fn may_be_in(&self, text: &str) -> bool {
        self.address.is_ipv6() || text.contains(self.fields().next().unwrap_or(self.word))
    }

    fn fields(&self) -> core::str::Split<'a, char> {
        arguments(self.word).unwrap_or(self.word).split('/')
    }

    /// What Heartbeat takes, and what may yet not be what was meant.
    pub(super) fn doubt(&self) -> Option<Remark<'a>> {
        if let Some(mask) = self.fields().nth(1).filter(|field| field.contains('.')) {
            let message = say("`{}` is a netmask, not a prefix length; it is read as /{}");
            let message = message.with(mask).with(u64::from(self.prefix.unwrap_or(32)));
            return Some(Remark { part: mask, message, remedy: "write the prefix length" });
        }
        let label = self.label?;
        if label.len() > INTERFACE_NAME_MAX {
            let message = say("the label `{}` has more than {} bytes: the address is added without it");
            let message = message.with(label).with(INTERFACE_NAME_MAX as u64);
            return Some(Remark { part: label, message, remedy: "shorten the label" });
        }
        let (_, alias) = label.split_once(':')?;
        alias.bytes().all(|b| b.is_ascii_digit()).then(|| Remark {
            part: label,
            message: say("`{}` fixes a label that is otherwise chosen, and that another address may have").with(label),
            remedy: "write the interface alone: the next free label is taken",
        })
    }
}

/// What comes after the agent of an address, if one is written.
fn arguments(word: &str) -> Option<&str> {
    let (name, rest) = word.split_once(SEPARATOR).unwrap_or((word, ""));
    AGENTS.contains(&name).then_some(rest)
}

/// Whether `word` is an address and no script, right or wrong.
pub(super) fn is_address(word: &str) -> bool {
    arguments(word).is_some() || is_ipv4(word) || is_ipv6(word)
}

/// Whether Heartbeat takes `word` for an address: its pattern is `[0-9]*.[0-9]*.[0-9]*.[0-9]*`, which a typo also fits.
/// A word of digits and dots is nothing else either.
fn is_ipv4(word: &str) -> bool {
    let digit_first = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let fits = word.split('.').filter(|part| digit_first(part)).count() >= 4;
    let numeric = word.split('/').next().unwrap_or(word).bytes().all(|b| b.is_ascii_digit() || b == b'.');
    digit_first(word) && (numeric || (fits && !word.contains(SEPARATOR)))
}

fn is_ipv6(word: &str) -> bool {
    let address = word.split('/').next().unwrap_or(word);
    let assigned = |address: Ipv6Addr| is_of_a_host(address) || address.is_multicast();
    if word.starts_with('[') || address.parse().is_ok_and(assigned) {
        return true;
    }
    let Some((group, rest)) = address.split_once(':') else { return false };
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
    // One colon cannot end a script's name; a name of digits alone is none that anybody gives.
    let no_script = !rest.starts_with(':') || group.bytes().all(|b| b.is_ascii_digit()) && hex(rest);
    group.len() <= 4 && hex(group) && no_script
}

/// Whether a host can have it on a network: global unicast (2000::/3), unique local (fc00::/7), link-local (fe80::/10).
fn is_of_a_host(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xe000 == 0x2000 || address.is_unique_local() || address.is_unicast_link_local()
}

/// Reads `[AGENT::]ADDRESS[/PREFIX[/INTERFACE[:LABEL]][/BROADCAST]]`. A third field that begins with a digit is the
/// broadcast address, so an interface's name cannot begin with one.
pub(super) fn parse(word: &str) -> Result<Vip<'_>, Remark<'_>> {
    let text = arguments(word).unwrap_or(word);
    let part = if text.is_empty() { word } else { text };
    let mut fields = text.split('/');
    let address = fields.next().unwrap_or("");
    let prefix = fields.next();
    let third = fields.next();
    let (device, broadcast) = match third {
        Some(third) if third.starts_with(|c: char| c.is_ascii_digit()) => (None, Some(third)),
        device => (device, fields.next()),
    };
    let v6 = word.starts_with(IPV6_AGENT) || is_ipv6(address);
    if !v6 && text.contains(SEPARATOR) {
        let message = say("an address has one argument, fields apart by `/`");
        let remedy = "write ADDRESS/PREFIX/INTERFACE, and each address as a resource of its own";
        return Err(Remark { part, message, remedy });
    }
    if let Some(extra) = fields.next() {
        let message = say("`{}` comes after the broadcast address").with(extra);
        let part = if extra.is_empty() { part } else { extra };
        return Err(Remark { part, message, remedy: "write ADDRESS/PREFIX/INTERFACE/BROADCAST at most" });
    }
    if let Some(empty) = text.split('/').position(str::is_empty) {
        let message = say("field {} of the address is empty").with(empty as u64 + 1);
        return Err(Remark { part, message, remedy: "write ADDRESS/PREFIX/INTERFACE/BROADCAST, or fewer of them" });
    }
    let (interface, label) = device.map(parse_device).transpose()?.unzip();
    let label = label.flatten();
    if let Some(part) = broadcast.or(label).filter(|_| v6) {
        let message = say("`{}`: an IPv6 address has neither a broadcast address nor a label").with(part);
        return Err(Remark {
            part,
            message,
            remedy: "write ADDRESS/PREFIX/INTERFACE, for example 2001:db8::1/64/eth0",
        });
    }
    let address = if v6 { parse_ipv6(address, interface)?.into() } else { parse_ipv4(address)?.into() };
    let prefix = prefix.map(|prefix| parse_prefix(prefix, v6)).transpose()?;
    let broadcast = broadcast.map(parse_broadcast).transpose()?;
    Ok(Vip { word, address, prefix, interface, broadcast, label })
}

fn parse_ipv4(text: &str) -> Result<Ipv4Addr, Remark<'_>> {
    let remedy = "write four numbers from 0 to 255, without leading zeros, for example 192.168.20.100";
    let Ok(address) = text.parse::<Ipv4Addr>() else {
        let message = say("`{}` is not an IPv4 address").with(text);
        return Err(Remark { part: text, message, remedy });
    };
    let first = address.octets()[0];
    if matches!(first, 0 | 127) || first >= 224 {
        return Err(no_host(text));
    }
    Ok(address)
}

/// Reads an IPv6 address, in brackets or without.
fn parse_ipv6<'a>(text: &'a str, interface: Option<&'a str>) -> Result<Ipv6Addr, Remark<'a>> {
    let bare = text.strip_prefix('[').map_or(Some(text), |inner| inner.strip_suffix(']'));
    let Some(address) = bare.and_then(|bare| bare.parse::<Ipv6Addr>().ok()) else {
        let message = say("`{}` is not an IPv6 address").with(text);
        let remedy = "write groups of hexadecimal digits, zeros between them once as `::`, for example 2001:db8::1";
        return Err(Remark { part: text, message, remedy });
    };
    if !is_of_a_host(address) {
        return Err(no_host(text));
    }
    if address.is_unicast_link_local() && interface.is_none() {
        let message = say("`{}` is a link-local address, of which every interface has its own").with(text);
        return Err(Remark { part: text, message, remedy: "name the interface, for example fe80::1/64/eth0" });
    }
    Ok(address)
}

fn no_host(text: &str) -> Remark<'_> {
    let message = say("`{}` cannot be the address of a host on a network").with(text);
    Remark { part: text, message, remedy: "write an address of the service network" }
}

/// Reads a prefix length, or a netmask with its ones before its zeros.
fn parse_prefix(text: &str, v6: bool) -> Result<u8, Remark<'_>> {
    let bits = match text.parse::<Ipv4Addr>().map(Ipv4Addr::to_bits) {
        Ok(mask) if !v6 && mask.leading_ones() + mask.trailing_zeros() == u32::BITS => {
            u8::try_from(mask.leading_ones()).ok()
        }
        Ok(_) => None,
        Err(_) => text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())),
    };
    let (most, remedy) = match v6 {
        true => (128, "write ADDRESS/PREFIX/INTERFACE, for example 2001:db8::1/64/eth0"),
        false => (32, "write ADDRESS/PREFIX/INTERFACE, for example 192.168.20.100/24/eth0"),
    };
    let message = say("`{}` is not a prefix length from 1 to {}").with(text).with(u64::from(most));
    bits.filter(|bits| (1..=most).contains(bits)).ok_or(Remark { part: text, message, remedy })
}

fn parse_broadcast(text: &str) -> Result<Ipv4Addr, Remark<'_>> {
    text.parse().map_err(|_| Remark {
        part: text,
        message: say("`{}` is not a broadcast address").with(text),
        remedy: "write one as in 192.168.20.100/24/eth0/192.168.20.255, or leave it out",
    })
}

/// Reads `INTERFACE` or `INTERFACE:LABEL`.
fn parse_device(text: &str) -> Result<(&str, Option<&str>), Remark<'_>> {
    let interface = text.split(':').next().unwrap_or(text);
    let refuse =
        |message| Err(Remark { part: text, message, remedy: "write a name that `ip link` shows, for example eth0" });
    if interface.is_empty() || interface == "." || interface == ".." || text.ends_with(':') {
        return refuse(say("`{}` is not the name of an interface").with(text));
    }
    if interface.len() > INTERFACE_NAME_MAX {
        let message = say("`{}` is longer than the {} bytes of an interface's name");
        return refuse(message.with(interface).with(INTERFACE_NAME_MAX as u64));
    }
    Ok((interface, (interface.len() < text.len()).then_some(text)))
}
