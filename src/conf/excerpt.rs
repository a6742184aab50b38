//! A line of a file as a diagnostic shows it: safe for a terminal, cut to a window round the place, secrets masked, and
//! a mark under the place.

use super::phrase::visible;
use core::fmt::{self, Formatter, Write};

/// Cells of a line shown at most; the rest of the terminal's line is left to the line number.
const WINDOW: usize = 100;
/// Cells kept before the mark when the line is cut there.
const LEAD: usize = 40;
/// What stands for a secret, whatever its length.
const MASK: &str = "******";

/// How the lines of a file may be shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Echo {
    /// As they are.
    Plain,
    /// As far as the function says, in bytes from the line's start; each word behind that is masked.
    UpTo(fn(&str) -> usize),
}

/// One line of a file and the place in it.
#[derive(Clone, Copy)]
pub struct Excerpt<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) echo: Echo,
}

impl fmt::Debug for Excerpt<'_> {
    /// Without the line, which may hold a secret.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Excerpt").field("start", &self.start).field("len", &self.len).finish_non_exhaustive()
    }
}

/// Where the shown part of the line begins and where the mark lies in it, in cells from the line's start.
struct Window {
    first: usize,
    mark: usize,
    cells: usize,
}

impl Excerpt<'_> {
    /// Writes the line.
    pub(super) fn show_line(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let window = self.window();
        if window.first > 0 {
            f.write_char('…')?;
        }
        self.each_cell(&mut |index, _, c| if window.shows(index) { f.write_char(c) } else { Ok(()) })?;
        if window.cells > window.first + WINDOW { f.write_char('…') } else { Ok(()) }
    }

    /// Writes the mark, to stand under what [`Self::show_line`] wrote.
    pub(super) fn show_mark(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let window = self.window();
        let mut marks = 0;
        if window.first > 0 {
            f.write_char(' ')?;
        }
        self.each_cell(&mut |index, at, c| {
            if !window.shows(index) {
                return Ok(());
            }
            let marked = index >= window.mark && at < self.start + self.len;
            marks += usize::from(marked);
            match (marked, index < window.mark) {
                (true, _) => write!(f, "{:^<1$}", "", columns(c)),
                (_, true) => write!(f, "{:1$}", "", columns(c)),
                _ => Ok(()),
            }
        })?;
        if marks == 0 { f.write_char('^') } else { Ok(()) }
    }

    fn window(&self) -> Window {
        let (mut cells, mut mark) = (0, None);
        let counted = self.each_cell(&mut |index, at, _| {
            cells = index + 1;
            if at >= self.start && mark.is_none() {
                mark = Some(index);
            }
            Ok(())
        });
        debug_assert!(counted.is_ok(), "the closure only counts");
        let mark = mark.unwrap_or(cells);
        let first = if mark + LEAD / 2 > WINDOW { mark.saturating_sub(LEAD) } else { 0 };
        Window { first, mark, cells }
    }

    /// Calls `each` with the index of a cell, the byte of the line that it stands for, and what it shows.
    fn each_cell(&self, each: &mut dyn FnMut(usize, usize, char) -> fmt::Result) -> fmt::Result {
        match self.echo {
            Echo::Plain => {
                self.text.char_indices().enumerate().try_for_each(|(index, (at, c))| each(index, at, visible(c)))
            }
            Echo::UpTo(open) => self.each_masked_cell(open(self.text), each),
        }
    }

    fn each_masked_cell(&self, open: usize, each: &mut dyn FnMut(usize, usize, char) -> fmt::Result) -> fmt::Result {
        let (mut index, mut at) = (0, 0);
        for piece in self.text.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            if word.is_empty() || at + word.len() <= open {
                for (offset, c) in word.char_indices() {
                    each(index, at + offset, visible(c))?;
                    index += 1;
                }
            } else {
                for c in MASK.chars() {
                    each(index, at, c)?;
                    index += 1;
                }
            }
            if let Some(blank) = piece[word.len()..].chars().next() {
                each(index, at + word.len(), visible(blank))?;
                index += 1;
            }
            at += piece.len();
        }
        Ok(())
    }
}

impl Window {
    fn shows(&self, index: usize) -> bool {
        (self.first..self.first + WINDOW).contains(&index)
    }
}

/// Columns that a terminal gives to `c`: two for the East Asian wide blocks and for pictographs (Unicode UAX 11).
fn columns(c: char) -> usize {
    let wide = matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}')
        || matches!(c, '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff01}'..='\u{ff60}')
        || matches!(c, '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}');
    if wide { 2 } else { 1 }
}
