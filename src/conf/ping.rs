//! `ping` and `ping_group`: third stations that show whether a node still reaches the service LAN.

use super::PINGS_MAX;
use super::diagnostic::Reporter;
use super::lexer::{Word, Words};
use super::phrase::say;
use core::net::IpAddr;
use heapless::Vec;

/// One station to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingNode<'a> {
    /// Its address.
    pub address: IpAddr,
    /// The `ping_group` that it is in, where one answer speaks for all.
    pub group: Option<&'a str>,
}

/// The stations as they are met.
#[derive(Default)]
pub(super) struct Pings<'a> {
    nodes: Vec<(PingNode<'a>, u32), PINGS_MAX>,
}

impl<'a> Pings<'a> {
    /// Takes one address of a `ping` line.
    pub fn take(&mut self, word: &Word<'a>, group: Option<&'a str>, report: &mut Reporter<'a, '_>) {
        let Some(address) = read_address(word, report) else { return };
        if let Some((_, line)) = self.nodes.iter().find(|(node, _)| node.address == address) {
            let message = say("`{}` is already asked, in line {}").with(word.text).with(u64::from(*line));
            return report.warning(word.place, message, say("remove it here; it is asked once"));
        }
        if self.nodes.push((PingNode { address, group }, word.place.line)).is_err() {
            let message = say("more than {} stations to ping").with(PINGS_MAX as u64);
            report.error(word.place, message, say("leave two or three that are always there"));
        }
    }

    /// Takes a `ping_group` line: `NAME ADDRESS...`.
    pub fn take_group(&mut self, directive: &Word<'a>, mut words: Words<'a>, report: &mut Reporter<'a, '_>) {
        let name = words.next();
        let mut addresses = words.peekable();
        let Some(name) = name.filter(|_| addresses.peek().is_some()) else {
            let after = directive.place.part(directive.text.len(), 0);
            let message = say("`ping_group` needs a name and the addresses of the group");
            return report.error(after, message, say("write `ping_group NAME ADDRESS ADDRESS`"));
        };
        addresses.for_each(|word| self.take(&word, Some(name.text), report));
    }

    pub fn into_nodes(self) -> Vec<PingNode<'a>, PINGS_MAX> {
        self.nodes.into_iter().map(|(node, _)| node).collect()
    }
}

fn read_address<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<IpAddr> {
    let remedy = say("write the address of a station that is always on, for example the router's");
    let Ok(address) = word.text.parse::<IpAddr>() else {
        report.error(word.place, say("`{}` is not an address").with(word.text), remedy);
        return None;
    };
    let foreign = match address {
        IpAddr::V4(address) => (1..224).contains(&address.octets()[0]),
        // A link-local one says nothing of the link; one that stands for an IPv4 address is nobody's in ICMPv6.
        IpAddr::V6(address) => {
            !address.is_multicast() && !address.is_unicast_link_local() && address.to_ipv4_mapped().is_none()
        }
    };
    if address.is_unspecified() || address.is_loopback() || !foreign {
        let message = say("`{}` cannot be the address of another host").with(word.text);
        report.error(word.place, message, remedy);
        return None;
    }
    Some(address)
}
