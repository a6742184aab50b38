//! haresources: the groups, each with its preferred node.

use super::diagnostic::{Place, Reporter};
use super::lexer::Word;
use super::nearest::nearest;
use super::phrase::say;
use super::ping::PingNode;
use super::resource::{Remark, Resource};
use super::tokens::{Token, Tokens};
use super::vip::Vip;
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
        resources(self.text)
    }

    /// The resources' words as written, in the same order.
    pub fn words(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        words(self.text)
    }

    /// Whether an address moves with the group.
    pub fn has_vip(&self) -> bool {
        self.resources().any(|resource| matches!(resource, Resource::Vip(_)))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    Tokens::new(text).filter_map(|token| match token {
        Token::Word(word) => Some(word.text),
        _ => None,
    })
}

fn resources(text: &str) -> impl Iterator<Item = Resource<'_>> + Clone {
    words(text).filter_map(|word| Resource::parse(word).ok())
}

/// Whether the resources of `text` have the address of `vip`.
fn holds(text: &str, vip: &Vip<'_>) -> bool {
    let has = |resource| matches!(resource, Resource::Vip(other) if other.address == vip.address);
    vip.may_be_in(text) && resources(text).any(has)
}

/// What the nodes are called, as far as ha.cf says.
pub(super) struct Nodes<'n, 'a> {
    /// Both, or what ha.cf has of them.
    pub known: &'n [Word<'a>],
    /// This node's index among them.
    pub me: Option<usize>,
    /// What ha.cf has to be asked for the LAN.
    pub pings: &'n [PingNode<'a>],
}

/// Reads haresources. With errors reported the groups are incomplete.
pub(super) fn read<'a>(
    source: &Source<'a>,
    nodes: &Nodes<'_, 'a>,
    report: &mut Reporter<'a, '_>,
) -> Vec<Group<'a>, GROUPS_MAX> {
    let mut reading = Reading { text: source.text, groups: Vec::new(), nodes, current: None };
    let mut tokens = Tokens::new(source.text);
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) => reading.take_word(word, tokens.at, report),
            Token::End(at) => reading.end_line(at, report),
            Token::Odd(oddity, place) => oddity.report(place, report),
        }
    }
    reading.groups
}

struct Reading<'n, 'a> {
    /// The whole file.
    text: &'a str,
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
            if self.nodes.pings.iter().any(|node| node.address == vip.address) {
                let message =
                    say("the address of `{}` is a `ping` node in ha.cf: its owner cannot ask itself for the LAN");
                let remedy = say("write `ping` with a station that is always on, for example the router");
                report.error(word.place, message.with(vip.word), remedy);
            }
            self.judge_address(&vip, &word, end, report);
        }
    }

    fn judge_node(&self, word: &Word<'a>, report: &mut Reporter<'a, '_>) {
        let names = || self.nodes.known.iter().map(|node| node.text);
        if self.nodes.known.len() < super::NODES || names().any(|name| name.eq_ignore_ascii_case(word.text)) {
            return;
        }
        let message = say("node `{}` is not in ha.cf").with(word.text);
        let remedy = match nearest(word.text, &mut names()) {
            Some(near) => say("did you mean `{}`?").with(near),
            None => say("begin the line with a node of ha.cf"),
        };
        report.error(word.place, message, remedy);
    }

    /// Reports an address that is there already; `end` is the byte where its word ends.
    fn judge_address(&self, vip: &Vip<'a>, word: &Word<'a>, end: usize, report: &mut Reporter<'a, '_>) {
        let Some(line) = &self.current else {
            return;
        };
        let before = self.text.get(line.start..end.saturating_sub(word.text.len())).unwrap_or("");
        if holds(before, vip) {
            let message = say("the address of `{}` is already in this group").with(vip.word);
            return report.warning(word.place, message, say("leave it once"));
        }
        let other = self.groups.iter().find(|group| holds(group.text, vip));
        // A second group of the same key is an error of its own.
        if let Some(other) = other.filter(|other| line.resources > 1 || other.key != vip.word) {
            let message = say("the address of `{}` is also in the group `{}`: both nodes could hold it at once");
            let message = message.with(vip.word).with(other.key);
            report.warning(word.place, message, say("leave it in one group"));
        }
    }

    /// Ends the logical line at byte `end` of the file.
    fn end_line(&mut self, end: usize, report: &mut Reporter<'a, '_>) {
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
            text: self.text.get(line.start..end).unwrap_or(""),
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
