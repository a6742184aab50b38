//! `lab play`: two appliances on this machine, and you do things to them. `lab demo`: a story told about them.
//! `lab figures`: how fast, measured.

mod demo;
mod figures;
mod play;

use std::io::{Write, stderr};
use std::process::ExitCode;

const USAGE: &str = "usage: lab [play]\n       lab demo|figures\n";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["demo"] => demo::run(),
        ["figures"] => figures::run(),
        [] | ["play"] => play::run(),
        _ => {
            stderr().write_all(USAGE.as_bytes()).ok();
            ExitCode::from(64)
        }
    }
}
