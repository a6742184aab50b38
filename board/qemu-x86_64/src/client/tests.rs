use super::station::{REAL_SERVERS, is_ours};
use super::*;
use crate::bench::Bench;

const SOON: Duration = Duration::from_secs(60);
const A: Mac = Mac([2, 0, 0, 0, 0, 0x10]);
const B: Mac = Mac([2, 0, 0, 0, 0, 0x20]);

/// Nodes that answer and forward as their kernels would, at one port.
struct Node {
    socket: UnixDatagram,
    plug: Plug,
}

impl Node {
    fn plug_in(lan: &Lan) -> Self {
        let plug = lan.plug("node").unwrap();
        let socket = UnixDatagram::bind(&plug.card).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self { socket, plug }
    }

    fn frame(&self) -> Vec<u8> {
        let mut frame = [0; FRAME_MAX];
        let length = self.socket.recv(&mut frame).unwrap();
        frame[..length].to_vec()
    }

    fn send(&self, frame: &[u8]) {
        self.socket.send_to(frame, &self.plug.hub).unwrap();
    }

    fn answer(&self, question: &Arp, mac: Mac) {
        let answer =
            Arp { reply: true, sender_mac: mac, sender: VIP, target_mac: question.sender_mac, target: question.sender };
        self.send(&answer.broadcast());
    }

    fn question(&self) -> Arp {
        loop {
            if let Some(arp) = Arp::parse(&self.frame()).filter(|arp| arp.target == VIP && !arp.reply) {
                return arp;
            }
        }
    }
}

#[test]
fn two_answers_to_one_question_are_double() {
    let bench = Bench::new().unwrap();
    let lan = Lan::new(&bench, "lan").unwrap();
    let (client, node) = (Client::plug_in(&lan).unwrap(), Node::plug_in(&lan));
    let first = loop {
        let question = node.question();
        if asker_of(question.sender).is_some() {
            break question;
        }
    };
    node.answer(&first, A);
    assert!(client.await_verdict(SOON, |verdict| verdict.owner == Some(A)));
    assert!(client.verdict().doubles.is_empty());
    node.answer(&first, B);
    assert!(client.await_verdict(SOON, |verdict| verdict.doubles.len() == 1));
    client.begin();
    assert_eq!(client.verdict().doubles.len(), 0);
}

#[test]
fn a_connection_is_served_by_whom_it_was_forwarded_to() {
    let bench = Bench::new().unwrap();
    let lan = Lan::new(&bench, "lan").unwrap();
    let (client, node) = (Client::plug_in(&lan).unwrap(), Node::plug_in(&lan));
    node.send(&Arp::announcement(A, VIP).broadcast());
    let server = REAL_SERVERS[1];
    let served = std::thread::scope(|threads| {
        let connecting = threads.spawn(|| client.connect(SOON).unwrap());
        let mut forwarded = 0;
        while forwarded < 2 {
            let mut frame = node.frame();
            let to_us = frame[..6] == A.0 && frame[12..14] == [8, 0] && frame[23] == 6;
            if to_us {
                frame[..6].copy_from_slice(&mac_of(server).0);
                frame[6..12].copy_from_slice(&A.0);
                node.send(&frame);
                forwarded += 1;
            }
        }
        connecting.join().unwrap()
    });
    assert_eq!((served.server, served.via), (server, A));
}

#[test]
fn the_station_answers_for_its_addresses_and_for_no_other() {
    let bench = Bench::new().unwrap();
    let lan = Lan::new(&bench, "lan").unwrap();
    let (_client, node) = (Client::plug_in(&lan).unwrap(), Node::plug_in(&lan));
    assert!(!is_ours(VIP) && !is_ours([192, 168, 20, 10].into()));
    for (asks, target) in [([192, 168, 20, 10].into(), REAL_SERVERS[0]), (VIP, CLIENT)] {
        node.send(&Arp::request(A, asks, target).broadcast());
        let answer = loop {
            if let Some(arp) = Arp::parse(&node.frame()).filter(|arp| arp.reply) {
                break arp;
            }
        };
        assert_eq!((answer.sender, answer.sender_mac, answer.target), (target, mac_of(target), asks));
    }
    let echo = etherparse::PacketBuilder::ethernet2(A.0, mac_of(CLIENT).0)
        .ipv4([192, 168, 20, 10], CLIENT.octets(), 64)
        .icmpv4_echo_request(7, 9);
    let mut frame = Vec::new();
    echo.write(&mut frame, &[]).unwrap();
    node.send(&frame);
    // Type echo reply, our identifier and number.
    while !node.frame().get(34..42).is_some_and(|icmp| icmp[0] == 0 && icmp[4..] == [0, 7, 0, 9]) {}
}
