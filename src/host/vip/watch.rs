//! Watches over the VIPs: what somebody else removes is put back at once, what comes up again is announced.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::task::{Context, Poll};

use lubdub::time::{Duration, Instant};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::{Vips, millis};
use crate::host::clock;
use crate::host::netlink::{Monitor, Notice};
use crate::host::resources::Event;

/// Datagrams of notices read in one turn; the rest waits for the next one, so that a storm of them starves nobody.
const DATAGRAMS: usize = 16;
/// A VIP put back again within this time belongs to the same burst: said when it begins and when it is over.
const BURST: Duration = Duration::from_secs(10);

/// A VIP that could not be put back is tried again so often: the reason may go without a notice.
const RETRY: Duration = Duration::from_secs(1);

/// A VIP that somebody keeps removing.
struct Burst {
    address: Ipv4Addr,
    count: u64,
    begun: Instant,
    last: Instant,
}

/// An interface other than loopback.
#[derive(PartialEq)]
struct Link {
    index: u32,
    name: String,
    running: bool,
}

impl Link {
    fn event(&self) -> Event {
        Event::Carrier { name: self.name.clone(), up: self.running }
    }
}

/// The watch over this node's interfaces and addresses.
pub struct Watch {
    monitor: Monitor,
    links: Vec<Link>,
    bursts: Vec<Burst>,
    retry: Option<Instant>,
}

impl Watch {
    /// Listens from now on. To be called within the runtime, before the first VIP is added.
    ///
    /// # Errors
    /// No netlink socket, or the interfaces cannot be listed.
    pub fn new() -> io::Result<Self> {
        let monitor = Monitor::new()?;
        Ok(Self { monitor, links: links()?, bursts: Vec::new(), retry: None })
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
        let mut suspect = self.retry.is_some_and(|at| now >= at);
        for notice in notices {
            suspect |= self.notice(notice, now, vips, events);
        }
        if suspect {
            self.put_back(now, vips, events);
            self.retry = vips.misses().then(|| now + RETRY);
        }
        self.end_bursts(now, events);
    }

    /// When a burst is over and its count is to be told, or a VIP is to be tried again.
    pub fn wake_at(&self) -> Option<Instant> {
        self.bursts.iter().map(|b| b.last + BURST).chain(self.retry).min()
    }

    /// True when a VIP may be missing after this.
    fn notice(&mut self, notice: Notice, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) -> bool {
        match notice {
            Notice::Removed(address) => return vips.holds(address),
            Notice::Link { index, name, running } => self.link(Link { index, name, running }, now, vips, events),
            Notice::LinkGone { index } => self.link_gone(index, events),
            Notice::Overrun => self.look_again(now, vips, events),
        }
        true
    }

    fn link(&mut self, link: Link, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) {
        if self.links.contains(&link) {
            return;
        }
        if self.links.iter().any(|known| known.index == link.index && known.name != link.name) {
            // Renamed: under its old name it is gone.
            self.link_gone(link.index, events);
        }
        let known = self.links.iter().position(|known| known.index == link.index);
        let ran = known.is_some_and(|at| self.links.swap_remove(at).running);
        if ran != link.running {
            if link.running {
                vips.announce(now, Some(&link.name));
            }
            events.push_back(link.event());
        }
        self.links.push(link);
    }

    fn link_gone(&mut self, index: u32, events: &mut VecDeque<Event>) {
        for mut gone in self.links.extract_if(.., |known| known.index == index) {
            if std::mem::take(&mut gone.running) {
                events.push_back(gone.event());
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
                Ok(()) => self.count(address, now, clock::now().since(begun), events),
            }
        }
    }

    fn count(&mut self, address: Ipv4Addr, now: Instant, took: Duration, events: &mut VecDeque<Event>) {
        if let Some(burst) = self.bursts.iter_mut().find(|b| b.address == address) {
            (burst.count, burst.last) = (burst.count + 1, now);
            return;
        }
        self.bursts.push(Burst { address, count: 1, begun: now, last: now });
        let text = format!("{address} was removed by somebody else: put back and announced in {}", millis(took));
        events.push_back(Event::Note(text));
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

/// Every interface but loopback and whether it runs (`IFF_RUNNING`, netdevice(7)).
fn links() -> io::Result<Vec<Link>> {
    let mut links = Vec::new();
    for entry in getifaddrs()? {
        // Each interface has one entry with its link-layer address.
        let Some(index) = entry.address.as_ref().and_then(|a| a.as_link_addr()).map(|a| a.ifindex()) else { continue };
        if !entry.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            let running = entry.flags.contains(InterfaceFlags::IFF_RUNNING);
            links.push(Link { index: u32::try_from(index).unwrap_or_default(), name: entry.interface_name, running });
        }
    }
    Ok(links)
}
