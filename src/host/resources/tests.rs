//! Whole groups in a network namespace, with real scripts and the kernel's real addresses.

mod bench;
mod claims;
mod eyes;
mod faults;
mod ipv6;
mod lease;
mod pings;
mod scripts;
mod vips;
