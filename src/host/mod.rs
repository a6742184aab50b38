//! Decisions to Linux: the only async, the only clock, the only unsafe.
//!
//! [`run`] is the daemon; [`check`], [`client`], [`why`] and [`cable`] are the other commands.

mod announce;
mod arp;
mod assemble;
mod broadcast;
pub mod cable;
mod carrier;
pub mod check;
mod cl_status;
pub mod client;
mod clock;
pub mod console;
mod control;
mod daemon;
mod eyes;
mod fence;
mod follow;
mod gate;
pub mod heartbeat;
mod icmp;
mod ipvs;
mod journal;
mod leases;
mod lines;
mod names;
mod narrate;
mod ndp;
mod netlink;
mod notify;
mod orders;
mod port;
mod realtime;
mod report;
mod request;
mod resources;
mod script;
mod sentry;
mod serial;
mod signals;
mod stamp;
mod status;
mod sys;
mod vip;
mod watchdog;
pub mod why;
mod words;

use lubdub::time::Duration;

pub use daemon::run;

/// Exit code: another instance holds the run directory (EX_TEMPFAIL of sysexits.h).
pub const ALREADY_RUNNING: u8 = 75;
/// Exit code: the configuration is refused (EX_CONFIG).
pub const REFUSED: u8 = 78;
/// Exit code: not permitted (EX_NOPERM).
pub const NOT_PERMITTED: u8 = 77;
/// Exit code: the machine refuses something that the daemon cannot do without (EX_OSERR).
const NO_SYSTEM: u8 = 71;

/// Whether this kernel can hold these VIPs on a lease of milliseconds; why not.
///
/// # Errors
/// In words, for the person at the console.
pub fn fine_lease(vips: &[std::net::IpAddr]) -> Result<(), String> {
    gate::supported(vips)
}

/// `uname -n`.
pub fn node_name() -> String {
    nix::sys::utsname::uname().map_or(String::new(), |name| name.nodename().to_string_lossy().into_owned())
}

/// The longest that an order is waited for.
pub const WAIT_MAX: Duration = request::WAIT_MAX;
