//! The eyes of the node: who has a VIP, asked and heard on its LAN, and whether this node would hear it (rules.md EYES).
//!
//! Claims are heard all the time, also unasked. Probes are sent while a group is looked for. Along with them the other
//! stations of the LAN are asked, since silence means something only where an answer would have come through. The proof
//! is taken anew when answers stop: what silences an owner for this node may be a switch.

mod ears;
mod echo;
mod filter;
mod lan;
mod lans;
mod look;
mod pace;
mod pings;
mod sight;
mod stations;
mod strangers;

pub use pings::{PingNews, PingNode, PingReport};
pub use sight::{Sight, Sighting};
pub use strangers::{Stranger, shown};

use std::collections::VecDeque;
use std::net::IpAddr;
use std::task::Context;

use lubdub::node::{By, Groups, Timing};
use lubdub::time::{Duration, Instant};
use nix::net::if_::if_nametoindex;

use super::clock;
use super::netlink::Address;
use super::resources::Event;
use super::vip::{Place, VipSpec, Vips};
use ears::{Claim, Ears, NeverPause};
use echo::Echoes;
use lans::Lans;
use look::Look;
use pings::Pings;
use strangers::{Claimants, Due, Questions};

/// The MAC of an Ethernet station.
pub type Mac = [u8; 6];

/// Between two rounds of probes when nothing changes: this or a keepalive, whichever is longer.
const SLOW: Duration = Duration::from_millis(100);
/// How often the interfaces are looked at and the stations that were heard are noted.
const SAMPLE: Duration = Duration::from_secs(60);

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
    lans: Lans,
    ears: Ears,
    looks: Vec<Look>,
    /// The groups that are known to be out of sight for want of a carrier, or of an answer from any `ping` node: also one
    /// that is not looked for, whose owner must know it.
    cut: Groups,
    silent: Groups,
    pings: Pings,
    echoes: Echoes,
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
        let (lans, refused) = Lans::new();
        let mut eyes = Self {
            vips: Vec::new(),
            lans,
            ears: Ears::new(Vec::new(), &[]).0,
            looks: Vec::new(),
            cut: 0,
            silent: 0,
            pings: Pings::none(),
            echoes: Echoes::none(),
            questions: Questions::new(false),
            stale: true,
            sample_at: None,
            heard: Vec::new(),
        };
        let mut reasons = eyes.watch_over(vips);
        let why = refused.map(|error| format!("no socket to ask for them ({error})"));
        reasons.extend(why.filter(|_| !eyes.vips.is_empty()));
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
        let (ears, reasons) = Ears::new(self.vips.iter().map(|vip| vip.spec.address).collect(), self.lans.peer());
        self.ears = ears;
        self.looks.clear();
        // The numbers may mean other groups now: what was told is told anew. Nothing is ever both, so what is so still is
        // told, too; and of a group that is no more nothing is left that could pass for told.
        let told =
            if self.cut | self.silent == 0 { 0 } else { self.vips.iter().fold(0, |all, vip| all | bit(vip.group)) };
        (self.cut, self.silent) = (told, told);
        self.questions = Questions::new(!self.vips.is_empty());
        self.sample_at = (!self.vips.is_empty()).then_some(Instant::ZERO);
        self.stale = true;
        reasons
    }

    /// Asks these `ping` nodes from now on. Returns why some are not. To be called within the runtime.
    pub fn ping(&mut self, nodes: Vec<PingNode>, timing: Timing, now: Instant) -> Vec<String> {
        self.pings.ask(nodes, timing, now);
        let addresses: Vec<IpAddr> = self.pings.addresses().collect();
        let reasons;
        (self.echoes, reasons) = Echoes::new(&addresses);
        // Whether they are silent is another question now.
        self.stale = true;
        reasons
    }

    /// How the `ping` nodes fare, in the order of ha.cf.
    pub fn pings(&self) -> impl Iterator<Item = PingReport> {
        self.pings.report()
    }

    /// When the peer was last heard: in doubt about it the `ping` nodes are asked quickly.
    pub fn peer_heard(&mut self, at: Instant) {
        self.pings.peer_heard(at);
    }

    /// What the peer has told of its MACs.
    pub fn know_peer(&mut self, macs: &[Mac], now: Instant, news: &mut VecDeque<Event>) {
        if macs.is_empty() || self.lans.peer() == macs {
            return;
        }
        self.lans.know_peer(macs);
        if let Err(error) = self.ears.know_peer(macs) {
            news.push_back(Event::Note(format!("its peer's claims of VIPs are not told apart in a flood: {error}")));
        }
        for vip in &mut self.vips {
            if let Some(alarm) = vip.claimants.know_peer(macs, now, vip.spec.address) {
                news.push_back(Event::Alarm(alarm));
                self.questions.keep_asking(now);
            }
        }
        self.lans.listen(now, !self.looks.is_empty());
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
                self.lans.listen(now, false);
            }
            return;
        }
        self.refresh(now, vips, news);
        self.lans.take(&self.vips, now);
        if self.looks.is_empty() {
            self.lans.forget(now);
        }
        let slow = keepalive.max(SLOW);
        self.looks.extend(begun.into_iter().map(|group| Look::new(group, now, slow)));
        self.lans.listen(now, true);
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
        let pings = &mut self.pings;
        self.echoes.poll(cx, |from, echo| news.extend(pings.answered(from, echo, now).map(Event::Ping)));
        self.turn(now, vips, news);
        self.ask_for_strangers(now, vips);
        if self.pings.is_due(now) {
            self.ask_pings(now);
        }
        self.judge_pings(now, news);
    }

    /// Takes what was claimed, past the reactor, which may not have looked since. To be called before silence is judged.
    pub fn sweep(&mut self, now: Instant, vips: &Vips, news: &mut VecDeque<Event>) {
        self.ears.sweep(self.never_pause(), &mut self.heard);
        self.judge(now, vips, news);
        let pings = &mut self.pings;
        self.echoes.sweep(|from, echo| news.extend(pings.answered(from, echo, now).map(Event::Ping)));
        self.judge_pings(now, news);
    }

    /// When there is something to ask, or to hear again.
    pub fn wake_at(&self) -> Option<Instant> {
        let looks = self.looks.iter().map(|look| look.pace.wake_at());
        let others = [self.questions.wake_at(), self.ears.wake_at(), self.sample_at, self.pings.wake_at()];
        looks.chain(others.into_iter().flatten()).min()
    }

    /// The VIPs, each with the stranger that has it.
    pub fn strangers(&self) -> impl Iterator<Item = (IpAddr, Option<Stranger>)> {
        self.vips.iter().map(|vip| (vip.spec.address, vip.claimants.stranger()))
    }

    fn never_pause(&self) -> NeverPause {
        match (self.looks.is_empty(), self.lans.peer().is_empty()) {
            (true, _) => NeverPause::Nobody,
            (false, false) => NeverPause::Peer,
            (false, true) => NeverPause::Anybody,
        }
    }

    /// Tells of each group once, however many claims were heard.
    fn judge(&mut self, now: Instant, vips: &Vips, news: &mut VecDeque<Event>) {
        let (mut by_peer, mut by_strangers, mut asked): (Groups, Groups, Groups) = (0, 0, 0);
        let mut heard = std::mem::take(&mut self.heard);
        for claim in heard.drain(..) {
            if claim.asks {
                asked |= self.asked(claim).map_or(0, bit);
                continue;
            }
            match self.claimed(claim, now, vips, news) {
                Some((group, By::Peer)) => by_peer |= bit(group),
                Some((group, By::Stranger)) => by_strangers |= bit(group),
                None => {}
            }
        }
        self.heard = heard;
        let asked = (0..Groups::BITS as u8).filter(|group| asked & bit(*group) != 0);
        news.extend(asked.map(|group| Event::Seen(Sighting::Asked { group })));
        for group in (0..Groups::BITS as u8).filter(|group| (by_peer | by_strangers) & bit(*group) != 0) {
            self.looks.iter_mut().filter(|look| look.group == group).for_each(|look| look.pace.answered());
            for (by, groups) in [(By::Peer, by_peer), (By::Stranger, by_strangers)] {
                if groups & bit(group) != 0 {
                    news.push_back(Event::Seen(Sighting::Answered { group, by }));
                }
            }
        }
    }

    /// Of which group the peer asks for a VIP.
    fn asked(&self, claim: Claim) -> Option<u8> {
        let vip = self.vips.iter().find(|vip| vip.spec.address == claim.address)?;
        let counts = self.lans.peer().contains(&claim.mac) && !vip.is_elsewhere(claim.interface);
        counts.then_some(vip.group)
    }

    /// Who it was that claims a VIP of which group; None for this node itself.
    fn claimed(&mut self, claim: Claim, now: Instant, vips: &Vips, news: &mut VecDeque<Event>) -> Option<(u8, By)> {
        let vip = self.vips.iter_mut().find(|vip| vip.spec.address == claim.address)?;
        if self.lans.is_own(claim.mac) {
            return None;
        }
        if self.lans.peer().contains(&claim.mac) {
            return Some((vip.group, By::Peer));
        }
        if vip.is_elsewhere(claim.interface) {
            return None;
        }
        let (held, peer_known) = (vips.holds(claim.address), !self.lans.peer().is_empty());
        if let Some(alarm) = vip.claimants.hear(claim.mac, now, claim.address, held, peer_known) {
            news.push_back(Event::Alarm(alarm));
        }
        if vip.claimants.stranger().is_some() {
            self.questions.keep_asking(now);
        }
        Some((vip.group, By::Stranger))
    }

    /// Ends the rounds whose answers had their time, and begins those that are due.
    fn turn(&mut self, now: Instant, vips: &mut Vips, news: &mut VecDeque<Event>) {
        if self.looks.iter().all(|look| now < look.pace.wake_at()) {
            return;
        }
        self.sweep(now, vips, news);
        self.lans.take(&self.vips, now);
        let (mut settled, mut fell_silent) = (false, false);
        for look in &mut self.looks {
            if let Some(outcome) = look.settle(now) {
                settled = true;
                fell_silent |= outcome.quick && !outcome.answered;
                // At the end of a round, not earlier: what came through for them did so for the answer to the probe.
                look.proved = self.pings.prove(look.since());
            }
        }
        if fell_silent {
            // Nothing may be concluded from it if the carrier went at the same time, and the kernel may tell that late.
            self.refresh(now, vips, news);
        } else if settled {
            self.see(now, news);
        }
        let mut asked = false;
        for look in self.looks.iter_mut().filter(|look| look.pace.is_due(now)) {
            let group = self.vips.iter().filter(|vip| vip.group == look.group);
            let sent = group.clone().fold(true, |all, vip| all & self.lans.probe(vip, true));
            self.lans.ask_stations(group);
            asked = true;
            if sent {
                look.sent(now, clock::now());
                news.push_back(Event::Seen(Sighting::Probed { group: look.group }));
            } else {
                look.pace.missed(now);
                self.stale = true;
            }
        }
        if asked && !self.pings.is_empty() {
            self.ask_pings(now);
        }
    }

    /// One question to each `ping` node.
    fn ask_pings(&mut self, now: Instant) {
        // One that cannot be asked counts as asked in vain, or it would be due for ever.
        let echo = self.echoes.next();
        self.pings.asked(echo, now);
        if let Some(echo) = echo {
            self.pings.addresses().for_each(|address| self.echoes.ask(address, &echo));
        }
    }

    /// Tells which `ping` nodes have fallen silent, and what follows for the groups.
    fn judge_pings(&mut self, now: Instant, news: &mut VecDeque<Event>) {
        let silent = self.pings.judge(now).map(Event::Ping);
        news.extend(silent);
        if self.pings.are_silent() != (self.silent != 0) {
            self.see(now, news);
        }
    }

    /// Tells what the eyes are where that has changed.
    fn see(&mut self, now: Instant, news: &mut VecDeque<Event>) {
        for look in &mut self.looks {
            let group = self.vips.iter().filter(|vip| vip.group == look.group);
            let least = group.map(|vip| self.lans.sight(vip, look.since())).min();
            let sight = match least.unwrap_or(Sight::Cut) {
                // Even without carrier: one that comes and goes does not begin deadtime anew.
                _ if self.pings.are_silent() => Sight::Silent,
                Sight::Cut => Sight::Cut,
                sight if self.pings.is_empty() => sight,
                _ => {
                    if look.proved {
                        Sight::Open
                    } else {
                        Sight::Closed
                    }
                }
            };
            if let Some(sight) = look.see(sight, now) {
                self.cut = with_bit(self.cut, look.group, sight == Sight::Cut);
                self.silent = with_bit(self.silent, look.group, sight == Sight::Silent);
                news.push_back(Event::Seen(Sighting::Eyes { group: look.group, sight }));
            }
        }
        self.see_unasked(news);
    }

    /// Tells of a carrier that went or came back, and of `ping` nodes, where nothing is looked for: whoever holds a VIP behind it serves nobody,
    /// and whoever does not must not take it.
    fn see_unasked(&mut self, news: &mut VecDeque<Event>) {
        for (at, Vip { group, .. }) in self.vips.iter().enumerate() {
            let first = self.vips[..at].iter().all(|vip| vip.group != *group);
            if !first || self.looks.iter().any(|look| look.group == *group) {
                continue;
            }
            let silent = self.pings.are_silent();
            let cut = !silent && self.vips.iter().any(|vip| vip.group == *group && self.lans.lost_carrier(vip));
            if (cut, silent) != (self.cut & bit(*group) != 0, self.silent & bit(*group) != 0) {
                self.cut = with_bit(self.cut, *group, cut);
                self.silent = with_bit(self.silent, *group, silent);
                let sight = if cut {
                    Sight::Cut
                } else if silent {
                    Sight::Silent
                } else {
                    Sight::Closed
                };
                news.push_back(Event::Seen(Sighting::Eyes { group: *group, sight }));
            }
        }
    }

    /// Once a minute.
    fn sample(&mut self, now: Instant, vips: &mut Vips, news: &mut VecDeque<Event>) {
        self.sample_at = Some(now + SAMPLE);
        self.refresh(now, vips, news);
        self.lans.take(&self.vips, now);
        if self.looks.is_empty() {
            self.lans.forget(now);
            self.lans.listen(now, false);
        }
    }

    /// Looks where each VIP belongs now, and how its interface fares.
    fn refresh(&mut self, now: Instant, vips: &mut Vips, news: &mut VecDeque<Event>) {
        self.stale = false;
        if self.vips.is_empty() {
            return;
        }
        let addresses = vips.all();
        self.vips.iter_mut().for_each(|vip| vip.find(&addresses));
        let renewal = self.lans.renew(&self.vips, &addresses, now, !self.looks.is_empty());
        for look in &mut self.looks {
            let mut group = self.vips.iter().filter(|vip| vip.group == look.group);
            if group.any(|vip| vip.interface.is_some_and(|interface| renewal.back.contains(&interface))) {
                look.prove_again(now);
            }
        }
        let deaf = |why| format!("which stations there are is not known on {why}: its carrier alone counts");
        news.extend(renewal.deaf.into_iter().map(deaf).map(Event::Note));
        self.see(now, news);
    }

    /// Asks who else uses a VIP. One that this node holds is asked for too: its own kernel does not hear the question.
    fn ask_for_strangers(&mut self, now: Instant, vips: &Vips) {
        let mut doubted = false;
        for vip in &mut self.vips {
            doubted |= vip.claimants.doubted(|| vips.holds(vip.spec.address));
        }
        if doubted {
            self.questions.again(now);
        }
        let due = self.questions.due(now, self.vips.iter_mut().map(|vip| &mut vip.claimants));
        let asked = |vip: &&Vip| due == Due::Everything || due == Due::Strangers && vip.claimants.stranger().is_some();
        for vip in self.vips.iter().filter(asked) {
            // A question that did not go out is asked again with the next ones.
            self.lans.probe(vip, false);
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

fn with_bit(groups: Groups, group: u8, set: bool) -> Groups {
    if set { groups | bit(group) } else { groups & !bit(group) }
}

fn bit(group: u8) -> Groups {
    (1 as Groups).checked_shl(group.into()).unwrap_or(0)
}
