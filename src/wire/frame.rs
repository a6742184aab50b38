//! Frames on a byte stream: COBS between zero delimiters, closed by a CRC-16.
//!
//! COBS (Cheshire and Baker, 1999) keeps zero out of the body, so after any noise the next zero begins a clean frame.
//! The deframer sees one byte at a time, so its result cannot depend on how reads were chunked.

use crc::{CRC_16_IBM_SDLC, Crc, Table};
use embedded_io::Write;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Bytes of a body with its CRC at most: a hello with the longest names, every key and a SHA-256 tag, rounded up.
pub const BODY_MAX: usize = 384;

/// Bytes of a frame at most: COBS adds one byte for each 254 and one more, and a delimiter stands at each end.
pub const FRAME_MAX: usize = ENCODED_MAX + 2;

const ENCODED_MAX: usize = BODY_MAX + BODY_MAX / 254 + 1;
const CRC_LEN: usize = 2;

/// The frame check sequence of HDLC and PPP (RFC 1662 appendix C), a byte a step: the table of half a kilobyte makes
/// what reads and writes frames all day, the simulator above all, a quarter faster.
static FCS: Crc<u16, Table<1>> = Crc::<u16, Table<1>>::new(&CRC_16_IBM_SDLC);

/// Why bytes between two delimiters were no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// More bytes than any frame has; everything up to the next delimiter is skipped.
    Overlong,
    /// COBS codes that do not add up.
    Broken,
    /// A whole frame with a wrong CRC.
    Checksum,
}

/// Writes `body` as one frame.
///
/// # Errors
/// Those of `out`; a body longer than `BODY_MAX - 2` is a programmer's error and panics.
pub fn encode<W: Write>(body: &[u8], out: &mut W) -> Result<(), W::Error> {
    assert!(body.len() + CRC_LEN <= BODY_MAX, "body of {} bytes", body.len());
    let mut checked = [0; BODY_MAX];
    let (head, tail) = checked.split_at_mut(body.len());
    head.copy_from_slice(body);
    tail[..CRC_LEN].copy_from_slice(&FCS.checksum(body).to_le_bytes());
    out.write_all(&[0])?;
    stuff(&checked[..body.len() + CRC_LEN], out)?;
    out.write_all(&[0])
}

/// COBS: each run of non-zero bytes is preceded by its length plus one; 255 means a full run with no zero after it.
fn stuff<W: Write>(mut bytes: &[u8], out: &mut W) -> Result<(), W::Error> {
    const RUN_MAX: usize = 254;
    loop {
        let reach = bytes.len().min(RUN_MAX);
        let run = bytes[..reach].iter().position(|&b| b == 0).unwrap_or(reach);
        out.write_all(&[run as u8 + 1])?;
        out.write_all(&bytes[..run])?;
        let full = run == RUN_MAX;
        if run == bytes.len() {
            return Ok(());
        }
        bytes = &bytes[run + usize::from(!full)..];
        if full && bytes.is_empty() {
            return Ok(());
        }
    }
}

/// Cuts a stream of bytes into bodies. Holds at most one frame.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Begun", into = "Begun")]
pub struct Deframer {
    buf: [u8; ENCODED_MAX],
    len: usize,
    /// Set after an overlong run: nothing is kept before the next delimiter.
    hunting: bool,
}

/// A [`Deframer`] as it is written down: the bytes so far instead of the room for them.
#[derive(Serialize, Deserialize)]
struct Begun {
    bytes: Vec<u8, ENCODED_MAX>,
    hunting: bool,
}

impl From<Begun> for Deframer {
    fn from(begun: Begun) -> Self {
        let mut buf = [0; ENCODED_MAX];
        buf[..begun.bytes.len()].copy_from_slice(&begun.bytes);
        Self { buf, len: begun.bytes.len(), hunting: begun.hunting }
    }
}

impl From<Deframer> for Begun {
    fn from(deframer: Deframer) -> Self {
        let mut bytes = Vec::new();
        bytes.extend(deframer.buf.into_iter().take(deframer.len));
        Self { bytes, hunting: deframer.hunting }
    }
}

impl Default for Deframer {
    fn default() -> Self {
        Self { buf: [0; ENCODED_MAX], len: 0, hunting: false }
    }
}

impl Deframer {
    /// Takes the next byte. A body, without its CRC, or a reason why there is none comes out at most at each delimiter.
    pub fn push(&mut self, byte: u8) -> Option<Result<&[u8], Noise>> {
        if byte != 0 {
            return self.collect(byte).map(Err);
        }
        let (len, hunting) = (self.len, self.hunting);
        self.len = 0;
        self.hunting = false;
        if hunting || len == 0 {
            return None;
        }
        Some(self.finish(len))
    }

    fn collect(&mut self, byte: u8) -> Option<Noise> {
        if self.hunting {
            return None;
        }
        if self.len == self.buf.len() {
            self.hunting = true;
            return Some(Noise::Overlong);
        }
        self.buf[self.len] = byte;
        self.len += 1;
        None
    }

    fn finish(&mut self, len: usize) -> Result<&[u8], Noise> {
        let len = unstuff(&mut self.buf[..len]).ok_or(Noise::Broken)?;
        let body = len.checked_sub(CRC_LEN).ok_or(Noise::Broken)?;
        let (body, crc) = self.buf[..len].split_at(body);
        if FCS.checksum(body).to_le_bytes() == crc { Ok(body) } else { Err(Noise::Checksum) }
    }
}

/// Undoes [`stuff`] in place; the length of the result, or none where the codes do not add up.
fn unstuff(buf: &mut [u8]) -> Option<usize> {
    let (mut read, mut write) = (0, 0);
    while read < buf.len() {
        let code = buf[read] as usize;
        let end = read + code;
        if end > buf.len() {
            return None;
        }
        buf.copy_within(read + 1..end, write);
        write += code - 1;
        read = end;
        if code != 255 && read < buf.len() {
            buf[write] = 0;
            write += 1;
        }
    }
    Some(write)
}
