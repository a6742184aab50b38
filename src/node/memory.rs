//! How the peer was lost last, kept for the life of it that comes back: it cannot know why the one before ended.

use crate::wire::loss::Loss;
use serde::{Deserialize, Serialize};

/// The last loss. Nothing is decided by it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    loss: Loss,
    /// The run that came back first. A later one that nobody missed the end of is told nothing.
    back: Option<u64>,
}

impl Memory {
    /// It is lost.
    pub fn note(&mut self, loss: Loss) {
        *self = Self { loss, back: None };
    }

    /// A session with this run began.
    pub fn is_back(&mut self, run: u64) {
        self.back.get_or_insert(run);
    }

    /// What a hello that answers this run says.
    pub fn told_to(&self, run: Option<u64>) -> Loss {
        if self.back.is_none() || self.back == run { self.loss } else { Loss::None }
    }
}
