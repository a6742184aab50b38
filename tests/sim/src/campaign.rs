//! Lives through many seeds on all cores, and reports what they came to.

use crate::flag;
use crate::progress::Progress;
use lubdub_sim::kind::{Kind, Tally};
use lubdub_sim::scenario::Scenario;
use lubdub_sim::timeline::Timeline;
use lubdub_sim::world::{Outcome, World};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Seeds of a campaign unless it says otherwise.
const SEEDS: u64 = 1_000;
/// Results that wait to be counted.
const RESULTS_MAX: usize = 64;

/// What a seed came to; none where it panicked.
type Lived = (u64, Option<Outcome>);

/// The seeds of a campaign: a run of them, and one more where one is asked for.
#[derive(Clone, Copy)]
struct Seeds {
    first: u64,
    count: u64,
    also: Option<u64>,
}

impl Seeds {
    fn total(&self) -> u64 {
        self.count + u64::from(self.also.is_some())
    }

    /// The `n`-th: the additional one comes first.
    fn nth(&self, n: u64) -> u64 {
        match self.also {
            Some(seed) if n == 0 => seed,
            Some(_) => self.first.wrapping_add(n - 1),
            None => self.first.wrapping_add(n),
        }
    }
}

/// `sim run`.
pub fn run(words: &[String]) -> Result<ExitCode, String> {
    let count = flag(words, "--seeds")?.unwrap_or(SEEDS);
    let seeds = Seeds { first: flag(words, "--first")?.unwrap_or(0), count, also: flag(words, "--also")? };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let jobs = flag(words, "--jobs")?.unwrap_or(cores).clamp(1, 64);
    let keep_going = words.iter().any(|word| word == "--keep-going");
    let next = AtomicU64::new(0);
    let sum = std::thread::scope(|scope| {
        let (results, received) = sync_channel(RESULTS_MAX);
        for _ in 0..jobs {
            let (results, next) = (results.clone(), &next);
            scope.spawn(move || work(seeds, next, &results));
        }
        drop(results);
        count_up(seeds, &received, || {
            if !keep_going {
                next.store(seeds.total(), Ordering::Relaxed);
            }
        })
    });
    sum.report(&mut io::stdout()).map_err(|error| error.to_string())?;
    Ok(if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One core's part: the next seed that nobody lives yet, until there is none.
fn work(seeds: Seeds, next: &AtomicU64, results: &SyncSender<Lived>) {
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= seeds.total() || results.send((seeds.nth(n), live(seeds.nth(n)))).is_err() {
            return;
        }
    }
}

fn live(seed: u64) -> Option<Outcome> {
    catch_unwind(AssertUnwindSafe(|| World::new(Scenario::draw(seed), Timeline::default()).live())).ok()
}

fn count_up(seeds: Seeds, received: &Receiver<Lived>, mut failed: impl FnMut()) -> Sum {
    let mut sum = Sum::default();
    let mut progress = Progress::begin(seeds.first, seeds.count);
    for (seed, outcome) in received {
        if let Some(why) = sum.add(outcome) {
            progress.clear();
            let _ = writeln!(io::stdout(), "seed {seed} fails {why}\n  {}", replay_command(seed));
            failed();
        }
        if seeds.also != Some(seed) {
            progress.done(seed);
        }
    }
    progress.clear();
    sum.seconds = progress.seconds();
    sum
}

/// What tells a seed's story.
fn replay_command(seed: u64) -> String {
    format!("cargo run --profile proof -p lubdub-sim -- replay {seed}")
}

/// What a campaign came to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    failed: u64,
    micros: u64,
    events: u64,
    starts: u64,
    doubles: u64,
    churn: u64,
    tally: Tally,
    seconds: f64,
}

impl Sum {
    /// Adds a seed, and says why it failed if it did.
    fn add(&mut self, outcome: Option<Outcome>) -> Option<String> {
        self.seeds += 1;
        let Some(outcome) = outcome else {
            self.failed += 1;
            return Some("with a panic (above)".into());
        };
        self.micros += outcome.lived.as_micros();
        self.events += outcome.events;
        self.starts += outcome.starts;
        self.doubles += outcome.doubles;
        self.churn += outcome.churn;
        self.tally.add(&outcome.tally);
        let violation = outcome.violation?;
        self.failed += 1;
        Some(format!("at {} ms: {violation}", violation.at.as_micros() / 1000))
    }

    fn report(&self, out: &mut impl Write) -> io::Result<()> {
        for kind in Kind::ALL {
            let varieties: Vec<_> =
                self.tally.varieties(*kind).map(|(variety, count)| format!("{variety} {count}")).collect();
            writeln!(out, "{:<12} {:>12}  {}", format!("{kind:?}"), self.tally.of(*kind), varieties.join(", "))?;
        }
        writeln!(
            out,
            "{} seeds, {:.0} virtual hours, {} events, {} starts of groups in {:.0} s: {:.1} seeds/s",
            self.seeds,
            self.micros as f64 / 3.6e9,
            self.events,
            self.starts,
            self.seconds,
            self.seeds as f64 / self.seconds.max(0.001),
        )?;
        writeln!(out, "{} excused double ownerships, {} sessions renewed", self.doubles, self.churn)?;
        writeln!(out, "{} seeds failed", self.failed)
    }
}
