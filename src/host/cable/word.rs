//! What the two ends of a cable under test send each other: one kind of frame, which carries everything.

use lubdub::wire::frame;

use crate::host::lines::Lines;

/// In front of every word: no beat begins so.
const MARK: [u8; 4] = *b"lbc1";
/// Bytes of a word before it is framed.
const LENGTH: usize = 43;
/// Bytes of a word on the line: delimiters, COBS and CRC added.
pub const ON_THE_LINE: u64 = LENGTH as u64 + 5;

/// One word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Who speaks: a random number, never 0.
    pub from: u32,
    /// Whom it hears, or 0.
    pub to: u32,
    /// The speed that the speaker is to use.
    pub baud: u32,
    /// It measures: [`Self::number`] counts.
    pub measures: bool,
    /// Which lines the speaker sees up.
    pub lines: Lines,
    /// Words that the speaker has sent before this one since it measures.
    pub number: u32,
    /// The number of the last word that it heard, and one; 0 before that.
    pub echo: u32,
    /// Microseconds from hearing that one to sending this one.
    pub held: u32,
    /// Words that it should have heard, by their numbers, and those that it heard.
    pub expected: u32,
    /// See [`Self::expected`].
    pub received: u32,
    /// The text that goes with it: the same noise for both ends, so that all bit patterns pass.
    pub filling: [u8; 5],
}

impl Word {
    /// As it goes on the line.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(LENGTH);
        body.extend(MARK);
        for number in [self.from, self.to, self.baud] {
            body.extend(number.to_le_bytes());
        }
        body.extend([u8::from(self.measures), self.lines.0]);
        for number in [self.number, self.echo, self.held, self.expected, self.received] {
            body.extend(number.to_le_bytes());
        }
        body.extend(self.filling);
        let mut out = Vec::with_capacity(ON_THE_LINE as usize + 2);
        let Ok(()) = frame::encode(&body, &mut Out(&mut out));
        out
    }

    /// From the body of a frame; none for a beat and whatever else is no word.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let rest = body.strip_prefix(&MARK).filter(|_| body.len() == LENGTH)?;
        let number = |at: usize| Some(u32::from_le_bytes(*rest.get(at..)?.first_chunk()?));
        Some(Self {
            from: number(0)?,
            to: number(4)?,
            baud: number(8)?,
            measures: *rest.get(12)? == 1,
            lines: Lines(*rest.get(13)?).and(Lines::ALL),
            number: number(14)?,
            echo: number(18)?,
            held: number(22)?,
            expected: number(26)?,
            received: number(30)?,
            filling: *rest.get(34..)?.first_chunk()?,
        })
    }
}

/// A vector as the frame's writer wants it.
pub struct Out<'a>(pub &'a mut Vec<u8>);

impl embedded_io::ErrorType for Out<'_> {
    type Error = std::convert::Infallible;
}

impl embedded_io::Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lubdub::wire::frame::Deframer;

    #[test]
    fn a_word_survives_the_line() {
        let word = Word {
            from: 0x0102_0304,
            to: 7,
            baud: 115_200,
            measures: true,
            lines: Lines::CTS,
            number: 9,
            echo: 8,
            held: 77,
            expected: 6,
            received: 5,
            filling: [0, 255, 1, 2, 3],
        };
        let sent = word.encode();
        assert!(sent.len() as u64 <= ON_THE_LINE, "{}", sent.len());
        let mut deframer = Deframer::default();
        let heard = sent.iter().find_map(|byte| deframer.push(*byte)?.ok().and_then(Word::decode));
        assert_eq!(heard, Some(word));
    }

    #[test]
    fn a_beat_is_no_word() {
        for body in [&b""[..], b"lbc1", &[0; LENGTH], &[b'l'; 60]] {
            assert_eq!(Word::decode(body), None);
        }
    }
}
