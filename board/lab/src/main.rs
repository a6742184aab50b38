//! `lab demo`: two appliances on this machine, and what happens to them. `lab figures`: how fast, measured.

mod demo;
mod figures;

use std::io::{Write, stderr};
use std::process::ExitCode;

const USAGE: &str = "usage: lab demo|figures\n";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["demo"] => demo::run(),
        ["figures"] => figures::run(),
        _ => {
            stderr().write_all(USAGE.as_bytes()).ok();
            ExitCode::from(64)
        }
    }
}
