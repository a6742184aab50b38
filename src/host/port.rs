//! What every link of the shell looks like to the loop: bytes in, frames out, gone and back.
//!
//! A port owns one device, opens it, loses it and opens it again by itself. It decides nothing about beats.

use std::io;

/// What a port has to say when it is polled.
#[derive(Debug)]
pub enum PortEvent {
    /// So many bytes were put at the start of the caller's buffer. Never zero.
    Bytes(usize),
    /// The device is open and can carry frames.
    Opened,
    /// The device is lost or could not be opened; it is tried again by itself. Said once, not at each attempt.
    Lost(io::Error),
}

/// What became of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Handed to the kernel whole.
    Yes,
    /// Dropped: the device is not open, full, or refused it. Nothing is queued and nothing blocks.
    Dropped,
}
