//! `cargo run --release -p lubdub-cluster-tests -- [--rounds N] [PART OF A LINE]`: every fault that the lease and
//! the probes are there for, N times in each kind of lease, as a table. Exit status 1: something was not as promised.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use lubdub_cluster_tests::trial::{Fault, Lease, print, rounds};
use lubdub_lab::{Error, Result, locate_daemon};

const USAGE: &str = "usage: lubdub-cluster-tests [--rounds N] [PART OF A LINE]\n";
/// Rounds of each fault unless told otherwise.
const ROUNDS: usize = 50;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (count, part) = match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (Some(ROUNDS), ""),
        ["--rounds", count] => (count.parse().ok(), ""),
        ["--rounds", count, part] => (count.parse().ok(), *part),
        [part] if !part.starts_with('-') => (Some(ROUNDS), *part),
        _ => (None, ""),
    };
    let Some(count) = count.filter(|count| *count > 0) else {
        stderr().write_all(USAGE.as_bytes()).ok();
        return ExitCode::from(64);
    };
    match tell(count, part) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(stderr(), "{error}").ok();
            ExitCode::FAILURE
        }
    }
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
