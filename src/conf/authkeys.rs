//! authkeys: the keys that are accepted, and the one to send with.
//!
//! What a line of this file holds is shown only where it belongs to the file's own vocabulary: a mistyped line has its
//! secret anywhere.

use super::diagnostic::{Place, Reporter};
use super::lexer::{Word, Words, is_blank, lines};
use super::nearest::nearest;
use super::phrase::{Phrase, say};
use super::{KEYS_MAX, SECRET_MAX, Source};
use heapless::Vec;

const METHODS: [&str; 4] = ["crc", "md5", "sha1", "sha256"];
/// The digits of an id at most that are shown; a longer number may be a secret.
const ID_DIGITS: usize = 3;

/// One key of authkeys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// Its id, 0 to 15.
    pub id: u8,
    /// How frames are signed with it.
    pub method: Method,
    /// The secret; empty for `crc`.
    pub secret: &'a str,
}

/// How frames are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// No secret: against noise, not against people.
    Crc,
    /// HMAC-MD5.
    Md5,
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-SHA-256; Heartbeat has no such method.
    Sha256,
}

impl core::fmt::Debug for Key<'_> {
    /// Without the secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("method", &self.method).finish_non_exhaustive()
    }
}

/// What authkeys says.
pub(super) struct Authkeys<'a> {
    pub keys: Vec<Key<'a>, KEYS_MAX>,
    /// The id on the `auth` line, 0 when there is none.
    pub send_key: u8,
}

/// Bytes of a line that may be shown: `auth` or an id, and after it an id or a method. Anything else may be a secret.
pub(super) fn shown_len(line: &str) -> usize {
    let mut words = Words::new(0, line, is_blank, false);
    let end = |word: &Word<'_>| word.place.start + word.place.len;
    let Some(first) = words.next().filter(|first| first.text == "auth" || is_short_number(first.text)) else {
        return 0;
    };
    let follows = |word: &Word<'_>| match first.text {
        "auth" => is_short_number(word.text),
        _ => METHODS.contains(&word.text),
    };
    words.next().filter(follows).map_or(end(&first), |second| end(&second))
}

fn is_short_number(word: &str) -> bool {
    word.len() <= ID_DIGITS && word.bytes().all(|b| b.is_ascii_digit())
}

/// Reads authkeys. With errors reported the keys are incomplete.
pub(super) fn read<'a>(source: &Source<'a>, report: &mut Reporter<'a, '_>) -> Authkeys<'a> {
    let mut reading = Reading::default();
    for (number, text) in lines(source.text) {
        let mut words = Words::new(number, text, is_blank, false);
        let Some(first) = words.next().filter(|first| !first.text.starts_with('#')) else {
            continue;
        };
        if words.clone().chain([first]).any(|word| !report.is_sound(&word)) {
            reading.damaged = true;
        } else if first.text.starts_with('a') {
            reading.take_auth(&first, words, report);
        } else {
            reading.take_key(&first, words, report);
        }
    }
    reading.finish(Place::start_of(source.text), report)
}

#[derive(Default)]
struct Reading<'a> {
    keys: Vec<(Key<'a>, Place<'a>), KEYS_MAX>,
    /// The id to send with, and where it is named.
    auth: Option<(u8, Place<'a>)>,
    /// The place of a key line that came before any `auth` line.
    early: Option<Place<'a>>,
    /// A line could not be read: what is missing may have been there.
    damaged: bool,
}

impl<'a> Reading<'a> {
    fn take_auth(&mut self, first: &Word<'a>, mut words: Words<'a>, report: &mut Reporter<'a, '_>) {
        let remedy = say("write `auth ID`, with the id of one of the keys");
        let id = words.next();
        let (Some(id), "auth") = (id, first.text) else {
            self.damaged = true;
            return report.error(first.place, say("the line is not `auth ID`"), remedy);
        };
        let Some(read) = read_id(&id, report) else {
            self.damaged = true;
            return;
        };
        if words.next().is_some() {
            let message = say("words after the id are ignored");
            report.warning(id.place, message, say("remove them, or put them on a line that begins with `#`"));
        }
        if let Some((_, earlier)) = self.auth.replace((read, id.place)) {
            let message = say("a second `auth` line; the first is line {}").with(u64::from(earlier.line));
            report.error(first.place, message, say("leave the one whose key is to be sent"));
        }
    }

    fn take_key(&mut self, first: &Word<'a>, mut words: Words<'a>, report: &mut Reporter<'a, '_>) {
        if self.auth.is_none() {
            self.early.get_or_insert(first.place);
        }
        let key = read_key(first, &mut words, report);
        self.damaged |= key.is_none();
        let Some(key) = key else {
            return;
        };
        if words.next().is_some() {
            let message = say("words after the key are ignored: a key has no blanks, here or in Heartbeat");
            report.warning(first.place, message, say("remove them, or put them on a line that begins with `#`"));
        }
        if let Some((_, earlier)) = self.keys.iter().find(|(other, _)| other.id == key.id) {
            let message = say("key {} is already in line {}").with(u64::from(key.id)).with(u64::from(earlier.line));
            return report.error(first.place, message, say("give each key an id of its own"));
        }
        if self.keys.push((key, first.place)).is_err() {
            let message = say("more than {} keys").with(KEYS_MAX as u64);
            report.error(first.place, message, say("remove keys that are no longer sent"));
        }
    }

    fn finish(self, start: Place<'a>, report: &mut Reporter<'a, '_>) -> Authkeys<'a> {
        match self.auth {
            Some((id, place)) if !self.damaged && !self.keys.iter().any(|(key, _)| key.id == id) => {
                let message = say("key {} is not in the file").with(u64::from(id));
                report.error(
                    place,
                    message,
                    say("add a line `{} md5 SECRET`, or name a key that is there").with(u64::from(id)),
                );
            }
            None if !self.damaged => {
                report.error(
                    start,
                    say("no `auth` line"),
                    say("begin the file with `auth ID`, the id of the key to send with"),
                );
            }
            _ => {}
        }
        if let (Some(early), Some(_)) = (self.early, self.auth) {
            let message = say("a key before the `auth` line: lubdub takes it, Heartbeat does not find it");
            report.warning(early, message, say("move the `auth` line to the top"));
        }
        for (_, place) in self.keys.iter().filter(|(key, _)| key.method == Method::Crc) {
            let message = say("crc is no authentication: whoever reaches a link can take the services over");
            report.warning(*place, message, say("write `md5`, `sha1` or `sha256` and a secret, on both nodes"));
        }
        let keys = self.keys.iter().map(|(key, _)| *key).collect();
        Authkeys { keys, send_key: self.auth.map_or(0, |(id, _)| id) }
    }
}

/// Reads `ID METHOD [SECRET]`.
fn read_key<'a>(first: &Word<'a>, words: &mut Words<'a>, report: &mut Reporter<'a, '_>) -> Option<Key<'a>> {
    let id = read_id(first, report)?;
    let Some(word) = words.next() else {
        let after = first.place.part(first.text.len(), 0);
        report.error(after, say("no method after the id"), say("write `{} md5 SECRET`").with(u64::from(id)));
        return None;
    };
    let secret = words.next();
    let method = read_method(&word, secret.is_some(), report)?;
    match (method, secret) {
        (Method::Crc, Some(secret)) => {
            let remedy = say("remove the key, or write `md5`, `sha1` or `sha256`");
            report.error(secret.place, say("crc has no key"), remedy);
            None
        }
        (Method::Crc, None) => Some(Key { id, method, secret: "" }),
        (_, Some(secret)) if secret.text.len() > SECRET_MAX => {
            let message = say("the key is longer than {} bytes").with(SECRET_MAX as u64);
            report.error(secret.place, message, say("shorten it, on both nodes"));
            None
        }
        (_, Some(secret)) => Some(Key { id, method, secret: secret.text }),
        (_, None) => {
            let after = word.place.part(word.text.len(), 0);
            let message = say("{} needs a key").with(word.text);
            report.error(after, message, say("write the secret after it, the same on both nodes"));
            None
        }
    }
}

fn read_id<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<u8> {
    let id = word.text.parse().ok().filter(|id| is_short_number(word.text) && usize::from(*id) < KEYS_MAX);
    if id.is_none() {
        let remedy = say("write `ID METHOD SECRET`, for example `1 sha256 ` and a long random word");
        report.error(word.place, say("not the id of a key, 0 to 15"), remedy);
    }
    id
}

/// Reads a method. A word that is none is named only when another word follows: the last word may be the secret.
fn read_method<'a>(word: &Word<'a>, has_secret: bool, report: &mut Reporter<'a, '_>) -> Option<Method> {
    match word.text {
        "crc" => return Some(Method::Crc),
        "md5" => return Some(Method::Md5),
        "sha1" => return Some(Method::Sha1),
        "sha256" => return Some(Method::Sha256),
        _ => {}
    }
    let near = nearest(word.text, &mut METHODS.iter().copied()).filter(|_| has_secret);
    let remedy: Phrase<'a> = match near {
        Some(near) => say("did you mean `{}`?").with(near),
        None => say("write `md5`, `sha1` or `sha256` between the id and the secret"),
    };
    report.error(word.place, say("not one of the methods crc, md5, sha1, sha256"), remedy);
    None
}
