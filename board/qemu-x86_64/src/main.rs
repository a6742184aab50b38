//! `appliance`: the emulated appliance at this terminal.

mod figures;

use std::io::{Write, stderr, stdout};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use lubdub_lab::{Error, Pair, Result};
use lubdub_qemu::{Attached, Bench, Hardware, Image, Lan, disk};

const USAGE: &str = "usage: appliance [--as-built]
       appliance figures

Boots node1.a.com with its console at this terminal. Ctrl-A X pulls the plug.
  --as-built  the image as board/qemu-x86_64/build left it, with its own /etc/ha.d;
              otherwise it is built and gets the tutorial's files with a null-modem cable and short times

figures: boot, memory and size, measured without a terminal
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => console(false),
        ["--as-built"] => console(true),
        ["figures"] => figures::measure().and_then(|text| Ok(stdout().write_all(text.as_bytes())?)),
        _ => {
            stderr().write_all(USAGE.as_bytes()).ok();
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(stderr(), "appliance: {error}").ok();
            ExitCode::from(69)
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
