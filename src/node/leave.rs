//! RELEASE: how a node leaves.

use super::Node;
use super::group::Group;
use crate::time::{Duration, Instant};
use serde::{Deserialize, Serialize};

/// How long a goodbye is repeated at most, where deadtime is not shorter.
pub const GOODBYE_MAX: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum Leaving {
    Stopping,
    Goodbye { first: u64, until: Instant },
    Left,
}

impl Node {
    /// RELEASE: goodbye comes when everything is stopped, is repeated until echoed, and is not said to nobody.
    pub(super) fn leave(&mut self) {
        let echo = self.peer.session.as_ref().and_then(|session| session.news.as_ref()).map_or(0, |news| news.echo);
        match self.leaving {
            Some(Leaving::Stopping) if self.groups.iter().all(Group::is_at_rest) => {
                let span = self.setup.timing.deadtime.min(GOODBYE_MAX);
                let first = self.peer.session.as_ref().map_or(0, |session| session.tx_seq() + 1);
                let alive = self.peer.is_alive(self.now, &self.setup);
                let goodbye = Leaving::Goodbye { first, until: self.now + span };
                self.leaving = Some(if alive { goodbye } else { Leaving::Left });
            }
            Some(Leaving::Goodbye { first, until }) if echo >= first || self.now >= until => {
                self.leaving = Some(Leaving::Left);
            }
            _ => {}
        }
    }
}
