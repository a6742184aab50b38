//! The one message of the protocol: the sender's whole truth, level-triggered. Losing any beat costs time, never truth.

use heapless::Vec;
use postcard::fixint;
use serde::{Deserialize, Serialize};

/// Groups of a beat at most.
pub const GROUPS_MAX: usize = 32;
/// Links at most: a beat has one byte of bits for them.
pub const LINKS_MAX: usize = 8;
/// Bytes of a beat's payload at most.
pub const BEAT_MAX: usize = HEAD_LEN + 2 * GROUPS_MAX;

const HEAD_LEN: usize = 6;

/// The state of a group on the node that sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum State {
    /// Every stop was confirmed; nothing of it runs.
    Stopped = 0,
    /// On its way up.
    Starting = 1,
    /// Up.
    Held = 2,
    /// Up, and to be rid of: a standby order or the loss of the service LAN. Shown to people as held.
    Giving = 3,
    /// On its way down, or not yet looked at by a new run, or not to be stopped.
    #[default]
    Stopping = 4,
    /// A start failed, and every stop was confirmed.
    Failed = 5,
}

impl State {
    /// Whether a node in this state counts as holding the group.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Starting | Self::Held | Self::Giving)
    }

    /// Whether nothing of the group runs there.
    pub const fn is_down(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }

    const fn from_bits(bits: u16) -> Option<Self> {
        Some(match bits {
            0 => Self::Stopped,
            1 => Self::Starting,
            2 => Self::Held,
            3 => Self::Giving,
            4 => Self::Stopping,
            5 => Self::Failed,
            _ => return None,
        })
    }
}

/// The number of a group's ownership: one more with every takeover that had no consent.
///
/// It has a byte on the wire, so terms are compared as serial numbers (RFC 1982): a pair would have to take a group 128
/// times without hearing of each other once to confuse them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Term(pub u8);

impl Term {
    /// The next term; never zero, which means that the group was never owned.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(if self.0 == u8::MAX { 1 } else { self.0 + 1 })
    }

    /// Whether `self` is a later ownership than `other`. At half the circle neither is later than the other.
    pub const fn after(self, other: Self) -> bool {
        if other.0 == 0 || self.0 == 0 {
            return self.0 > other.0;
        }
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 0x80
    }

    /// The later of the two.
    #[must_use]
    pub const fn later(self, other: Self) -> Self {
        if other.after(self) { other } else { self }
    }
}

/// What a node says of one group: two bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupWord {
    /// The state.
    pub state: State,
    /// A standing wish to have the group.
    pub ask: bool,
    /// The ask, the holding or the giving comes of an operator's order.
    pub ordered: bool,
    /// "I have stopped it and shall not start it": the standing answer to the peer's ask.
    pub granted: bool,
    /// The VIP is seen on the service LAN. Reserved for probes; 0 until then.
    pub vip_seen: bool,
    /// Taken without consent, and no two-way session has confirmed it yet.
    pub provisional: bool,
    /// The claim term while held, else the latest one known.
    pub term: Term,
}

impl GroupWord {
    const ASK: u16 = 1 << 3;
    const ORDERED: u16 = 1 << 4;
    const GRANTED: u16 = 1 << 5;
    const VIP_SEEN: u16 = 1 << 6;
    const PROVISIONAL: u16 = 1 << 7;

    pub(crate) fn to_bits(self) -> u16 {
        let flag = |set: bool, bit: u16| if set { bit } else { 0 };
        self.state as u16
            | flag(self.ask, Self::ASK)
            | flag(self.ordered, Self::ORDERED)
            | flag(self.granted, Self::GRANTED)
            | flag(self.vip_seen, Self::VIP_SEEN)
            | flag(self.provisional, Self::PROVISIONAL)
            | u16::from(self.term.0) << 8
    }

    fn from_bits(bits: u16) -> Option<Self> {
        Some(Self {
            state: State::from_bits(bits & 7)?,
            ask: bits & Self::ASK != 0,
            ordered: bits & Self::ORDERED != 0,
            granted: bits & Self::GRANTED != 0,
            vip_seen: bits & Self::VIP_SEEN != 0,
            provisional: bits & Self::PROVISIONAL != 0,
            term: Term((bits >> 8) as u8),
        })
    }
}

/// The message. `seq` and `echo` are the low halves of counters whose full values enter the authenticated bytes or are
/// known from context (as with RFC 4303's extended sequence numbers).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Low 16 bits of the sender's sequence number.
    pub seq: u16,
    /// Low 16 bits of the highest sequence number heard from the peer on any link.
    pub echo: u16,
    /// Bit `n`: the sender heard the peer on link `n` within deadtime.
    pub heard: u8,
    /// The sender leaves; every group is stopped.
    pub goodbye: bool,
    /// The sender could not hear the answer to a probe.
    pub blind: bool,
    /// The groups, in the order of haresources.
    pub groups: Vec<GroupWord, GROUPS_MAX>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(with = "fixint::le")]
    seq: u16,
    #[serde(with = "fixint::le")]
    echo: u16,
    heard: u8,
    flags: u8,
}

const GOODBYE: u8 = 1 << 0;
const BLIND: u8 = 1 << 1;

impl Beat {
    /// Writes the payload at the start of `buf` and tells its length.
    pub fn encode(&self, buf: &mut [u8; BEAT_MAX]) -> usize {
        let flags = if self.goodbye { GOODBYE } else { 0 } | if self.blind { BLIND } else { 0 };
        let head = Head { seq: self.seq, echo: self.echo, heard: self.heard, flags };
        let mut len = postcard::to_slice(&head, buf).expect("a head has six bytes").len();
        for group in &self.groups {
            buf[len..len + 2].copy_from_slice(&group.to_bits().to_le_bytes());
            len += 2;
        }
        len
    }

    /// Reads a payload whole; none when it is malformed, carries a flag of a later version, or is too long.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = postcard::take_from_bytes::<Head>(bytes).ok()?;
        let (words, odd) = rest.as_chunks::<2>();
        if !odd.is_empty() || head.flags & !(GOODBYE | BLIND) != 0 {
            return None;
        }
        let mut groups = Vec::new();
        for word in words {
            groups.push(GroupWord::from_bits(u16::from_le_bytes(*word))?).ok()?;
        }
        Some(Self {
            seq: head.seq,
            echo: head.echo,
            heard: head.heard,
            goodbye: head.flags & GOODBYE != 0,
            blind: head.flags & BLIND != 0,
            groups,
        })
    }
}
