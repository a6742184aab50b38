//! `sim run`: lives through many seeds. `sim replay SEED`: tells one of them.

use lubdub_sim::kind::{Kind, Tally};
use lubdub_sim::scenario::Scenario;
use lubdub_sim::timeline::Timeline;
use lubdub_sim::world::{Outcome, World};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

const USAGE: &str = "usage: sim run [--seeds N] [--first SEED] [--jobs N] [--keep-going] | sim replay SEED [--lines N]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.first().map(String::as_str) {
        Some("run") => run(&words),
        Some("replay") => replay(&words),
        _ => Err(USAGE.into()),
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "{error}");
        ExitCode::from(64)
    })
}

/// The number after a flag.
fn number(words: &[String], flag: &str, default: u64) -> Result<u64, String> {
    match words.iter().position(|word| word == flag) {
        None => Ok(default),
        Some(at) => {
            words.get(at + 1).and_then(|word| seed(word)).ok_or_else(|| format!("{flag} needs a number\n{USAGE}"))
        }
    }
}

/// A seed in decimal, or in hexadecimal as a commit's hash is: its first 16 digits.
fn seed(word: &str) -> Option<u64> {
    word.parse().ok().or_else(|| u64::from_str_radix(word.get(..word.len().min(16))?, 16).ok())
}

#[derive(Default)]
struct Campaign {
    seeds: u64,
    failed: Vec<u64>,
    micros: u64,
    events: u64,
    starts: u64,
    doubles: u64,
    churn: u64,
    tally: Tally,
}

impl Campaign {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        self.micros += outcome.lived.as_micros();
        self.events += outcome.events;
        self.starts += outcome.starts;
        self.doubles += outcome.doubles;
        self.churn += outcome.churn;
        self.tally.add(&outcome.tally);
        if outcome.violation.is_some() {
            self.failed.push(seed);
        }
    }

    fn report(&self, out: &mut impl Write) -> io::Result<()> {
        let hours = self.micros as f64 / 3.6e9;
        writeln!(
            out,
            "{} seeds, {hours:.0} virtual hours, {} events, {} starts",
            self.seeds, self.events, self.starts
        )?;
        writeln!(out, "{} excused double ownerships, {} sessions renewed", self.doubles, self.churn)?;
        write!(out, "faults:")?;
        for kind in Kind::ALL {
            write!(out, " {kind:?} {}", self.tally.of(*kind))?;
        }
        writeln!(out, "\n{} seeds failed", self.failed.len())
    }
}

fn run(words: &[String]) -> Result<ExitCode, String> {
    let (seeds, first) = (number(words, "--seeds", 1000)?, number(words, "--first", 0)?);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let jobs = number(words, "--jobs", cores)?.clamp(1, 64);
    let keep_going = words.iter().any(|word| word == "--keep-going");
    let next = AtomicU64::new(0);
    let mut campaign = Campaign::default();
    std::thread::scope(|scope| {
        let (results, received) = mpsc::sync_channel(64);
        for _ in 0..jobs {
            let (results, next) = (results.clone(), &next);
            scope.spawn(move || {
                loop {
                    let offset = next.fetch_add(1, Ordering::Relaxed);
                    let seed = first.wrapping_add(offset);
                    if offset >= seeds || results.send((seed, live(seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        for (seed, outcome) in received {
            campaign.add(seed, &outcome);
            if let Some(violation) = &outcome.violation {
                let at = violation.at.as_micros() / 1000;
                let _ = writeln!(io::stdout(), "seed {seed} fails at {at} ms: {violation}");
                let _ = writeln!(io::stdout(), "  cargo run --release -p lubdub-sim -- replay {seed}");
                if !keep_going {
                    next.store(seeds, Ordering::Relaxed);
                }
            }
        }
    });
    campaign.report(&mut io::stdout()).map_err(|error| error.to_string())?;
    Ok(if campaign.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn live(seed: u64) -> Outcome {
    World::new(Scenario::draw(seed), Timeline::default()).live()
}

fn replay(words: &[String]) -> Result<ExitCode, String> {
    let seed = words.get(1).and_then(|word| seed(word)).ok_or(USAGE)?;
    let lines = number(words, "--lines", u64::MAX)?;
    let scenario = Scenario::draw(seed);
    let mut out = io::stdout().lock();
    let mut world = World::new(scenario.clone(), Timeline::kept());
    let outcome = world.live();
    let tell = |out: &mut dyn Write| -> io::Result<()> {
        writeln!(out, "{scenario:#?}")?;
        for line in world.timeline().tail(usize::try_from(lines).unwrap_or(usize::MAX)) {
            writeln!(out, "{line}")?;
        }
        match &outcome.violation {
            Some(violation) => writeln!(out, "seed {seed} fails: {violation}"),
            None => writeln!(out, "seed {seed} passes"),
        }
    };
    tell(&mut out).map_err(|error| error.to_string())?;
    Ok(if outcome.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
