//! Why a node lost its peer: what it remembers of the other one's death, and tells it when it is back.

use serde::{Deserialize, Serialize};

/// How the peer was lost last. One byte of a hello; a number that this release does not know is nothing to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum Loss {
    /// It was not lost, or not before this run.
    #[default]
    None,
    /// It said goodbye.
    Goodbye,
    /// It fell silent on every link.
    Silence,
    /// Every link lost its other end.
    Unplugged,
    /// It fell silent while its beats said of a group that it was not stopped yet.
    Stopping,
    /// It was fenced: a device or a human made sure that it is off.
    Fenced,
}

impl Loss {
    const ALL: [Self; 6] = [Self::None, Self::Goodbye, Self::Silence, Self::Unplugged, Self::Stopping, Self::Fenced];
}

impl From<u8> for Loss {
    fn from(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

impl From<Loss> for u8 {
    fn from(loss: Loss) -> Self {
        loss as Self
    }
}
