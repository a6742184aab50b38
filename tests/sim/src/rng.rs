//! SplitMix64 (Steele, Lea and Flood, 2014): small, fast, and the same on every machine.

use lubdub::time::Duration;

/// The only source of chance in a seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The generator of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Sixty-four random bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not zero. The bias of the modulus does not matter here.
    pub const fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// An index into something of `len` elements, at least one.
    pub const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True in so many of a million cases.
    pub const fn ppm(&mut self, ppm: u64) -> bool {
        self.below(1_000_000) < ppm
    }

    /// True in so many of a hundred cases.
    pub const fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, of which there is at least one.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// A length from `from` to `to`, both included.
    pub fn span(&mut self, from: Duration, to: Duration) -> Duration {
        from + Duration::from_micros(self.below((to - from).as_micros() + 1))
    }

    /// A length of any magnitude from a microsecond to `most`: short ones are as likely as long ones.
    pub fn magnitude(&mut self, most: Duration) -> Duration {
        let bits = u64::from(64 - most.as_micros().leading_zeros());
        let top = 1_u64 << self.below(bits.max(1));
        Duration::from_micros((top + self.below(top)).min(most.as_micros()))
    }
}
