//! What was found, in words for the person at the console and as JSON for programs.

use std::fmt::Write;

use lubdub::time::Duration;

use super::tester::{Foreign, Peer, Tester};
use super::word::ON_THE_LINE;
use crate::host::lines::{Lines, Report, Shown};
use crate::host::narrate::Ms;
use crate::host::status::quoted;
use crate::host::words;

/// Fewer bytes of garbage than this are a disturbance and no sender.
const SENDER: u64 = 32;
/// Nothing heard for so long at the end: the cable went silent.
const SILENT: Duration = Duration::from_secs(1);

/// What the cable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Data and modem lines cross over.
    NullModem,
    /// Data cross over, and the lines show nothing.
    ThreeWire,
    /// Data cross over, and the lines are led back in the plug.
    Strapped,
    /// Data cross over; this port has no lines.
    Data,
    /// What this end sends comes back to it.
    Loopback,
    /// What this end sends comes back to it, and the other end is heard too.
    Echo,
    /// The other end is heard and does not hear this one.
    Unheard,
    /// A heartbeat daemon, a getty or a console speaks at the other end, and no tester.
    Other,
    /// Somebody speaks at another speed, or it is noise.
    Garbage,
    /// Nothing is heard.
    Nothing,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::NullModem => "null-modem",
            Self::ThreeWire => "three-wire",
            Self::Strapped => "strapped",
            Self::Data => "data",
            Self::Loopback => "loopback",
            Self::Echo => "echo",
            Self::Unheard => "unheard",
            Self::Other => "other-program",
            Self::Garbage => "garbage",
            Self::Nothing => "nothing",
        }
    }

    const fn line(self) -> &'static str {
        match self {
            Self::NullModem => "a full null modem: data and modem lines cross over",
            Self::ThreeWire => {
                "a cable of three wires: data cross over, no modem line does; a peer without power is noticed by its \
                 silence alone"
            }
            Self::Strapped => {
                "a null modem with strapped plugs: data cross over, the modem lines lead back to this end and show \
                 nothing"
            }
            Self::Data => "data cross over; this port has no modem lines",
            Self::Loopback => "a loopback: this end hears itself",
            Self::Echo => "this end hears itself and the other one",
            Self::Unheard => "one direction: the other end is heard and does not hear this one",
            Self::Other => "another program speaks at the other end",
            Self::Garbage => "bytes come that are neither a tester's, nor a daemon's, nor text",
            Self::Nothing => "nothing comes through",
        }
    }
}

/// A fault, or something to know, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The cable is not good with it.
    pub fault: bool,
    /// What is the case.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Remark {
    /// The cable or what is at its ends must be changed.
    pub fn fault(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { fault: true, what: what.into(), remedy: remedy.into() }
    }

    /// It works, and would work better.
    pub fn hint(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { fault: false, what: what.into(), remedy: remedy.into() }
    }
}

/// The whole of it.
pub struct Verdict<'a> {
    device: &'a str,
    tester: &'a Tester,
    /// What the cable is.
    pub kind: Kind,
    /// The faults first.
    pub remarks: Vec<Remark>,
}

impl<'a> Verdict<'a> {
    /// Of a test that is over; `port` is known of the port itself.
    pub fn new(device: &'a str, tester: &'a Tester, port: Vec<Remark>) -> Self {
        let kind = kind(tester);
        let mut remarks = Vec::new();
        match kind {
            Kind::NullModem | Kind::ThreeWire | Kind::Strapped | Kind::Data => measured(tester, &mut remarks),
            Kind::Loopback => {
                measured(tester, &mut remarks);
                let what = "it says nothing of a cable: the port and its plug work as far as the numbers say";
                remarks.push(Remark::hint(what, "take the plug off and join the two machines"));
            }
            _ => remarks.push(unjoined(kind, tester)),
        }
        lines(tester, kind, &mut remarks);
        remarks.extend(port);
        remarks.sort_by_key(|remark| !remark.fault);
        Self { device, tester, kind, remarks }
    }

    /// Nothing has to be changed.
    pub fn is_good(&self) -> bool {
        !self.remarks.iter().any(|remark| remark.fault)
    }

    fn peer(&self) -> Option<&Peer> {
        self.tester.peer.as_ref().filter(|_| !matches!(self.kind, Kind::Loopback))
    }

    /// For people.
    pub fn text(&self) -> String {
        let tester = self.tester;
        let mut out = String::new();
        let good = if self.is_good() { "good" } else { "FAULTS" };
        let _ = writeln!(out, "{}  {good}  {}", self.device, self.kind.line());
        let _ = writeln!(out, "speed {}, lines {}", tester.baud, line_words(tester));
        let tally = &tester.tally;
        if tally.received > 0 {
            let (expected, received, damaged) = (tally.expected(), tally.received, tally.damaged);
            let _ = writeln!(out, "received {received} of {expected} frames at {}, {damaged} damaged", tester.speed);
            if let Some((expected, received)) = tally.theirs {
                let _ = writeln!(out, "the other end received {received} of {expected}");
            }
            let _ = writeln!(out, "bit errors {}", rate_words(tester));
        }
        if let Some(trip) = tally.round_trip() {
            let (least, mean, most) = (Ms(trip.least), Ms(trip.mean), Ms(trip.most));
            let _ = writeln!(
                out,
                "round trip of {ON_THE_LINE} bytes: {least} at least, {mean} in the mean, {most} at most"
            );
        }
        for remark in &self.remarks {
            let word = if remark.fault { "fault" } else { "hint" };
            let _ = writeln!(out, "{word}: {}\n  remedy: {}", remark.what, remark.remedy);
        }
        out
    }

    /// One object on one line.
    pub fn json(&self) -> String {
        let tester = self.tester;
        let tally = &tester.tally;
        let number = |value: Option<u64>| value.map_or("null".to_owned(), |value| value.to_string());
        let mut out = format!(
            "{{\"device\":{},\"good\":{},\"kind\":\"{}\",\"lines\":\"{}\",\"baud\":{},\"peer_baud\":{},\"measured_baud\":{}",
            quoted(self.device),
            self.is_good(),
            self.kind.word(),
            words::shown(tester.modem.shown()),
            tester.baud,
            number(self.peer().map(|peer| u64::from(peer.baud))),
            number((tally.received > 0).then_some(u64::from(tester.speed))),
        );
        let (expected, received, damaged) = (tally.expected(), tally.received, tally.damaged);
        let _ = write!(out, ",\"expected\":{expected},\"received\":{received},\"damaged\":{damaged}");
        let theirs = tally.theirs.unzip();
        let (expected, received) = (number(theirs.0.map(u64::from)), number(theirs.1.map(u64::from)));
        let _ = write!(out, ",\"peer_expected\":{expected},\"peer_received\":{received}");
        let _ = write!(out, ",\"bits\":{},\"bit_errors\":{}", bits(tester), errors(tester));
        let trip = |part: fn(super::tally::RoundTrip) -> Duration| {
            number(tally.round_trip().map(|trip| part(trip).as_micros()))
        };
        let (least, mean, most) = (trip(|t| t.least), trip(|t| t.mean), trip(|t| t.most));
        let _ = write!(out, ",\"round_trip_us\":{{\"min\":{least},\"mean\":{mean},\"max\":{most}}}");
        let _ = write!(out, ",\"heard_text\":{}", quoted(&String::from_utf8_lossy(&tester.sample)));
        let remarks: Vec<String> = self.remarks.iter().map(remark_json).collect();
        let _ = write!(out, ",\"remarks\":[{}]}}", remarks.join(","));
        out
    }
}

fn remark_json(remark: &Remark) -> String {
    let (what, remedy) = (quoted(&remark.what), quoted(&remark.remedy));
    format!("{{\"fault\":{},\"what\":{what},\"remedy\":{remedy}}}", remark.fault)
}

fn kind(tester: &Tester) -> Kind {
    let Some(peer) = tester.peer else {
        let all = tester.listened.iter().map(|(_, foreign)| foreign).chain([&tester.foreign]);
        let mut kind = Kind::Nothing;
        for foreign in all {
            if foreign.frames > 0 || is_text(foreign) {
                return Kind::Other;
            } else if foreign.bytes >= SENDER {
                kind = Kind::Garbage;
            }
        }
        return kind;
    };
    if tester.looped > 0 {
        return if tester.is_own(peer.id) { Kind::Loopback } else { Kind::Echo };
    }
    if !peer.hears {
        return Kind::Unheard;
    }
    match tester.modem.shown() {
        Shown::Up | Shown::Lost => Kind::NullModem,
        Shown::None => Kind::ThreeWire,
        Shown::Strapped => Kind::Strapped,
        Shown::Unknown => Kind::Data,
    }
}

fn is_text(foreign: &Foreign) -> bool {
    foreign.bytes >= 8 && foreign.text * 10 >= foreign.bytes * 9
}

/// Bits that should have come.
fn bits(tester: &Tester) -> u64 {
    u64::from(tester.tally.expected()) * ON_THE_LINE * 8
}

/// A frame that is damaged or missing has one wrong bit at least.
fn errors(tester: &Tester) -> u32 {
    let tally = &tester.tally;
    tally.damaged.max(tally.expected() - tally.received)
}

fn rate_words(tester: &Tester) -> String {
    match (errors(tester), bits(tester)) {
        (0, bits) => format!("none in {bits} bits"),
        (errors, bits) => format!("{errors} at least in {bits} bits, one in {}", bits / u64::from(errors)),
    }
}

fn line_words(tester: &Tester) -> String {
    let word = words::shown(tester.modem.shown());
    match tester.report() {
        Report::Unknown => word.to_owned(),
        Report::Known { lines, .. } => {
            let names = [(Lines::DSR, "DSR"), (Lines::DCD, "DCD"), (Lines::CTS, "CTS")];
            let up: Vec<&str> =
                names.iter().filter(|(line, _)| lines.and(*line).any()).map(|(_, name)| *name).collect();
            if up.is_empty() { word.to_owned() } else { format!("{word} ({})", up.join(" ")) }
        }
    }
}

fn measured(tester: &Tester, remarks: &mut Vec<Remark>) {
    let tally = &tester.tally;
    if let Some(peer) = tester.peer.filter(|peer| peer.baud != tester.baud) {
        let (theirs, mine) = (peer.baud, tester.baud);
        let what = format!("the other end is set to {theirs}, this one to {mine}");
        remarks.push(Remark::fault(what, "make `baud` equal in both ha.cf"));
    }
    if tally.received == 0 {
        let speed = tester.speed;
        let what = format!("the ends found each other, and nothing was received at {speed} afterwards");
        remarks
            .push(Remark::fault(what, "try again; a long or unshielded cable may not carry this speed: lower `baud`"));
        return;
    }
    if tester.silent >= SILENT {
        let what = format!("the other end fell silent {} before the end", Ms(tester.silent));
        remarks.push(Remark::fault(what, "look at the plugs: was it pulled, or the other test interrupted?"));
    }
    let remedy = "a shorter or shielded cable, firm plugs, a common ground; or a lower `baud`";
    if errors(tester) > 0 {
        remarks.push(Remark::fault(format!("bits are wrong on the way here: {}", rate_words(tester)), remedy));
    }
    if let Some((expected, received)) = tally.theirs.filter(|(expected, received)| received < expected) {
        let what = format!("{} of {expected} frames did not arrive at the other end", expected - received);
        remarks.push(Remark::fault(what, remedy));
    }
}

fn unjoined(kind: Kind, tester: &Tester) -> Remark {
    let baud = tester.baud;
    let other = |found: fn(&Foreign) -> bool| {
        let here = (baud, tester.foreign);
        [here].iter().chain(&tester.listened).find(|(_, foreign)| found(foreign)).map(|(speed, _)| *speed)
    };
    let differs = |speed: u32| {
        if speed == baud { String::new() } else { format!(" at {speed} (this end is set to {baud})") }
    };
    match kind {
        Kind::Unheard => Remark::fault(
            "what this end sends does not arrive: its TXD, the wire, or the other end's RXD is broken",
            "look at pin 3 here and pin 2 there (DB9); try another cable, then another port",
        ),
        Kind::Echo => Remark::fault(
            "what this end sends comes back to it",
            "the other end echoes, or RXD and TXD touch in a plug; a heartbeat link must not do that",
        ),
        Kind::Other => match (other(|foreign| foreign.frames > 0), other(is_text)) {
            (Some(speed), _) => Remark::fault(
                format!("a heartbeat daemon speaks at the other end{}", differs(speed)),
                "this direction works; for the whole test stop the daemon there and start `lubdub cable` on both ends",
            ),
            (_, speed) => Remark::fault(
                format!(
                    "a getty or a console speaks at the other end{}: \"{}\"",
                    differs(speed.unwrap_or(baud)),
                    String::from_utf8_lossy(&tester.sample).escape_default()
                ),
                "there: systemctl disable --now serial-getty@PORT, or its line in /etc/inittab; no console= of that port",
            ),
        },
        Kind::Garbage => Remark::fault(
            "somebody sends at a speed that is none of the usual ones, with parity, or it is noise",
            "start `lubdub cable` on the other end; is the right port plugged in?",
        ),
        _ => Remark::fault("nothing was heard from the other end", nothing(tester.modem.shown())),
    }
}

/// What the lines add to silence.
///
/// A straight-through cable has no kind of its own. It joins each output to the other end's output and each input to an
/// input, so that all inputs are open and read as off: as with no cable at all, with a plug that is out, and with three
/// wires to a machine that is off. An output cannot be read back. But lines that are up or strapped rule it out.
const fn nothing(shown: Shown) -> &'static str {
    match shown {
        Shown::Up | Shown::Lost => {
            "its port is open, as the lines show: is `lubdub cable` running there? If it is, the data wires are broken or \
             not crossed; if it says there that it hears this end, the wire from its TXD to this RXD is broken"
        }
        Shown::Strapped => {
            "start `lubdub cable` on the other end too; the cable is in this port, as its strapped lines show, so then \
             its data wires are broken or its other plug is in another port. If it says there that it hears this end, the \
             wire from its TXD to this RXD is broken"
        }
        Shown::None | Shown::Unknown => {
            "start `lubdub cable` on the other end too; then: is the cable in the right ports, and is it a null modem? A \
             straight-through cable joins TXD to TXD and carries nothing, which looks like no cable: ring it out, pin 2 \
             must lead to pin 3. If it says there that it hears this end, the wire from its TXD to this RXD is broken"
        }
    }
}

/// What the lines show of single wires, where data come through.
fn lines(tester: &Tester, kind: Kind, remarks: &mut Vec<Remark>) {
    if kind != Kind::NullModem {
        return;
    }
    let Report::Known { lines, .. } = tester.report() else { return };
    if tester.modem.shown() == Shown::Lost {
        let what = "the modem lines fell during the test";
        remarks.push(Remark::fault(what, "look at the plugs: a loose one looks like a dead peer"));
        return;
    }
    let wires = [
        (Lines::DSR.or(Lines::DCD), "DSR and DCD are down here though CTS is up: DTR of the other end does not arrive"),
        (Lines::CTS, "CTS is down here: RTS of the other end does not arrive"),
    ];
    for (_, what) in wires.iter().filter(|(wire, _)| !lines.and(*wire).any()) {
        remarks
            .push(Remark::hint(*what, "one line that works is enough; for all, a cable with all wires crossed over"));
    }
}
