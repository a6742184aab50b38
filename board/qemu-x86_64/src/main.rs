//! `appliance`: the emulated appliance at this terminal.

mod figures;
mod play;

use std::io::{Write, stderr, stdout};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use lubdub_lab::{Error, Pair, Result};
use lubdub_qemu::faults::{self, Row};
use lubdub_qemu::{Attached, Bench, Hardware, Image, Lan, disk};

const USAGE: &str = "usage: appliance [--as-built]
       appliance play
       appliance figures
       appliance faults [--only TEXT] [--random COUNT] [--seed NUMBER]

Boots node1.a.com with its console at this terminal. Ctrl-A X pulls the plug.
  --as-built  the image as board/qemu-x86_64/build left it, with its own /etc/ha.d;
              otherwise it is built and gets the tutorial's files with a null-modem cable and short times

play: boots the pair, with the cable and the client, and makes faults at a command

figures: boot, memory and size, measured without a terminal

faults: boots a pair and tells what a client sees of every fault whose name contains TEXT, and of COUNT more at random
  (default 0; those alone: faults --only none --random 50); exit status 69 when one is not as it should be
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => console(false),
        ["--as-built"] => console(true),
        ["play"] => play::play(),
        ["faults", ref options @ ..] => match asked(options) {
            Some(asked) => asked.tell(),
            None => return usage(),
        },
        ["figures"] => figures::measure().and_then(|text| Ok(stdout().write_all(text.as_bytes())?)),
        _ => return usage(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(stderr(), "appliance: {error}").ok();
            ExitCode::from(69)
        }
    }
}

fn usage() -> ExitCode {
    stderr().write_all(USAGE.as_bytes()).ok();
    ExitCode::from(64)
}

/// What `faults` is asked for.
struct Asked {
    only: String,
    random: usize,
    seed: u64,
}

fn asked(options: &[&str]) -> Option<Asked> {
    let mut asked = Asked { only: String::new(), random: 0, seed: u64::from(std::process::id()) };
    for option in options.chunks(2) {
        match option {
            ["--only", text] => asked.only = (*text).into(),
            ["--random", count] => asked.random = count.parse().ok()?,
            ["--seed", number] => asked.seed = number.parse().ok()?,
            _ => return None,
        }
    }
    Some(asked)
}

impl Asked {
    fn tell(&self) -> Result<()> {
        let mut progress = |row: &Row| {
            let how = row.failed.as_ref().map_or("ok".into(), |why| format!("FAILED: {why}"));
            writeln!(stderr(), "{}: {how}", row.fault).ok();
        };
        let mut rows = faults::tell_all(&self.only, self.random, self.seed, &mut progress)?;
        rows.extend(faults::watchdog::tell_all(&self.only, true, &mut progress)?);
        stdout().write_all(faults::table(&rows).as_bytes())?;
        match rows.iter().filter(|row| row.failed.is_some()).count() {
            0 => Ok(()),
            count => Err(Error::new(format!("{count} of {} faults are not as they should be", rows.len()))),
        }
    }
}

fn console(as_built: bool) -> Result<()> {
    let bench = Bench::new()?;
    let [lan, crossover] = [Lan::new(&bench, "lan")?, Lan::new(&bench, "crossover")?];
    let mut hardware = Hardware::node1();
    hardware.ethernet[0].plug = Some(lan.plug("node1")?);
    hardware.ethernet[1].plug = Some(crossover.plug("node1")?);
    let image = if as_built {
        Image::find()?
    } else {
        hardware.configuration = Some(disk::of_pair(&bench, "node1", &Pair::appliance())?);
        Image::build()?
    };
    let line = hardware.command_line(&image, Attached::Terminal);
    let status = Command::new(&line[0])
        .args(&line[1..])
        .status()
        .map_err(|why| Error::new(format!("cannot run {}: {why}; install qemu-system-x86", line[0])))?;
    match status.signal().or(status.code()) {
        Some(0) => Ok(()),
        _ => Err(Error::new(format!("{}: {status}", line[0]))),
    }
}
