//! What the port in QEMU and the cable say to each other. Both compile this file.
//!
//! Two connections: at PATH the bytes, at PATH[`SUFFIX`] the lines. The cable tells one byte, the lines that this end
//! sees; the port tells [`RECORD`] bytes, the lines that it raises and its speed, whenever one of them changes.

/// The variable of the environment with the path of the port.
pub const PATH: &str = "LUBDUB_TTY";
/// What the path of the second connection has behind that of the first.
pub const SUFFIX: &str = ".lines";
/// Bytes of a record: the lines, and the speed in bit/s, least significant byte first.
pub const RECORD: usize = 5;

/// Data terminal ready, raised by this end.
pub const DTR: u8 = 1;
/// Request to send, raised by this end.
pub const RTS: u8 = 2;
/// Clear to send, seen by this end.
pub const CTS: u8 = 4;
/// Data set ready, seen by this end.
pub const DSR: u8 = 8;
/// Carrier detect, seen by this end.
pub const DCD: u8 = 16;
