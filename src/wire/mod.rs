//! Bytes to beat and back: framing, authentication, the messages. Knows nothing of nodes.
//!
//! On the line a frame is `00 COBS(body, CRC-16) 00`, and a body is
//!
//! ```text
//! byte 0      version (high nibble), kind (low nibble): 0 beat, 1 hello
//! byte 1      link (3 bits), key id (4 bits), 0
//! payload     the message
//! tag         4 bytes (crc), 12 (md5, sha1) or 16 (sha256), by the key's method
//! ```
//!
//! [`frame`] delimits, [`envelope`] splits a body, [`auth`] signs and verifies, [`beat`] and [`hello`] are the messages.
//! The bytes are pinned by `tests/wire.rs`; until 1.0 they may change with a line in the changelog.

pub mod auth;
pub mod beat;
pub mod envelope;
pub mod frame;
pub mod hello;
pub mod loss;

/// The protocol version this release speaks, 1 to 15.
pub const VERSION: u8 = 1;
