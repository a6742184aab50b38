//! The interfaces that VIPs are on, and the MACs of the two nodes.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use lubdub::time::Instant;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};

use super::lan::{self, Lan};
use super::{Mac, Sight, Vip};
use crate::host::netlink::Address;

/// All of them.
pub struct Lans {
    all: Vec<Lan>,
    /// This node's MACs, of all its interfaces.
    own: Vec<Mac>,
    /// Those that its peer has told.
    peer: Vec<Mac>,
    /// None where packet sockets are not permitted: then nothing is ever asked.
    mouth: Option<OwnedFd>,
}

/// What has changed.
#[derive(Default)]
pub struct Renewal {
    /// Interfaces that run again.
    pub back: Vec<u32>,
    /// Interfaces on which no station will be heard, each with the reason.
    pub deaf: Vec<String>,
}

impl Lans {
    /// None yet. The error says why nothing will be asked.
    pub fn new() -> (Self, Option<io::Error>) {
        let (mouth, refused) = match lan::mouth() {
            Ok(mouth) => (Some(mouth), None),
            Err(error) => (None, Some(error)),
        };
        (Self { all: Vec::new(), own: Vec::new(), peer: Vec::new(), mouth }, refused)
    }

    /// The MACs that the peer has told.
    pub fn peer(&self) -> &[Mac] {
        &self.peer
    }

    /// Takes the MACs that the peer has told.
    pub fn know_peer(&mut self, macs: &[Mac]) {
        macs.clone_into(&mut self.peer);
    }

    /// True for an interface of this node.
    pub fn is_own(&self, mac: Mac) -> bool {
        self.own.contains(&mac)
    }

    /// Looks how the interfaces fare, and listens on those that are new. What cannot be listed stays as it was.
    pub fn renew(&mut self, vips: &[Vip], addresses: &[Address], now: Instant, everybody: bool) -> Renewal {
        let mut renewal = Renewal::default();
        let Ok(entries) = getifaddrs() else { return renewal };
        self.own.clear();
        let known: Vec<u32> = self.all.iter().map(Lan::index).collect();
        let mut present = Vec::new();
        for entry in entries {
            present.extend(self.entry(&entry, vips, now, &mut renewal));
        }
        self.all.retain(|lan| present.contains(&lan.index()));
        self.all.iter_mut().for_each(|lan| lan.know_own(addresses, |address| is_vip(vips, address)));
        for lan in self.all.iter().filter(|lan| !known.contains(&lan.index())) {
            lan.listen(now, everybody, &self.peer);
        }
        renewal
    }

    /// One entry of getifaddrs(3). Returns the number of an interface that a VIP is on.
    fn entry(&mut self, entry: &InterfaceAddress, vips: &[Vip], now: Instant, renewal: &mut Renewal) -> Option<u32> {
        // Each interface has one entry with its link-layer address.
        let link = *entry.address.as_ref()?.as_link_addr()?;
        self.own.extend(link.addr().filter(|mac| link.halen() == 6 && *mac != [0; 6]));
        let index = u32::try_from(link.ifindex()).ok()?;
        if !vips.iter().any(|vip| vip.interface == Some(index)) {
            return None;
        }
        if let Some(lan) = self.all.iter_mut().find(|lan| lan.index() == index) {
            renewal.back.extend(lan.renew(entry, link).then_some(index));
        } else {
            let (mut lan, refused) = Lan::new(entry, link);
            lan.stations.taken(now);
            renewal.deaf.extend(refused.map(|error| format!("{} ({error})", entry.interface_name)));
            self.all.push(lan);
        }
        Some(index)
    }

    /// Notes who was heard.
    pub fn take(&mut self, vips: &[Vip], now: Instant) {
        let is_node = |mac| self.own.contains(&mac) || self.peer.contains(&mac);
        self.all.iter_mut().for_each(|lan| lan.take(now, is_node, |address| is_vip(vips, address)));
    }

    /// Forgets who was not heard for long. Not while anything is looked for.
    pub fn forget(&mut self, now: Instant) {
        self.all.iter_mut().for_each(|lan| lan.stations.forget(now));
    }

    /// Whom to hear from now on: every station, or those not known well.
    pub fn listen(&self, now: Instant, everybody: bool) {
        self.all.iter().for_each(|lan| lan.listen(now, everybody, &self.peer));
    }

    /// Asks for a VIP, for IPv6 also the peer by unicast if `peer_too`. True when the question is on the LAN.
    pub fn probe(&self, vip: &Vip, peer_too: bool) -> bool {
        let peer = if peer_too { &self.peer[..] } else { &[] };
        let asked = |(mouth, lan): (&OwnedFd, &Lan)| lan.probe(mouth, vip.spec.address, peer);
        self.mouth.as_ref().zip(self.at(vip)).is_some_and(asked)
    }

    /// Asks the stations where these VIPs are.
    pub fn ask_stations<'a>(&self, vips: impl Iterator<Item = &'a Vip> + Clone) {
        let Some(mouth) = &self.mouth else { return };
        for lan in &self.all {
            if vips.clone().any(|vip| vip.interface == Some(lan.index())) {
                lan.ask(mouth);
            }
        }
    }

    /// Whether an answer for this VIP would be heard, if a station heard since then proves it.
    pub fn sight(&self, vip: &Vip, since: Instant) -> Sight {
        match self.at(vip).filter(|lan| lan.runs()) {
            None => Sight::Cut,
            Some(lan) if lan.stations.prove(since) => Sight::Open,
            Some(_) => Sight::Closed,
        }
    }

    /// Whether the interface of this VIP is there, and without a carrier.
    pub fn lost_carrier(&self, vip: &Vip) -> bool {
        self.at(vip).is_some_and(|lan| !lan.runs())
    }

    fn at(&self, vip: &Vip) -> Option<&Lan> {
        self.all.iter().find(|lan| Some(lan.index()) == vip.interface)
    }
}

fn is_vip(vips: &[Vip], address: IpAddr) -> bool {
    vips.iter().any(|vip| vip.spec.address == address)
}
