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

/// VIPs that somebody keeps removing.
struct Burst {
    address: Ipv4Addr,
    count: u64,
    begun: Instant,
    last: Instant,
}

/// The watch over this node's interfaces and addresses.
pub struct Watch {
    monitor: Monitor,
    /// Every interface but loopback, with its carrier.
    links: Vec<(String, bool)>,
    bursts: Vec<Burst>,
}

impl Watch {
    /// Listens from now on. To be called within the runtime, before the first VIP is added.
    ///
    /// # Errors
    /// No netlink socket, or the interfaces cannot be listed.
    pub fn new() -> io::Result<Self> {
        let monitor = Monitor::new()?;
        Ok(Self { monitor, links: carriers()?, bursts: Vec::new() })
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
        let mut suspect = false;
        for notice in notices {
            suspect |= self.notice(notice, now, vips, events);
        }
        if suspect {
            self.put_back(now, vips, events);
        }
        self.end_bursts(now, events);
    }

    /// When a burst is over and its count is to be told.
    pub fn wake_at(&self) -> Option<Instant> {
        self.bursts.iter().map(|b| b.last + BURST).min()
    }

    /// True when a VIP may be missing after this.
    fn notice(&mut self, notice: Notice, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) -> bool {
        match notice {
            Notice::Removed(address) => return vips.holds(address),
            Notice::Link { name, running } => self.carrier(name, running, now, vips, events),
            Notice::LinkGone { name } => {
                self.carrier(name.clone(), false, now, vips, events);
                self.links.retain(|(known, _)| *known != name);
            }
            // What was missed is asked for.
            Notice::Overrun => self.look_again(now, vips, events),
        }
        true
    }

    fn look_again(&mut self, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) {
        let Ok(present) = carriers() else { return };
        let gone = self.links.iter().filter(|(known, _)| !present.iter().any(|(name, _)| name == known));
        let gone: Vec<_> = gone.map(|(name, _)| (name.clone(), false)).collect();
        for (name, running) in present.into_iter().chain(gone) {
            self.carrier(name, running, now, vips, events);
        }
    }

    fn carrier(&mut self, name: String, running: bool, now: Instant, vips: &mut Vips, events: &mut VecDeque<Event>) {
        let known = match self.links.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => std::mem::replace(known, running),
            None => {
                self.links.push((name.clone(), running));
                false
            }
        };
        if known != running {
            if running {
                vips.announce(now, Some(&name));
            }
            events.push_back(Event::Carrier { name, up: running });
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
fn carriers() -> io::Result<Vec<(String, bool)>> {
    let mut links: Vec<(String, bool)> = Vec::new();
    for link in getifaddrs()? {
        let known = links.iter().any(|(name, _)| *name == link.interface_name);
        if !known && !link.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            links.push((link.interface_name, link.flags.contains(InterfaceFlags::IFF_RUNNING)));
        }
    }
    Ok(links)
}
