//! What the daemon costs, as a table: `cargo run --release -p lubdub-cost [BINARY...]`
//!
//! Runs the pair of the lab in configuration B (a cable and a crossover) with each binary: by default the release build,
//! and the static one where `deploy/build-static` has made it. Needs strace, and cc for the count of allocations.

mod process;
mod trace;

use std::env;
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::channel;
use std::time::Duration;

use lubdub_lab::{Error, Lab, Node, Pair, Result};
use process::Process;
use trace::Calls;

/// Long enough for what is done once a second and once in ten.
const IDLE: Duration = Duration::from_secs(30);
/// At a keepalive of 100 ms: two hundred beats.
const TRACED: Duration = Duration::from_secs(10);
/// After a takeover, until its announcements are over.
const CALM: Duration = Duration::from_secs(6);
/// Until two nodes have met and their groups run.
const SETTLED: Duration = Duration::from_secs(20);

/// One line of the table.
struct Row {
    what: &'static str,
    goal: Option<f64>,
    value: Option<f64>,
}

fn main() -> ExitCode {
    let given: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let outcome = if given.is_empty() { built() } else { Ok(given) }
        .and_then(|binaries| binaries.iter().try_for_each(|binary| report(binary)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "cost: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The release build, made now, and the static one if it is there.
fn built() -> Result<Vec<PathBuf>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--release", "--locked", "--bin", "lubdub"]).status()?;
    if !status.success() {
        return Err(Error::new("cargo cannot build lubdub"));
    }
    let release = env::current_exe()?.with_file_name("lubdub");
    let target = release.ancestors().nth(2).unwrap_or(Path::new("."));
    let fixed = target.join("static/x86_64-unknown-linux-musl/release/lubdub");
    Ok([release, fixed].into_iter().filter(|binary| binary.exists()).collect())
}

fn report(binary: &Path) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{} ({} bytes)", binary.display(), binary.metadata()?.len())?;
    let (memory, parts) = alone(binary)?;
    let rows = memory.into_iter().chain(idle(binary)?).chain(traced(binary)?);
    for Row { what, goal, value } in rows {
        let verdict = match (goal, value) {
            (Some(goal), Some(value)) if value > goal => "ABOVE",
            (Some(_), Some(_)) => "ok",
            _ => "",
        };
        let shown = |number: Option<f64>| number.map_or("-".into(), |number| format!("{number:.2}"));
        writeln!(out, "  {what:<44} {:>9}  goal {:>5}  {verdict}", shown(value), shown(goal))?;
    }
    writeln!(out, "{parts}")?;
    Ok(())
}

/// Memory, with no second daemon to share a page with, and what it consists of.
fn alone(binary: &Path) -> Result<([Row; 3], String)> {
    let lab = Lab::new(Pair::appliance().with_daemon(binary))?;
    lab.node1().boot()?;
    await_held(lab.node1())?;
    let process = Process::of(lab.node1())?;
    let memory = process.memory()?;
    let rows = [
        Row { what: "PSS alone, MB", goal: Some(1.0), value: Some(memory.pss as f64 / 1_024.0) },
        Row { what: "RSS, MB", goal: None, value: Some(memory.rss as f64 / 1_024.0) },
        Row { what: "locked, MB", goal: None, value: Some(memory.locked as f64 / 1_024.0) },
    ];
    Ok((rows, process.maps()?))
}

/// CPU and wake-ups of a pair at peace, at Heartbeat's own keepalive of one second.
fn idle(binary: &Path) -> Result<[Row; 3]> {
    let pair = Pair::appliance()
        .with_ha_cf("keepalive 100ms", "keepalive 1")
        .with_ha_cf("warntime 200ms", "warntime 2")
        .with_ha_cf("deadtime 300ms", "deadtime 3")
        .with_daemon(binary);
    let lab = Lab::new(pair)?;
    let (owner, standby) = (settled(&lab)?, Process::of(lab.node2())?);
    let before = [owner.usage()?, standby.usage()?];
    pass(IDLE);
    let [spent, spared] = [owner.usage()?.since(before[0]), standby.usage()?.since(before[1])];
    let seconds = IDLE.as_secs_f64();
    let a_minute = |ms: f64| Some(ms * 60.0 / seconds);
    Ok([
        Row { what: "CPU at keepalive 1 s, ms a minute", goal: Some(6.0), value: a_minute(spent.cpu_ms) },
        Row { what: "  more than the standby's: the lease", goal: None, value: a_minute(spent.cpu_ms - spared.cpu_ms) },
        Row { what: "wake-ups at keepalive 1 s, a second", goal: None, value: Some(spent.wakeups as f64 / seconds) },
    ])
}

/// System calls and allocations for each beat that a link carries, which is one sent and one received.
fn traced(binary: &Path) -> Result<[Row; 3]> {
    let lab = Lab::new(Pair::appliance().with_daemon(binary))?;
    let process = settled(&lab)?;
    let (calls, beats) = trace_beats(lab.node1(), &process)?;
    writeln!(stderr(), "{}", calls.listed(beats))?;
    let (spared, others) = trace_beats(lab.node2(), &Process::of(lab.node2())?)?;
    let [owner, standby] = [(&calls, beats), (&spared, others)].map(|(it, beats)| it.total() as f64 / beats as f64);
    lab.node1().stop()?;
    let allocations = count_allocations(&lab)?;
    Ok([
        Row { what: "system calls a beat and link", goal: Some(8.0), value: Some(owner) },
        Row { what: "  more than the standby's: the lease", goal: None, value: Some(owner - standby) },
        Row { what: "allocations a beat (all links)", goal: Some(0.0), value: allocations },
    ])
}

fn trace_beats(node: &Node, process: &Process) -> Result<(Calls, u64)> {
    let before = sent(node)?;
    let calls = Calls::of(process, TRACED)?;
    Ok((calls, sent(node)? - before))
}

/// None where the binary has an allocator of its own.
fn count_allocations(lab: &Lab) -> Result<Option<f64>> {
    let node = lab.node1();
    let counter = node.space()?.root().join("tmp/allocations.so");
    trace::build_counter(&counter)?;
    node.start_as(&["env", "LD_PRELOAD=/tmp/allocations.so", "lubdub", "run"])?;
    let process = met(lab)?;
    if !process.maps_file("allocations.so")? {
        return Ok(None);
    }
    let (calls, frames) = trace_beats(node, &process)?;
    let links = node.status()?.links.len() as f64;
    Ok(Some(calls.count(trace::MARK) as f64 * links / frames as f64))
}

/// Frames that a node has sent on all links.
fn sent(node: &Node) -> Result<u64> {
    Ok(node.status()?.links.iter().map(|link| link.tx_frames).sum())
}

fn settled(lab: &Lab) -> Result<Process> {
    lab.boot()?;
    met(lab)
}

fn met(lab: &Lab) -> Result<Process> {
    for node in lab.nodes() {
        node.await_status(SETTLED, |status| {
            status.peer.state == "alive" && status.links.iter().all(|link| link.state == "up")
        })?;
    }
    await_held(lab.node1())?;
    pass(CALM);
    Process::of(lab.node1())
}

fn await_held(node: &Node) -> Result<()> {
    node.await_status(SETTLED, |status| status.groups.iter().all(|group| status.holds(&group.key))).map(drop)
}

/// Lets time pass in which the daemons are left alone.
fn pass(time: Duration) {
    let (_silent, nothing) = channel::<()>();
    let _ = nothing.recv_timeout(time);
}
