//! Watches over the VIPs: what somebody else removes is put back at once, what comes up again is announced.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};

use lubdub::time::{Duration, Instant};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::{Loss, VipSpec, Vips, millis};
use crate::host::clock;
use crate::host::eyes::{self, Eyes};
use crate::host::netlink::{Link, Monitor, Notice};
use crate::host::resources::{Event, Level, Log};

/// Datagrams of notices read in one turn; the rest waits for the next one, so that a storm of them starves nobody.
const DATAGRAMS: usize = 16;
/// A VIP put back again within this time belongs to the same burst: said when it begins and when it is over.
const BURST: Duration = Duration::from_secs(10);

/// A VIP that could not be put back is tried again so often: the reason may go without a notice.
const RETRY: Duration = Duration::from_secs(1);

/// A VIP that somebody keeps removing.
struct Burst {
    address: IpAddr,
    count: u64,
    begun: Instant,
    last: Instant,
}

/// How one VIP fares, for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipReport {
    /// The VIP.
    pub address: IpAddr,
    /// How often it was put back since the start.
    pub put_back: u64,
    /// The MAC of a station that has it and is neither node, as last heard, and how often it said so.
    pub used_by: Option<(String, u64)>,
}

/// The watch over this node's interfaces and addresses.
pub struct Watch {
    monitor: Monitor,
    links: Vec<Link>,
    bursts: Vec<Burst>,
    /// How often each VIP was put back; those never lost are not in it.
    put_back: Vec<(IpAddr, u64)>,
    eyes: Eyes,
    retry: Option<Instant>,
}

impl Watch {
    /// Listens from now on, also for other stations that have one of these VIPs; each comes with the number of its
    /// group. To be called within the runtime, before the first VIP is added.
    ///
    /// # Errors
    /// No netlink socket, or the interfaces cannot be listed.
    pub fn new(specs: Vec<(u8, VipSpec)>, log: &Log) -> io::Result<Self> {
        let monitor = Monitor::new()?;
        let (eyes, reasons) = Eyes::new(specs);
        unnoticed(&reasons, log);
        Ok(Self { monitor, links: links()?, bursts: Vec::new(), put_back: Vec::new(), eyes, retry: None })
    }

    /// Other VIPs or groups.
    pub fn watch_over(&mut self, specs: Vec<(u8, VipSpec)>, log: &Log) {
        unnoticed(&self.eyes.watch_over(specs), log);
    }

    /// The eyes: who has a VIP.
    pub fn eyes(&mut self) -> &mut Eyes {
        &mut self.eyes
    }

    /// How the VIPs fare.
    pub fn vips(&self) -> impl Iterator<Item = VipReport> {
        self.eyes.strangers().map(|(address, stranger)| VipReport {
            address,
            put_back: self.put_back.iter().find(|(a, _)| *a == address).map_or(0, |(_, count)| *count),
            used_by: stranger.map(|stranger| (eyes::shown(stranger.mac), stranger.count)),
        })
    }

    /// How the `ping` nodes fare.
    pub fn pings(&self) -> impl Iterator<Item = eyes::PingReport> {
        self.eyes.pings()
    }

    /// What the peer has told of its MACs: it is no stranger.
    pub fn know_peer(&mut self, macs: &[[u8; 6]], now: Instant, events: &mut VecDeque<Event>) {
        self.eyes.know_peer(macs, now, events);
    }

    /// Takes what the kernel has said, acts on it, and appends what there is to tell. Wakes for the next notice.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) {
        let mut notices = Vec::new();
        let mut read = 0;
        while read < DATAGRAMS && self.monitor.poll(cx, |n| notices.push(n)) == Poll::Ready(()) {
            read += 1;
        }
        if read == DATAGRAMS {
            cx.waker().wake_by_ref();
        }
        let mut suspect = vips.suspect || self.retry.is_some_and(|at| now >= at);
        for notice in notices {
            suspect |= self.notice(notice, now, vips, events);
        }
        if suspect {
            self.put_back(now, vips, events);
            self.retry = vips.misses().then(|| now + RETRY);
        }
        self.end_bursts(now, events);
        self.eyes.poll(cx, now, vips, events);
    }

    /// When a burst is over and its count is to be told, a VIP is to be tried again, or there is something to ask.
    pub fn wake_at(&self) -> Option<Instant> {
        self.bursts.iter().map(|b| b.last + BURST).chain(self.retry).chain(self.eyes.wake_at()).min()
    }

    /// True when a VIP may be missing after this.
    fn notice(&mut self, notice: Notice, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) -> bool {
        self.eyes.stale();
        match notice {
            Notice::Removed(address) => return vips.holds(address),
            Notice::Link(link) => self.link(link, now, vips, events),
            Notice::LinkGone { index } => self.link_gone(index, events),
            Notice::Overrun => self.look_again(now, vips, events),
        }
        true
    }

    fn link(&mut self, link: Link, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) {
        if self.links.contains(&link) {
            return;
        }
        let known = self.links.iter().find(|known| known.index == link.index);
        let moved = known.is_some_and(|known| known.mac != link.mac);
        if let Some(before) = known.filter(|known| known.name != link.name).map(|known| known.name.clone()) {
            // Under its old name it is gone.
            self.link_gone(link.index, events);
            for vip in vips.on(link.index) {
                let text = format!("{before} is called {} now: {vip} stays on it; change haresources", link.name);
                events.push_back(Event::Note(text));
            }
        }
        let known = self.links.iter().position(|known| known.index == link.index);
        let ran = known.is_some_and(|at| self.links.swap_remove(at).running);
        if link.running && (moved || !ran) {
            vips.announce(now, Some(link.index));
        }
        if ran != link.running {
            if link.running {
                self.eyes.ask_again(now);
            }
            events.push_back(carrier(&link));
        }
        self.links.push(link);
    }

    fn link_gone(&mut self, index: u32, events: &mut VecDeque<Event>) {
        for mut gone in self.links.extract_if(.., |known| known.index == index) {
            if std::mem::take(&mut gone.running) {
                events.push_back(carrier(&gone));
            }
        }
    }

    /// Notices were lost: what they said is asked for.
    fn look_again(&mut self, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) {
        let Ok(present) = links() else { return };
        let known: Vec<_> = self.links.iter().map(|known| known.index).collect();
        for index in known.into_iter().filter(|index| !present.iter().any(|link| link.index == *index)) {
            self.link_gone(index, events);
        }
        for link in present {
            self.link(link, now, vips, events);
        }
    }

    fn put_back(&mut self, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) {
        let begun = clock::now();
        for (address, outcome) in vips.put_back(now) {
            match outcome {
                Err(why) => events.push_back(Event::Note(format!("VIP is gone and cannot be put back yet: {why}"))),
                Ok(loss) => self.count(address, loss, now, clock::now().since(begun), events),
            }
        }
    }

    fn count(&mut self, address: IpAddr, loss: Loss, now: Instant, took: Duration, events: &mut VecDeque<Event>) {
        match self.put_back.iter_mut().find(|(a, _)| *a == address) {
            Some((_, count)) => *count += 1,
            None => self.put_back.push((address, 1)),
        }
        if let Some(burst) = self.bursts.iter_mut().find(|b| b.address == address) {
            (burst.count, burst.last) = (burst.count + 1, now);
            return;
        }
        self.bursts.push(Burst { address, count: 1, begun: now, last: now });
        let took = millis(took);
        events.push_back(match loss {
            Loss::Removed => {
                Event::Note(format!("{address} was removed by somebody else: put back and announced in {took}"))
            }
            Loss::Changed => {
                Event::Note(format!("{address} was changed by somebody else: put right and announced in {took}"))
            }
            Loss::Duplicate => Event::Alarm(format!(
                "ALARM VIP {address} failed duplicate address detection, which somebody else began: another station has \
                 it too; put back and announced in {took}"
            )),
        });
    }

    fn end_bursts(&mut self, now: Instant, events: &mut VecDeque<Event>) {
        self.bursts.retain(|burst| {
            let goes_on = now < burst.last + BURST;
            if !goes_on && burst.count > 1 {
                let seconds = burst.last.since(burst.begun).as_millis().div_ceil(1_000);
                let Burst { address, count, .. } = burst;
                let text = format!(
                    "{address} was removed by somebody else {count} times within {seconds} s, put back each time"
                );
                events.push_back(Event::Note(text));
            }
            goes_on
        });
    }
}

fn unnoticed(reasons: &[String], log: &Log) {
    for why in reasons {
        log(Level::Warning, format_args!("other stations that use a VIP will not all be noticed: {why}"));
    }
}

fn carrier(link: &Link) -> Event {
    Event::Carrier { name: link.name.clone(), up: link.running }
}

/// Every interface but loopback and whether it runs (`IFF_RUNNING`, netdevice(7)).
fn links() -> io::Result<Vec<Link>> {
    let mut links = Vec::new();
    for entry in getifaddrs()? {
        // Each interface has one entry with its link-layer address.
        let Some(link) = entry.address.as_ref().and_then(|a| a.as_link_addr()) else { continue };
        if !entry.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            let running = entry.flags.contains(InterfaceFlags::IFF_RUNNING);
            let mac = link.addr().filter(|_| link.halen() == 6);
            let index = u32::try_from(link.ifindex()).unwrap_or_default();
            links.push(Link { index, name: entry.interface_name, running, mac });
        }
    }
    Ok(links)
}
