//! The lexer of haresources, which is the one of Heartbeat's ResourceManager: a comment goes first, then a line that ends
//! in `\` is joined with the next, then blanks separate.

use super::diagnostic::{Place, Reporter, line_number};
use super::lexer::{Word, is_blank};
use super::phrase::say;

/// What the lexer finds.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    Word(Word<'a>),
    /// The end of a logical line, at a byte of the text.
    End(usize),
    /// Something that Heartbeat's two readers of this file, a daemon in C and a script in sed, do not read alike.
    Odd(Oddity, Place<'a>),
}

#[derive(Clone, Copy)]
pub(super) enum Oddity {
    /// A comment on a line that continues another: sed has looked for comments before it joins.
    CommentOnContinuation,
    /// `\` at the end of a comment.
    BackslashInComment,
    /// `\` against a word, and a next line that does not begin with a blank: joined to one word.
    GluedContinuation,
    /// `\` at the end of the file.
    NothingToContinue,
}

impl Oddity {
    pub fn report<'a>(self, place: Place<'a>, report: &mut Reporter<'a, '_>) {
        match self {
            Self::CommentOnContinuation => {
                let message = say("a comment on a continuation line: Heartbeat reads its words as resources");
                report.warning(place, message, say("move the comment above the group"));
            }
            Self::BackslashInComment => {
                let message = say("`\\` at the end of a comment does not continue the line");
                report.warning(place, message, say("remove it, or move the comment above the group"));
            }
            Self::GluedContinuation => {
                let message = say("`\\` inside a word: the next line is joined without a blank");
                report.error(place, message, say("put a blank before the `\\` and begin the next line with one"));
            }
            Self::NothingToContinue => {
                let message = say("the file ends where a line is to be continued");
                report.error(place, message, say("remove the `\\`, or write the rest of the line"));
            }
        }
    }
}

/// The tokens of a text, which is the whole file or the part of it that is one group.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    /// Byte of the text to be read next.
    pub at: usize,
    /// The present physical line: its index, the byte where it begins, and its text without its end.
    line: usize,
    line_start: usize,
    line_text: &'a str,
    continues: bool,
    ended: bool,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 0, line_start: 0, line_text: line_at(text, 0), continues: false, ended: false }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// The place of `len` bytes from byte `start` of the text.
    fn place(&self, start: usize, len: usize) -> Place<'a> {
        Place { line: line_number(self.line), text: self.line_text, start: start - self.line_start, len }
    }

    /// Goes on behind the line end that is `len` bytes away.
    fn next_line(&mut self, len: usize, continues: bool) {
        self.at += len;
        self.line += 1;
        self.line_start = self.at;
        self.line_text = line_at(self.text, self.at);
        self.continues = continues;
    }

    fn skip_comment(&mut self) -> Option<Token<'a>> {
        let start = self.at;
        let rest = self.rest();
        let comment = rest.split('\n').next().unwrap_or(rest);
        self.at += comment.len();
        let comment = comment.trim_end_matches('\r');
        if comment.ends_with('\\') {
            return Some(Token::Odd(Oddity::BackslashInComment, self.place(start + comment.len() - 1, 1)));
        }
        self.continues.then(|| Token::Odd(Oddity::CommentOnContinuation, self.place(start, comment.len())))
    }

    /// Steps over `\` and the line end after it, `len` bytes together.
    fn continue_line(&mut self, len: usize) -> Option<Token<'a>> {
        let glued = self.text[..self.at].ends_with(|c| !is_blank(c) && c != '\n');
        let place = self.place(self.at, 1);
        if self.rest().len() <= len {
            self.at += len;
            return Some(Token::Odd(Oddity::NothingToContinue, place));
        }
        self.next_line(len, true);
        let joined = glued && !self.rest().starts_with(|c| is_blank(c) || c == '\n');
        joined.then_some(Token::Odd(Oddity::GluedContinuation, place))
    }

    fn take_word(&mut self) -> Token<'a> {
        let rest = self.rest();
        let ends = |(at, c): (usize, char)| is_blank(c) || c == '\n' || c == '#' || continuation(&rest[at..]).is_some();
        let len = rest.char_indices().find(|&next| ends(next)).map_or(rest.len(), |(at, _)| at);
        let word = Word { text: &rest[..len], place: self.place(self.at, len) };
        self.at += len;
        Token::Word(word)
    }
}

/// The line that begins at byte `start`, without its end.
fn line_at(text: &str, start: usize) -> &str {
    let rest = text.get(start..).unwrap_or("");
    let line = rest.split('\n').next().unwrap_or(rest);
    line.strip_suffix('\r').unwrap_or(line)
}

/// The bytes of a `\` and the line end after it, if `rest` begins with them; the end of the text is a line end.
fn continuation(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('\\')?;
    let line_end = ["\n", "\r\n"].into_iter().find(|end| after.starts_with(end));
    match line_end {
        Some(end) => Some(1 + end.len()),
        None => (after.is_empty() || after == "\r").then_some(rest.len()),
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else {
                let first = !core::mem::replace(&mut self.ended, true);
                return first.then_some(Token::End(self.at));
            };
            if c == '\n' {
                let end = self.at;
                self.next_line(1, false);
                return Some(Token::End(end));
            }
            if is_blank(c) {
                self.at += 1;
            } else if c == '#' {
                if let Some(odd) = self.skip_comment() {
                    return Some(odd);
                }
            } else if let Some(len) = continuation(rest) {
                if let Some(odd) = self.continue_line(len) {
                    return Some(odd);
                }
            } else {
                return Some(self.take_word());
            }
        }
    }
}
