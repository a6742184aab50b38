//! lubdub: the heartbeat for two-node appliances.
//!
//! The library is the protocol, the binary is the machine. Nothing here knows Linux, a clock or the heap:
//! time comes in as an argument, bytes come in as slices, and decisions go out as values.
//!
//! The rooms, in the order of the data's way:
//!
//! * [`wire`]: bytes to beat and back: framing, authentication, the messages. Knows nothing of nodes.
//! * [`node`]: beats to decisions: links, the peer, ownership of groups. Knows nothing of names, addresses or Linux;
//!   a group is a number here.
//! * [`conf`]: the three files of `/etc/ha.d` to a [`conf::Config`], with a diagnostic for everything doubtful.
//! * [`lease`]: how long a VIP outlives its owner's last beat, and how long a taker waits.
//! * [`journal`]: what a node was told, written down, and the same decisions made of it again.
//! * [`time`]: points and lengths of time that the others share.
//!
//! `wire` and `conf` use neither each other nor `node`; `node` uses `wire` and `lease`, `journal` uses `node` and `wire`.
//! All may use `time`.
#![no_std]
#![forbid(unsafe_code)]
// The static binary is built without what `{:?}` prints (deploy/build-static).
#![cfg_attr(not(test), warn(clippy::use_debug))]

#[cfg(test)]
extern crate std;

pub mod conf;
pub mod journal;
pub mod lease;
pub mod node;
pub mod time;
pub mod wire;
