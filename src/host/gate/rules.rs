//! The tables of the gate: what is dropped, where, and how an address opens it.
//!
//! | table | chain | dropped while the address is gated and not open |
//! |---|---|---|
//! | arp | output | ARP with it as sender: answers, and the kernel's own questions, which would teach the neighbours again |
//! | ip, ip6 | input | packets to it; for IPv6 also solicitations of it |
//! | ip, ip6 | output | packets from it; for IPv6 also advertisements of it |
//!
//! A closed gate is to a packet what a removed address is: hooks are those of packets to and from this machine, so what
//! it forwards for others passes. Input is dropped before IPVS, which takes packets to a VIP on the same hook
//! (`NF_IP_PRI_NAT_SRC` - 2 = 98, net/netfilter/ipvs/ip_vs_core.c); output after it, because IPVS writes the VIP into a
//! local answer there (`NF_IP_PRI_NAT_DST` + 1 = -99). An accept in the administrator's own chains ends those chains only.

use std::net::IpAddr;

use crate::host::netlink::NLM_F_CREATE;

use super::message::{Batch, Body, Fill, kind};

/// The name of every table of the gate.
pub const TABLE: &str = "lubdub";
/// Addresses that are silent unless they are open.
pub const GATED: &str = "gated";
/// Addresses whose lease runs.
pub const OPEN: &str = "open";
/// What begins the comment of each rule: the layout's number. A change of any rule changes it.
pub const MARK: &str = "lubdub layout 1, rule ";

const ARP: u8 = 3;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
const NLM_F_APPEND: u16 = 0x800;

/// A table, for one kind of packet.
#[derive(Debug)]
pub struct Table {
    /// `NFPROTO_*`, linux/netfilter.h.
    pub family: u8,
    /// Bytes of an address.
    key: u32,
    /// The number by which nft(8) prints such a key (`TYPE_IPADDR`, `TYPE_IP6ADDR` of its datatypes).
    key_type: u32,
    /// Where it looks.
    chains: &'static [Chain],
}

#[derive(Debug)]
struct Chain {
    name: &'static str,
    /// `NF_INET_LOCAL_IN`, `NF_INET_LOCAL_OUT`, `NF_ARP_OUT`.
    hook: u32,
    priority: i32,
    rules: &'static [Address],
}

/// Where in a packet the address is.
#[derive(Debug)]
enum Address {
    /// At this byte of the network header.
    Network(u32),
    /// The target of a neighbour discovery message of this type (RFC 4861 section 4.3, 4.4).
    Target(u8),
}

const EARLY: i32 = -300;
const LATE: i32 = 300;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// A service's addresses: IPv4 in two tables.
const V4: [Table; 2] = [
    Table {
        family: ARP,
        key: 4,
        key_type: 7,
        // The sender of ARP for IPv4 over Ethernet (RFC 826).
        chains: &[Chain { name: "output", hook: 1, priority: LATE, rules: &[Address::Network(14)] }],
    },
    Table {
        family: IPV4,
        key: 4,
        key_type: 7,
        chains: &[
            Chain { name: "input", hook: 1, priority: EARLY, rules: &[Address::Network(16)] },
            Chain { name: "output", hook: 3, priority: LATE, rules: &[Address::Network(12)] },
        ],
    },
];
const V6: [Table; 1] = [Table {
    family: IPV6,
    key: 16,
    key_type: 8,
    chains: &[
        Chain {
            name: "input",
            hook: 1,
            priority: EARLY,
            rules: &[Address::Network(24), Address::Target(SOLICITATION)],
        },
        Chain {
            name: "output",
            hook: 3,
            priority: LATE,
            rules: &[Address::Network(8), Address::Target(ADVERTISEMENT)],
        },
    ],
}];

/// The tables in which this address is gated.
pub fn tables(address: IpAddr) -> &'static [Table] {
    match address {
        IpAddr::V4(_) => &V4,
        IpAddr::V6(_) => &V6,
    }
}

impl Table {
    /// How many rules it has.
    pub fn rules(&self) -> usize {
        self.chains.iter().map(|chain| chain.rules.len()).sum()
    }

    /// Tables, sets and chains, without their rules. Nothing changes where they are as they should be; what is open
    /// stays open.
    pub fn frame(&self, batch: &mut Batch) {
        batch.message(kind::NEW_TABLE, NLM_F_CREATE, self.family, |body| {
            body.text(1, TABLE);
            body.number(2, 0);
        });
        for (id, name, flags) in [(1, GATED, 0), (2, OPEN, SET_TIMEOUT)] {
            self.set(batch, id, name, flags);
        }
        for chain in self.chains {
            self.chain(batch, chain);
        }
    }

    /// The rules anew, and no others.
    pub fn fill(&self, batch: &mut Batch) {
        batch.message(kind::DELETE_RULE, 0, self.family, |body| body.text(1, TABLE));
        let rules = self.chains.iter().flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)));
        for (number, (chain, rule)) in rules.enumerate() {
            batch.message(kind::NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, self.family, |body| {
                body.text(1, TABLE);
                body.text(2, chain.name);
                body.nest(4, |list| rule.expressions(self.key, list));
                body.bytes(7, &comment(number));
            });
        }
    }

    /// Deletes the table, whether it is there or not.
    pub fn remove(&self, batch: &mut Batch) {
        for (kind, flags) in [(kind::NEW_TABLE, NLM_F_CREATE), (kind::DELETE_TABLE, 0)] {
            batch.message(kind, flags, self.family, |body| body.text(1, TABLE));
        }
    }

    fn set(&self, batch: &mut Batch, id: u32, name: &str, flags: u32) {
        batch.message(kind::NEW_SET, NLM_F_CREATE, self.family, |body| {
            body.text(1, TABLE);
            body.text(2, name);
            body.number(3, flags);
            body.number(4, self.key_type);
            body.number(5, self.key);
            // Which set of the transaction it is; the kernel wants one.
            body.number(10, id);
        });
    }

    fn chain(&self, batch: &mut Batch, chain: &Chain) {
        batch.message(kind::NEW_CHAIN, NLM_F_CREATE, self.family, |body| {
            body.text(1, TABLE);
            body.text(3, chain.name);
            body.nest(4, |hook| {
                hook.number(1, chain.hook);
                hook.bytes(2, &chain.priority.to_be_bytes());
            });
            body.number(5, NF_ACCEPT);
            body.text(7, "filter");
        });
    }
}

/// `NFT_SET_TIMEOUT`.
const SET_TIMEOUT: u32 = 0x10;
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;
/// `NFT_REG_VERDICT` and `NFT_REG_1`.
const VERDICT: u32 = 0;
const REGISTER: u32 = 1;
/// `NFT_PAYLOAD_NETWORK_HEADER` and `NFT_PAYLOAD_TRANSPORT_HEADER`.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
const META_L4PROTO: u32 = 16;
const CMP_EQ: u32 = 0;
const LOOKUP_INVERTED: u32 = 1;
const IPPROTO_ICMPV6: u8 = 58;
/// Byte of a neighbour discovery message where its target begins.
const TARGET: u32 = 8;

impl Address {
    /// Takes the address from the packet; drops if it is gated and not open.
    fn expressions(&self, key: u32, list: &mut Body<'_>) {
        match *self {
            Self::Network(offset) => load(list, NETWORK, offset, key),
            Self::Target(message) => {
                expression(list, "meta", &|data| {
                    data.number(1, REGISTER);
                    data.number(2, META_L4PROTO);
                });
                compare(list, IPPROTO_ICMPV6);
                load(list, TRANSPORT, 0, 1);
                compare(list, message);
                load(list, TRANSPORT, TARGET, key);
            }
        }
        lookup(list, GATED, 0);
        lookup(list, OPEN, LOOKUP_INVERTED);
        expression(list, "immediate", &|data| {
            data.number(1, VERDICT);
            data.nest(2, |value| value.nest(2, |verdict| verdict.number(1, NF_DROP)));
        });
    }
}

fn expression(list: &mut Body<'_>, name: &str, fill: Fill<'_>) {
    list.entry(|entry| {
        entry.text(1, name);
        entry.nest(2, fill);
    });
}

fn load(list: &mut Body<'_>, base: u32, offset: u32, length: u32) {
    expression(list, "payload", &|data| {
        for (kind, number) in [(1, REGISTER), (2, base), (3, offset), (4, length)] {
            data.number(kind, number);
        }
    });
}

fn compare(list: &mut Body<'_>, byte: u8) {
    expression(list, "cmp", &|data| {
        data.number(1, REGISTER);
        data.number(2, CMP_EQ);
        data.value(3, &[byte]);
    });
}

fn lookup(list: &mut Body<'_>, set: &str, flags: u32) {
    expression(list, "lookup", &|data| {
        data.text(1, set);
        data.number(2, REGISTER);
        data.number(5, flags);
    });
}

/// User data as nft(8) reads a comment: type, length, text, NUL.
fn comment(number: usize) -> Vec<u8> {
    let text = format!("{MARK}{number}\0");
    // Two dozen characters.
    [&[0, text.len() as u8], text.as_bytes()].concat()
}

/// Puts an address into a set or takes it out, in every table that gates it.
pub fn element(batch: &mut Batch, change: Change, set: &str, address: IpAddr) {
    for table in tables(address) {
        element_of(batch, table.family, change, set, address);
    }
}

/// What happens to an element of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there for good. Nothing changes when it is there.
    Add,
    /// It is there for so many milliseconds; to be used when it is surely not there.
    Lend(u64),
    /// It is not there. An error when it is not there already, or has expired.
    Delete,
}

/// The same in one table.
pub fn element_of(batch: &mut Batch, family: u8, change: Change, set: &str, address: IpAddr) -> usize {
    let (kind, flags) = match change {
        Change::Delete => (kind::DELETE_ELEMENT, 0),
        Change::Add | Change::Lend(_) => (kind::NEW_ELEMENT, NLM_F_CREATE),
    };
    batch.message(kind, flags, family, |body| {
        body.text(1, TABLE);
        body.text(2, set);
        body.nest(3, |list| {
            list.entry(|entry| {
                match address {
                    IpAddr::V4(v4) => entry.value(1, &v4.octets()),
                    IpAddr::V6(v6) => entry.value(1, &v6.octets()),
                }
                if let Change::Lend(millis) = change {
                    entry.bytes(4, &millis.to_be_bytes());
                }
            });
        });
    })
}
