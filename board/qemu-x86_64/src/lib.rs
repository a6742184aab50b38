//! Emulated appliances: Debian's kernel with IPVS, 16550 UARTs and a read-only root, under QEMU without KVM.
//!
//! ```no_run
//! use lubdub_qemu::{Image, Rig, SOON, faults};
//!
//! # fn main() -> lubdub_lab::Result<()> {
//! let mut rig = Rig::new(&Image::build()?, &faults::pair())?;
//! rig.boot()?;
//! let owner = rig.owner()?;
//! rig.client.begin();
//! rig.power_off(owner)?;
//! rig.client.await_owner(rig.mac(1 - owner), SOON)?;
//! let served = rig.client.connect(SOON)?;
//! println!("{served:?}, after a gap of {:?}", rig.client.verdict().gap());
//! println!("{}", rig.node(1 - owner)?.run("ipvsadm -Ln")?.ok()?);
//! # Ok(())
//! # }
//! ```
//!
//! | to do | with |
//! |---|---|
//! | two nodes and everything between them | [`Rig`] |
//! | who answers, gaps, double answers, connections | [`Client`] |
//! | the null-modem cable, its lines, what it delivered | [`Cable`] |
//! | Ethernet, and every frame on it | [`Lan`] |
//! | power, commands, console of one node; freeze, reset, carrier | [`Appliance`] |
//! | every fault as a story | [`faults`] |
//! | the files of the image | [`Image`] |
//! | what is in the box and what is plugged in | [`Hardware`] |
//! | the files of /etc/ha.d of one box | [`disk`] |
//!
//! QEMU ends with the process that started it, whichever way that ends, and so does its folder in /tmp.
#![forbid(unsafe_code)]

mod appliance;
mod bench;
mod cable;
mod client;
mod control;
pub mod disk;
pub mod faults;
mod guard;
mod hardware;
mod image;
mod lan;
#[path = "../shim/src/lines.rs"]
pub mod lines;
mod qmp;
mod rig;
mod tail;

pub use appliance::{Appliance, BOOT};
pub use bench::Bench;
pub use cable::{Cable, Count, Delivery, Jack, Lines, Wire, Wiring};
pub use client::{Client, Served};
pub use hardware::{Attached, Ethernet, Hardware, Serial};
pub use image::Image;
pub use lan::{Frame, Lan, Plug};
pub use qmp::{Event, Qmp};
pub use rig::{Rig, SOON};
pub use tail::Tail;
