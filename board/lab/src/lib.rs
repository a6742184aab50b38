//! Two appliances made of namespaces, joined by a null-modem cable of two ptys, and a client that judges them.
//!
//! ```text
//!                         client 192.168.20.1
//!                               |
//!        eth0  .10   ----- service LAN -----   .20  eth0
//!      +-----------+                        +-----------+
//!      |   node1   |eth1 == crossover == eth1   node2   |
//!      |           |ttyS1 - null modem - ttyS1          |
//!      +-----------+                        +-----------+
//! ```
//!
//! An ordinary user can run it, on any Linux with user namespaces and veth; it needs `ip` of iproute2. Each
//! node is a network, UTS, mount, PID and IPC namespace: its root is the host's, read-only, with a /run, /tmp, /dev and
//! /etc/ha.d of its own; its processes die with its pid 1. The cable moves bytes as fast as a UART at the baud rate
//! that the daemon has set. Nothing has a name outside the lab's own process, so that many labs run side by side, and
//! nothing outlives that process, not even when it is killed.
//!
//! ```no_run
//! use std::time::Duration;
//! use lubdub_lab::{Lab, Pair, VIP};
//!
//! # fn main() -> lubdub_lab::Result<()> {
//! let lab = Lab::new(Pair::appliance())?;
//! let judge = lab.judge(VIP)?;
//! lab.boot()?;
//! judge.await_owner(lab.node1().mac(), Duration::from_secs(5))?;
//! lab.node1().power_off()?;
//! judge.await_owner(lab.node2().mac(), Duration::from_secs(1))?;
//! let verdict = judge.verdict();
//! assert!(verdict.doubles.is_empty());
//! assert!(verdict.gap() < Duration::from_millis(400));
//! # Ok(())
//! # }
//! ```
//!
//! | to do | with |
//! |---|---|
//! | the files of the nodes | [`Pair`]: `tutorial()` is configuration A, `appliance()` is B |
//! | power, daemon, commands, status, log | [`Node`] |
//! | faults | [`Cable`] and [`Fault`], [`Crossover`], [`Wire`] (the service LAN), [`Interface`], [`Flood`], [`Lab::cut_heartbeats`] |
//! | who answers, gaps, double answers, gratuitous ARP | [`Judge`], [`Verdict`] |
//! | resources that fail and hang | [`script`], [`Node::script`] |
#![deny(unsafe_code)]

pub mod arp;
mod bench;
mod cable;
mod child;
mod clock;
mod daemon;
mod error;
mod flood;
mod hub;
mod interface;
mod judge;
mod lab;
mod line;
mod log;
mod node;
mod pair;
mod random;
mod root;
pub mod script;
mod space;
mod status;
mod step;
mod switch;
#[allow(unsafe_code, reason = "see its first lines")]
mod sys;
mod verdict;

pub use cable::{Cable, Count, End, Fault};
pub use child::{Child, Exit};
pub use clock::now;
pub use daemon::locate as locate_daemon;
pub use error::{Context, Error, Result};
pub use flood::{Flood, Flooded, Flooding, Payload};
pub use interface::Interface;
pub use judge::{Judge, PACE};
pub use lab::{Lab, VIP};
pub use log::{Line, Log, Mark, Way};
pub use node::{NAMES, Node};
pub use pair::{Pair, TUTORIAL_AUTHKEYS, TUTORIAL_HA_CF, TUTORIAL_HARESOURCES, TUTORIAL_IPVSADM};
pub use random::Random;
pub use space::{Output, Space};
pub use status::{Group, Link, Peer, Status};
pub use switch::{Crossover, Wire};
pub use verdict::{ASKERS, Announcement, Double, Gap, RESOLUTION, Silence, Verdict};
