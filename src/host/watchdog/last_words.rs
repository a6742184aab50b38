//! What a node writes before it resets itself, for its next life: one line in the run directory.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use super::epitaph::Epitaph;
use crate::host::stamp::Stamp;

/// The file's name in the run directory.
const FILE: &str = "last-words";
/// Bytes of a reason at most: it must fit a line of the kernel's log (`PRINTK_MESSAGE_MAX`, 1024 before Linux 6.4).
const REASON_MAX: usize = 800;
/// Bytes that are read of a file that anybody may have put there.
const READ_MAX: u64 = 2_048;
/// The kernel's number of this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The number of this boot; a blank one where the kernel has none, which equals no other.
pub fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Why a node is about to reset itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords {
    /// In a word.
    pub epitaph: Epitaph,
    /// When, by the wall clock.
    pub at: String,
    /// The boot that they end.
    pub boot: String,
    /// In words: what happened to what.
    pub why: String,
}

impl LastWords {
    /// Now, in this boot. Long reasons are cut; control characters become question marks.
    pub fn now(epitaph: Epitaph, why: impl fmt::Display) -> Self {
        Self { epitaph, at: Stamp::now().to_string(), boot: boot_id(), why: one_line(&why.to_string()) }
    }

    /// The words in the file of `run_dir`; none when there are none, or something else.
    pub fn read(run_dir: &Path) -> Option<Self> {
        Self::parse(&read_bounded(&run_dir.join(FILE))?)
    }

    /// Writes them to `run_dir` and returns once they are on its disk.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn write(&self, run_dir: &Path) -> io::Result<()> {
        replace(run_dir, FILE, &self.to_string())
    }

    /// Removes them: they have been read.
    pub fn forget(run_dir: &Path) {
        // A directory that cannot be written any more has them said again, which is better than never.
        let _ = fs::remove_file(run_dir.join(FILE));
    }

    /// The line that [`fmt::Display`] makes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.lines().next()?.splitn(4, ' ');
        let epitaph = Epitaph::of_word(words.next()?)?;
        let [at, boot, why] = [words.next()?, words.next()?, words.next()?].map(one_line);
        Some(Self { epitaph, at, boot, why })
    }
}

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epitaph, at, boot, why } = self;
        write!(f, "{} {at} {boot} {why}", epitaph.word())
    }
}

fn one_line(text: &str) -> String {
    let most = REASON_MAX.min(text.len());
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The beginning of a text file; none when it is not there or not text.
pub(super) fn read_bounded(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(READ_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Writes a file whole or not at all, and returns once it is on the disk.
pub(super) fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.new"));
    let mut file = File::create(&unfinished)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::watchdog::testing::Folder;

    #[test]
    fn they_come_back_as_they_were_written() {
        let folder = Folder::new("last-words");
        assert_eq!(LastWords::read(folder.path()), None);
        let said = LastWords::now(Epitaph::StopFailed, "group a: the stop of apache\nfailed");
        said.write(folder.path()).unwrap();
        let read = LastWords::read(folder.path()).unwrap();
        assert_eq!(read, said);
        assert_eq!(read.why, "group a: the stop of apache?failed");
        assert!(!read.boot.is_empty() && read.boot == boot_id() && read.at.ends_with('Z'));
        LastWords::forget(folder.path());
        assert_eq!(LastWords::read(folder.path()), None);
        assert!(said.write(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let said = LastWords::now(Epitaph::StopFailed, "a".to_owned() + &"\u{e9}".repeat(1_000));
        assert_eq!(said.why.len(), REASON_MAX - 1);
        assert_eq!(LastWords::parse(&said.to_string()), Some(said));
    }

    #[test]
    fn what_is_not_ours_is_not_believed() {
        for text in ["", "stop-failed", "stop-failed 1 2", "hello 1 2 3", "\n"] {
            assert_eq!(LastWords::parse(text), None, "{text:?}");
        }
        let folder = Folder::new("not-ours");
        fs::write(folder.path().join(FILE), [0xff; 4_096]).unwrap();
        assert_eq!(LastWords::read(folder.path()), None);
    }
}
