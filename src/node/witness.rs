//! What only the secrets know, as bare answers: which key a frame verified with, and whether a frame is an own one. They
//! are remembered from one input to the next, so that a journal can tell them to a replay, which has no secrets.

use crate::wire::auth::{Key, Keyring};
use crate::wire::beat::Beat;
use crate::wire::envelope::{Envelope, Pairing};
use heapless::Deque;

/// Answers to one input at most: two to each of as many beats as a read of a link can bring, and more.
pub const ANSWERS_MAX: usize = 256;

/// No key, not an own frame.
const NO: u8 = 0;

#[derive(Clone)]
pub(super) struct Witness {
    /// There are no secrets: the answers are those that were told.
    told: bool,
    answers: Deque<u8, ANSWERS_MAX>,
    /// So many answers did not fit.
    missed: u32,
}

/// Of a node that was read from a journal.
impl Default for Witness {
    fn default() -> Self {
        Self { told: true, ..Self::new() }
    }
}

impl Witness {
    /// Of a node that has the secrets.
    pub const fn new() -> Self {
        Self { told: false, answers: Deque::new(), missed: 0 }
    }

    /// A new input: what was said to the one before is forgotten.
    pub fn begin(&mut self) {
        if !self.told {
            self.answers.clear();
            self.missed = 0;
        }
    }

    /// In order, the answers to the last input; none when there were too many.
    pub fn answers(&self) -> Option<impl Iterator<Item = u8>> {
        (self.missed == 0).then(|| self.answers.iter().copied())
    }

    /// What the secrets would answer to the next input.
    pub fn tell(&mut self, answers: &[u8]) {
        self.told = true;
        self.answers.clear();
        self.answers.extend(answers.iter().copied().take(ANSWERS_MAX));
    }

    /// Whether something is so that `look` finds out.
    pub fn is(&mut self, look: impl FnOnce() -> bool) -> bool {
        self.ask(|| u8::from(look())) != NO
    }

    /// The key of the ring that `look` finds.
    pub fn key<'k>(&mut self, keys: &'k Keyring, look: impl FnOnce() -> Option<&'k Key>) -> Option<&'k Key> {
        let place = |key: &Key| keys.iter().position(|known| core::ptr::eq(known, key)).map_or(NO, |at| at as u8 + 1);
        let answer = self.ask(|| look().map_or(NO, place));
        keys.iter().nth(usize::from(answer.checked_sub(1)?))
    }

    /// The beat in an envelope where it is authentic, and the fingerprint of its key unless that has left authkeys.
    pub fn beat(
        &mut self,
        keys: &Keyring,
        envelope: &Envelope<'_>,
        pairing: &Pairing,
        seq: u64,
    ) -> Option<(Beat, Option<u32>)> {
        let key = self.key(keys, || envelope.beat(keys, pairing, seq).map(|(_, key)| key))?;
        envelope.beat_of(key).map(|beat| (beat, (!key.is_retired()).then(|| key.fingerprint())))
    }

    fn ask(&mut self, look: impl FnOnce() -> u8) -> u8 {
        if self.told {
            return self.answers.pop_front().unwrap_or(NO);
        }
        let answer = look();
        self.missed += u32::from(self.answers.push_back(answer).is_err());
        answer
    }
}
