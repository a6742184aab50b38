//! What was found doubtful in the three files, and where.

use super::excerpt::{Echo, Excerpt};
use super::phrase::Phrase;
use core::fmt::{self, Display, Formatter};
use heapless::Vec;

/// Diagnostics kept at most; those beyond are counted.
pub const DIAGNOSTICS_MAX: usize = 64;

/// Whether a diagnostic keeps lubdub from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// lubdub does not start.
    Error,
    /// lubdub starts, and this may not be what was meant.
    Warning,
}

/// One finding at one place of one file. Displays as the lines that a person reads at the console.
#[derive(Clone, Copy, Debug)]
pub struct Diagnostic<'a> {
    /// Error or warning.
    pub severity: Severity,
    /// The file's name as [`super::Source`] has it.
    pub file: &'a str,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1; a tab is one.
    pub column: u32,
    /// What was read and what was expected.
    pub message: Phrase<'a>,
    /// What to do about it.
    pub remedy: Phrase<'a>,
    /// The line with the mark under the place. Secrets are masked when it is displayed.
    pub excerpt: Excerpt<'a>,
}

/// A place in a file: part of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The line, from 1.
    pub line: u32,
    /// The whole line.
    pub text: &'a str,
    /// Byte of the line where the place begins; at most the line's length.
    pub start: usize,
    /// Bytes of the place; zero for a place between characters.
    pub len: usize,
}

impl<'a> Place<'a> {
    /// The end of the last line of a file, where what is missing could be written.
    pub fn end_of(file: &'a str) -> Self {
        let last = file.lines().enumerate().last();
        let (index, text) = last.unwrap_or((0, ""));
        // The last line may have a CR and no LF, which `lines` leaves.
        let text = text.strip_suffix('\r').unwrap_or(text);
        Self { line: line_number(index), text, start: text.len(), len: 0 }
    }

    /// The beginning of a file.
    pub fn start_of(file: &'a str) -> Self {
        Self { line: 1, text: file.lines().next().unwrap_or(""), start: 0, len: 0 }
    }

    /// The place of `part`, which is a piece of the text of `file`; none when it is not.
    pub fn of(file: &'a str, part: &str) -> Option<Self> {
        let at = (part.as_ptr() as usize).checked_sub(file.as_ptr() as usize)?;
        let before = file.get(..at)?;
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let text = file.get(line_start..)?.split('\n').next()?;
        let text = text.strip_suffix('\r').unwrap_or(text);
        let line = line_number(before.bytes().filter(|&b| b == b'\n').count());
        (at - line_start + part.len() <= text.len()).then_some(Self {
            line,
            text,
            start: at - line_start,
            len: part.len(),
        })
    }

    /// The part of this place that is `len` bytes long and begins `start` bytes into it.
    pub fn part(self, start: usize, len: usize) -> Self {
        Self { start: self.start + start, len, ..self }
    }

    fn column(&self) -> u32 {
        let before = self.text.get(..self.start).unwrap_or(self.text).chars().count();
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// The number of the line at `index` from 0.
pub(super) fn line_number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

/// The diagnostics of one reading, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics<'a> {
    kept: Vec<Diagnostic<'a>, DIAGNOSTICS_MAX>,
    errors: usize,
    dropped: usize,
}

impl<'a> Diagnostics<'a> {
    /// None yet.
    pub const fn new() -> Self {
        Self { kept: Vec::new(), errors: 0, dropped: 0 }
    }

    /// Those kept, oldest first.
    pub fn iter(&self) -> core::slice::Iter<'_, Diagnostic<'a>> {
        self.kept.iter()
    }

    /// How many errors were reported, dropped ones included.
    pub const fn errors(&self) -> usize {
        self.errors
    }

    /// How many diagnostics were dropped because [`DIAGNOSTICS_MAX`] were there.
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    fn push(&mut self, diagnostic: Diagnostic<'a>) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.dropped += usize::from(self.kept.push(diagnostic).is_err());
    }
}

/// Reports on one file.
pub(super) struct Reporter<'a, 'd> {
    file: &'a str,
    echo: Echo,
    diagnostics: &'d mut Diagnostics<'a>,
}

impl<'a, 'd> Reporter<'a, 'd> {
    pub fn new(file: &'a str, echo: Echo, diagnostics: &'d mut Diagnostics<'a>) -> Self {
        Self { file, echo, diagnostics }
    }

    pub fn error(&mut self, place: Place<'a>, message: Phrase<'a>, remedy: Phrase<'a>) {
        self.report(Severity::Error, place, message, remedy);
    }

    pub fn warning(&mut self, place: Place<'a>, message: Phrase<'a>, remedy: Phrase<'a>) {
        self.report(Severity::Warning, place, message, remedy);
    }

    fn report(&mut self, severity: Severity, place: Place<'a>, message: Phrase<'a>, remedy: Phrase<'a>) {
        let excerpt = Excerpt { text: place.text, start: place.start, len: place.len, echo: self.echo };
        self.diagnostics.push(Diagnostic {
            severity,
            file: self.file,
            line: place.line,
            column: place.column(),
            message,
            remedy,
            excerpt,
        });
    }
}

impl Display for Severity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl Display for Diagnostic<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}: {}", self.file, self.line, self.column, self.severity, self.message)?;
        let digits = 1 + self.line.checked_ilog10().unwrap_or(0) as usize;
        write!(f, "  {} | ", self.line)?;
        self.excerpt.show_line(f)?;
        write!(f, "\n  {:digits$} | ", "")?;
        self.excerpt.show_mark(f)?;
        write!(f, "\n  remedy: {}", self.remedy)
    }
}
