//! The field journal: what a node was told, written down, and the same decisions made of it again.
//!
//! The same inputs from the same state give the same outputs, so a journal is a *checkpoint* (a whole [`Node`]) and the
//! inputs after it, each with its time and a checksum of what came of it. Two *segments* of fixed size take turns: when
//! the one in use is full a new checkpoint begins the other. A replay of the older one must end in the newer one's
//! checkpoint.
//!
//! **There are no secrets in it**, and none are needed to replay it. What only secrets can tell is written down as bare
//! answers beside each input: which key of the ring a frame verified with, if any, and whether it was an own one. Of a
//! key there is its number, method and fingerprint, of a nonce what every hello shows anyhow; of the seed, nothing. (It
//! does hold frames as they were on the line, with their tags, so it is root's alone, as a capture of the line is.)
//!
//! The file, all numbers little-endian:
//!
//! ```text
//! 0   8   "lubdubJ", format
//! 8   8   the core that wrote it: a hash of its sources
//! 16  4   length of the summary
//! 20  4   length of the older segment, may be 0
//! 24  4   length of the newer segment
//! 28  4   CRC-32 of everything before and after this field
//! 32      summary, older segment, newer segment
//! ```
//!
//! The summary is a postcard [`Summary`]: the last transitions with what the node had before it, for `status --why`. A
//! segment is a postcard [`Node`] and then postcard [`Entry`]s.
//!
//! * [`story`]: transitions and their evidence. [`entry`]: an input as it is written down.
//! * [`recorder`]: the two segments. [`replay`]: one of them lived through again. [`file`](mod@file): bytes of the file.
//!
//! [`Node`]: crate::node::Node

mod core_hash;
pub mod entry;
pub mod file;
pub mod recorder;
pub mod replay;
pub mod story;

pub use core_hash::CORE;
pub use entry::{Entry, Told};
pub use file::{File, Refusal};
pub use recorder::Recorder;
pub use replay::{Replay, Turn};
pub use story::{Decision, Story, Summary};

use crate::wire::auth::CRC_32;

/// The format of the file; another number means that this release cannot read it.
pub const FORMAT: u8 = 1;
