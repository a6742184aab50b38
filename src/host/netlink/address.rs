//! One address of an interface, as a message of rtnetlink(7) has it.

use std::net::{IpAddr, Ipv4Addr};

use rtnetlink::packet_core::Parseable;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags as Flags, AddressMessage, CacheInfo,
};

/// `INFINITY_LIFE_TIME` of net/addrconf.h.
const FOREVER: u32 = u32::MAX;

/// How long the kernel keeps an address.
///
/// It counts in jiffies, which stand still while the machine is suspended (they follow `CLOCK_MONOTONIC`,
/// kernel/time/tick-sched.c), whereas the daemon's clock runs on: after a suspend the address is there for what was left,
/// until the daemon, which knows how long it slept, removes it.
///
/// The kernel ends an address late: after any change to an address with a lifetime it looks again a second later at the
/// soonest (`ADDRCONF_TIMER_FUZZ_MAX`; before Linux 6.14 any address of any network namespace), otherwise up to a quarter
/// of a second late (`ADDRCONF_TIMER_FUZZ`), and its timer is late by up to an eighth of what it was set to
/// (kernel/time/timer.c, `LVL_GRAN`). So 1.35 s bound it for lifetimes of up to 8 s, and no longer for those of 16 s and
/// more. It may also come up to 20 ms early (`ADDRCONF_TIMER_FUZZ_MINUS`).
///
/// Measured at 250 Hz, 40 rounds each (netlink/lateness.rs), least, median and most: 1 s 2, 25, 257 ms; 2 s 11, 31,
/// 344 ms; 3 s 25, 212, 359 ms; three of 2 s renewed in one turn 5, 31, 478 ms; beside an address of somebody else's that
/// ends just before 35, 968, 1000 ms; 10 s 64, 204, 431 ms; 20 s 48, 1513, 2068 ms. The end also waits for the kernel's
/// lock of the network (RTNL), which nothing bounds: beside tests that unmake namespaces an end just after another's was
/// seen up to 1.15 s late, and once, without realtime priority for the one who measured, 1.41 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is removed.
    Forever,
    /// `ifa_valid` of `IFA_CACHEINFO`, at least 1.
    Seconds(u32),
}

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

    /// The same address to be added for this long.
    pub fn lasting(mut self, lifetime: Lifetime) -> Self {
        // Without the attribute it is for ever, and an older kernel need not know it.
        if lifetime != Lifetime::Forever || self.life().is_some() {
            set_lifetime(&mut self.message, lifetime);
        }
        self
    }

    /// The same address to be added without a prefix route of its own (`IFA_F_NOPREFIXROUTE`).
    pub fn without_route(mut self) -> Self {
        let flags =
            AddressFlags::Noprefixroute | AddressFlags::from_bits_retain(self.message.header.flags.bits().into());
        self.message.attributes.push(AddressAttribute::Flags(flags));
        self
    }

    /// What the kernel said was left of it when it was listed. It rounds up: up to a second less is left.
    pub fn lifetime(&self) -> Lifetime {
        match self.life() {
            Some(life) if life.ifa_valid != FOREVER => Lifetime::Seconds(life.ifa_valid),
            _ => Lifetime::Forever,
        }
    }

    fn life(&self) -> Option<&CacheInfo> {
        self.message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::CacheInfo(life) => Some(life),
            _ => None,
        })
    }

    /// True when both are IPv6 addresses of one network on one interface: they share its prefix route.
    pub fn shares_route(&self, other: &Self) -> bool {
        let (IpAddr::V6(mine), IpAddr::V6(theirs)) = (self.address, other.address) else { return false };
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
        (self.index, self.prefix) == (other.index, other.prefix) && (mine.to_bits() ^ theirs.to_bits()) & mask == 0
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

/// Sets both lifetimes, the preferred one to zero where the address is deprecated.
pub(super) fn set_lifetime(message: &mut AddressMessage, lifetime: Lifetime) {
    let valid = match lifetime {
        Lifetime::Forever => FOREVER,
        Lifetime::Seconds(seconds) => seconds.clamp(1, FOREVER - 1),
    };
    let mut deprecated = message.header.flags.contains(Flags::Deprecated);
    for attribute in &mut message.attributes {
        if let AddressAttribute::CacheInfo(life) = attribute {
            deprecated |= message.header.family == AddressFamily::Inet6 && life.ifa_preferred == 0;
            (life.ifa_valid, life.ifa_preferred) = (valid, if deprecated { 0 } else { valid });
            return;
        }
    }
    let mut life = CacheInfo::default();
    (life.ifa_valid, life.ifa_preferred) = (valid, if deprecated { 0 } else { valid });
    message.attributes.push(AddressAttribute::CacheInfo(life));
}

/// Names an address, as is enough to delete it.
pub(super) fn named(index: u32, address: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    (message.header.index, message.header.prefix_len) = (index, prefix);
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}
