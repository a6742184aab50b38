//! What a node tells of itself to people and programs.

use super::group::Hold;
use super::link::{Counters, LinkState, LinkWhy};
use super::peer::{PeerState, Untrusted};
use super::{Duration, Groups, Instant, Node, Order};
use crate::wire::beat::{State, Term};

/// One link.
#[derive(Clone, Copy, Debug)]
pub struct LinkStatus {
    /// Whether it carries beats.
    pub state: LinkState,
    /// Why not.
    pub why: Option<LinkWhy>,
    /// What it has counted.
    pub counters: Counters,
}

/// Who holds a group, as far as this node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This node.
    Me,
    /// The live peer.
    Peer,
    /// Nobody known.
    Nobody,
}

/// One group.
#[derive(Clone, Copy, Debug)]
pub struct GroupStatus {
    /// The state on this node.
    pub state: State,
    /// Who holds it.
    pub owner: Owner,
    /// The claim while held here, else the latest term known.
    pub term: Term,
    /// Failed stops in a row.
    pub failed_stops: u32,
    /// This node is the preferred one.
    pub preferred: bool,
    /// Why this node does not take it although its peer is silent.
    pub hold: Option<Hold>,
}

/// Why an order cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no live, trusted peer to give to.
    NoPeer(PeerState),
    /// Somebody untrusted is there: nothing moves.
    Untrusted(Untrusted),
    /// A start of this group failed here: it must be cleared first.
    Failed(u8),
    /// A start of this group failed on the peer.
    PeerFailed(u8),
    /// The daemon is stopping.
    Leaving,
}

impl Node {
    /// The verdict on the peer.
    pub fn peer(&self) -> PeerState {
        self.peer.state
    }

    /// The peer's service MACs, as far as it has told them.
    pub fn peer_macs(&self) -> &[[u8; 6]] {
        &self.peer.macs
    }

    /// The last fresh word of the peer, or the start of this node while there was none.
    pub fn silent_since(&self) -> Instant {
        self.peer.silent_since
    }

    /// The peer is off for certain, as far as this node believes what it was told.
    pub fn is_peer_fenced(&self) -> bool {
        self.peer.is_fenced()
    }

    /// The deadtime that the peer told in this session.
    pub fn peer_deadtime(&self) -> Option<Duration> {
        self.peer.session.as_ref().map(|session| session.facts.deadtime)
    }

    /// The links, in their order.
    pub fn links(&self) -> impl Iterator<Item = LinkStatus> {
        let (now, span) = (self.now, self.setup.timing.deadtime);
        self.links.iter().map(move |link| LinkStatus {
            state: link.state,
            why: link.why(now, span),
            counters: link.counters,
        })
    }

    /// The groups, in their order.
    pub fn groups(&self) -> impl Iterator<Item = GroupStatus> {
        self.groups.iter().zip(0..).map(|(group, number)| {
            let theirs = self.peer_word(number);
            let owner = match (group.state, theirs.map(|theirs| theirs.state)) {
                (State::Held | State::Giving, _) => Owner::Me,
                (_, Some(State::Held | State::Giving)) => Owner::Peer,
                _ => Owner::Nobody,
            };
            GroupStatus {
                state: group.state,
                owner,
                term: group.shown_term(),
                failed_stops: group.failed_stops(),
                preferred: group.is_preferred(),
                hold: group.held_off(),
            }
        })
    }

    /// Why this node cannot keep an order now, if it cannot.
    pub fn refuses(&self, order: Order) -> Option<Refusal> {
        if self.leaving.is_some() {
            return Some(Refusal::Leaving);
        }
        let chosen = |mask: Groups| (0u8..).zip(&self.groups).filter(move |(number, _)| mask >> number & 1 != 0);
        match order {
            Order::Takeover(mask) => {
                if let PeerState::Untrusted(why) = self.peer.state
                    && chosen(mask).any(|(_, group)| !group.state.holds())
                {
                    return Some(Refusal::Untrusted(why));
                }
                chosen(mask).find(|(_, group)| group.state == State::Failed).map(|(number, _)| Refusal::Failed(number))
            }
            Order::Standby(mask) => {
                let mut held = chosen(mask).filter(|(_, group)| group.state.holds());
                if self.peer.state != PeerState::Alive && held.clone().next().is_some() {
                    return Some(Refusal::NoPeer(self.peer.state));
                }
                let failed = |number: u8| self.peer_word(number).is_some_and(|word| word.state == State::Failed);
                held.find(|(number, _)| failed(*number)).map(|(number, _)| Refusal::PeerFailed(number))
            }
            _ => None,
        }
    }

    /// The live peer's newest word on a group.
    fn peer_word(&self, number: u8) -> Option<crate::wire::beat::GroupWord> {
        let session = self.peer.session.as_ref().filter(|_| self.peer.is_alive(self.now, &self.setup))?;
        session.news.as_ref()?.beat.groups.get(usize::from(number)).copied()
    }
}
