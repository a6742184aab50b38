//! Echo of ICMP (RFC 792) and ICMPv6 (RFC 4443 section 4): asks a station whether it is there.

use std::net::IpAddr;

/// Bytes of a question and of its answer: type, code, checksum, identifier and number, then the token.
pub const LENGTH: usize = 16;
/// Type of an answer.
pub const REPLY: u8 = 0;
/// Type of an answer in ICMPv6.
pub const REPLY_V6: u8 = 129;
/// Byte of a message where the identifier is.
pub const ID: u32 = 4;
const REQUEST: u8 = 8;
const REQUEST_V6: u8 = 128;

/// What tells one question from all others. An answer has it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Who asks.
    pub id: u16,
    /// The number of the question.
    pub number: u16,
    /// Nobody who has not seen the question knows it.
    pub token: [u8; 8],
}

impl Echo {
    /// The question as a raw socket of the family of `to` sends it.
    pub fn request(&self, to: IpAddr) -> [u8; LENGTH] {
        let mut message = [0; LENGTH];
        message[0] = if to.is_ipv4() { REQUEST } else { REQUEST_V6 };
        message[4..6].copy_from_slice(&self.id.to_be_bytes());
        message[6..8].copy_from_slice(&self.number.to_be_bytes());
        message[8..].copy_from_slice(&self.token);
        if to.is_ipv4() {
            // That of ICMPv6 is the kernel's to compute (RFC 3542 section 3.1).
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        message
    }

    /// The answer in a packet of a raw socket of IPv4, which has the header of IP before it.
    pub fn reply(packet: &[u8]) -> Option<Self> {
        let header = usize::from(packet.first()? & 0xf) * 4;
        let message = packet.get(header..)?;
        if checksum(message.get(..LENGTH)?) != 0 || message.len() != LENGTH {
            return None;
        }
        Self::answered(message, REPLY)
    }

    /// The answer in a message of a raw socket of ICMPv6; the kernel has verified its checksum.
    pub fn reply_v6(message: &[u8]) -> Option<Self> {
        Self::answered(message, REPLY_V6)
    }

    fn answered(message: &[u8], kind: u8) -> Option<Self> {
        let message: &[u8; LENGTH] = message.try_into().ok()?;
        let [is, code, _, _, a, b, c, d, token @ ..] = *message;
        let echo = Self { id: u16::from_be_bytes([a, b]), number: u16::from_be_bytes([c, d]), token };
        (is == kind && code == 0).then_some(echo)
    }
}

/// RFC 1071. Zero over a message that has the right one in it.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const ECHO: Echo = Echo { id: 0x1234, number: 0xabcd, token: *b"lubdub!!" };

    /// As a station answers.
    fn answer(echo: Echo) -> Vec<u8> {
        let mut message = echo.request(Ipv4Addr::LOCALHOST.into());
        (message[0], message[2], message[3]) = (REPLY, 0, 0);
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        message.to_vec()
    }

    fn packet(message: &[u8], options: usize) -> Vec<u8> {
        let mut packet = vec![0; 20 + options];
        packet[0] = 0x40 | (5 + options / 4) as u8;
        packet.extend(message);
        packet
    }

    #[test]
    fn a_question_byte_for_byte() {
        let sum = [0xd4, 0xa0];
        let expected = [8, 0, sum[0], sum[1], 0x12, 0x34, 0xab, 0xcd, b'l', b'u', b'b', b'd', b'u', b'b', b'!', b'!'];
        assert_eq!(ECHO.request(Ipv4Addr::LOCALHOST.into()), expected);
        assert_eq!(checksum(&expected), 0);
        let v6 = ECHO.request(Ipv6Addr::LOCALHOST.into());
        assert_eq!((v6[0], &v6[1..4], &v6[4..]), (128, &[0, 0, 0][..], &expected[4..]));
    }

    #[test]
    fn an_answer_is_its_question_come_back() {
        assert_eq!(Echo::reply(&packet(&answer(ECHO), 0)), Some(ECHO));
        assert_eq!(Echo::reply(&packet(&answer(ECHO), 8)), Some(ECHO), "with options of IP");
        let mut v6 = answer(ECHO);
        v6[0] = REPLY_V6;
        assert_eq!(Echo::reply_v6(&v6), Some(ECHO));
    }

    #[test]
    fn whatever_else_comes_is_no_answer() {
        let good = packet(&answer(ECHO), 0);
        assert!((0..good.len()).all(|length| Echo::reply(&good[..length]).is_none()));
        assert_eq!(Echo::reply(&packet(&ECHO.request(Ipv4Addr::LOCALHOST.into()), 0)), None, "a question");
        for byte in 20..good.len() {
            let mut bad = good.clone();
            bad[byte] ^= 0x40;
            assert_eq!(Echo::reply(&bad), None, "byte {byte}");
        }
        let mut long = answer(ECHO);
        long.extend([0, 0]);
        assert_eq!(Echo::reply(&packet(&long, 0)), None);
        assert_eq!(Echo::reply_v6(&answer(ECHO)), None);
    }
}
