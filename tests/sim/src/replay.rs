//! Tells one seed as a story.

use crate::{USAGE, flag, seed};
use lubdub_sim::scenario::Scenario;
use lubdub_sim::timeline::Timeline;
use lubdub_sim::world::World;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// `sim replay SEED [--lines N] [--frames]`: the last `N` lines of its timeline, or all; with every frame.
pub fn replay(words: &[String]) -> Result<ExitCode, String> {
    let seed = words.get(1).and_then(|word| seed(word)).ok_or(USAGE)?;
    let lines = flag(words, "--lines")?.and_then(|lines| usize::try_from(lines).ok()).unwrap_or(usize::MAX);
    let scenario = Scenario::draw(seed);
    let frames = words.iter().any(|word| word == "--frames");
    let timeline = if frames { Timeline::kept().with_frames() } else { Timeline::kept() };
    let mut world = World::new(scenario.clone(), timeline);
    // A panic of the core ends the seed; its story is told all the same.
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let (verdict, code) = match &lived {
        Err(_) => ("fails: it panics".to_owned(), ExitCode::FAILURE),
        Ok(outcome) => match &outcome.violation {
            Some(violation) => (format!("fails: {violation}"), ExitCode::FAILURE),
            None => ("passes".to_owned(), ExitCode::SUCCESS),
        },
    };
    let mut out = io::stdout().lock();
    let mut tell = || -> io::Result<()> {
        writeln!(out, "{scenario}")?;
        for line in world.timeline().tail(lines) {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "seed {seed} {verdict}")
    };
    match tell() {
        // Whoever reads with `head` has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(code),
    }
}
