//! The pair: two appliances, a null-modem cable, a crossover, a service LAN and the client on it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lubdub_lab::arp::Mac;
use lubdub_lab::{End, Error, Pair, Result, now};

use crate::appliance::{Appliance, BOOT};
use crate::bench::Bench;
use crate::cable::{Cable, Wiring};
use crate::client::Client;
use crate::disk;
use crate::hardware::{Hardware, Serial};
use crate::image::Image;
use crate::lan::Lan;

/// Two emulated machines share a processor with whatever else their host does.
pub const SOON: Duration = Duration::from_secs(120);
/// The end of a log, and what may be waited for it.
const LAST_LINES: &str = "logread | tail -n 40";
const GLIMPSE: Duration = Duration::from_secs(10);
/// Of a node that is all well: the peer alive, every link up, each group somewhere.
const WELL: &str = "lubdub status";

/// Two appliances at their cables. An end, 0 or 1, is node1 or node2.
#[derive(Debug)]
pub struct Rig {
    nodes: [Option<Appliance>; 2],
    hardware: [Hardware; 2],
    images: [Image; 2],
    first: Image,
    /// The client on the service LAN.
    pub client: Client,
    /// ttyS1 to ttyS1.
    pub cable: Cable,
    /// eth1 to eth1.
    pub crossover: Lan,
    /// eth0 of both, and the client.
    pub lan: Lan,
    crossover_in: bool,
    bench: Bench,
}

impl Rig {
    /// Everything plugged in, nothing has power.
    ///
    /// # Errors
    /// A socket or a disk cannot be made.
    pub fn new(image: &Image, pair: &Pair) -> Result<Self> {
        let bench = Bench::new()?;
        let [lan, crossover] = [Lan::new(&bench, "lan")?, Lan::new(&bench, "crossover")?];
        let cable = Cable::new(&bench)?;
        let mut hardware = [Hardware::node1(), Hardware::node2()];
        for (end, box_) in hardware.iter_mut().enumerate() {
            box_.ethernet[0].plug = Some(lan.plug(&box_.node)?);
            box_.ethernet[1].plug = Some(crossover.plug(&box_.node)?);
            box_.serial = Some(Serial::Cable(cable.end(end)));
            box_.watchdog = pair.ha_cf.lines().any(|line| line.starts_with("watchdog "));
            box_.configuration = Some(disk::of_pair(&bench, &box_.node, pair)?);
        }
        let client = Client::plug_in(&lan)?;
        let images = [image.clone(), image.clone()];
        Ok(Self {
            nodes: [None, None],
            hardware,
            images,
            first: image.clone(),
            client,
            cable,
            crossover,
            lan,
            crossover_in: true,
            bench,
        })
    }

    /// Both get power, and are waited for: until they take commands, see each other, and one of them serves.
    ///
    /// # Errors
    /// That does not happen; with their logs.
    pub fn boot(&mut self) -> Result<()> {
        for end in [0, 1] {
            self.power_on(end)?;
        }
        for end in [0, 1] {
            self.node(end)?.await_shell(BOOT)?;
        }
        self.settle()?;
        Ok(())
    }

    /// Gives one power.
    ///
    /// # Errors
    /// QEMU cannot be run.
    pub fn power_on(&mut self, end: End) -> Result<()> {
        self.nodes[end] = Some(Appliance::power_on(&self.images[end], &self.hardware[end])?);
        self.show_carrier()
    }

    /// Pulls its plug.
    ///
    /// # Errors
    /// The other one's QEMU does not take its carrier away.
    pub fn power_off(&mut self, end: End) -> Result<()> {
        if let Some(node) = self.nodes[end].take() {
            node.power_off();
        }
        self.show_carrier()
    }

    /// Another root file system for its next boot.
    pub fn flash(&mut self, end: End, root: PathBuf) {
        self.images[end].root = root;
    }

    /// The root file system that the rig was made with.
    pub fn root(&self) -> &std::path::Path {
        &self.first.root
    }

    /// Both lose their power, every cable is mended, and both boot.
    ///
    /// # Errors
    /// As [`Rig::boot`].
    pub fn renew(&mut self) -> Result<()> {
        self.nodes = [None, None];
        self.cable.rewire(Wiring::Full);
        self.cable.mend();
        self.crossover_in = true;
        self.boot()
    }

    /// The last lines of both logs, of nodes that have power and answer.
    pub fn logs(&mut self) -> String {
        let mut text = String::new();
        for node in self.nodes.iter_mut().flatten() {
            if let Ok(said) = node.run_within(LAST_LINES, GLIMPSE) {
                text += &said.stdout;
            }
        }
        text
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.client.await_verdict(time, |_| false);
    }

    /// One that has power.
    ///
    /// # Errors
    /// It has none.
    pub fn node(&mut self, end: End) -> Result<&mut Appliance> {
        let name = &self.hardware[end].node;
        self.nodes[end].as_mut().ok_or_else(|| Error::new(format!("{name} has no power")))
    }

    /// Its host name.
    pub fn name(&self, end: End) -> &str {
        &self.hardware[end].node
    }

    /// The address of its eth0.
    pub fn mac(&self, end: End) -> Mac {
        self.hardware[end].ethernet[0].mac
    }

    /// Where the rig's files are.
    pub fn bench(&self) -> &Bench {
        &self.bench
    }

    /// Waits until both nodes say that all is well and the client is answered by the one that holds; which one that is.
    ///
    /// # Errors
    /// That does not happen; with their logs.
    pub fn settle(&mut self) -> Result<End> {
        for end in [0, 1] {
            self.node(end)?.await_success(WELL, SOON)?;
        }
        let owner = self.await_holder()?;
        self.client.await_owner(self.mac(owner), SOON)?;
        Ok(owner)
    }

    /// Waits until one node holds the group by its own word; which one that is.
    ///
    /// # Errors
    /// That does not happen.
    pub fn await_holder(&mut self) -> Result<End> {
        let deadline = now() + SOON;
        // Between two looks the nodes themselves take their time to answer.
        loop {
            match self.owner() {
                Err(_) if now() < deadline => {}
                found => return found,
            }
        }
    }

    /// Which node holds the group by its own word; of nodes with power.
    ///
    /// # Errors
    /// None, or both.
    pub fn owner(&mut self) -> Result<End> {
        let mut holding = Vec::new();
        for end in [0, 1] {
            let Some(node) = &mut self.nodes[end] else { continue };
            if node.status()?.groups.iter().any(|group| group.state == "held") {
                holding.push(end);
            }
        }
        match holding[..] {
            [end] => Ok(end),
            [] => Err(Error::new("no node holds the group")),
            _ => Err(Error::new("both nodes say that they hold the group")),
        }
    }

    /// When the other end was last given a beat or a part of one of this node's, over any link, before then.
    pub fn last_word(&self, from: End, before: Instant) -> Option<Instant> {
        let over_ethernet = self.crossover.last_beat(self.name(from), before);
        self.cable.last_delivery(from, before).max(over_ethernet)
    }

    /// The longest time since then in which the other end was given no beat of this node's.
    pub fn silence(&self, from: End, since: Instant) -> Duration {
        let mut heard = self.crossover.beats(self.name(from), since);
        heard.extend(self.cable.tap(since).iter().filter(|one| one.from == from).map(|one| one.at));
        heard.extend([since, now()]);
        heard.sort();
        heard.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// The crossover is plugged in at both ends, or pulled out: both lose their carrier.
    ///
    /// # Errors
    /// QEMU refuses.
    pub fn set_crossover(&mut self, up: bool) -> Result<()> {
        self.crossover_in = up;
        self.show_carrier()
    }

    /// On a direct cable there is a carrier while both ends have power.
    fn show_carrier(&self) -> Result<()> {
        let up = self.crossover_in && self.nodes.iter().all(Option::is_some);
        self.nodes.iter().flatten().try_for_each(|node| node.set_carrier(1, up))
    }
}
