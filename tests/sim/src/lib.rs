//! The deterministic simulator: two real [`lubdub::node::Node`]s with real frames in virtual time.
//!
//! One seed draws everything: the configuration, which kinds of fault there are at all (swarm testing), their rates and
//! their moments. An [`oracle`] looks after every event. A seed has two phases: faults, then a healed world in which
//! everything must settle. The same seed always gives the same timeline.
//!
//! * [`rng`]: the only source of chance.
//! * [`scenario`]: what a seed draws before the first event.
//! * [`kind`]: the kinds of fault, and how often each was injected.
//! * [`frame`]: a frame on its way, and what the simulator knows of it that the receiver must find out.
//! * [`medium`]: cables and segments, and what they do to frames.
//! * [`clock`]: a node's own clock, which drifts and may stand still.
//! * [`appliance`]: one box: a daemon that can die or freeze, and resources that outlive it; [`kernel`] ends the leases of
//!   its VIPs.
//! * [`lan`]: the service LAN; [`service`]: what a daemon asks and hears there; `lines`: what a cable shows without a
//!   frame; [`fencing`]: devices that switch the other box off.
//! * [`world`]: the queue of events; [`shell`] drives a node as its contract says; [`trouble`] injects faults;
//!   [`forgery`] says what others say on the lines, and `recording` what was said before.
//! * [`oracle`]: what must never be, and what must be soon.
//! * [`journal`]: what a real daemon wrote down, lived through again.
//! * [`timeline`]: the story of a seed for people, in the words of `told`.
//! * [`story`]: scenarios written by hand in the same world, under the same oracle.

pub mod appliance;
pub mod clock;
pub mod fencing;
pub mod forgery;
pub mod frame;
pub mod journal;
pub mod kernel;
pub mod kind;
pub mod lan;
mod lines;
pub mod medium;
pub mod oracle;
mod recording;
pub mod rng;
pub mod scenario;
pub mod service;
pub mod shell;
pub mod story;
pub mod timeline;
mod told;
pub mod trouble;
pub mod world;

/// Which node: 0 is node1, 1 is node2.
pub type Side = usize;
