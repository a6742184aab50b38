//! Whole groups in a network namespace, with real scripts and the kernel's real addresses.

mod bench;
mod scripts;
mod vips;
