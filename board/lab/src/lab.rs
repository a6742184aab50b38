//! The lab as a whole.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::bench::{Bench, CLIENT};
use crate::cable::{Cable, End};
use crate::error::{Context, Result};
use crate::flood::{self, Flood, Flooding};
use crate::judge::Judge;
use crate::node::{self, Node};
use crate::pair::Pair;
use crate::space::Output;
use crate::status::Status;
use crate::switch::{Crossover, Wire};
use crate::{daemon, script};

/// The tutorial's virtual address.
pub const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 20, 100);

/// Two appliances, a client, and the wires between them. Dropping it takes everything down.
#[derive(Debug)]
pub struct Lab {
    nodes: [Node; 2],
    bench: Arc<Bench>,
    ipvs: bool,
}

impl Lab {
    /// Builds the lab. Both nodes have power and their files; no daemon runs yet, see [`Lab::boot`].
    pub fn new(mut pair: Pair) -> Result<Self> {
        let daemon = match &pair.daemon {
            Some(file) => file.clone(),
            None => daemon::locate("dev")?,
        };
        let ipvs = kernel_has_ipvs();
        if !ipvs && pair.resource_d.iter().all(|(name, _)| name != "ipvsadm") {
            pair.resource_d.push(("ipvsadm".into(), script::recording_ipvsadm()));
        }
        let bench = Arc::new(Bench::new(pair.hub)?);
        node::install(&daemon, &bench.shelf().join("bin")).context("install the daemon")?;
        let nodes = [Node::new(0, bench.clone(), &pair)?, Node::new(1, bench.clone(), &pair)?];
        Ok(Self { nodes, bench, ipvs })
    }

    /// node1.a.com, 192.168.20.10
    pub fn node1(&self) -> &Node {
        &self.nodes[0]
    }

    /// node2.a.com, 192.168.20.20
    pub fn node2(&self) -> &Node {
        &self.nodes[1]
    }

    /// Both.
    pub fn nodes(&self) -> &[Node; 2] {
        &self.nodes
    }

    /// Starts both daemons, one right after the other.
    pub fn boot(&self) -> Result<()> {
        self.nodes.iter().try_for_each(Node::boot)
    }

    /// The null-modem cable.
    pub fn cable(&self) -> &Cable {
        &self.bench.cable
    }

    /// The crossover cable between the two eth1.
    pub fn crossover(&self) -> &Crossover {
        &self.bench.crossover
    }

    /// The service LAN. Its owners are 0 (node1), 1 (node2) and 2 (the client).
    pub fn lan(&self) -> &Wire {
        &self.bench.lan
    }

    /// Cuts everything that carries beats: both nodes are alive and alone, the service LAN is whole.
    pub fn cut_heartbeats(&self) -> Result<()> {
        self.cable().cut();
        self.crossover().cut()
    }

    /// What [`Lab::cut_heartbeats`] did is undone.
    pub fn mend_heartbeats(&self) -> Result<()> {
        self.cable().mend();
        self.crossover().mend()
    }

    /// Datagrams to port 694 for this node alone, on its eth1, in the name of the other one. They end by themselves.
    pub fn flood(&self, to: End, flood: Flood) -> Result<Flooding> {
        let (mac, address) = (node::mac(1, 1 - to), self.nodes[1 - to].address());
        let sender = flood::Sender { mac, address };
        flood::begin(&self.bench.room, &self.bench.crossover.wire.port(to), sender, flood)
    }

    /// The payloads of the next datagrams that this node sends to port 694 on its eth1.
    pub fn record(&self, from: End, count: usize, within: Duration) -> Result<Vec<Vec<u8>>> {
        let port = self.bench.crossover.wire.port(from);
        flood::record(&self.bench.room, &port, node::mac(1, from), count, within)
            .context(&format!("record what {} sends", self.nodes[from].name()))
    }

    /// Waits until this node holds the group, and the other one, if it runs a daemon, has it stopped.
    pub fn await_held(&self, group: &str, by: &Node, within: Duration) -> Result<()> {
        by.await_status(within, |status| status.holds(group))?;
        for other in self.nodes.iter().filter(|node| node.name() != by.name() && node.runs()) {
            other.await_status(within, |status| status.group(group).is_some_and(|group| group.state == "stopped"))?;
        }
        Ok(())
    }

    /// Waits until both nodes see each other alive and every link up.
    pub fn await_whole(&self, within: Duration) -> Result<()> {
        let whole = |status: &Status| status.peer_alive() && status.links.iter().all(|link| link.state == "up");
        self.nodes.iter().try_for_each(|node| node.await_status(within, whole).map(drop))
    }

    /// The client begins to ask for an address every millisecond.
    pub fn judge(&self, vip: Ipv4Addr) -> Result<Judge> {
        Judge::new(&self.bench.client, node::mac(0, CLIENT), vip)
    }

    /// Runs a command on the client.
    pub fn client_exec(&self, words: &[&str], within: Duration) -> Result<Output> {
        self.bench.client.run(words, "", within)
    }

    /// One line that says whose IPVS the nodes use.
    pub fn ipvs(&self) -> &'static str {
        if self.ipvs {
            "IPVS: the kernel's own table, with the ipvsadm program"
        } else {
            "IPVS: not in this kernel; a recording script resource.d/ipvsadm stands in"
        }
    }

    /// Whether the nodes have a real IPVS table.
    pub fn has_ipvs(&self) -> bool {
        self.ipvs
    }
}

fn kernel_has_ipvs() -> bool {
    let program = ["/usr/sbin/ipvsadm", "/sbin/ipvsadm"].iter().any(|file| Path::new(file).exists());
    program && Path::new("/proc/net/ip_vs").exists()
}
