//! One sentence of a diagnostic: a fixed template and the few values that fill it, kept unformatted because there is no
//! heap to format into.

use crate::time::Duration;
use core::fmt::{self, Display, Formatter};

/// Values of one phrase at most.
const VALUES_MAX: usize = 3;
/// Characters shown of one word at most: a line of 5000 letters must not bury the sentence around it.
const WORD_SHOWN_MAX: usize = 64;

/// A sentence whose `{}` are filled when it is displayed.
#[derive(Clone, Copy, Debug)]
pub struct Phrase<'a> {
    template: &'static str,
    values: [Option<Value<'a>>; VALUES_MAX],
}

/// What fills one `{}`.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Text from a file, shown without control characters and cut when long.
    Word(&'a str),
    /// A count, a port, a line.
    Number(u64),
    /// A length of time, shown in whole seconds or else in milliseconds.
    Time(Duration),
}

/// Starts a phrase; [`Phrase::with`] fills its `{}` from left to right.
pub(super) const fn say<'a>(template: &'static str) -> Phrase<'a> {
    Phrase { template, values: [None; VALUES_MAX] }
}

impl<'a> Phrase<'a> {
    /// Fills the next `{}`.
    pub(super) fn with(mut self, value: impl Into<Value<'a>>) -> Self {
        if let Some(slot) = self.values.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(value.into());
        }
        self
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(word: &'a str) -> Self {
        Self::Word(word)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Duration> for Value<'_> {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

impl Display for Phrase<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut values = self.values.iter().flatten();
        for (i, text) in self.template.split("{}").enumerate() {
            if i > 0
                && let Some(value) = values.next()
            {
                value.fmt(f)?;
            }
            f.write_str(text)?;
        }
        Ok(())
    }
}

impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Word(word) => show_word(word, f),
            Self::Number(number) => number.fmt(f),
            Self::Time(time) => show_time(time, f),
        }
    }
}

fn show_word(word: &str, f: &mut Formatter<'_>) -> fmt::Result {
    use fmt::Write;
    for c in word.chars().take(WORD_SHOWN_MAX) {
        f.write_char(visible(c))?;
    }
    if word.chars().nth(WORD_SHOWN_MAX).is_some() { f.write_char('…') } else { Ok(()) }
}

fn show_time(time: Duration, f: &mut Formatter<'_>) -> fmt::Result {
    let micros = time.as_micros();
    if micros.is_multiple_of(1_000_000) {
        write!(f, "{} s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        write!(f, "{} ms", micros / 1_000)
    } else {
        write!(f, "{}.{:03} ms", micros / 1_000, micros % 1_000)
    }
}

/// `c` as it may reach a terminal: whatever could move the cursor, or reorder or hide text, is shown as U+FFFD.
pub(super) fn visible(c: char) -> char {
    if c == '\t' {
        ' '
    } else if is_treacherous(c) {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

/// A character that no word of the three files may hold: a control character, one that shows nothing or that reorders
/// its neighbours, or U+FFFD, which stands for bytes that were not UTF-8.
pub(super) fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | char::REPLACEMENT_CHARACTER)
        || (c.is_whitespace() && c != ' ')
}
