//! ARP packets over Ethernet (RFC 826), as the judge sends and reads them.

use std::fmt;
use std::net::Ipv4Addr;

/// The ethertype of ARP.
pub const ETHERTYPE: u16 = 0x0806;
/// Ethernet header and ARP packet; the wire would pad it, a veth does not.
pub const LENGTH: usize = 42;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;
/// Hardware type Ethernet, protocol type IPv4, and their lengths.
const IPV4_OVER_ETHERNET: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

/// Everybody.
pub const BROADCAST: Mac = Mac([0xff; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an ARP packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// A reply; otherwise a request.
    pub reply: bool,
    /// The sender's MAC.
    pub sender_mac: Mac,
    /// The sender's address.
    pub sender: Ipv4Addr,
    /// The target's MAC.
    pub target_mac: Mac,
    /// The target's address.
    pub target: Ipv4Addr,
}

impl Arp {
    /// "Who has `target`? Tell `sender`."
    pub fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self { reply: false, sender_mac, sender, target_mac: Mac([0; 6]), target }
    }

    /// A gratuitous ARP in request form: "`address` is at `mac`."
    pub fn announcement(mac: Mac, address: Ipv4Addr) -> Self {
        Self::request(mac, address, address)
    }

    /// Whether this is a gratuitous ARP, in either form.
    pub fn announces(&self) -> bool {
        self.sender == self.target
    }

    /// The frame, to everybody.
    pub fn broadcast(&self) -> [u8; LENGTH] {
        let mut frame = [0; LENGTH];
        frame[..6].copy_from_slice(&BROADCAST.0);
        frame[6..12].copy_from_slice(&self.sender_mac.0);
        frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
        frame[14..20].copy_from_slice(&IPV4_OVER_ETHERNET);
        frame[20..22].copy_from_slice(&if self.reply { REPLY } else { REQUEST }.to_be_bytes());
        frame[22..28].copy_from_slice(&self.sender_mac.0);
        frame[28..32].copy_from_slice(&self.sender.octets());
        frame[32..38].copy_from_slice(&self.target_mac.0);
        frame[38..42].copy_from_slice(&self.target.octets());
        frame
    }

    /// Reads a frame; `None` if it is not ARP for IPv4 over Ethernet.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let body = frame.get(14..LENGTH)?;
        let operation = u16::from_be_bytes([body[6], body[7]]);
        if body[..6] != IPV4_OVER_ETHERNET || !matches!(operation, REQUEST | REPLY) {
            return None;
        }
        let mac = |at: usize| body[at..at + 6].try_into().ok().map(Mac);
        let address = |at: usize| Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]);
        Some(Self {
            reply: operation == REPLY,
            sender_mac: mac(8)?,
            sender: address(14),
            target_mac: mac(18)?,
            target: address(24),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back() {
        let request = Arp::request(Mac([2, 0, 0, 0, 0, 1]), [192, 168, 20, 1].into(), [192, 168, 20, 100].into());
        assert_eq!(Arp::parse(&request.broadcast()), Some(request));
        assert!(!request.announces());
        assert_eq!(Arp::parse(&request.broadcast()[..41]), None);
    }
}
