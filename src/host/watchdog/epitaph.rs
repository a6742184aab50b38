//! Why a life of a node ended: what a node writes before it resets itself.

/// Why a life of a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epitaph {
    /// It could not stop a resource, and went to reset itself.
    StopFailed,
}

impl Epitaph {
    const ALL: [Self; 1] = [Self::StopFailed];

    /// Its word in files and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::StopFailed => "stop-failed",
        }
    }

    /// The one of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|epitaph| epitaph.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_has_a_word_of_its_own() {
        for epitaph in Epitaph::ALL {
            assert_eq!(Epitaph::of_word(epitaph.word()), Some(epitaph));
        }
        assert_eq!(Epitaph::of_word(""), None);
    }
}
