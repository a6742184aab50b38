//! The eyes of the node: who has a VIP, asked and heard on its LAN, and whether this node would hear it (rules.md EYES).
//!
//! Claims are heard all the time, also unasked. Probes are sent while a group is looked for. Along with them the other
//! stations of the LAN are asked, since silence means something only where an answer would have come through.

mod ears;
mod filter;
mod lan;
mod look;
mod pace;
mod stations;
mod strangers;

pub use strangers::Stranger;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::task::Context;

use lubdub::node::Groups;
use lubdub::time::{Duration, Instant};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::if_nametoindex;

use super::clock;
use super::netlink::Address;
use super::resources::Event;
use super::vip::{Place, VipSpec, Vips};
use ears::{Claim, Ears, NeverPause};
use lan::Lan;
use look::Look;
use strangers::{Claimants, Due, Questions};

pub use strangers::shown;

/// The MAC of an Ethernet station.
pub type Mac = [u8; 6];

/// Between two rounds of probes when nothing changes: this or a keepalive, whichever is longer.
const SLOW: Duration = Duration::from_millis(100);
/// How often the interfaces are looked at and the stations that were heard are noted.
const SAMPLE: Duration = Duration::from_secs(60);

/// What the eyes tell of a group, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// One probe for each of its VIPs is on the LAN.
    Probed { group: u8 },
    /// Somebody else said that it has a VIP of the group, asked or not.
    Answered { group: u8, by: By },
    /// What silence is worth, when the looking begins and whenever it changes.
    Eyes { group: u8, sight: Sight },
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A MAC that the peer has told.
    Peer,
    /// Any other, as long as the peer has told none also the peer's.
    Stranger,
}

/// Whether this node would hear an answer. The least of a group's interfaces counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// No carrier, or no interface.
    Cut,
    /// A carrier, and none of the stations known has been heard since the looking or the silence began.
    Closed,
    /// It would: one was heard since, or none was ever there to be heard.
    Open,
}

/// A VIP, and where it is asked for.
struct Vip {
    group: u8,
    spec: VipSpec,
    /// Its interface now.
    interface: Option<u32>,
    claimants: Claimants,
}

/// The eyes.
pub struct Eyes {
    vips: Vec<Vip>,
    lans: Vec<Lan>,
    /// This node's MACs.
    own: Vec<Mac>,
    /// Those that its peer has told.
    peer: Vec<Mac>,
    ears: Ears,
    /// None where packet sockets are not permitted: then nothing is ever asked.
    mouth: Option<OwnedFd>,
    looks: Vec<Look>,
    questions: Questions,
    /// Interfaces or addresses may have changed.
    stale: bool,
    sample_at: Option<Instant>,
    heard: Vec<Claim>,
}

impl Eyes {
    /// For these VIPs, each with the number of its group; an address counts once. Returns too why something will not be
    /// noticed: no permission for a socket (`EPERM` without CAP_NET_RAW), too many VIPs. To be called within the runtime.
    pub fn new(vips: Vec<(u8, VipSpec)>) -> (Self, Vec<String>) {
        let (mouth, refused) = match lan::mouth() {
            Ok(mouth) => (Some(mouth), None),
            Err(error) => (None, Some(format!("no socket to ask for them ({error})"))),
        };
        let mut eyes = Self {
            vips: Vec::new(),
            lans: Vec::new(),
            own: Vec::new(),
            peer: Vec::new(),
            ears: Ears::new(Vec::new(), &[]).0,
            mouth,
            looks: Vec::new(),
            questions: Questions::new(false),
            stale: true,
            sample_at: None,
            heard: Vec::new(),
        };
        let mut reasons = eyes.watch_over(vips);
        reasons.extend(refused.filter(|_| !eyes.vips.is_empty()));
        (eyes, reasons)
    }

    /// Other VIPs, or other groups. What is known of those that stay is kept; nothing is looked for until it is said
    /// anew, because the numbers of the groups may mean others now. Reasons as for [`Eyes::new`].
    pub fn watch_over(&mut self, vips: Vec<(u8, VipSpec)>) -> Vec<String> {
        let mut before = std::mem::take(&mut self.vips);
        for (group, spec) in vips {
            if self.vips.iter().all(|vip| vip.spec.address != spec.address) {
                let known = before.iter_mut().find(|vip| vip.spec.address == spec.address);
                let claimants = known.map(|vip| std::mem::take(&mut vip.claimants)).unwrap_or_default();
                self.vips.push(Vip { group, spec, interface: None, claimants });
            }
        }
        let (ears, reasons) = Ears::new(self.vips.iter().map(|vip| vip.spec.address).collect(), &self.peer);
        self.ears = ears;
        self.looks.clear();
        self.questions = Questions::new(!self.vips.is_empty());
        self.sample_at = (!self.vips.is_empty()).then_some(Instant::ZERO);
        self.stale = true;
        reasons
    }

    /// What the peer has told of its MACs.
    pub fn know_peer(&mut self, macs: &[Mac], now: Instant, news: &mut VecDeque<Event>) {
        if macs.is_empty() || self.peer == macs {
            return;
        }
        self.peer = macs.to_vec();
        if let Err(error) = self.ears.know_peer(macs) {
            news.push_back(Event::Note(format!("its peer's claims of VIPs are not told apart in a flood: {error}")));
        }
        for vip in &mut self.vips {
            if let Some(alarm) = vip.claimants.know_peer(macs, now, vip.spec.address) {
                news.push_back(Event::Alarm(alarm));
                self.questions.keep_asking(now);
            }
        }
        self.listen(now);
    }

    /// Looks for these groups from now on, and for no others. A group without a VIP cannot be looked for. Between two
    /// rounds passes a hundredth of a second at first, and when nothing changes `keepalive`, at least a tenth.
    pub fn look(
        &mut self,
        groups: Groups,
        keepalive: Duration,
        now: Instant,
        vips: &mut Vips,
        news: &mut VecDeque<Event>,
    ) {
        let wanted = |group: u8| groups.checked_shr(group.into()).unwrap_or(0) & 1 != 0;
        let looked = !self.looks.is_empty();
        self.looks.retain(|look| wanted(look.group));
        let mut begun: Vec<u8> = self.vips.iter().map(|vip| vip.group).filter(|group| wanted(*group)).collect();
        begun.retain(|group| !self.looks.iter().any(|look| look.group == *group));
        begun.dedup();
        if begun.is_empty() {
            if looked && self.looks.is_empty() {
                self.listen(now);
            }
            return;
        }
        self.refresh(now, vips, news);
        self.take(now);
        if self.looks.is_empty() {
            self.lans.iter_mut().for_each(|lan| lan.stations.forget(now));
        }
        let slow = keepalive.max(SLOW);
        self.looks.extend(begun.into_iter().map(|group| Look::new(group, now, slow)));
        self.listen(now);
        self.see(now, news);
    }

    /// Interfaces or addresses may have changed.
    pub fn stale(&mut self) {
        self.stale = true;
    }

    /// A carrier is back: who uses a VIP is asked from the beginning.
    pub fn ask_again(&mut self, now: Instant) {
        if !self.vips.is_empty() {
            self.questions.again(now);
        }
    }

    /// Takes what was claimed, asks what is due, and appends what there is to tell. Wakes for the next claim.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant, vips: &mut Vips, news: &mut VecDeque<Event>) {
        if self.sample_at.is_some_and(|at| now >= at) {
            self.sample(now, vips, news);
        } else if self.stale {
            self.refresh(now, vips, news);
        }
        let mut heard = std::mem::take(&mut self.heard);
        self.ears.poll(cx, now, self.never_pause(), &mut heard);
        self.heard = heard;
        self.judge(now, vips, news);
        self.turn(now, vips, news);
        self.ask_for_strangers(now, vips);
    }

    /// Takes what was claimed, past the reactor, which may not have looked since. To be called before silence is judged.
    pub fn sweep(&mut self, now: Instant, vips: &Vips, news: &mut VecDeque<Event>) {
        self.ears.sweep(self.never_pause(), &mut self.heard);
        self.judge(now, vips, news);
    }

    /// When there is something to ask, or to hear again.
    pub fn wake_at(&self) -> Option<Instant> {
        let looks = self.looks.iter().map(|look| look.pace.wake_at());
        looks.chain(self.questions.wake_at()).chain(self.ears.wake_at()).chain(self.sample_at).min()
    }

    /// The VIPs, each with the stranger that has it.
    pub fn strangers(&self) -> impl Iterator<Item = (IpAddr, Option<Stranger>)> {
        self.vips.iter().map(|vip| (vip.spec.address, vip.claimants.stranger()))
    }

    fn never_pause(&self) -> NeverPause {
        match (self.looks.is_empty(), self.peer.is_empty()) {
            (true, _) => NeverPause::Nobody,
            (false, false) => NeverPause::Peer,
            (false, true) => NeverPause::Anybody,
        }
    }

    /// Tells of each group once, however many claims were heard.
    fn judge(&mut self, now: Instant, vips: &Vips, news: &mut VecDeque<Event>) {
        let (mut by_peer, mut by_strangers): (Groups, Groups) = (0, 0);
        let mut heard = std::mem::take(&mut self.heard);
        for claim in heard.drain(..) {
            match self.claimed(claim, now, vips, news) {
                Some((group, By::Peer)) => by_peer |= bit(group),
                Some((group, By::Stranger)) => by_strangers |= bit(group),
                None => {}
            }
        }
        self.heard = heard;
        for group in (0..Groups::BITS as u8).filter(|group| (by_peer | by_strangers) & bit(*group) != 0) {
            self.looks.iter_mut().filter(|look| look.group == group).for_each(|look| look.pace.answered());
            for (by, groups) in [(By::Peer, by_peer), (By::Stranger, by_strangers)] {
                if groups & bit(group) != 0 {
                    news.push_back(Event::Seen(Sighting::Answered { group, by }));
                }
            }
        }
    }

    /// Who it was that claims a VIP of which group; None for this node itself.
    fn claimed(&mut self, claim: Claim, now: Instant, vips: &Vips, news: &mut VecDeque<Event>) -> Option<(u8, By)> {
        let vip = self.vips.iter_mut().find(|vip| vip.spec.address == claim.address)?;
        if self.own.contains(&claim.mac) {
            return None;
        }
        if self.peer.contains(&claim.mac) {
            return Some((vip.group, By::Peer));
        }
        if vip.is_elsewhere(claim.interface) {
            return None;
        }
        let (held, peer_known) = (vips.holds(claim.address), !self.peer.is_empty());
        if let Some(alarm) = vip.claimants.hear(claim.mac, now, claim.address, held, peer_known) {
            news.push_back(Event::Alarm(alarm));
        }
        if vip.claimants.stranger().is_some() {
            self.questions.keep_asking(now);
        }
        Some((vip.group, By::Stranger))
    }

    /// Ends the rounds whose answers had their time, and begins those that are due.
    fn turn(&mut self, now: Instant, vips: &Vips, news: &mut VecDeque<Event>) {
        if self.looks.iter().all(|look| now < look.pace.wake_at()) {
            return;
        }
        self.sweep(now, vips, news);
        self.take(now);
        let mut settled = false;
        for look in &mut self.looks {
            settled |= look.settle(now);
        }
        if settled {
            self.see(now, news);
        }
        let Some(mouth) = &self.mouth else { return self.looks.iter_mut().for_each(|look| look.pace.missed(now)) };
        for look in self.looks.iter_mut().filter(|look| look.pace.is_due(now)) {
            let mut all = true;
            for vip in self.vips.iter().filter(|vip| vip.group == look.group) {
                let lan = self.lans.iter().find(|lan| Some(lan.index()) == vip.interface);
                all &= lan.is_some_and(|lan| lan.probe(mouth, vip.spec.address, &self.peer));
            }
            for lan in self.lans.iter().filter(|lan| has(&self.vips, look.group, lan)) {
                lan.ask(mouth);
            }
            if all {
                look.sent(now, clock::now());
                news.push_back(Event::Seen(Sighting::Probed { group: look.group }));
            } else {
                look.pace.missed(now);
                self.stale = true;
            }
        }
    }

    /// Tells what the eyes are where that has changed.
    fn see(&mut self, now: Instant, news: &mut VecDeque<Event>) {
        for look in &mut self.looks {
            let sight = |vip: &Vip| {
                let lan = self.lans.iter().find(|lan| Some(lan.index()) == vip.interface && lan.runs());
                lan.map_or(Sight::Cut, |lan| if lan.stations.prove(look.since()) { Sight::Open } else { Sight::Closed })
            };
            let least = self.vips.iter().filter(|vip| vip.group == look.group).map(sight).min();
            if let Some(sight) = look.see(least.unwrap_or(Sight::Cut), now) {
                news.push_back(Event::Seen(Sighting::Eyes { group: look.group, sight }));
            }
        }
    }

    /// Notes who was heard on the LANs.
    fn take(&mut self, now: Instant) {
        let is_node = |mac| self.own.contains(&mac) || self.peer.contains(&mac);
        let is_vip = |address| self.vips.iter().any(|vip| vip.spec.address == address);
        self.lans.iter_mut().for_each(|lan| lan.take(now, is_node, is_vip));
    }

    /// Once a minute.
    fn sample(&mut self, now: Instant, vips: &mut Vips, news: &mut VecDeque<Event>) {
        self.sample_at = Some(now + SAMPLE);
        self.refresh(now, vips, news);
        self.take(now);
        if self.looks.is_empty() {
            self.lans.iter_mut().for_each(|lan| lan.stations.forget(now));
            self.listen(now);
        }
    }

    /// Whom to hear from now on.
    fn listen(&self, now: Instant) {
        for lan in &self.lans {
            lan.listen(now, !self.looks.is_empty(), &self.peer);
        }
    }

    /// Looks where each VIP belongs now, and how its interface fares. What cannot be listed stays as it was.
    fn refresh(&mut self, now: Instant, vips: &mut Vips, news: &mut VecDeque<Event>) {
        self.stale = false;
        let addresses = vips.all();
        self.vips.iter_mut().for_each(|vip| vip.find(&addresses));
        let Ok(entries) = getifaddrs() else { return };
        self.own.clear();
        let known: Vec<u32> = self.lans.iter().map(Lan::index).collect();
        let mut present = Vec::new();
        for entry in entries {
            present.extend(self.interface(&entry, now, news));
        }
        self.lans.retain(|lan| present.contains(&lan.index()));
        let is_vip = |address| self.vips.iter().any(|vip| vip.spec.address == address);
        self.lans.iter_mut().for_each(|lan| lan.know_own(&addresses, is_vip));
        for lan in self.lans.iter().filter(|lan| !known.contains(&lan.index())) {
            lan.listen(now, !self.looks.is_empty(), &self.peer);
        }
        self.see(now, news);
    }

    /// One entry of getifaddrs(3). Returns the number of an interface that a VIP is on.
    fn interface(&mut self, entry: &InterfaceAddress, now: Instant, news: &mut VecDeque<Event>) -> Option<u32> {
        // Each interface has one entry with its link-layer address.
        let link = *entry.address.as_ref()?.as_link_addr()?;
        self.own.extend(link.addr().filter(|mac| link.halen() == 6 && *mac != [0; 6]));
        let index = u32::try_from(link.ifindex()).ok()?;
        if !self.vips.iter().any(|vip| vip.interface == Some(index)) {
            return None;
        }
        if let Some(lan) = self.lans.iter_mut().find(|lan| lan.index() == index) {
            if lan.renew(entry, link) {
                let looks = self.looks.iter_mut().filter(|look| has(&self.vips, look.group, lan));
                looks.for_each(|look| look.prove_again(now));
            }
        } else {
            let (lan, refused) = Lan::new(entry, link);
            let told = |error: io::Error| {
                format!(
                    "{}: which stations there are is not known ({error}): its carrier alone counts",
                    entry.interface_name
                )
            };
            news.extend(refused.map(told).map(Event::Note));
            self.lans.push(lan);
        }
        Some(index)
    }

    /// Asks who else uses a VIP. One that this node holds is asked for too: its own kernel does not hear the question.
    fn ask_for_strangers(&mut self, now: Instant, vips: &Vips) {
        let mut doubted = false;
        for vip in &mut self.vips {
            doubted |= vip.claimants.doubted(vips.holds(vip.spec.address));
        }
        if doubted {
            self.questions.again(now);
        }
        let due = self.questions.due(now, self.vips.iter_mut().map(|vip| &mut vip.claimants));
        let Some(mouth) = self.mouth.as_ref().filter(|_| due != Due::Nothing) else { return };
        for vip in self.vips.iter().filter(|vip| due == Due::Everything || vip.claimants.stranger().is_some()) {
            if let Some(lan) = self.lans.iter().find(|lan| Some(lan.index()) == vip.interface) {
                // A question that did not go out is asked again with the next ones.
                lan.probe(mouth, vip.spec.address, &[]);
            }
        }
    }
}

impl Vip {
    /// True for an interface that cannot be the VIP's; 0 is any.
    fn is_elsewhere(&self, interface: u32) -> bool {
        interface != 0 && self.spec.interface.is_some() && self.interface.is_some_and(|own| own != interface)
    }

    fn find(&mut self, addresses: &[Address]) {
        self.interface = match &self.spec.interface {
            Some(name) => if_nametoindex(name.as_str()).ok(),
            None => Place::of(&self.spec, addresses).ok().map(|place| place.index),
        };
    }
}

/// True when a VIP of the group is on this interface.
fn has(vips: &[Vip], group: u8, lan: &Lan) -> bool {
    vips.iter().any(|vip| vip.group == group && vip.interface == Some(lan.index()))
}

fn bit(group: u8) -> Groups {
    (1 as Groups).checked_shl(group.into()).unwrap_or(0)
}
