//! An input as it is written down, and the checksum of what came of it.

use super::CRC_32;
use crate::node::{Event, Groups, Input, Output, Setup, Verb, Why};
use crate::time::Instant;
use crate::wire::beat::GROUPS_MAX;
use crate::wire::hello::Nonce;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Bytes of an [`Input::Bytes`] at most; the shell reads as many at a time.
pub const BYTES_MAX: usize = 2048;
/// Bytes of an entry at most: those, or a setup (two rings of keys, two names, the groups), and what stands beside them.
pub const ENTRY_MAX: usize = BYTES_MAX + 512;

/// What a node was told. `S`: a setup, or a reference where one is only written: it has 6 kB, and the beat path is not to
/// carry the room for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "there is no heap to put a setup on, and a reload is rare")]
pub enum Told<'a, S = Setup> {
    /// One of its inputs.
    Input(#[serde(borrow)] Input<'a>),
    /// Another setup, without secrets.
    Reload {
        /// The setup.
        setup: S,
        /// For each group which old one it was.
        kept: Vec<Option<u8>, GROUPS_MAX>,
    },
    /// Something that does not fit into an entry: the segment ends here, and the next checkpoint comes after it.
    Lost,
}

/// One input and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry<'a, S = Setup> {
    /// Microseconds since the entry before, or since the checkpoint.
    pub after: u64,
    /// What the node was told.
    #[serde(borrow)]
    pub told: Told<'a, S>,
    /// What the secrets answered.
    pub answers: &'a [u8],
    /// The nonce that was drawn, if one was.
    pub nonce: Option<Nonce>,
    /// The checksum of all outputs since the checkpoint.
    pub sum: u32,
}

/// An output without what cannot be had again: the tag of a frame.
#[derive(Serialize)]
enum Came {
    Transmit { link: u8, said: u32 },
    Run { group: u8, verb: Verb },
    Renew { until: Instant },
    Look { groups: Groups },
    Fence { wanted: bool },
    Note(Event),
    Left,
    Wait { until: Instant, why: Why },
}

/// The running checksum of outputs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum(pub u32);

impl Sum {
    /// Adds an output.
    pub fn add(&mut self, output: &Output) {
        let came = match output {
            Output::Transmit { link, frame } => Came::Transmit { link: *link, said: frame.said() },
            Output::Run { group, verb } => Came::Run { group: *group, verb: *verb },
            Output::Renew { until } => Came::Renew { until: *until },
            Output::Look { groups } => Came::Look { groups: *groups },
            Output::Fence { wanted } => Came::Fence { wanted: *wanted },
            Output::Note(event) => Came::Note(*event),
            Output::Left => Came::Left,
            Output::Wait { until, why } => Came::Wait { until: *until, why: *why },
        };
        let mut buf = [0; 64];
        let bytes = postcard::to_slice(&came, &mut buf).expect("an output has less than 64 bytes");
        let mut digest = CRC_32.digest_with_initial(self.0);
        digest.update(bytes);
        self.0 = digest.finalize();
    }
}
