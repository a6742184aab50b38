//! Bytes on the line that no node has sent: a console's text, a getty's prompt, a flood.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::random::Random;

/// At most so many bytes wait to be put on the line.
pub const INJECTED: usize = 64 * 1024;

/// What waits to be put on a line whenever its sender leaves room.
#[derive(Debug, Default)]
pub struct Stray {
    queue: VecDeque<u8>,
    random: Random,
    fill: u64,
}

impl Stray {
    /// These bytes, after those that wait already; all or none.
    pub fn inject(&mut self, bytes: &[u8]) -> Result<()> {
        let room = INJECTED - self.queue.len().min(INJECTED);
        if bytes.len() > room {
            return Err(Error::new(format!("cannot inject {} bytes: there is room for {room}", bytes.len())));
        }
        self.queue.extend(bytes);
        Ok(())
    }

    /// So many random bytes, in the place of an older filling.
    pub fn fill(&mut self, bytes: u64, seed: u64) {
        (self.fill, self.random) = (bytes, Random::new(seed));
    }

    /// The next bytes for the line, at most so many.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.queue.drain(..most.min(self.queue.len())).collect();
        while bytes.len() < most && self.fill > 0 {
            self.fill -= 1;
            bytes.push(self.random.byte());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injected_bytes_come_before_the_filling_and_both_end() {
        let mut stray = Stray::default();
        stray.fill(6, 1);
        stray.inject(b"login: ").unwrap();
        assert_eq!(stray.take(4), b"logi");
        assert_eq!([&stray.take(4)[..3], b""].concat(), b"n: ");
        assert_eq!([stray.take(99).len(), stray.take(99).len()], [5, 0]);
    }

    #[test]
    fn there_is_a_limit() {
        let mut stray = Stray::default();
        stray.inject(&[0; INJECTED]).unwrap();
        assert_eq!(stray.inject(b"x").unwrap_err().to_string(), "cannot inject 1 bytes: there is room for 0");
    }
}
