//! Who the client's station is, and the packets that it reads and sends. No clock and no socket in here.

use std::net::Ipv4Addr;

use etherparse::{Icmpv4Type, LinkSlice, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use lubdub_lab::arp::Mac;
use lubdub_lab::{ASKERS, VIP};

/// The client.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 20, 1);
/// The tutorial's real servers.
pub const REAL_SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 168, 20, 30), Ipv4Addr::new(192, 168, 20, 40)];
/// The first of the [`ASKERS`] clients in whose names it asks.
const FIRST_ASKER: u32 = u32::from_be_bytes([192, 168, 20, 128]);
const SERVICE: u16 = 80;
const TTL: u8 = 64;
const WINDOW: u16 = 8192;
/// The client's identifier in its echo requests.
const IDENTIFIER: u16 = u16::from_be_bytes(*b"LD");
/// What a request of the client says.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// The address in whose name this asker asks.
pub fn asker(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(FIRST_ASKER + number as u32)
}

/// Which asker has this address.
pub fn asker_of(address: Ipv4Addr) -> Option<usize> {
    let number = u32::from(address).checked_sub(FIRST_ASKER)? as usize;
    (number < ASKERS).then_some(number)
}

/// Whether the station answers for this address.
pub fn is_ours(address: Ipv4Addr) -> bool {
    address == CLIENT || REAL_SERVERS.contains(&address) || asker_of(address).is_some()
}

/// The station's MAC for this address: a real server has one of its own, whereby it knows what was forwarded to it.
pub fn mac_of(address: Ipv4Addr) -> Mac {
    let last = if REAL_SERVERS.contains(&address) { address.octets()[3] } else { 1 };
    Mac([2, 0, 0, 0, 9, last])
}

/// A packet that means something to the station.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// Somebody answers an echo request of the client.
    EchoReply {
        /// Who.
        from: Ipv4Addr,
    },
    /// Somebody asks one of the station's addresses.
    EchoRequest {
        /// The MAC of who asks.
        mac: Mac,
        /// Who asks.
        from: Ipv4Addr,
        /// Who is asked.
        to: Ipv4Addr,
        /// Its identifier.
        id: u16,
        /// Its number.
        sequence: u16,
    },
    /// The director has passed a packet of a connection on to a real server.
    Forwarded {
        /// The director's MAC.
        via: Mac,
        /// To whom.
        server: Ipv4Addr,
        /// The client's port.
        port: u16,
        /// It carries the request; otherwise it opens the connection.
        asks: bool,
    },
}

impl Packet {
    /// Reads a frame.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let Some(LinkSlice::Ethernet2(ethernet)) = packet.link else { return None };
        let Some(NetSlice::Ipv4(ip)) = packet.net else { return None };
        let [from, to] = [ip.header().source_addr(), ip.header().destination_addr()];
        let via = Mac(ethernet.source());
        match packet.transport? {
            TransportSlice::Icmpv4(icmp) => match icmp.icmp_type() {
                Icmpv4Type::EchoReply(echo) if echo.id == IDENTIFIER && to == CLIENT => Some(Self::EchoReply { from }),
                Icmpv4Type::EchoRequest(echo) if is_ours(to) => {
                    Some(Self::EchoRequest { mac: via, from, to, id: echo.id, sequence: echo.seq })
                }
                _ => None,
            },
            TransportSlice::Tcp(tcp) if to == VIP && from == CLIENT && tcp.destination_port() == SERVICE => {
                let at = Mac(ethernet.destination());
                let server = REAL_SERVERS.into_iter().find(|server| mac_of(*server) == at)?;
                let asks = tcp.payload() == REQUEST;
                (asks || tcp.syn()).then_some(Self::Forwarded { via, server, port: tcp.source_port(), asks })
            }
            _ => None,
        }
    }
}

fn written<T>(build: impl FnOnce(&mut Vec<u8>) -> Result<(), T>) -> Vec<u8> {
    let mut frame = Vec::new();
    // Only a payload that is too long for IP could fail.
    build(&mut frame).ok();
    frame
}

/// An echo request of the client to the VIP, by way of this MAC.
pub fn echo_request(to: Mac, sequence: u16) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(mac_of(CLIENT).0, to.0).ipv4(CLIENT.octets(), VIP.octets(), TTL);
    written(|frame| builder.icmpv4_echo_request(IDENTIFIER, sequence).write(frame, &[]))
}

/// An echo reply: from and to, identifier and sequence as asked.
pub fn echo_reply(mac: Mac, [from, to]: [Ipv4Addr; 2], [id, sequence]: [u16; 2]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(mac_of(from).0, mac.0).ipv4(from.octets(), to.octets(), TTL);
    written(|frame| builder.icmpv4_echo_reply(id, sequence).write(frame, &[]))
}

/// Opens a connection, or sends the request on one that is open.
pub fn syn(to: Mac, port: u16, asks: bool) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(mac_of(CLIENT).0, to.0).ipv4(CLIENT.octets(), VIP.octets(), TTL).tcp(
        port,
        SERVICE,
        u32::from(asks),
        WINDOW,
    );
    let (builder, payload) = if asks { (builder.ack(1).psh(), REQUEST) } else { (builder.syn(), &[][..]) };
    written(|frame| builder.write(frame, payload))
}
