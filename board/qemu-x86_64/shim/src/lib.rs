//! A serial port for QEMU that is no device of the host: preloaded, this turns `-chardev serial,path=PATH` into a
//! connection to the null-modem cable that listens at PATH.
//!
//! QEMU asks a serial port of its host for the modem lines whenever the guest reads them (TIOCMGET), and sets those that
//! the guest sets (TIOCMSET); a socket or a pty knows none. Here a second connection carries them, see [`port`]. Whatever
//! is not this one port goes on to the C library. The path is in the environment, [`lines::PATH`].
#![deny(unsafe_code)]

pub mod lines;
pub mod port;
#[cfg(not(test))]
#[allow(unsafe_code, reason = "see its first lines")]
mod preload;
