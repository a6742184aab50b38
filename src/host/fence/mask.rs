//! Keeps passwords out of the log: what a plug-in prints may repeat its parameters.

use std::net::IpAddr;
use std::rc::Rc;

use crate::host::resources::Log;

/// What stands for a hidden word.
const HIDDEN: &str = "******";
/// Shorter words are hidden only where they stand alone: `on` is in every other word.
const INNER_MIN: usize = 4;
/// Less of a word is no more than a guess at it.
const BEGUN_MIN: usize = 2;
/// The mark of `script::output` at the end of a line that was cut.
const CUT: &str = " ...";

/// The words that are not to be seen.
///
/// Which parameter is a password only the plug-in knows, so every one is hidden but what a reader of the log needs and
/// knows anyway: names of the nodes and IP addresses.
pub(super) struct Mask {
    /// The longest first, since one may be part of another.
    words: Vec<String>,
}

impl Mask {
    /// Hides the parameters in `text`; `nodes` are shown.
    pub fn of(text: &str, nodes: &[String]) -> Self {
        let shown = |part: &str| nodes.iter().any(|node| part.eq_ignore_ascii_case(node)) || is_address(part);
        let mut words: Vec<String> = text
            .split_ascii_whitespace()
            .flat_map(|word| [Some(word), word.split_once('=').map(|(_, value)| value)])
            .flatten()
            .filter(|word| !word.is_empty() && !word.split(',').all(shown))
            .map(str::to_owned)
            .collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words.dedup();
        Self { words }
    }

    /// The line as it may be shown.
    pub fn apply(&self, line: &str) -> String {
        let mut shown = line.to_owned();
        for word in &self.words {
            shown = if word.len() < INNER_MIN { hide_alone(&shown, word) } else { shown.replace(word, HIDDEN) };
        }
        match shown.strip_suffix(CUT) {
            Some(begun) => self.hide_begun(begun) + CUT,
            None => shown,
        }
    }

    /// Hides a word of which the cut has left the beginning.
    fn hide_begun(&self, line: &str) -> String {
        let begun =
            |word: &String| (BEGUN_MIN..word.len()).rev().find(|at| word.get(..*at).is_some_and(|w| line.ends_with(w)));
        match self.words.iter().filter_map(begun).max() {
            Some(length) => format!("{}{HIDDEN}", &line[..line.len() - length]),
            None => line.to_owned(),
        }
    }
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn hide_alone(line: &str, word: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let goes_on = |next: char| next.is_ascii_alphanumeric();
        let alone = !shown_end(&shown, before).is_some_and(goes_on) && !after.starts_with(goes_on);
        shown.push_str(before);
        shown.push_str(if alone { HIDDEN } else { word });
        rest = after;
    }
    shown + rest
}

/// The character before the place where `before` ends.
fn shown_end(shown: &str, before: &str) -> Option<char> {
    before.chars().next_back().or_else(|| shown.chars().next_back())
}

/// The log for a program that knows these words.
pub(super) fn masked(log: &Log, mask: Mask) -> Log {
    let log = log.clone();
    Rc::new(move |level, text| log(level, format_args!("{}", mask.apply(&text.to_string()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> Mask {
        Mask::of(text, &["alpha".to_owned(), "beta".to_owned()])
    }

    #[test]
    fn parameters_are_hidden_but_nodes_and_addresses_are_not() {
        let mask = mask("hostlist=alpha,BETA 10.0.0.9 admin hunter2 passwd=swordfish");
        let line = "ipmitool -H 10.0.0.9 -U admin -P hunter2 xhunter2x swordfish beta";
        assert_eq!(mask.apply(line), "ipmitool -H 10.0.0.9 -U ****** -P ****** x******x ****** beta");
    }

    #[test]
    fn a_short_word_is_hidden_where_it_stands_alone() {
        assert_eq!(mask("on").apply("on done, phone=on on"), "****** done, phone=****** ******");
    }

    #[test]
    fn a_word_within_another_does_not_uncover_it() {
        assert_eq!(mask("hunter hunter2").apply("hunter2 hunter"), "****** ******");
    }

    #[test]
    fn what_a_cut_has_left_of_a_word_is_hidden() {
        assert_eq!(mask("hunter2").apply("password hunte ..."), "password ****** ...");
        assert_eq!(mask("hunter2").apply("password h"), "password h");
    }
}
