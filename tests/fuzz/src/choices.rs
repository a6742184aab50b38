//! The fuzzer's bytes as a source of choices.

/// Gives out bytes from the front; zeros when there are none left.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of the numbers below `n`, which is not zero.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A length of time in microseconds from one to 2^32: a mantissa of eight bits and an exponent.
    pub fn span(&mut self) -> u64 {
        let mantissa = u64::from(self.byte()) + 1;
        mantissa << self.below(25)
    }

    /// The next `n` bytes, or as many as there are.
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Changes a few of the bytes of `target`, its length too.
    pub fn mutate(&mut self, target: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            let at = usize::from(self.word()) % (target.len() + 1);
            match self.below(6) {
                0 if at < target.len() => target[at] = self.byte(),
                1 if at < target.len() => target[at] ^= 1 << self.below(8),
                2 => target.truncate(at),
                3 => target.insert(at, self.byte()),
                4 if at < target.len() => drop(target.remove(at)),
                5 => {
                    let length = self.below(16);
                    target.extend_from_slice(self.take(length));
                }
                _ => {}
            }
        }
    }
}
