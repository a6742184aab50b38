//! One address of an interface, as a message of rtnetlink(7) has it.

use std::net::{IpAddr, Ipv4Addr};

use rtnetlink::packet_core::Parseable;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags as Flags, AddressMessage, CacheInfo};

/// One address as the kernel has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// Index of its interface.
    pub index: u32,
    /// The address itself (`IFA_LOCAL`).
    pub address: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// `IFA_LABEL`: the interface's name, or an alias such as `eth0:0`. IPv6 has none.
    pub label: Option<String>,
    /// All of it, so that it can be put back as it was.
    message: AddressMessage,
}

impl Address {
    /// An address to be added: scope global, without a lifetime.
    ///
    /// IPv6: without duplicate address detection (`IFA_F_NODAD`; RFC 4862 section 5.4 would keep it tentative, unable to
    /// answer, for a second or two, and withdraw it if the former owner still speaks), and deprecated from the beginning
    /// (`IFA_CACHEINFO`), so that this node does not take it as the source of its own connections, which would break when
    /// it moves. It answers like any other.
    pub fn new(index: u32, address: IpAddr, prefix: u8, broadcast: Option<Ipv4Addr>, label: Option<String>) -> Self {
        let mut message = named(index, address, prefix);
        message.attributes.extend(broadcast.map(AddressAttribute::Broadcast));
        message.attributes.extend(label.clone().map(AddressAttribute::Label));
        if address.is_ipv6() {
            message.header.flags = Flags::Nodad;
            let mut life = CacheInfo::default();
            life.ifa_valid = u32::MAX;
            message.attributes.push(AddressAttribute::CacheInfo(life));
        }
        Self { index, address, prefix, label, message }
    }

    pub(super) fn message(&self) -> &AddressMessage {
        &self.message
    }

    /// `IFA_BROADCAST`.
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        self.message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Broadcast(b) => Some(*b),
            _ => None,
        })
    }

    /// The same address on the same interface, whatever its label.
    pub fn same(&self, other: &Self) -> bool {
        (self.index, self.address, self.prefix) == (other.index, other.address, other.prefix)
    }

    /// True when it answers: an IPv6 address does not while duplicates are looked for, or when one was found.
    pub fn is_usable(&self) -> bool {
        !self.message.header.flags.intersects(Flags::Tentative | Flags::Dadfailed)
    }

    /// True when duplicate address detection has found another owner.
    pub fn is_duplicate(&self) -> bool {
        self.message.header.flags.contains(Flags::Dadfailed)
    }

    /// True when `other` is of the same network on the same interface and goes when this one goes: the first of an IPv4
    /// network is its primary, the later ones are secondaries.
    pub fn is_primary_of(&self, other: &Self) -> bool {
        let (IpAddr::V4(mine), IpAddr::V4(theirs)) = (self.address, other.address) else { return false };
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
        let secondary = |a: &Self| a.message.header.flags.contains(Flags::Secondary);
        (self.index, self.prefix) == (other.index, other.prefix)
            && (u32::from(mine) ^ u32::from(theirs)) & mask == 0
            && !secondary(self)
            && secondary(other)
    }

    /// None for what is no address of these families or does not parse.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let message = AddressMessage::parse(payload).ok()?;
        let mut address = None;
        let mut label = None;
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Local(local) => address = Some(*local),
                // IPv6 has a local address only where it differs from this one: on a point-to-point interface.
                AddressAttribute::Address(only) => address = address.or(Some(*only)),
                AddressAttribute::Label(text) => label = Some(text.clone()),
                _ => {}
            }
        }
        let (index, prefix) = (message.header.index, message.header.prefix_len);
        Some(Self { index, address: address?, prefix, label, message })
    }
}

/// Names an address, as is enough to delete it.
pub(super) fn named(index: u32, address: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    (message.header.index, message.header.prefix_len) = (index, prefix);
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}
