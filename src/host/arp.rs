//! ARP for IPv4 over Ethernet (RFC 826): what is said and asked about a VIP, and who else claims it.

use std::net::Ipv4Addr;

/// Length of a packet with its Ethernet header; the driver pads it to 60.
pub const FRAME: usize = 42;
const BROADCAST: [u8; 6] = [0xff; 6];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
/// Byte of a frame where the sender's MAC is.
pub const SENDER_MAC: u32 = 22;
/// Byte of a frame where the sender's protocol address is.
pub const SENDER: u32 = 28;
/// Byte of a frame where the address is that is asked for.
pub const TARGET: u32 = 38;

/// Gratuitous ARP for `address` at `mac`: both forms of RFC 5944 section 4.6, because some stations learn from requests
/// only and others from replies only.
pub fn announcements(mac: [u8; 6], address: Ipv4Addr) -> [[u8; FRAME]; 2] {
    // RFC 5944: a reply names the new MAC as target too; in a request that field has no meaning (RFC 5227: zero).
    [frame(REQUEST, mac, address, [0; 6], address), frame(REPLY, mac, address, mac, address)]
}

/// RFC 5227 section 2.1.1: asks whether anybody has `address`. With no address as its sender, so that nobody learns
/// anything from it.
pub fn probe(mac: [u8; 6], address: Ipv4Addr) -> [u8; FRAME] {
    frame(REQUEST, mac, Ipv4Addr::UNSPECIFIED, [0; 6], address)
}

/// Asks one station whether it still has `address`: a poll by unicast (RFC 1122 section 2.3.2.1). From this node's own
/// address on that network, or from none.
pub fn request(mac: [u8; 6], sender: Ipv4Addr, to: [u8; 6], address: Ipv4Addr) -> [u8; FRAME] {
    let mut request = frame(REQUEST, mac, sender, [0; 6], address);
    request[0..6].copy_from_slice(&to);
    request
}

/// Who says, by asking or answering, that it has which address. None for a probe, and for what is not ARP.
pub fn claim(frame: &[u8]) -> Option<(Ipv4Addr, [u8; 6])> {
    let arp = frame.get(12..20)? == HEAD;
    let sender = Ipv4Addr::from(*frame.get(28..FRAME)?.first_chunk()?);
    (arp && !sender.is_unspecified()).then_some((sender, *frame.get(22..)?.first_chunk()?))
}

/// Who asks by a probe whether anybody has which address. None for questions of those that have an address themselves: a
/// client's, a kernel's.
pub fn question(frame: &[u8]) -> Option<(Ipv4Addr, [u8; 6])> {
    let probe = frame.get(12..20)? == HEAD && frame.get(20..22)? == [0, REQUEST] && frame.get(28..32)? == [0; 4];
    let target = Ipv4Addr::from(*frame.get(38..FRAME)?.first_chunk()?);
    probe.then_some((target, *frame.get(22..)?.first_chunk()?))
}

/// EtherType ARP; hardware Ethernet, protocol IPv4, lengths 6 and 4.
const HEAD: [u8; 8] = [0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4];

fn frame(operation: u8, mac: [u8; 6], sender: Ipv4Addr, target_mac: [u8; 6], target: Ipv4Addr) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    frame[0..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&mac);
    frame[12..20].copy_from_slice(&HEAD);
    frame[21] = operation;
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&sender.octets());
    frame[32..38].copy_from_slice(&target_mac);
    frame[38..42].copy_from_slice(&target.octets());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 1, 2, 3];
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 20, 100);

    #[test]
    fn request_form_byte_for_byte() {
        #[rustfmt::skip]
        let expected = [
            255, 255, 255, 255, 255, 255, 2, 0, 0, 1, 2, 3, 8, 6,
            0, 1, 8, 0, 6, 4, 0, 1,
            2, 0, 0, 1, 2, 3, 192, 168, 20, 100,
            0, 0, 0, 0, 0, 0, 192, 168, 20, 100,
        ];
        assert_eq!(announcements(MAC, VIP)[0], expected);
    }

    #[test]
    fn reply_form_names_the_mac_twice() {
        let reply = announcements(MAC, VIP)[1];
        assert_eq!(reply[20..22], [0, 2]);
        assert_eq!(reply[22..28], MAC);
        assert_eq!(reply[32..38], MAC);
    }

    #[test]
    fn a_request_goes_to_one_station_and_names_its_sender() {
        let station = [2, 0, 0, 9, 9, 9];
        let frame = request(MAC, Ipv4Addr::new(192, 168, 20, 10), station, VIP);
        assert_eq!((&frame[..6], &frame[20..22]), (&station[..], &[0, 1][..]));
        assert_eq!(frame[28..], [192, 168, 20, 10, 0, 0, 0, 0, 0, 0, 192, 168, 20, 100]);
    }

    #[test]
    fn a_probe_claims_nothing_and_an_announcement_does() {
        assert_eq!(probe(MAC, VIP)[28..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 168, 20, 100]);
        assert_eq!(claim(&probe(MAC, VIP)), None);
        assert_eq!(question(&probe(MAC, VIP)), Some((VIP, MAC)));
        assert!((0..FRAME).all(|length| question(&probe(MAC, VIP)[..length]).is_none()));
        assert_eq!(
            question(&request(MAC, Ipv4Addr::new(192, 168, 20, 10), BROADCAST, VIP)),
            None,
            "a client's question"
        );
        for frame in announcements(MAC, VIP) {
            assert_eq!((claim(&frame), question(&frame)), (Some((VIP, MAC)), None));
            assert!((0..FRAME).all(|length| claim(&frame[..length]).is_none()));
        }
    }
}
