//! One line of text in a buffer of its own: bounded, printable, cut between characters.

use std::fmt::{self, Write};

/// Ends a line that was cut.
const CUT: &str = "...";

/// At most `N` bytes of text.
#[derive(Clone, Debug)]
pub struct Line<const N: usize> {
    bytes: [u8; N],
    length: usize,
    cut: bool,
}

impl<const N: usize> Line<N> {
    /// What `text` says, as far as it fits. A line is one line: control characters become question marks, so nothing
    /// that a script or a peer wrote can pretend to be a line of ours.
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        let mut line = Self { bytes: [0; N], length: 0, cut: false };
        // Formatting stops with an error when the line is full, and then it is cut.
        let _ = line.write_fmt(text);
        if line.cut {
            line.append(CUT);
        }
        line
    }

    /// The text as bytes of UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn append(&mut self, text: &str) {
        let end = self.length + text.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(text.as_bytes());
            self.length = end;
        }
    }
}

impl<const N: usize> Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let character = if character.is_control() { '?' } else { character };
            if self.length + character.len_utf8() + CUT.len() > N {
                self.cut = true;
                return Err(fmt::Error);
            }
            self.append(character.encode_utf8(&mut [0; 4]));
        }
        Ok(())
    }
}

impl<const N: usize> fmt::Display for Line<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<const N: usize>(text: &str) -> String {
        Line::<N>::new(format_args!("{text}")).to_string()
    }

    #[test]
    fn what_fits_stays_and_what_does_not_is_cut_between_characters() {
        assert_eq!(of::<10>("seven b"), "seven b");
        assert_eq!(of::<10>("eight by"), "eight b...");
        assert_eq!(of::<10>("ääää"), "äää...");
        assert_eq!(of::<10>("äääxyz"), "äääx...");
        assert_eq!(of::<3>("x"), "...");
        assert_eq!(of::<2>("x"), "", "no room even to say that it was cut");
    }

    #[test]
    fn nothing_is_added_after_the_cut() {
        let line = Line::<10>::new(format_args!("{}{}{}", "eight by", "a", "b"));
        assert_eq!(line.to_string(), "eight b...");
    }

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(of::<40>("a\nalarm: b\r\x1b[31m\u{85}\tc"), "a?alarm: b??[31m??c");
    }
}
