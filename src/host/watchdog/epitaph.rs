//! Why a life of a node ended, in one byte: what a node writes before it resets itself, and what its peer remembers of
//! it, since a run directory in memory does not outlive a reset.

/// Why a life of a node ended, as its peer saw it or as it said itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epitaph {
    /// It said goodbye with everything stopped.
    Goodbye,
    /// It was heard no more.
    Silence,
    /// Every link showed physical loss.
    LinkLoss,
    /// It could not stop a resource, and went to reset itself.
    StopFailed,
    /// It was fenced, and the device or a person confirmed it.
    Fenced,
}

#[cfg_attr(not(test), expect(dead_code, reason = "no hello carries it yet"))]
impl Epitaph {
    const ALL: [Self; 5] = [Self::Goodbye, Self::Silence, Self::LinkLoss, Self::StopFailed, Self::Fenced];

    /// Its byte on the wire. 0 is nobody's: the peer remembers nothing.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Goodbye => 1,
            Self::Silence => 2,
            Self::LinkLoss => 3,
            Self::StopFailed => 4,
            Self::Fenced => 5,
        }
    }

    /// The one of this byte; none for 0 and for what a newer version may mean.
    pub fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|epitaph| epitaph.byte() == byte)
    }

    /// Its word in files and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::Silence => "silence",
            Self::LinkLoss => "link-loss",
            Self::StopFailed => "stop-failed",
            Self::Fenced => "fenced",
        }
    }

    /// The one of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|epitaph| epitaph.word() == word)
    }

    /// What a peer that remembers it says of us.
    pub const fn as_seen(self) -> &'static str {
        match self {
            Self::Goodbye => "heard our goodbye",
            Self::Silence => "heard us no more",
            Self::LinkLoss => "saw every link go down",
            Self::StopFailed => "heard that we could not stop a resource",
            Self::Fenced => "had us fenced",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_has_a_byte_and_a_word_of_its_own() {
        for epitaph in Epitaph::ALL {
            assert_eq!(Epitaph::of(epitaph.byte()), Some(epitaph));
            assert_eq!(Epitaph::of_word(epitaph.word()), Some(epitaph));
        }
        assert_eq!((Epitaph::of(0), Epitaph::of(6), Epitaph::of_word("")), (None, None, None));
    }
}
