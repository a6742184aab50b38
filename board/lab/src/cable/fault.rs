//! What happens to bytes on their way, as data and as a small machine. No clock and no descriptor in here.

use crate::cable::Count;
use crate::random::Random;

/// What happens to the bytes of one direction. Equal seeds harm equal bytes equally.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// They arrive.
    #[default]
    None,
    /// They are lost.
    Cut,
    /// Each has this probability that one of its bits is turned over.
    Noise {
        /// 0 to 1, for each byte.
        rate: f64,
        /// Of the random numbers.
        seed: u64,
    },
    /// A burst of noise, which leaves nothing of the bytes in it, begins with this probability at each byte.
    Burst {
        /// 0 to 1, for each byte.
        rate: f64,
        /// Bytes that one burst makes random.
        length: u32,
        /// Of the random numbers.
        seed: u64,
    },
    /// Each has this probability to vanish, as in an overrun receiver.
    Drop {
        /// 0 to 1, for each byte.
        rate: f64,
        /// Of the random numbers.
        seed: u64,
    },
    /// Each has this probability to arrive twice.
    Double {
        /// 0 to 1, for each byte.
        rate: f64,
        /// Of the random numbers.
        seed: u64,
    },
    /// They come back to their sender and to nobody else, as from a loopback plug.
    Loop,
    /// They arrive, and come back to their sender too, as from a terminal that echoes.
    Echo,
    /// The receiver's side takes nothing, as with flow control: the writer's buffer fills up. What waited so goes on,
    /// at the line's speed, when the fault ends.
    Stall,
}

impl Fault {
    fn seed(self) -> u64 {
        match self {
            Self::Noise { seed, .. }
            | Self::Burst { seed, .. }
            | Self::Drop { seed, .. }
            | Self::Double { seed, .. } => seed,
            _ => 0,
        }
    }
}

/// A fault at work on the bytes of a direction.
#[derive(Debug, Default)]
pub struct Harm {
    fault: Fault,
    random: Random,
    burst_left: u32,
}

impl Harm {
    /// From the first number of the fault's seed on.
    pub fn new(fault: Fault) -> Self {
        Self { fault, random: Random::new(fault.seed()), burst_left: 0 }
    }

    /// Which fault it is.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// What becomes of a byte: none, itself or another, or two.
    pub fn pass(&mut self, byte: u8, count: &mut Count) -> impl Iterator<Item = u8> + use<> {
        let (copies, byte) = match self.fault {
            Fault::Cut => (0, byte),
            Fault::Drop { rate, .. } => (usize::from(!self.random.chance(rate)), byte),
            Fault::Double { rate, .. } => (1 + usize::from(self.random.chance(rate)), byte),
            Fault::Noise { rate, .. } if self.random.chance(rate) => (1, byte ^ (1 << self.random.below(8))),
            Fault::Burst { rate, length, .. } => (1, self.burst(byte, rate, length)),
            _ => (1, byte),
        };
        count.lost += u64::from(copies == 0);
        count.doubled += u64::from(copies == 2);
        std::iter::repeat_n(byte, copies)
    }

    fn burst(&mut self, byte: u8, rate: f64, length: u32) -> u8 {
        if self.burst_left == 0 && self.random.chance(rate) {
            self.burst_left = length;
        }
        match self.burst_left.checked_sub(1) {
            Some(left) => {
                self.burst_left = left;
                self.random.byte()
            }
            None => byte,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(fault: Fault, bytes: &[u8]) -> (Vec<u8>, Count) {
        let (mut harm, mut count) = (Harm::new(fault), Count::default());
        let passed = bytes.iter().flat_map(|byte| harm.pass(*byte, &mut count)).collect();
        (passed, count)
    }

    #[test]
    fn noise_turns_one_bit_of_some_bytes_and_the_same_for_the_same_seed() {
        let zeroes = [0; 10_000];
        let noise = Fault::Noise { rate: 0.01, seed: 7 };
        let (noisy, _) = passed(noise, &zeroes);
        assert_eq!(noisy.len(), zeroes.len());
        let hit: Vec<u8> = noisy.iter().copied().filter(|byte| *byte != 0).collect();
        assert!((60..140).contains(&hit.len()) && hit.iter().all(|byte| byte.count_ones() == 1), "{hit:?}");
        assert_eq!(passed(noise, &zeroes).0, noisy);
        assert_ne!(passed(Fault::Noise { rate: 0.01, seed: 8 }, &zeroes).0, noisy);
    }

    #[test]
    fn a_burst_is_as_long_as_it_says() {
        let (noisy, _) = passed(Fault::Burst { rate: 0.001, length: 20, seed: 3 }, &[0; 10_000]);
        let first = noisy.iter().position(|byte| *byte != 0).unwrap();
        let hit = noisy[first..first + 20].iter().filter(|byte| **byte != 0).count();
        assert!(hit > 15, "{hit} of 20");
        assert!(noisy.iter().filter(|byte| **byte != 0).count() < 500);
    }

    #[test]
    fn drop_and_double_are_counted() {
        let (left, count) = passed(Fault::Drop { rate: 0.1, seed: 1 }, &[1; 1000]);
        assert_eq!((left.len() as u64 + count.lost, count.doubled), (1000, 0));
        assert!((50..200).contains(&count.lost), "{count:?}");
        let (more, count) = passed(Fault::Double { rate: 0.1, seed: 1 }, &[1; 1000]);
        assert_eq!(more.len() as u64, 1000 + count.doubled);
        assert!((50..200).contains(&count.doubled), "{count:?}");
        assert_eq!(passed(Fault::Cut, &[1; 1000]).1.lost, 1000);
    }
}
