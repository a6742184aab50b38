//! `cargo run --release -p lubdub-cluster-tests -- [--rounds N] [PART OF A LINE]`: every fault that the lease and
//! the probes are there for, N times in each kind of lease, as a table. Exit status 1: something was not as promised.
//!
//! With `rivals [--rounds N]`: the same blows to keepalived and Heartbeat, where they are installed.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use lubdub_cluster_tests::rival::{Blow, Rival, strike};
use lubdub_cluster_tests::trial::{Fault, Lease, print, rounds};
use lubdub_lab::{Error, Result, locate_daemon};

const USAGE: &str =
    "usage: lubdub-cluster-tests [--rounds N] [PART OF A LINE]\n       lubdub-cluster-tests rivals [--rounds N]\n";
/// Rounds of each fault unless told otherwise.
const ROUNDS: usize = 50;
/// Of each rival, whose start takes long.
const RIVAL_ROUNDS: usize = 5;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => tell(ROUNDS, ""),
        ["rivals"] => compare(RIVAL_ROUNDS),
        ["rivals", "--rounds", count] => rounds_in(count).and_then(compare),
        ["--rounds", count] => rounds_in(count).and_then(|count| tell(count, "")),
        ["--rounds", count, part] => rounds_in(count).and_then(|count| tell(count, part)),
        [part] if !part.starts_with('-') => tell(ROUNDS, part),
        _ => {
            stderr().write_all(USAGE.as_bytes()).ok();
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(stderr(), "{error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn rounds_in(word: &str) -> Result<usize> {
    let count = word.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| Error::new(format!("--rounds {word}: not a number of rounds; one or more was expected")))
}

/// Goes on after a fault that was not as promised, so that the table is whole.
fn tell(count: usize, part: &str) -> Result<()> {
    let daemon = locate_daemon("release")?;
    let (mut out, mut failed) = (stdout().lock(), 0);
    let mut headings = true;
    let trials = Fault::ALL.into_iter().flat_map(|fault| Lease::ALL.map(|lease| (fault, lease)));
    for (fault, lease) in trials.filter(|(fault, lease)| format!("{}, {}", fault.name(), lease.name()).contains(part)) {
        match rounds(lease, fault, count, Some(&daemon)) {
            Ok(tally) => print(&tally, std::mem::take(&mut headings), &mut out)?,
            Err(error) => {
                failed += 1;
                writeln!(out, "{error}")?;
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(Error::new(format!("{failed} trials ended with what must not be"))) }
}

fn compare(count: usize) -> Result<()> {
    let daemon = locate_daemon("release")?;
    let mut out = stdout().lock();
    let [a, b, c, d, e, f] = ["daemon", "blow", "round", "two answers", "for", "gap"];
    writeln!(out, "{a:<12}{b:<24}{c:>6}{d:>13}{e:>12}{f:>12}")?;
    for rival in Rival::ALL {
        if !rival.is_here() {
            writeln!(out, "{:<12}not installed: apt-get install {0}", rival.name())?;
            continue;
        }
        for (blow, round) in Blow::ALL.into_iter().flat_map(|blow| (1..=count).map(move |round| (blow, round))) {
            let verdict = strike(rival, blow, &daemon)?;
            let [time, gap] = [verdict.double_time(), verdict.gap()].map(|time| format!("{} ms", time.as_millis()));
            let doubles = verdict.doubles.len();
            writeln!(out, "{:<12}{:<24}{round:>6}{doubles:>13}{time:>12}{gap:>12}", rival.name(), blow.name())?;
            out.flush()?;
        }
    }
    Ok(())
}
