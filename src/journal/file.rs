//! The bytes of a journal file: a header, a summary, two segments. See the [room's](super) description.

use super::story::Summary;
use super::{CORE, CRC_32, FORMAT};
use core::fmt;

/// Bytes of the header.
pub const HEADER: usize = 32;

const MAGIC: &[u8; 7] = b"lubdubJ";
const SUM_AT: usize = HEADER - 4;

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not begin as a journal does.
    NotAJournal,
    /// It has this format.
    OtherFormat(u8),
    /// It has so many bytes and should have so many.
    Cut {
        /// Bytes there are.
        has: u64,
        /// Bytes there should be.
        wants: u64,
    },
    /// Its bytes are not those that were written.
    Damaged,
    /// The core with this hash wrote it.
    OtherCore(u64),
    /// Its bytes are as written, but mean nothing to this release.
    Unreadable,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAJournal => write!(f, "not a journal of lubdub: it does not begin with \"lubdubJ\""),
            Self::OtherFormat(format) => write!(
                f,
                "a journal of format {format}, and this release reads format {FORMAT}; use the release that wrote it"
            ),
            Self::Cut { has, wants } => {
                write!(f, "cut off or grown: {has} bytes where its header says {wants}; copy it once more")
            }
            Self::Damaged => {
                write!(f, "damaged: its checksum is wrong; copy it once more, it cannot be trusted as it is")
            }
            Self::OtherCore(core) => write!(
                f,
                "written by another core ({core:016x}, this one is {CORE:016x}), which may decide otherwise; \
                 replay it with the sources that the daemon was built from"
            ),
            Self::Unreadable => {
                write!(f, "its checksum is right but its content is not a journal's; a daemon wrote it not so")
            }
        }
    }
}

/// The header of a file of this summary and these segments.
pub fn header(summary: &[u8], [older, newer]: [&[u8]; 2]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..7].copy_from_slice(MAGIC);
    header[7] = FORMAT;
    header[8..16].copy_from_slice(&CORE.to_le_bytes());
    for (at, part) in [(16, summary), (20, older), (24, newer)] {
        header[at..at + 4].copy_from_slice(&(part.len() as u32).to_le_bytes());
    }
    let sum = sum(&header, &[summary, older, newer]);
    header[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
    header
}

fn sum(header: &[u8; HEADER], parts: &[&[u8]]) -> u32 {
    let mut digest = CRC_32.digest();
    digest.update(&header[..SUM_AT]);
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize()
}

/// A file whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    core: u64,
    summary: &'a [u8],
    segments: [&'a [u8]; 2],
}

impl<'a> File<'a> {
    /// Takes the bytes of a file apart.
    ///
    /// # Errors
    /// They are not those of a journal that this release can read.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if !bytes.starts_with(MAGIC) {
            return Err(Refusal::NotAJournal);
        }
        let cut = |wants: u64| Refusal::Cut { has: bytes.len() as u64, wants };
        let (header, body) = bytes.split_first_chunk::<HEADER>().ok_or_else(|| cut(HEADER as u64))?;
        if header[7] != FORMAT {
            return Err(Refusal::OtherFormat(header[7]));
        }
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let [summary, older, newer] = [16, 20, 24].map(|at| word(at) as usize);
        let wants = [summary, older, newer].into_iter().fold(HEADER as u64, |sum, len| sum + len as u64);
        if wants != bytes.len() as u64 {
            return Err(cut(wants));
        }
        let (summary, rest) = body.split_at(summary);
        let (older, newer) = rest.split_at(older);
        if sum(header, &[summary, older, newer]) != word(SUM_AT) {
            return Err(Refusal::Damaged);
        }
        let core = u64::from_le_bytes(*header[8..].first_chunk().unwrap_or(&[0; 8]));
        Ok(Self { core, summary, segments: [older, newer] })
    }

    /// The last transitions.
    ///
    /// # Errors
    /// They do not read as such.
    pub fn summary(&self) -> Result<Summary<'a>, Refusal> {
        match postcard::take_from_bytes(self.summary) {
            Ok((summary, [])) => Ok(summary),
            _ => Err(Refusal::Unreadable),
        }
    }

    /// The older segment, empty where there is none, and the newer one: to be replayed by this core.
    ///
    /// # Errors
    /// Another core wrote it.
    pub fn segments(&self) -> Result<[&'a [u8]; 2], Refusal> {
        if self.core == CORE { Ok(self.segments) } else { Err(Refusal::OtherCore(self.core)) }
    }
}
