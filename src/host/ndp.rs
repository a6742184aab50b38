//! Neighbour discovery for IPv6 over Ethernet (RFC 4861): what is said and asked about a VIP, and who else claims it.

use std::net::Ipv6Addr;

/// The number of ICMPv6 in the header of an IPv6 packet.
pub const NEXT_HEADER_ICMPV6: u8 = 58;
/// ICMPv6 type of a neighbour solicitation.
pub const SOLICITATION: u8 = 135;
/// ICMPv6 type of a neighbour advertisement.
pub const ADVERTISEMENT: u8 = 136;
/// Byte of an ICMPv6 message where the last four of the target's sixteen are.
pub const TARGET_END: u32 = 20;
/// Byte of an ICMPv6 message where the MAC of its first option is.
pub const FIRST_MAC: u32 = 26;
/// Flags of an advertisement (RFC 4861 section 4.4).
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// The option that names the target's MAC: its type, and its length in units of eight bytes.
const TARGET_MAC: [u8; 2] = [2, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Ethernet, IPv6, and the ICMPv6 message up to its options.
const HEADERS: usize = 14 + 40;
const BODY: usize = 24;

/// RFC 4861 section 7.2.6: tells all nodes that `address` is at `mac` now, whatever they knew before. Routers learn it
/// from this even if they knew nothing (RFC 9131).
pub fn advertisement(mac: [u8; 6], address: Ipv6Addr, router: bool) -> [u8; HEADERS + BODY + 8] {
    let mut frame = frame(mac, address, ALL_NODES);
    let body = &mut frame[HEADERS..];
    body[0] = ADVERTISEMENT;
    body[4] = if router { ROUTER | OVERRIDE } else { OVERRIDE };
    body[8..24].copy_from_slice(&address.octets());
    body[24..26].copy_from_slice(&TARGET_MAC);
    body[26..32].copy_from_slice(&mac);
    seal(&mut frame);
    frame
}

/// The question of duplicate address detection (RFC 4862 section 5.4.2): from no address, to the nodes whose address
/// ends like `address`. Its answer goes to all nodes.
pub fn solicitation(mac: [u8; 6], address: Ipv6Addr) -> [u8; HEADERS + BODY] {
    let mut group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0).octets();
    group[13..].copy_from_slice(&address.octets()[13..]);
    let mut frame = frame(mac, Ipv6Addr::UNSPECIFIED, group.into());
    frame[HEADERS] = SOLICITATION;
    frame[HEADERS + 8..].copy_from_slice(&address.octets());
    seal(&mut frame);
    frame
}

/// Sends a frame to one station instead, whatever group its IPv6 header names (RFC 6085).
pub fn readdress(frame: &mut [u8; HEADERS + BODY], to: [u8; 6]) {
    frame[0..6].copy_from_slice(&to);
}

/// Who advertises which address, from an ICMPv6 message without its IPv6 header. None for what is no advertisement or
/// names no MAC.
pub fn claim(message: &[u8]) -> Option<(Ipv6Addr, [u8; 6])> {
    let target: [u8; 16] = *message.get(8..)?.first_chunk()?;
    let mut options = message.get(BODY..)?;
    while *message.first()? == ADVERTISEMENT {
        let length = usize::from(*options.get(1)?) * 8;
        let option = options.get(..length).filter(|option| !option.is_empty())?;
        if option[..2] == TARGET_MAC {
            return Some((target.into(), *option[2..].first_chunk()?));
        }
        options = &options[length..];
    }
    None
}

/// Bytes of a frame: the sender's MAC, the next header, the source address, the ICMPv6 message.
pub const FRAME_MAC: u32 = 6;
/// See [`FRAME_MAC`].
pub const FRAME_NEXT_HEADER: u32 = 20;
/// See [`FRAME_MAC`].
pub const FRAME_SOURCE: u32 = 22;
/// See [`FRAME_MAC`].
pub const FRAME_MESSAGE: u32 = HEADERS as u32;

/// Who asks, from no address, whether anybody has which address, from a whole frame: the question itself may not name the
/// MAC (RFC 4861 section 4.3).
pub fn question(frame: &[u8]) -> Option<(Ipv6Addr, [u8; 6])> {
    let ipv6 = frame.get(12..14)? == [0x86, 0xdd] && frame.get(20..22)? == [NEXT_HEADER_ICMPV6, 255];
    let probe = ipv6 && frame.get(22..38)? == [0; 16] && *frame.get(HEADERS)? == SOLICITATION;
    let target: [u8; 16] = *frame.get(HEADERS + 8..)?.first_chunk()?;
    probe.then_some((target.into(), *frame.get(6..)?.first_chunk()?))
}

/// An Ethernet frame to a multicast group with an IPv6 header and an empty ICMPv6 message.
fn frame<const N: usize>(mac: [u8; 6], from: Ipv6Addr, to: Ipv6Addr) -> [u8; N] {
    let mut frame = [0; N];
    // RFC 2464 section 7: the group's last four bytes.
    frame[0..2].copy_from_slice(&[0x33, 0x33]);
    frame[2..6].copy_from_slice(&to.octets()[12..]);
    frame[6..12].copy_from_slice(&mac);
    // EtherType IPv6; version 6; the hop limit that shows that no router passed it on (RFC 4861 section 7.1).
    frame[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
    frame[19] = (N - HEADERS) as u8;
    frame[20..22].copy_from_slice(&[NEXT_HEADER_ICMPV6, 255]);
    frame[22..38].copy_from_slice(&from.octets());
    frame[38..54].copy_from_slice(&to.octets());
    frame
}

/// Writes the checksum (RFC 8200 section 8.1): over both addresses, the length, the next header and the message.
fn seal(frame: &mut [u8]) {
    let words = frame[22..].chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum::<u32>() + u32::from(frame[19]) + u32::from(NEXT_HEADER_ICMPV6);
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
    frame[HEADERS + 2..HEADERS + 4].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 1, 2, 3];
    const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456);

    /// The sum over pseudo-header and message, its checksum included: all ones when that is right.
    fn sum(frame: &[u8]) -> u32 {
        let bytes: Vec<u8> = [&frame[22..], &[0, frame[19], 0, frame[20]]].concat();
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        (sum & 0xffff) + (sum >> 16)
    }

    #[test]
    fn an_advertisement_byte_for_byte() {
        let frame = advertisement(MAC, VIP, false);
        assert_eq!(frame[..14], [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 1, 2, 3, 0x86, 0xdd]);
        assert_eq!(frame[14..22], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!((&frame[22..38], &frame[38..54]), (&VIP.octets()[..], &ALL_NODES.octets()[..]));
        assert_eq!((&frame[54..56], &frame[58..62]), (&[136, 0][..], &[0x20, 0, 0, 0][..]));
        assert_eq!((&frame[62..78], &frame[78..]), (&VIP.octets()[..], &[2, 1, 2, 0, 0, 1, 2, 3][..]));
        assert_eq!(sum(&frame), 0xffff);
        assert_eq!(advertisement(MAC, VIP, true)[58], 0xa0);
    }

    #[test]
    fn a_solicitation_goes_to_the_solicited_node_group_from_nobody() {
        let frame = solicitation(MAC, VIP);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!(frame[22..38], [0; 16]);
        assert_eq!(frame[38..54], "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!((frame[54], &frame[62..]), (135, &VIP.octets()[..]));
        assert_eq!(sum(&frame), 0xffff);
        assert_eq!(question(&frame), Some((VIP, MAC)));
        assert!((0..frame.len()).all(|length| question(&frame[..length]).is_none()));
        let mut one_by_one = frame;
        readdress(&mut one_by_one, [2, 0, 0, 9, 9, 9]);
        assert_eq!(question(&one_by_one), Some((VIP, MAC)));
        let mut a_neighbours = frame;
        a_neighbours[37] = 1;
        assert_eq!(question(&a_neighbours), None, "from an address");
        assert_eq!(question(&advertisement(MAC, VIP, false)), None);
    }

    #[test]
    fn a_claim_is_an_advertisement_with_a_mac() {
        let message = &advertisement(MAC, VIP, false)[HEADERS..];
        assert_eq!(claim(message), Some((VIP, MAC)));
        assert_eq!(claim(&solicitation(MAC, VIP)[HEADERS..]), None);
        assert!((0..message.len()).all(|length| claim(&message[..length]).is_none()));
        let mut endless = message.to_vec();
        endless[24..26].copy_from_slice(&[9, 0]);
        assert_eq!(claim(&endless), None);
        // Another option before it is passed over.
        let mut second = message[..24].to_vec();
        second.extend([[9, 1, 0, 0, 0, 0, 0, 0], *message[24..].first_chunk().unwrap()].concat());
        assert_eq!(claim(&second), Some((VIP, MAC)));
    }
}
