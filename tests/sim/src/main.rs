//! `sim run`: lives through many seeds. `sim replay SEED`: tells one of them. `sim journal FILE`: lives through what a
//! daemon wrote down.

mod campaign;
mod progress;
mod replay;

use lubdub_sim::journal::Verdict;
use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "\
usage: sim run [--seeds N] [--first SEED] [--also SEED] [--jobs N] [--keep-going]
       sim replay SEED [--lines N] [--frames]
       sim journal FILE [--inputs]
A SEED is a decimal number, or a commit's hash, of which the first 16 digits count.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.first().map(String::as_str) {
        Some("run") => campaign::run(&words),
        Some("replay") => replay::replay(&words),
        Some("journal") => journal(&words),
        _ => Err(USAGE.into()),
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "{error}");
        ExitCode::from(64)
    })
}

/// The number after a flag, if the flag is there.
fn flag(words: &[String], flag: &str) -> Result<Option<u64>, String> {
    let Some(at) = words.iter().position(|word| word == flag) else { return Ok(None) };
    let number = words.get(at + 1).and_then(|word| seed(word));
    number.map(Some).ok_or_else(|| format!("{flag} needs a number\n{USAGE}"))
}

/// A seed in decimal, or in hexadecimal as a commit's hash is: its first 16 digits.
fn seed(word: &str) -> Option<u64> {
    word.parse().ok().or_else(|| u64::from_str_radix(word.get(..word.len().min(16))?, 16).ok())
}

fn journal(words: &[String]) -> Result<ExitCode, String> {
    let path = words.get(1).ok_or(USAGE)?;
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let inputs = words.iter().any(|word| word == "--inputs");
    let verdict =
        lubdub_sim::journal::tell(&bytes, inputs, &mut io::stdout().lock()).map_err(|error| error.to_string())?;
    Ok(ExitCode::from(match verdict {
        Verdict::Reproduced => 0,
        Verdict::Differs => 1,
        Verdict::Refused(refusal) => {
            let _ = writeln!(io::stderr(), "{path}: {refusal}");
            65
        }
    }))
}
