//! One word of haresources: a virtual IP, or a script with its arguments.

use super::phrase::{Phrase, say};
use super::vip::{self, Vip};

/// Between a script and its arguments. An IPv6 address may hold it too, and is recognised first.
pub(super) const SEPARATOR: &str = "::";

/// One resource of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// An address that moves with its group.
    Vip(Vip<'a>),
    /// Anything else: a script that understands `start`, `stop` and `status`.
    Script {
        /// The file's name, looked for in `resource.d` and then in /etc/init.d.
        name: &'a str,
        /// What comes before `start`, `stop` or `status`.
        args: Args<'a>,
    },
}

/// The arguments of a script, from left to right. Empty ones vanish, as in Heartbeat's shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args<'a> {
    word: &'a str,
    rest: &'a str,
}

/// Something wrong or doubtful in a word.
#[derive(Debug)]
pub(super) struct Remark<'a> {
    /// The part of the word that it is about.
    pub part: &'a str,
    pub message: Phrase<'a>,
    pub remedy: &'static str,
}

impl<'a> Resource<'a> {
    /// The word as written.
    pub const fn word(&self) -> &'a str {
        match self {
            Self::Vip(vip) => vip.word,
            Self::Script { args, .. } => args.word,
        }
    }

    /// Reads one word.
    pub(super) fn parse(word: &'a str) -> Result<Self, Remark<'a>> {
        if vip::is_address(word) {
            return vip::parse(word).map(Self::Vip);
        }
        let (name, rest) = word.split_once(SEPARATOR).unwrap_or((word, ""));
        check_script_name(word, name)?;
        Ok(Self::Script { name, args: Args { word, rest } })
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let (arg, rest) = self.rest.split_once(SEPARATOR).unwrap_or((self.rest, ""));
            self.rest = rest;
            if !arg.is_empty() {
                return Some(arg);
            }
        }
        None
    }
}

fn check_script_name<'a>(word: &'a str, name: &'a str) -> Result<(), Remark<'a>> {
    let refuse = |part: &'a str, message: Phrase<'a>, remedy: &'static str| Err(Remark { part, message, remedy });
    if name.is_empty() {
        return refuse(word, say("`{}` has no script before `::`").with(word), "write SCRIPT or SCRIPT::ARGUMENT");
    }
    if word.ends_with('\\') {
        let part = &word[word.len() - 1..];
        let remedy = "remove it, or what follows it on its line: only a `\\` at the very end continues a line";
        return refuse(part, say("`\\` is not the last character of the line, and escapes nothing"), remedy);
    }
    if name.contains("..") || name.contains('/') || name.starts_with(['.', '-']) {
        let message = say("`{}` is not the name of a script in resource.d or /etc/init.d").with(name);
        return refuse(name, message, "write the file's name alone, without a path");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@');
    if let Some(at) = name.find(|c| !allowed(c)) {
        let part = &name[at..at + name[at..].chars().next().map_or(0, char::len_utf8)];
        let message = say("`{}` cannot stand in a script's name").with(part);
        return refuse(part, message, "arguments come after `::`; a name has letters, digits and `._-+@`");
    }
    Ok(())
}
