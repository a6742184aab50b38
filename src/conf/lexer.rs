//! What the three files have in common: lines, words, and what no word may hold.

use super::diagnostic::{Place, Reporter, line_number};
use super::phrase::{is_treacherous, say};
use super::{FILE_MAX, Source};

/// Bytes of a line at most: Heartbeat reads 5120 with the line's end and a NUL, and silently cuts a longer line in two.
pub(super) const LINE_MAX: usize = 5120 - 2;

/// One word and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub text: &'a str,
    pub place: Place<'a>,
}

/// The words of one line, as `separates` cuts them and up to a comment where `#` starts one anywhere.
#[derive(Clone)]
pub(super) struct Words<'a> {
    line: u32,
    text: &'a str,
    at: usize,
    separates: fn(char) -> bool,
    comments: bool,
}

/// The blanks of Heartbeat's lexer.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\x0c')
}

/// What separates the options of a directive in ha.cf; the directive itself ends at a blank.
fn is_blank_or_comma(c: char) -> bool {
    c == ',' || is_blank(c)
}

/// The lines of a file with their numbers, without their ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    text.split('\n').enumerate().map(|(index, line)| (line_number(index), line.strip_suffix('\r').unwrap_or(line)))
}

impl<'a> Words<'a> {
    pub fn new(line: u32, text: &'a str, separates: fn(char) -> bool, comments: bool) -> Self {
        Self { line, text, at: 0, separates, comments }
    }

    /// What is left of the line before a comment, without the blanks around it.
    pub fn rest(&self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or("");
        let end = rest.find('#').filter(|_| self.comments).unwrap_or(rest.len());
        rest[..end].trim_matches(is_blank)
    }

    /// The same words from here on, cut at commas too.
    pub fn apart_at_commas(self) -> Self {
        Self { separates: is_blank_or_comma, ..self }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let rest = self.text.get(self.at..)?;
        let start = self.at + rest.find(|c| !(self.separates)(c))?;
        let rest = &self.text[start..];
        let ends = |c| (self.separates)(c) || (self.comments && c == '#');
        let len = rest.find(ends).unwrap_or(rest.len());
        self.at = start + len;
        let place = Place { line: self.line, text: self.text, start, len };
        (len > 0).then_some(Word { text: &rest[..len], place })
    }
}

impl<'a> Reporter<'a, '_> {
    /// Whether the file can be read at all; says why not.
    pub fn admits(&mut self, source: &Source<'a>) -> bool {
        let start = Place::start_of(source.text);
        if source.text.len() > FILE_MAX {
            let message = say("the file has {} bytes, more than the {} that lubdub reads");
            let message = message.with(source.text.len() as u64).with(FILE_MAX as u64);
            self.error(start, message, say("remove what does not belong here"));
            return false;
        }
        if source.text.starts_with('\u{feff}') {
            let remedy = say("save it as plain UTF-8 without that mark");
            self.error(start, say("the file begins with a byte order mark"), remedy);
            return false;
        }
        for (line, text) in lines(source.text).filter(|(_, text)| text.len() > LINE_MAX) {
            let start = (0..=LINE_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            let place = Place { line, text, start, len: 0 };
            let message = say("the line has {} bytes; Heartbeat cuts it after {}");
            let message = message.with(text.len() as u64).with(LINE_MAX as u64);
            self.error(place, message, say("write it as several lines"));
        }
        true
    }

    /// Whether a word holds only characters that can be seen and told apart; says where not.
    pub fn is_sound(&mut self, word: &Word<'a>) -> bool {
        let Some((at, c)) = word.text.char_indices().find(|&(_, c)| is_treacherous(c)) else {
            return true;
        };
        let message = match c {
            '\0' => say("a NUL byte inside a word"),
            char::REPLACEMENT_CHARACTER => say("bytes inside a word that are not UTF-8"),
            c if c.is_control() => say("a control character inside a word"),
            _ => say("an invisible character inside a word"),
        };
        self.error(word.place.part(at, c.len_utf8()), message, say("delete it and type the word again"));
        false
    }
}
