//! A network namespace for each test, so that tests disturb neither this machine nor each other.

use std::net::IpAddr;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use lubdub::time::{Duration, Instant};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{Socket, SocketAddr};

use super::{Address, Message, RTM_DELADDR, messages, readable};
use crate::host::clock;

/// No carrier takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a test in a thread with an empty network namespace of its own; the kernel takes it down with the thread.
pub fn inside(test: impl FnOnce() + Send + 'static) {
    let outcome = thread::spawn(|| {
        if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
            panic!("this test needs a network namespace (CAP_SYS_ADMIN): {errno}; run it as root or under unshare -r");
        }
        ip("link set lo up");
        test();
    })
    .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// `eth0`, with `lan0` at the other end of its cable, both up and running.
pub fn ethernet() {
    ip("link add eth0 type veth peer name lan0");
    ip("link set lan0 up");
    ip("link set eth0 up");
    let begun = clock::now();
    // The kernel notes a carrier up to a second later (net/core/link_watch.c).
    while ip("link show").matches("state UP").count() < 2 {
        assert!(clock::now().since(begun) < PATIENCE, "no carrier: {}", ip("link show"));
    }
}

/// A switch at the end of the cable of `eth0`, with these stations at cables of their own, each with these addresses.
/// Their ports are `port1` and so on; that of `eth0` is `lan0`.
pub fn switch(stations: &[&[&str]]) -> Vec<Station> {
    ip("link add switch0 type bridge stp_state 0 mcast_snooping 0");
    // It only forwards: it has no addresses, and this node's are none of its business.
    ip("link set switch0 arp off addrgenmode none up");
    plug("lan0");
    let cable = |(number, addresses): (usize, &&[&str])| {
        let (port, station) = (format!("port{}", number + 1), format!("lan{}", number + 1));
        ip(&format!("link add {port} type veth peer name {station}"));
        plug(&port);
        Station::at(&station, &port, addresses)
    };
    stations.iter().enumerate().map(cable).collect()
}

fn plug(port: &str) {
    let setting = format!("/proc/sys/net/ipv6/conf/{port}/disable_ipv6");
    std::fs::write(setting, "1").expect("the port is there");
    ip(&format!("link set {port} master switch0 up"));
}

/// What a station is to do.
type Order = Box<dyn FnOnce() + Send>;

/// Another station at the end of a cable, which is in a network namespace of its own until this is dropped.
pub struct Station {
    interface: String,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Station {
    /// Takes `lan0` away, gives it these addresses, and waits until both ends of the cable have a carrier.
    pub fn with(addresses: &[&str]) -> Self {
        Self::at("lan0", "eth0", addresses)
    }

    /// The same at another cable.
    fn at(interface: &str, end: &str, addresses: &[&str]) -> Self {
        let (told, tid) = channel();
        let (orders, heard): (Sender<Order>, Receiver<Order>) = channel();
        let thread = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("the test itself is in a namespace of its own");
            told.send(gettid()).expect("the test waits for it");
            heard.into_iter().for_each(|order| order());
        });
        let tid = tid.recv().expect("the station has begun");
        ip(&format!("link set {interface} netns {tid}"));
        let station = Self { interface: interface.to_owned(), orders: Some(orders), thread: Some(thread) };
        station.ip(&format!("link set {interface} up"));
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            station.ip(&format!("address add {address} dev {interface}{nodad}"));
        }
        let begun = clock::now();
        let up = |shown: String| shown.contains("state UP");
        let shown = format!("link show dev {interface}");
        while !up(ip(&format!("link show dev {end}"))) || !up(station.ip(&shown)) {
            assert!(clock::now().since(begun) < PATIENCE, "no carrier");
        }
        station
    }

    /// What this does there.
    pub fn run<T: Send + 'static>(&self, order: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let order = Box::new(move || answer.send(order()).expect("the test waits for it"));
        self.orders.as_ref().and_then(|orders| orders.send(order).ok()).expect("the station listens");
        answered.recv().expect("the station obeys")
    }

    /// `ip ARGUMENTS` there.
    pub fn ip(&self, arguments: &str) -> String {
        let arguments = arguments.to_owned();
        self.run(move || ip(&arguments))
    }

    /// Its MAC.
    pub fn mac(&self) -> [u8; 6] {
        let shown = self.ip(&format!("-o link show dev {}", self.interface));
        let text = shown.split_once("link/ether ").expect("it is an Ethernet").1;
        let bytes = text[..17].split(':').map(|byte| u8::from_str_radix(byte, 16).expect("two digits"));
        bytes.collect::<Vec<_>>().try_into().expect("six bytes")
    }
}

impl Station {
    /// Asks its LAN for an address that nobody has: the others hear of it.
    pub fn speak(&self) {
        let _ = self.ip(&format!("neighbour replace 192.168.20.250 dev {} use", self.interface));
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// `ip ARGUMENTS` of iproute2, which must succeed; returns what it printed.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("iproute2 is installed");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "ip {arguments}: {err}");
    out.into_owned()
}

/// What the kernel tells everybody of addresses and routes, without any filter.
pub struct Listener {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Listener {
    /// Listens from now on to the groups of linux/rtnetlink.h: `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE` and the same of
    /// IPv6.
    pub fn new() -> Self {
        let mut socket = Socket::new(NETLINK_ROUTE).expect("a descriptor");
        socket.bind(&SocketAddr::new(0, 0x10 | 0x40 | 0x100 | 0x400)).expect("these groups are everybody's");
        Self { socket, buffer: vec![0; 8_192] }
    }

    /// The types of the messages that have come since the last call, each with the address where it is about one.
    pub fn heard(&mut self) -> Vec<(u16, Option<IpAddr>)> {
        let mut heard = Vec::new();
        loop {
            let mut window = &mut self.buffer[..];
            let Ok((length, _)) = self.socket.recv_from(&mut window, libc::MSG_DONTWAIT) else { return heard };
            let about = |m: &Message<'_>| Address::parse(m.payload).filter(|_| m.kind < 24).map(|a| a.address);
            heard.extend(messages(&self.buffer[..length]).map(|m| (m.kind, about(&m))));
        }
    }

    /// Waits for the removal of these addresses; when each was told.
    pub fn removals(&mut self, addresses: &[IpAddr]) -> Vec<Instant> {
        let mut removed = vec![None; addresses.len()];
        let begun = clock::now();
        while removed.contains(&None) {
            assert!(readable(&self.socket, Duration::from_secs(60)).expect("it can be polled"), "{addresses:?}");
            assert!(clock::now().since(begun) < Duration::from_secs(120), "{addresses:?} never end");
            let now = clock::now();
            for (kind, address) in self.heard() {
                let at = addresses.iter().position(|a| kind == RTM_DELADDR && Some(*a) == address);
                at.into_iter().for_each(|at| removed[at] = Some(now));
            }
        }
        removed.into_iter().flatten().collect()
    }
}

/// The addresses of an interface as `ip` shows them, one a line: address, broadcast, flags and label.
pub fn addresses(interface: &str) -> Vec<String> {
    let shown = ip(&format!("-4 -o address show dev {interface}"));
    shown.lines().filter_map(|line| Some(line.split_once("inet ")?.1.split_once('\\')?.0.trim().to_owned())).collect()
}

/// The same for IPv6, without those that the kernel gives an interface by itself.
pub fn addresses6(interface: &str) -> Vec<String> {
    let shown = ip(&format!("-6 -o address show dev {interface} scope global"));
    shown.lines().filter_map(|line| Some(line.split_once("inet6 ")?.1.split_once('\\')?.0.trim().to_owned())).collect()
}
