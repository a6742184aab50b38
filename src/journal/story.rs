//! Transitions, each with what the node had before it.

use crate::node::{Cause, Event, Evidence, Node, Timing};
use crate::time::Instant;
use crate::wire::beat::GROUPS_MAX;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// A transition: what changed, when, and what the node knew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When, by the clock that decides.
    pub at: Instant,
    /// The same in microseconds since 1970, by the clock that people read.
    pub wall: u64,
    /// What changed and which rule fired.
    pub event: Event,
    /// What the node had before it.
    pub evidence: Evidence,
}

/// The last of what happened to a group, or to the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// The last transition that was a choice.
    pub chosen: Option<Decision>,
    /// What has come of it since, as soon as it did: a step ended.
    pub outcome: Option<Decision>,
}

impl Story {
    /// Adds a transition.
    pub fn add(&mut self, decision: Decision) {
        if is_outcome(&decision.event) {
            self.outcome = Some(decision);
        } else {
            *self = Self { chosen: Some(decision), outcome: None };
        }
    }

    /// The last transition of all.
    pub fn last(&self) -> Option<&Decision> {
        self.outcome.as_ref().or(self.chosen.as_ref())
    }
}

/// Whether a step has merely ended as it should.
fn is_outcome(event: &Event) -> bool {
    matches!(event, Event::Group { cause: Cause::Started | Cause::Stopped | Cause::Inventory, .. })
}

/// Whose story an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A group's.
    Group(u8),
    /// The peer's.
    Peer,
}

/// Whose transition an event is; none when it is no transition.
pub fn whose(event: &Event) -> Option<Whose> {
    match event {
        Event::Group { group, .. } | Event::Kept { group, .. } | Event::StopFailed { group, .. } => {
            Some(Whose::Group(*group))
        }
        Event::Peer { .. } => Some(Whose::Peer),
        _ => None,
    }
}

impl Decision {
    /// An event that the node has just told of.
    pub fn of(node: &Node, event: Event, wall: u64) -> Self {
        let group = match whose(&event) {
            Some(Whose::Group(group)) => Some(group),
            _ => None,
        };
        Self { at: node.now(), wall, event, evidence: node.evidence(group) }
    }
}

/// What a journal says without a replay. `G`: the groups' stories, in their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary<'a, G = Vec<Story, GROUPS_MAX>> {
    /// This node.
    pub node: &'a str,
    /// The other one.
    pub peer: &'a str,
    /// The names of the links, a line each.
    pub links: &'a str,
    /// The keys of the groups, a line each.
    pub groups: &'a str,
    /// When the daemon started.
    pub since: Instant,
    /// When this was written, by the clock that decides.
    pub at: Instant,
    /// The same in microseconds since 1970.
    pub wall: u64,
    /// The timings in force.
    pub timing: Timing,
    /// The peer's story.
    pub peer_story: Story,
    /// The groups'.
    pub stories: G,
}
