//! What the eyes tell the node.

use lubdub::node::{self, By, Input};

/// What the eyes tell of a group, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// One probe for each of its VIPs is on the LAN.
    Probed { group: u8 },
    /// Somebody else said that it has a VIP of the group, asked or not.
    Answered { group: u8, by: By },
    /// The peer asked whether anybody has a VIP of the group.
    Asked { group: u8 },
    /// What silence is worth, when the looking begins and whenever it changes; of a group that is not looked for, that its
    /// carrier went ([`Sight::Cut`]), that every `ping` node is silent ([`Sight::Silent`]), or that it is so no more
    /// ([`Sight::Closed`]).
    Eyes { group: u8, sight: Sight },
}

/// Whether this node would hear an answer. The least of a group's interfaces counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// No carrier, or no interface.
    Cut,
    /// Every `ping` node has been silent for deadtime.
    Silent,
    /// A carrier, and no station was heard since the looking or the silence began, although some are known. They are
    /// known by their ARP: on a LAN of IPv6 alone the carrier has to do. Where there are `ping` nodes one of them must have
    /// answered.
    Closed,
    /// It would: one was heard since, or none was ever there to be heard.
    Open,
}

impl From<Sighting> for Input<'static> {
    fn from(sighting: Sighting) -> Self {
        match sighting {
            Sighting::Probed { group } => Self::Probed { group },
            Sighting::Answered { group, by } => Self::Answered { group, by },
            Sighting::Asked { group } => Self::Asked { group },
            Sighting::Eyes { group, sight } => {
                let eyes = match sight {
                    Sight::Cut => node::Eyes::Cut,
                    Sight::Silent => node::Eyes::Silent,
                    Sight::Closed => node::Eyes::Closed,
                    Sight::Open => node::Eyes::Open,
                };
                Self::Eyes { group, eyes }
            }
        }
    }
}
