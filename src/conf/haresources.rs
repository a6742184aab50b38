//! haresources: the groups, each with its preferred node.
//!
//! The lexer is the one of Heartbeat's ResourceManager: a comment goes first, then a line that ends in `\` is joined with
//! the next, then blanks separate.

use super::diagnostic::{Place, Reporter, line_number};
use super::lexer::{Word, is_blank};
use super::nearest::nearest;
use super::phrase::say;
use super::resource::{Remark, Resource, Vip};
use super::{GROUPS_MAX, RESOURCES_MAX, Source};
use heapless::Vec;

/// One line of haresources: resources that move together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// The first resource as written; it names the group.
    pub key: &'a str,
    /// The preferred node as haresources writes it (compare without case).
    pub preferred: &'a str,
    /// Whether this node is the preferred one.
    pub preferred_me: bool,
    /// The resources as written, continuation lines included.
    text: &'a str,
}

impl<'a> Group<'a> {
    /// The resources in the order in which they start. They are read from the line anew each time.
    pub fn resources(&self) -> impl Iterator<Item = Resource<'a>> + Clone + use<'a> {
        self.words().filter_map(|word| Resource::parse(word).ok())
    }

    /// The resources' words as written, in the same order.
    pub fn words(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        Tokens::new(self.text).filter_map(|token| match token {
            Token::Word(word) => Some(word.text),
            _ => None,
        })
    }

    /// Whether an address moves with the group.
    pub fn has_vip(&self) -> bool {
        self.vips().next().is_some()
    }

    fn vips(&self) -> impl Iterator<Item = Vip<'a>> + use<'a> {
        self.resources().filter_map(|resource| match resource {
            Resource::Vip(vip) => Some(vip),
            Resource::Script { .. } => None,
        })
    }
}

/// What the nodes are called, as far as ha.cf says.
pub(super) struct Nodes<'n, 'a> {
    /// Both, or what ha.cf has of them.
    pub known: &'n [Word<'a>],
    /// This node's index among them.
    pub me: Option<usize>,
}

/// Reads haresources. With errors reported the groups are incomplete.
pub(super) fn read<'a>(
    source: &Source<'a>,
    nodes: &Nodes<'_, 'a>,
    report: &mut Reporter<'a, '_>,
) -> Vec<Group<'a>, GROUPS_MAX> {
    let mut reading = Reading { groups: Vec::new(), nodes, current: None };
    let mut tokens = Tokens::new(source.text);
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) => reading.take_word(word, tokens.at, report),
            Token::End(at) => reading.end_line(source.text, at, report),
            Token::Odd(oddity, place) => oddity.report(place, report),
        }
    }
    reading.groups
}

struct Reading<'n, 'a> {
    groups: Vec<Group<'a>, GROUPS_MAX>,
    nodes: &'n Nodes<'n, 'a>,
    current: Option<Line<'a>>,
}

/// The logical line that is being read.
struct Line<'a> {
    node: Word<'a>,
    key: Option<Word<'a>>,
    /// Byte of the file where the resources begin.
    start: usize,
    resources: usize,
}

impl<'a> Reading<'_, 'a> {
    /// Takes a word that ends at byte `end` of the file.
    fn take_word(&mut self, word: Word<'a>, end: usize, report: &mut Reporter<'a, '_>) {
        let sound = report.is_sound(&word);
        let Some(line) = &mut self.current else {
            if sound {
                self.judge_node(&word, report);
            }
            self.current = Some(Line { node: word, key: None, start: end, resources: 0 });
            return;
        };
        line.key.get_or_insert(word);
        line.resources += 1;
        if line.resources == RESOURCES_MAX + 1 {
            let message = say("more than {} resources in a group").with(RESOURCES_MAX as u64);
            report.error(word.place, message, say("make several groups of it"));
        }
        if line.resources > RESOURCES_MAX || !sound {
            return;
        }
        let resource = match Resource::parse(word.text) {
            Ok(resource) => resource,
            Err(Remark { part, message, remedy }) => return report.error(place_of(&word, part), message, say(remedy)),
        };
        if let Resource::Vip(vip) = resource {
            if let Some(Remark { part, message, remedy }) = vip.doubt() {
                report.warning(place_of(&word, part), message, say(remedy));
            }
            self.judge_address(&vip, &word, report);
        }
    }

    fn judge_node(&self, word: &Word<'a>, report: &mut Reporter<'a, '_>) {
        let names = || self.nodes.known.iter().map(|node| node.text);
        if self.nodes.known.len() < super::NODES || names().any(|name| name.eq_ignore_ascii_case(word.text)) {
            return;
        }
        let message = say("node `{}` is not in ha.cf").with(word.text);
        let remedy = match nearest(word.text, names()) {
            Some(near) => say("did you mean `{}`?").with(near),
            None => say("begin the line with a node of ha.cf"),
        };
        report.error(word.place, message, remedy);
    }

    fn judge_address(&self, vip: &Vip<'a>, word: &Word<'a>, report: &mut Reporter<'a, '_>) {
        let other = self.groups.iter().find(|group| group.vips().any(|other| other.address == vip.address));
        if let Some(other) = other.filter(|other| other.key != vip.word) {
            let message = say("the address of `{}` is also in the group `{}`: both nodes could hold it at once");
            let message = message.with(vip.word).with(other.key);
            report.warning(word.place, message, say("leave it in one group"));
        }
    }

    /// Ends the logical line at byte `end` of the file.
    fn end_line(&mut self, text: &'a str, end: usize, report: &mut Reporter<'a, '_>) {
        let Some(line) = self.current.take() else {
            return;
        };
        let Some(key) = line.key else {
            let after = line.node.place.part(line.node.text.len(), 0);
            let message = say("no resource after the node `{}`").with(line.node.text);
            return report.error(after, message, say("write the group's resources after it, or remove the line"));
        };
        if let Some(first) = self.groups.iter().find(|group| group.key == key.text) {
            let message = say("a group is already named by `{}`, its first resource").with(first.key);
            return report.error(
                key.place,
                message,
                say("join the two lines, or begin this one with another resource"),
            );
        }
        let me = self.nodes.me.and_then(|me| self.nodes.known.get(me));
        let group = Group {
            key: key.text,
            preferred: line.node.text,
            preferred_me: me.is_some_and(|me| me.text.eq_ignore_ascii_case(line.node.text)),
            text: text.get(line.start..end).unwrap_or(""),
        };
        if self.groups.push(group).is_err() {
            let message = say("more than {} groups").with(GROUPS_MAX as u64);
            report.error(line.node.place, message, say("join groups that may move together"));
        }
    }
}

/// The place of `part`, which is a part of the word's text.
fn place_of<'a>(word: &Word<'a>, part: &str) -> Place<'a> {
    let start = (part.as_ptr() as usize).saturating_sub(word.text.as_ptr() as usize);
    word.place.part(start.min(word.text.len()), part.len())
}

/// What the lexer finds.
#[derive(Clone, Copy)]
enum Token<'a> {
    Word(Word<'a>),
    /// The end of a logical line, at a byte of the text.
    End(usize),
    /// Something that Heartbeat's two readers of this file, a daemon in C and a script in sed, do not read alike.
    Odd(Oddity, Place<'a>),
}

#[derive(Clone, Copy)]
enum Oddity {
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
    fn report<'a>(self, place: Place<'a>, report: &mut Reporter<'a, '_>) {
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
struct Tokens<'a> {
    text: &'a str,
    /// Byte of the text to be read next.
    at: usize,
    /// The present physical line: its index, and the byte where it begins.
    line: usize,
    line_start: usize,
    continues: bool,
    ended: bool,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 0, line_start: 0, continues: false, ended: false }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// The place of `len` bytes from byte `start` of the text.
    fn place(&self, start: usize, len: usize) -> Place<'a> {
        let line = self.text.get(self.line_start..).unwrap_or("");
        let line = line.split('\n').next().unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        Place { line: line_number(self.line), text: line, start: start - self.line_start, len }
    }

    /// Goes on behind the line end that is `len` bytes away.
    fn next_line(&mut self, len: usize, continues: bool) {
        self.at += len;
        self.line += 1;
        self.line_start = self.at;
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
