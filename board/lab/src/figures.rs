//! The numbers of the pair, measured in one run on this machine: a table.

use std::fmt::Display;
use std::fs;
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use lubdub_lab::{Error, Judge, Lab, Node, Pair, RESOLUTION, Result, VIP, locate_daemon, now};

const GROUP: &str = "192.168.20.100/24/eth0";
const SERIAL: &str = "/dev/ttyS1";
const SOON: Duration = Duration::from_secs(20);
/// Measurements of each kind.
const ROUNDS: usize = 10;
/// Frames over which the length of one is averaged.
const FRAMES: u64 = 200;

/// Prints the table. Exit status 1: something did not happen, and why.
pub fn run() -> ExitCode {
    match tell() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(stderr(), "figures: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn tell() -> Result<()> {
    let daemon = locate_daemon("release")?;
    let fast = || {
        Pair::appliance()
            .with_ha_cf("keepalive 100ms", "keepalive 20ms")
            .with_ha_cf("warntime 200ms", "warntime 40ms")
            .with_ha_cf("deadtime 300ms", "deadtime 60ms")
    };
    let cable_alone = Pair::appliance().with_ha_cf("bcast eth1 # Linux\n", "");
    let lab = |pair: Pair| Lab::new(pair.with_daemon(&daemon));
    row("", "median", "max");
    times("power-off, B (100ms/300ms)", power_off(&lab(Pair::appliance())?)?);
    times("power-off, 20ms/60ms", power_off(&lab(fast())?)?);
    times("power-off, serial alone, B", power_off(&lab(cable_alone)?)?);
    times("planned takeover, B", takeover(&lab(Pair::appliance())?)?);
    times("start to first byte on the cable", first_beat(&lab(Pair::appliance())?)?);
    row("bytes of a beat on the cable, 2 groups", format!("{:.2}", beat(&daemon)?), "");
    row(&format!("size of {}", kind(&daemon)?), format!("{} B", fs::metadata(&daemon)?.len()), "");
    Ok(())
}

/// The owner dies; then it comes back and takes its group by order, so that no round waits for auto_failback.
fn power_off(lab: &Lab) -> Result<Vec<Duration>> {
    let [one, two] = lab.nodes();
    lab.boot()?;
    let round = |number| {
        settled(lab, one)?;
        // Ten different times since the last beat, all over the keepalive of B.
        let judge = asking(lab, one, 50 + 10 * number)?;
        one.power_off()?;
        let gap = gap(judge, two)?;
        one.boot()?;
        lab.await_whole(SOON)?;
        one.exec(&["lubdub", "takeover"])?.ok()?;
        Ok(gap)
    };
    (0..ROUNDS).map(round).collect()
}

fn takeover(lab: &Lab) -> Result<Vec<Duration>> {
    let [one, two] = lab.nodes();
    lab.boot()?;
    let round = |from: &Node, to: &Node| {
        settled(lab, from)?;
        let judge = asking(lab, from, 50)?;
        to.exec(&["lubdub", "takeover"])?.ok()?;
        gap(judge, to)
    };
    (0..ROUNDS).map(|number| if number % 2 == 0 { round(one, two) } else { round(two, one) }).collect()
}

/// From before the lab forks what will become the daemon.
fn first_beat(lab: &Lab) -> Result<Vec<Duration>> {
    let one = lab.node1();
    let round = || {
        let sent = lab.cable().count(0).sent;
        let before = now();
        one.start()?;
        let count = lab.cable().await_more(0, sent, SOON);
        let took = now() - before;
        one.stop()?;
        count.map(|_| took).ok_or_else(|| Error::new("the daemon sends nothing over the cable"))
    };
    (0..ROUNDS).map(|_| round()).collect()
}

/// The bytes that node1 sent, delimiters included, over the frames that it counted.
fn beat(daemon: &Path) -> Result<f64> {
    let groups = format!("node1.a.com {GROUP}\nnode2.a.com 192.168.20.101/24/eth0\n");
    let pair = Pair::appliance().with_haresources(&groups).with_ha_cf("keepalive 100ms", "keepalive 20ms");
    let lab = Lab::new(pair.with_daemon(daemon))?;
    let one = lab.node1();
    lab.boot()?;
    settled(&lab, one)?;
    let frames = || one.status().map(|status| status.link(SERIAL).map_or(0, |link| link.tx_frames));
    let (first_frame, first_byte) = (frames()?, lab.cable().count(0).sent);
    one.await_status(SOON, |s| s.link(SERIAL).is_some_and(|link| link.tx_frames >= first_frame + FRAMES))?;
    let bytes = lab.cable().count(0).sent - first_byte;
    Ok(bytes as f64 / (frames()? - first_frame) as f64)
}

fn settled(lab: &Lab, owner: &Node) -> Result<()> {
    lab.await_held(GROUP, owner, SOON)?;
    lab.await_whole(SOON)
}

/// A judge that has had so many echo replies from this node.
fn asking(lab: &Lab, node: &Node, replies: usize) -> Result<Judge> {
    let judge = lab.judge(VIP)?;
    judge.await_owner(node.mac(), SOON)?;
    let heard = judge.await_verdict(SOON, |verdict| verdict.ping.answers > replies as u64);
    heard.map(|()| judge).ok_or_else(|| Error::new("the address answers no echo request"))
}

/// The client's gap until the new owner serves it; double answers would make it worthless.
fn gap(judge: Judge, owner: &Node) -> Result<Duration> {
    judge.await_owner(owner.mac(), SOON)?;
    let answers = judge.so_far().ping.answers;
    judge.await_verdict(SOON, |verdict| verdict.ping.answers > answers + 100);
    let verdict = judge.verdict();
    match verdict.doubles.len() {
        0 => Ok(verdict.gap()),
        doubles => Err(Error::new(format!("{doubles} of {} questions had two answers", verdict.asked))),
    }
}

fn times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    row(what, times.get(times.len() / 2).map_or(String::new(), shown), times.last().map_or(String::new(), shown));
}

/// The judge lists no gap shorter than its resolution.
fn shown(time: &Duration) -> String {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    if time.is_zero() { format!("< {}", ms(RESOLUTION)) } else { ms(*time) }
}

fn row(what: &str, median: impl Display, max: impl Display) {
    let mut out = stdout().lock();
    writeln!(out, "{what:<40}{median:>14}{max:>14}").and_then(|()| out.flush()).ok();
}

/// Whether the kernel runs this file without a dynamic loader: no PT_INTERP (3) among its ELF64 program headers.
fn kind(daemon: &Path) -> Result<&'static str> {
    let file = fs::read(PathBuf::from(daemon))?;
    let word = |at: usize, len: usize| {
        let bytes = file.get(at..at + len).unwrap_or_default();
        bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let (start, size, count) = (word(32, 8), word(54, 2), word(56, 2));
    let dynamic = (0..count).any(|number| word(start + number * size, 4) == 3);
    Ok(if dynamic { "the dynamic binary" } else { "the static binary" })
}
