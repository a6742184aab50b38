//! A state's hash: the same for states that differ only in absolute times, in the values of nonces and runs, and in how
//! far sequence numbers have come.

use lubdub::node::Digest;
use std::hash::{DefaultHasher, Hash, Hasher};

/// One part of a state.
#[derive(Clone, Copy, Debug)]
pub enum Token {
    /// As it is.
    Word(u64),
    /// Only the identity matters.
    Name(u64),
    /// Only the order within the series matters.
    Count((u64, u64), u64),
}

/// Parts in the order in which they were told.
#[derive(Clone, Debug, Default)]
pub struct Tokens(pub Vec<Token>);

impl Digest for Tokens {
    fn word(&mut self, word: u64) {
        self.0.push(Token::Word(word));
    }

    fn name(&mut self, name: u64) {
        self.0.push(Token::Name(name));
    }

    fn count(&mut self, series: (u64, u64), value: u64) {
        self.0.push(Token::Count(series, value));
    }
}

/// Names and series met so far, and the values of each series.
#[derive(Default)]
struct Canon {
    names: Vec<u64>,
    series: Vec<((u64, u64), Vec<u64>)>,
}

impl Canon {
    fn name(&mut self, name: u64) -> usize {
        self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        })
    }

    fn word(&mut self, part: &Token) -> u64 {
        match part {
            Token::Word(word) => *word,
            Token::Name(name) => self.name(*name) as u64,
            Token::Count(series, value) => {
                let names = (self.name(series.0), self.name(series.1));
                let index = self.series(*series);
                let rank = self.series[index].1.partition_point(|known| known < value);
                (names.0 << 32 | names.1 << 16 | rank) as u64
            }
        }
    }

    fn series(&mut self, series: (u64, u64)) -> usize {
        self.series.iter().position(|(known, _)| *known == series).unwrap_or_else(|| {
            self.series.push((series, vec![0]));
            self.series.len() - 1
        })
    }
}

/// The hash of a state told part by part. Names and series are numbered as they first appear, and a count is replaced by
/// its rank among all counts of its series; zero, which means none, always has rank zero.
pub fn hash<'a>(parts: impl Iterator<Item = &'a Token>) -> u64 {
    let mut told: Vec<&Token> = Vec::with_capacity(256);
    parts.for_each(|part| told.push(part));
    let mut canon = Canon::default();
    for part in &told {
        if let Token::Count(series, value) = part {
            let index = canon.series(*series);
            canon.series[index].1.push(*value);
        }
    }
    for (_, values) in &mut canon.series {
        values.sort_unstable();
        values.dedup();
    }
    let words: Vec<u64> = told.into_iter().map(|part| canon.word(part)).collect();
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}
