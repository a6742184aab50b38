//! A line that is being typed: keys in, a line out, with history and completion. No descriptor in here.

/// Lines that are remembered.
const HISTORY: usize = 200;
/// So much of a long line is shown at once, so that no terminal of 80 columns wraps it.
const WINDOW: usize = 68;

/// What a person pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Home,
    End,
    Up,
    Down,
    /// Ctrl-U: away with everything before the cursor.
    EraseBefore,
    /// Ctrl-K: away with everything from the cursor on.
    EraseAfter,
    /// Ctrl-W: away with the word before the cursor.
    EraseWord,
    /// Ctrl-C: away with the line.
    Cancel,
    /// Ctrl-D.
    EndOfInput,
}

/// Bytes of a terminal to keys: UTF-8, control characters, and the sequences of the cursor keys (ECMA-48, xterm).
#[derive(Debug, Default)]
pub struct Keyboard(Vec<u8>);

impl Keyboard {
    /// The next byte; the key that it completes, if any. What is no key is dropped.
    pub fn press(&mut self, byte: u8) -> Option<Key> {
        self.0.push(byte);
        let key = match self.0[..] {
            [0x1b] | [0x1b, b'[' | b'O'] | [0x1b, b'[', b'0'..=b'9' | b';'] => return None,
            [0x1b, b'[', .., b'0'..=b'9' | b';'] if self.0.len() < 8 => return None,
            [0x1b, b'[', b'1', b';', _, last] | [0x1b, _, last] => cursor_key(last),
            [0x1b, b'[', b'1' | b'7', b'~'] => Some(Key::Home),
            [0x1b, b'[', b'4' | b'8', b'~'] => Some(Key::End),
            [0x1b, b'[', b'3', b'~'] => Some(Key::Delete),
            [0x1b, ..] => None,
            [control] if control < 0x20 || control == 0x7f => control_key(control),
            _ => match std::str::from_utf8(&self.0) {
                Ok(text) => text.chars().next().map(Key::Char),
                Err(error) if error.error_len().is_none() => return None,
                Err(_) => None,
            },
        };
        self.0.clear();
        key
    }
}

fn cursor_key(last: u8) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        _ => return None,
    })
}

fn control_key(byte: u8) -> Option<Key> {
    let letter = (byte ^ 0x40) as char;
    Some(match letter {
        'M' | 'J' => Key::Enter,
        'I' => Key::Tab,
        'H' | '?' => Key::Backspace,
        'A' => Key::Home,
        'E' => Key::End,
        'B' => Key::Left,
        'F' => Key::Right,
        'P' => Key::Up,
        'N' => Key::Down,
        'U' => Key::EraseBefore,
        'K' => Key::EraseAfter,
        'W' => Key::EraseWord,
        'C' => Key::Cancel,
        'D' => Key::EndOfInput,
        _ => return None,
    })
}

/// What a key has led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// The line goes on.
    More,
    /// The line is done.
    Line(String),
    /// These words are possible here.
    Choices(Vec<String>),
    /// There will be no more lines.
    End,
}

/// What the last word of a text may become, and where it begins.
pub type Complete = fn(&str) -> (usize, Vec<String>);

/// The line and those before it.
#[derive(Debug)]
pub struct Editor {
    line: Vec<char>,
    at: usize,
    history: Vec<String>,
    /// Which of the history is shown; its length: the line that is being typed.
    place: usize,
    complete: Complete,
}

impl Editor {
    pub fn new(complete: Complete) -> Self {
        Self { line: Vec::new(), at: 0, history: Vec::new(), place: 0, complete }
    }

    /// What to show of the line, and at which of these characters the cursor is.
    pub fn shown(&self) -> (String, usize) {
        let from = self.at.saturating_sub(WINDOW);
        (self.line.iter().skip(from).take(WINDOW + 1).collect(), self.at - from)
    }

    pub fn key(&mut self, key: Key) -> Typed {
        match key {
            Key::Enter => return Typed::Line(self.finish()),
            Key::Tab => return self.finish_word(),
            Key::EndOfInput if self.line.is_empty() => return Typed::End,
            Key::Char(char) => self.insert(char),
            Key::Backspace => self.erase(self.at.saturating_sub(1)),
            Key::Delete | Key::EndOfInput => drop(self.line.drain(self.at..(self.at + 1).min(self.line.len()))),
            Key::EraseBefore => self.erase(0),
            Key::EraseAfter => self.line.truncate(self.at),
            Key::EraseWord => self.erase(self.word_start()),
            Key::Cancel => self.set(""),
            Key::Left => self.at = self.at.saturating_sub(1),
            Key::Right => self.at = (self.at + 1).min(self.line.len()),
            Key::Home => self.at = 0,
            Key::End => self.at = self.line.len(),
            Key::Up => self.recall(self.place.saturating_sub(1)),
            Key::Down => self.recall((self.place + 1).min(self.history.len())),
        }
        Typed::More
    }

    fn insert(&mut self, char: char) {
        self.line.insert(self.at, char);
        self.at += 1;
    }

    fn erase(&mut self, from: usize) {
        self.line.drain(from..self.at);
        self.at = from;
    }

    fn word_start(&self) -> usize {
        let before = &self.line[..self.at];
        let end = before.iter().rposition(|char| *char != ' ').map_or(0, |last| last + 1);
        before[..end].iter().rposition(|char| *char == ' ').map_or(0, |space| space + 1)
    }

    fn set(&mut self, line: &str) {
        self.line = line.chars().collect();
        self.at = self.line.len();
    }

    fn recall(&mut self, place: usize) {
        self.place = place;
        self.set(&self.history.get(place).cloned().unwrap_or_default());
    }

    fn finish(&mut self) -> String {
        let line: String = std::mem::take(&mut self.line).into_iter().collect();
        self.at = 0;
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
            self.history.drain(..self.history.len().saturating_sub(HISTORY));
        }
        self.place = self.history.len();
        line
    }

    /// Adds what all the choices have in common; a second word on the line follows a single one.
    fn finish_word(&mut self) -> Typed {
        let before: String = self.line[..self.at].iter().collect();
        let (start, choices) = (self.complete)(&before);
        let Some(first) = choices.first() else { return Typed::More };
        let begun = before[start..].chars().count();
        let common = choices.iter().fold(first.as_str(), |common, choice| shared(common, choice));
        let (rest, single) = (common.chars().skip(begun).collect::<String>(), choices.len() == 1);
        rest.chars().for_each(|char| self.insert(char));
        if single {
            self.insert(' ');
        }
        if single || !rest.is_empty() { Typed::More } else { Typed::Choices(choices) }
    }
}

/// The beginning that two words share.
fn shared<'a>(one: &'a str, other: &str) -> &'a str {
    let end = one.char_indices().zip(other.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
    &one[..end.unwrap_or(one.len().min(other.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> (usize, Vec<String>) {
        let start = text.rfind(' ').map_or(0, |at| at + 1);
        let all = ["power", "plug", "status", "stop"];
        (start, all.iter().filter(|word| word.starts_with(&text[start..])).map(|word| (*word).into()).collect())
    }

    /// Types bytes; every line that was finished.
    fn typed(editor: &mut Editor, bytes: &[u8]) -> Vec<String> {
        let mut keyboard = Keyboard::default();
        let results = bytes.iter().filter_map(|byte| keyboard.press(*byte)).map(|key| editor.key(key));
        results.filter_map(|typed| if let Typed::Line(line) = typed { Some(line) } else { None }).collect()
    }

    fn lines(bytes: &[u8]) -> Vec<String> {
        typed(&mut Editor::new(words), bytes)
    }

    #[test]
    fn a_line_is_edited() {
        assert_eq!(lines("grün\r".as_bytes()), ["grün"]);
        assert_eq!(lines(b"ac\x1b[Db\r"), ["abc"]);
        assert_eq!(lines(b"xbc\x1b[H\x1b[3~a\x1b[F\x7fd\r"), ["abd"]);
        assert_eq!(lines(b"one two \x17three\r"), ["one three"]);
        assert_eq!(lines(b"away\x15kept\r gone\x03\r"), ["kept", ""]);
        assert_eq!(lines(b"ab\x01\x0b\x1b[1;5Cx\x1b[200~\r"), ["x"]);
    }

    #[test]
    fn the_history_is_walked() {
        assert_eq!(lines(b"one\rtwo\r\x1b[A\x1bOA\r\x1b[A\x1b[A\x1b[B\r"), ["one", "two", "one", "one"]);
        assert_eq!(lines(b"\x1b[A\x1b[B\r"), [""]);
    }

    #[test]
    fn words_are_finished() {
        assert_eq!(lines(b"po\tx\r"), ["power x"]);
        assert_eq!(lines(b"s\top\r"), ["stop"]);
        let mut editor = Editor::new(words);
        typed(&mut editor, b"p");
        assert_eq!(editor.key(Key::Tab), Typed::Choices(vec!["power".into(), "plug".into()]));
        typed(&mut editor, b"\x15");
        assert_eq!(editor.key(Key::EndOfInput), Typed::End);
    }

    #[test]
    fn bytes_that_are_no_keys_are_harmless() {
        let mut editor = Editor::new(words);
        for first in 0..=255u8 {
            typed(&mut editor, &[0x1b, first, 0xff, b'[', first, b'9', b';', first, first, first, first]);
        }
        assert_eq!(typed(&mut editor, b"\x03ok\r"), ["ok"]);
    }

    #[test]
    fn a_long_line_shows_where_the_cursor_is() {
        let mut editor = Editor::new(words);
        typed(&mut editor, &[b'x'; 200]);
        assert_eq!(editor.shown(), ("x".repeat(WINDOW), WINDOW));
        editor.key(Key::Home);
        assert_eq!(editor.shown(), ("x".repeat(WINDOW + 1), 0));
    }
}
