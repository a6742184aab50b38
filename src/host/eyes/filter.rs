//! What the kernel hands to the eyes at all: programs of its packet filter (socket(7), `SO_ATTACH_FILTER`).
//!
//! A load beyond a packet's end drops the packet.

use std::net::IpAddr;

use socket2::SockFilter;

use super::Mac;
use crate::host::{arp, icmp, ndp};

/// A packet filter.
pub type Program = Vec<SockFilter>;

/// Whose packets pass.
#[derive(Clone, Copy)]
pub enum Senders<'a> {
    /// Those of these stations.
    Only(&'a [Mac]),
    /// Those of all others.
    AllBut(&'a [Mac]),
}

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
/// Four times the low half of a byte: the length of the header of IP.
const SKIP_HEADER: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
const LOAD_BYTE_BEYOND: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_IND) as u16;
const LOAD_HALF_BEYOND: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
/// Byte of a packet of IPv4 where its sender is (RFC 791 section 3.1).
const IP_SOURCE: u32 = 12;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// The number of the interface that the packet came in by (linux/filter.h).
const INTERFACE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_IFINDEX) as u32;
/// That of `lo` in every network namespace (`LOOPBACK_IFINDEX`, net/flow.h).
const LOOPBACK: u32 = 1;
/// The hop limit of an IPv6 packet, seen from a socket that is handed what follows its header.
const HOP_LIMIT: u32 = (libc::SKF_NET_OFF + 7) as u32;
/// RFC 4861 section 7.1: what a router has passed on is no neighbour's word.
const UNROUTED: u32 = 255;

/// ARP of these stations that claims an address which ends like one of these, or asks for one by a probe.
pub fn arp_words(ends: &[u32], who: &[Mac]) -> Program {
    let mut program = Program::new();
    senders(&mut program, arp::SENDER_MAC, Senders::Only(who));
    // A probe has no address of its own: then what it asks for counts.
    program.extend([step(LOAD_WORD, arp::SENDER), branch(0, 0, 1), step(LOAD_WORD, arp::TARGET)]);
    compare(&mut program, ends);
    program
}

/// Neighbour solicitations of these stations, from no address, for addresses that end like one of these; for a packet
/// socket.
pub fn ndp_questions(ends: &[u32], who: &[Mac]) -> Program {
    let mut program = Program::new();
    senders(&mut program, ndp::FRAME_MAC, Senders::Only(who));
    only(&mut program, LOAD_BYTE, ndp::FRAME_NEXT_HEADER, ndp::NEXT_HEADER_ICMPV6.into());
    only(&mut program, LOAD_BYTE, ndp::FRAME_MESSAGE, ndp::SOLICITATION.into());
    for word in 0..4 {
        only(&mut program, LOAD_WORD, ndp::FRAME_SOURCE + 4 * word, 0);
    }
    endings(&mut program, ndp::FRAME_MESSAGE + ndp::TARGET_END, ends);
    program
}

/// ARP whose sender claims an address that ends like one of these.
pub fn arp_claims(ends: &[u32], who: Senders<'_>) -> Program {
    let mut program = Program::new();
    senders(&mut program, arp::SENDER_MAC, who);
    endings(&mut program, arp::SENDER, ends);
    program
}

/// Neighbour advertisements of addresses that end like one of these, for a socket of ICMPv6. The MAC is looked for in
/// the first option, where Linux has it.
pub fn ndp_claims(ends: &[u32], who: Senders<'_>) -> Program {
    let mut program = Program::new();
    only(&mut program, LOAD_BYTE, 0, ndp::ADVERTISEMENT.into());
    only(&mut program, LOAD_BYTE, HOP_LIMIT, UNROUTED);
    senders(&mut program, ndp::FIRST_MAC, who);
    endings(&mut program, ndp::TARGET_END, ends);
    program
}

/// Any ARP on this interface whose sender has an address: a station that can be asked.
pub fn stations(interface: u32, but: &[Mac]) -> Program {
    let mut program = Program::new();
    only(&mut program, LOAD_WORD, INTERFACE, interface);
    senders(&mut program, arp::SENDER_MAC, Senders::AllBut(but));
    program.push(step(LOAD_WORD, arp::SENDER));
    program.extend([branch(0, 0, 1), drop_it(), step(RETURN, arp::FRAME as u32)]);
    program
}

/// Answers to a question with this identifier, for a raw socket of ICMP or of ICMPv6; of IPv4 from these stations alone.
/// Not by loopback: what this machine says to itself, about an address that it has itself, says nothing of any LAN.
pub fn echoes(v6: bool, id: u16, addresses: &[IpAddr]) -> Program {
    let mut program = Program::new();
    program.extend([step(LOAD_WORD, INTERFACE), branch(LOOPBACK, 0, 1), drop_it()]);
    if v6 {
        only(&mut program, LOAD_BYTE, 0, icmp::REPLY_V6.into());
        only(&mut program, LOAD_HALF, icmp::ID, id.into());
        program.push(step(RETURN, u32::MAX));
        return program;
    }
    program.push(step(SKIP_HEADER, 0));
    only(&mut program, LOAD_BYTE_BEYOND, 0, icmp::REPLY.into());
    only(&mut program, LOAD_HALF_BEYOND, icmp::ID, id.into());
    let ends =
        addresses.iter().filter_map(|address| if let IpAddr::V4(v4) = address { Some(v4.to_bits()) } else { None });
    endings(&mut program, IP_SOURCE, &ends.collect::<Vec<_>>());
    program
}

fn step(code: u16, value: u32) -> SockFilter {
    SockFilter::new(code, 0, 0, value)
}

/// Skips so many steps where the value loaded is this one, or is not.
fn branch(value: u32, equal: u8, other: u8) -> SockFilter {
    SockFilter::new(IF_EQUAL, equal, other, value)
}

fn drop_it() -> SockFilter {
    step(RETURN, 0)
}

fn only(program: &mut Program, load: u16, at: u32, value: u32) {
    program.extend([step(load, at), branch(value, 1, 0), drop_it()]);
}

fn senders(program: &mut Program, at: u32, who: Senders<'_>) {
    let (macs, wanted) = match who {
        Senders::Only(macs) => (macs, true),
        Senders::AllBut(macs) => (macs, false),
    };
    for (number, [a, b, c, d, e, f]) in macs.iter().enumerate() {
        // Steps until after this list, at most 255: there are few MACs.
        let rest = (macs.len() - 1 - number) as u8;
        let (yes, no) = if wanted { (rest * 5 + 2, 0) } else { (0, 1) };
        program.extend([step(LOAD_WORD, at), branch(u32::from_be_bytes([*a, *b, *c, *d]), 0, 3)]);
        program.extend([step(LOAD_HALF, at + 4), branch(u16::from_be_bytes([*e, *f]).into(), yes, no)]);
        program.push(if wanted { branch(0, 0, 0) } else { drop_it() });
    }
    if wanted {
        program.push(drop_it());
    }
}

fn endings(program: &mut Program, at: u32, ends: &[u32]) {
    program.push(step(LOAD_WORD, at));
    compare(program, ends);
}

/// Lets pass what has one of these ends loaded.
fn compare(program: &mut Program, ends: &[u32]) {
    for end in ends {
        program.extend([branch(*end, 0, 1), step(RETURN, u32::MAX)]);
    }
    program.push(drop_it());
}
