//! An emulated appliance: Debian's kernel with IPVS, 16550 UARTs and a read-only root, under QEMU without KVM.
//!
//! ```no_run
//! use lubdub_lab::Pair;
//! use lubdub_qemu::{Appliance, BOOT, Bench, Hardware, Image, Lan, disk};
//!
//! # fn main() -> lubdub_lab::Result<()> {
//! let image = Image::build()?;
//! let bench = Bench::new()?;
//! let lan = Lan::new(&bench, "lan")?;
//! let mut hardware = Hardware::node1();
//! hardware.ethernet[0].plug = Some(lan.plug("node1")?);
//! hardware.configuration = Some(disk::of_pair(&bench, "node1", &Pair::appliance())?);
//! let mut node1 = Appliance::power_on(&image, &hardware)?;
//! node1.await_shell(BOOT)?;
//! println!("{}", node1.run("ipvsadm -Ln")?.ok()?);
//! # Ok(())
//! # }
//! ```
//!
//! | to do | with |
//! |---|---|
//! | the three files of the image | [`Image`] |
//! | what is in the box and what is plugged in | [`Hardware`] |
//! | power, commands, console | [`Appliance`] |
//! | the files of /etc/ha.d of one box | [`disk`] |
//! | Ethernet, and every frame on it | [`Lan`] |
//!
//! A second node is a second [`Hardware`] at the same [`Lan`]; a cable is whoever connects to its
//! [`Hardware::serial`] socket.
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
