//! `appliance play`: the pair in one's hands. Two consoles, and faults at a command.

use std::io::{BufRead, Lines, StdinLock, Write, stderr, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lubdub_lab::{End, Error, Pair, Result, VIP};
use lubdub_qemu::lines::{CTS, DCD, DSR};
use lubdub_qemu::{Image, Rig, Tail, Wire, Wiring};

const HELP: &str = "\
N is 1 or 2.
  N COMMAND               runs it on a node: 1 lubdub status
  console N               its console (root, no password); a line `~.` leaves it
  off N, on N, reset N    the plug and the reset button
  freeze N, thaw N        the whole machine stands still and goes on
  cut serial|crossover    both ends of a cable are pulled out
  wire N broken|noise     the data wire that N sends on
  cable full|3wire|strapped
  lan N off|on            the carrier of eth0
  mend                    every cable is whole and plugged in
  who                     who answers for the VIP, gaps and double answers since the last `who`
  connect                 a connection to the service: which real server has it
  quit
";
/// How often the console's output is looked for.
const GLANCE: Duration = Duration::from_millis(100);

/// Boots the pair and does what is asked, until standard input ends.
pub fn play() -> Result<()> {
    let pair = Pair::appliance()
        .with_ha_cf("warntime 200ms", "warntime 1")
        .with_ha_cf("deadtime 300ms", "deadtime 5\nwatchdog /dev/watchdog0")
        .with_ha_cf("initdead 3", "initdead 10");
    say("building the image, then both boot: about half a minute\n");
    let mut rig = Rig::new(&Image::build()?, &pair)?;
    rig.boot()?;
    rig.client.begin();
    say(HELP);
    let mut lines = stdin().lock().lines();
    loop {
        say("> ");
        let Some(line) = lines.next() else { return Ok(()) };
        let line = line?;
        match line.trim() {
            "" => {}
            "quit" => return Ok(()),
            words => match obey(&mut rig, words, &mut lines) {
                Ok(text) => say(&text),
                Err(error) => say(&format!("{error}\n")),
            },
        }
    }
}

fn say(text: &str) {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

fn number(word: &str) -> Result<End> {
    match word {
        "1" => Ok(0),
        "2" => Ok(1),
        _ => Err(Error::new(format!("{word} is neither 1 nor 2"))),
    }
}

fn obey(rig: &mut Rig, line: &str, lines: &mut Lines<StdinLock<'_>>) -> Result<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["1" | "2", ..] if words.len() > 1 => {
            let output = rig.node(number(words[0])?)?.run(line[1..].trim())?;
            return Ok(format!("{}{}", output.stdout, output.stderr));
        }
        ["console", node] => attach(rig, number(node)?, lines)?,
        ["off", node] => rig.power_off(number(node)?)?,
        ["on", node] => rig.power_on(number(node)?)?,
        ["reset", node] => rig.node(number(node)?)?.reset()?,
        ["freeze", node] => rig.node(number(node)?)?.freeze()?,
        ["thaw", node] => rig.node(number(node)?)?.thaw()?,
        ["cut", "serial"] => rig.cable.cut(),
        ["cut", "crossover"] => rig.set_crossover(false)?,
        ["wire", node, "broken"] => rig.cable.set_wire(number(node)?, Wire::Broken),
        ["wire", node, "noise"] => rig.cable.set_wire(number(node)?, Wire::Noisy { rate: 0.02, seed: 1 }),
        ["cable", "full"] => rig.cable.rewire(Wiring::Full),
        ["cable", "3wire"] => rig.cable.rewire(Wiring::ThreeWire),
        ["cable", "strapped"] => rig.cable.rewire(Wiring::Strapped),
        ["lan", node, state @ ("on" | "off")] => rig.node(number(node)?)?.set_carrier(0, state == "on")?,
        ["mend"] => mend(rig)?,
        ["who"] => return Ok(who(rig)),
        ["connect"] => {
            let served = rig.client.connect(Duration::from_secs(10))?;
            return Ok(format!("{} has it, by way of {}\n", served.server, name(rig, Some(served.via))));
        }
        _ => return Ok(HELP.into()),
    }
    Ok(lines_of(rig))
}

fn mend(rig: &mut Rig) -> Result<()> {
    rig.cable.mend();
    rig.set_crossover(true)?;
    for end in [0, 1] {
        if let Ok(node) = rig.node(end) {
            node.set_carrier(0, true)?;
        }
    }
    Ok(())
}

/// The modem lines, as a tester with lamps shows them.
fn lines_of(rig: &Rig) -> String {
    let lamps = |end| {
        let seen = rig.cable.seen(end);
        let lit = [(CTS, "CTS"), (DSR, "DSR"), (DCD, "DCD")].into_iter().filter(|(line, _)| seen & line != 0);
        let names: Vec<&str> = lit.map(|(_, name)| name).collect();
        if names.is_empty() { "no line".to_owned() } else { names.join(" ") }
    };
    format!("ttyS1 sees: node1 {}, node2 {}\n", lamps(0), lamps(1))
}

fn name(rig: &Rig, mac: Option<lubdub_lab::arp::Mac>) -> String {
    let node = [0, 1].into_iter().find(|end| Some(rig.mac(*end)) == mac);
    node.map_or("nobody".into(), |end| rig.name(end).to_owned())
}

fn who(rig: &Rig) -> String {
    let verdict = rig.client.verdict();
    let text = format!(
        "{} answered last for {VIP}; longest silence {:.2} s, {} double answers\n",
        name(rig, verdict.owner),
        verdict.gap().as_secs_f64(),
        verdict.doubles.len(),
    );
    rig.client.begin();
    text
}

/// What is typed goes to the console, what the console says comes here.
fn attach(rig: &mut Rig, end: End, lines: &mut Lines<StdinLock<'_>>) -> Result<()> {
    let node = rig.node(end)?;
    let (tail, over) = (node.tail(), AtomicBool::new(false));
    say("~. on a line of its own leaves the console\n");
    thread::scope(|threads| {
        threads.spawn(|| show(&tail, &over));
        node.type_in("\n").ok();
        for line in lines.map_while(std::result::Result::ok).take_while(|line| line != "~.") {
            if node.type_in(&format!("{line}\n")).is_err() {
                writeln!(stderr(), "it has no power").ok();
                break;
            }
        }
        over.store(true, Ordering::Release);
    });
    Ok(())
}

fn show(tail: &Tail, over: &AtomicBool) {
    let (mut seen, _) = tail.await_more(u64::MAX, Duration::ZERO);
    while !over.load(Ordering::Acquire) {
        let (total, new) = tail.await_more(seen, GLANCE);
        seen = total;
        let mut out = stdout().lock();
        out.write_all(&new).and_then(|()| out.flush()).ok();
    }
}
