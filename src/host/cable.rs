//! `lubdub cable`: what is this cable, and how good?
//!
//! Run on both ends, or on one with a loopback plug, while no daemon has the tty. [`Tester`] does it without a device or
//! a clock; here it gets both.

mod port;
mod tally;
mod tester;
mod verdict;
mod word;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use lubdub::conf::{Diagnostics, Link};
use lubdub::time::{Duration, Instant};

use super::control::SOCKET;
use super::{NOT_PERMITTED, REFUSED, check, clock, console};
use port::Port;
use tester::{Act, Stage, Tester};
use verdict::Verdict;

/// Exit code: wrong usage.
const USAGE: u8 = 64;
/// Exit code: the tty is not to be had (EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
/// The longest test, in seconds.
const LONGEST: u64 = 86_400;
/// How often lines are read and progress is shown.
const TICK: Duration = Duration::from_millis(20);
/// See [`TICK`].
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// What is asked for.
pub struct Wish<'a> {
    /// Where ha.cf is, if it has to be asked.
    pub config_dir: &'a Path,
    /// The daemon's, which must not run on this tty.
    pub run_dir: &'a Path,
    /// This node.
    pub node: &'a str,
    /// The tty; none: ha.cf's first `serial`.
    pub tty: Option<&'a str>,
    /// Its speed; none: ha.cf's, or 115200 with a tty that is given.
    pub baud: Option<u32>,
    /// How long is measured.
    pub seconds: u64,
    /// How long the other end is waited for.
    pub wait: u64,
    /// One object on stdout.
    pub json: bool,
}

/// Tests the cable. The exit code: 0 a good one, 1 faults, 64, 69, 77, 78 when there was no test.
pub fn test(wish: &Wish<'_>) -> u8 {
    for (option, seconds) in [("--seconds", wish.seconds), ("--wait", wish.wait)] {
        if !(1..=LONGEST).contains(&seconds) {
            return refuse(USAGE, &format!("{option} {seconds}: expected 1 to {LONGEST}, which is a day"));
        }
    }
    let (device, baud) = match target(wish) {
        Ok(target) => target,
        Err((code, text)) => return refuse(code, &text),
    };
    if !port::is_speed(baud) {
        return refuse(
            USAGE,
            &format!("{baud} is no speed of termios(3); 9600, 19200, 38400, 57600 and 115200 are usual"),
        );
    }
    if let Some(finding) = check::tty(&device) {
        return match std::fs::metadata(&device) {
            Ok(_) => refuse(1, &finding.to_string()),
            Err(_) => refuse(UNAVAILABLE, &finding.to_string()),
        };
    }
    let port = match Port::open(&device, baud) {
        Ok(port) => port,
        Err(error) => {
            let code = if error.kind() == io::ErrorKind::PermissionDenied { NOT_PERMITTED } else { UNAVAILABLE };
            let remedy =
                "root may open it, and only while nobody else has it: stop the daemon first, it holds its cable";
            return refuse(code, &format!("{device}: {error}; {remedy}"));
        }
    };
    let lasts = (Duration::from_secs(wish.wait), Duration::from_secs(wish.seconds));
    let mut tester = Tester::new(clock::now(), random(), baud, lasts);
    if let Err(error) = drive(&port, &mut tester) {
        return refuse(UNAVAILABLE, &format!("{device}: {error}; the device went away during the test"));
    }
    let verdict = Verdict::new(&device, &tester, port.hardware());
    let text = if wish.json { verdict.json() + "\n" } else { verdict.text() };
    console::print(&text, u8::from(!verdict.is_good()))
}

fn refuse(code: u8, text: &str) -> u8 {
    let _ = writeln!(io::stderr(), "lubdub cable: {text}");
    code
}

/// The two ends must not call themselves the same.
fn random() -> u32 {
    let mut random = [0; 4];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random));
    let clock = clock::now().as_micros() as u32;
    if read.is_ok() { u32::from_le_bytes(random) } else { clock ^ std::process::id().rotate_left(16) }
}

/// The tty and its speed.
fn target(wish: &Wish<'_>) -> Result<(String, u32), (u8, String)> {
    const BAUD: u32 = 115_200;
    if let Some(tty) = wish.tty {
        return Ok((tty.to_owned(), wish.baud.unwrap_or(BAUD)));
    }
    let hint = "give the tty: lubdub cable /dev/ttyS1";
    let texts = check::load_ha_cf(wish.config_dir).map_err(|unfit| {
        (unfit.exit_code(), format!("{hint}; without it ha.cf's first `serial` is tested, but {}", unfit.messages()))
    })?;
    let mut diagnostics = Diagnostics::default();
    let config = texts.read(wish.node, &mut diagnostics);
    let serial = config.as_ref().and_then(|config| {
        config.links.iter().find_map(|link| match link {
            Link::Serial { device, baud } => Some(((*device).to_owned(), *baud)),
            Link::Broadcast { .. } => None,
        })
    });
    let Some((device, baud)) = serial else {
        let why = if config.is_some() { "ha.cf has no `serial`" } else { "ha.cf is refused (lubdub check)" };
        return Err((REFUSED, format!("{hint}; {why}")));
    };
    if UnixStream::connect(wish.run_dir.join(SOCKET)).is_ok() {
        let text = format!("the daemon of {} runs on {device}: stop it first, on both nodes", wish.run_dir.display());
        return Err((UNAVAILABLE, text));
    }
    Ok((device, wish.baud.unwrap_or(baud)))
}

fn drive(port: &Port, tester: &mut Tester) -> io::Result<()> {
    let mut progress = Progress::new();
    let (mut out, mut buf) = (Vec::new(), [0; 512]);
    let mut look_at = Instant::ZERO;
    loop {
        let now = clock::now();
        if now >= look_at {
            look_at = now + TICK;
            tester.see(now, port.report());
            progress.show(now, tester);
        }
        match tester.poll(now, &mut out) {
            Act::Send => port.write(&out),
            Act::Speed(speed) => match port.set_speed(speed) {
                Ok(()) => {}
                Err(_) if matches!(tester.stage(), Stage::Listen(..)) => tester.skip(now),
                Err(error) => return Err(error),
            },
            Act::Done => break,
            Act::Wait(until) => {
                let patience = until.min(look_at).since(now);
                let read = port.read(&mut buf, std::time::Duration::from_micros(patience.as_micros()))?;
                tester.hear(clock::now(), &buf[..read]);
            }
        }
    }
    progress.end();
    Ok(())
}

/// One line that is written over, on a terminal only.
struct Progress {
    shown: bool,
    at: Instant,
    begun: Instant,
}

impl Progress {
    fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), at: Instant::ZERO, begun: clock::now() }
    }

    fn show(&mut self, now: Instant, tester: &Tester) {
        if !self.shown || now < self.at {
            return;
        }
        self.at = now + SHOW_EVERY;
        let seconds = now.since(self.begun).as_millis() / 1_000;
        let speed = tester.speed;
        let text = match tester.stage() {
            Stage::Search(_) if tester.peer.is_some() => "the other end is heard; does it hear this one?".to_owned(),
            Stage::Search(_) => "looking for the other end: start `lubdub cable` there".to_owned(),
            Stage::Agree(_) | Stage::Done => "found".to_owned(),
            Stage::Measure(_) => {
                let tally = &tester.tally;
                format!("measuring: {} frames received of {}", tally.received, tally.expected())
            }
            Stage::Listen(..) => "nobody answers: listening at other speeds".to_owned(),
        };
        let _ = write!(io::stderr(), "\r\x1b[K{seconds} s  {speed}  {text}");
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
