//! What becomes of bytes on a wire. No clock and no socket in here.

use lubdub_lab::Random;

use super::Wire;

/// A wire at work.
#[derive(Debug, Default)]
pub struct Harm {
    wire: Wire,
    random: Random,
}

impl Harm {
    /// From the first number of the fault's seed on.
    pub fn new(wire: Wire) -> Self {
        let seed = if let Wire::Noisy { seed, .. } = wire { seed } else { 0 };
        Self { wire, random: Random::new(seed) }
    }

    /// What arrives of what was sent.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self.wire {
            Wire::Whole => bytes.to_vec(),
            Wire::Broken => Vec::new(),
            Wire::Noisy { rate, .. } => bytes.iter().map(|byte| self.flip(*byte, rate)).collect(),
        }
    }

    fn flip(&mut self, byte: u8, rate: f64) -> u8 {
        if self.random.chance(rate) { byte ^ (1 << self.random.below(8)) } else { byte }
    }

    /// What a UART reads that samples at another speed: as many bytes as fit into the time, and nothing of what they were.
    pub fn misread(&mut self, count: usize, sent_at: u32, read_at: u32) -> Vec<u8> {
        let ratio = f64::from(read_at) / f64::from(sent_at.max(1));
        let count = (count as f64 * ratio).ceil() as usize;
        (0..count).map(|_| self.random.byte()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_turns_one_bit_of_some_bytes() {
        let noise = Wire::Noisy { rate: 0.01, seed: 7 };
        let noisy = Harm::new(noise).pass(&[0; 10_000]);
        let hit: Vec<u8> = noisy.iter().copied().filter(|byte| *byte != 0).collect();
        assert!((60..140).contains(&hit.len()) && hit.iter().all(|byte| byte.count_ones() == 1), "{hit:?}");
        assert_eq!(Harm::new(noise).pass(&[0; 10_000]), noisy, "the same for the same seed");
        assert_eq!(Harm::new(Wire::Broken).pass(b"x"), b"");
    }

    #[test]
    fn a_slower_reader_reads_fewer_bytes_and_none_of_them_is_right() {
        let mut harm = Harm::default();
        assert_eq!(harm.misread(16, 115_200, 9_600).len(), 2);
        assert_eq!(harm.misread(16, 9_600, 115_200).len(), 192);
    }
}
