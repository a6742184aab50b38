//! A field journal lived through again: the same core, the same inputs, and therefore the same decisions, or not.

use lubdub::journal::{File, Refusal, Replay, Summary, Told, Turn};
use lubdub::node::{Event, Evidence, Input, Output};
use lubdub::time::Instant;
use std::io::{self, Write};

/// How a replay ended.
#[derive(Debug)]
pub enum Verdict {
    /// Every output was the same as then.
    Reproduced,
    /// Something else came of an input.
    Differs,
    /// The file is not what a daemon wrote, or another core did.
    Refused(Refusal),
}

/// Replays the journal in `bytes` and tells what comes of it, input by input where `inputs` is set, else the inputs from
/// which something followed.
///
/// # Errors
/// `out` takes no more.
pub fn tell(bytes: &[u8], inputs: bool, out: &mut impl Write) -> io::Result<Verdict> {
    let opened = File::open(bytes).and_then(|file| Ok((file.summary()?, file.segments()?)));
    let (summary, segments) = match opened {
        Ok(opened) => opened,
        Err(refusal) => return Ok(Verdict::Refused(refusal)),
    };
    writeln!(out, "{}, peer {}; seconds since the daemon started", summary.node, summary.peer)?;
    let mut teller = Teller { summary: &summary, inputs, out, turns: 0 };
    for (number, segment) in segments.iter().enumerate().filter(|(_, segment)| !segment.is_empty()) {
        let next = segments.get(number + 1);
        match teller.segment(segment, next.copied())? {
            Verdict::Reproduced => {}
            other => return Ok(other),
        }
    }
    let turns = teller.turns;
    writeln!(out, "reproduced: {turns} inputs, and the same came of each")?;
    Ok(Verdict::Reproduced)
}

struct Teller<'a, W> {
    summary: &'a Summary<'a>,
    inputs: bool,
    out: &'a mut W,
    turns: u64,
}

impl<W: Write> Teller<'_, W> {
    fn segment(&mut self, segment: &[u8], next: Option<&[u8]>) -> io::Result<Verdict> {
        let mut replay = match Replay::new(segment) {
            Ok(replay) => replay,
            Err(refusal) => return Ok(Verdict::Refused(refusal)),
        };
        writeln!(self.out, "{:>14}  checkpoint", self.clock(replay.node().now()))?;
        loop {
            let mut came = Vec::new();
            match replay.turn(|output| came.extend(self.output(output))) {
                Ok(None) => break,
                Err(refusal) => return Ok(Verdict::Refused(refusal)),
                Ok(Some(turn)) => {
                    self.turns += 1;
                    self.turn(&turn, &came, &replay)?;
                    if !turn.agrees {
                        let at = self.clock(turn.at);
                        writeln!(self.out, "differs: at {at}, input {}: something else came of it then", self.turns)?;
                        return Ok(Verdict::Differs);
                    }
                }
            }
        }
        if next.is_some_and(|next| !replay.leads_to(next)) {
            writeln!(self.out, "differs: after input {} the node was in another state then", self.turns)?;
            return Ok(Verdict::Differs);
        }
        Ok(Verdict::Reproduced)
    }

    fn turn(&mut self, turn: &Turn<'_>, came: &[Came], replay: &Replay<'_>) -> io::Result<()> {
        if !self.inputs && came.iter().all(|came| came.quiet) {
            return Ok(());
        }
        writeln!(self.out, "{:>14}  {}", self.clock(turn.at), self.told(&turn.told))?;
        for came in came {
            writeln!(self.out, "{:>14}    {}", "", came.text)?;
            if let Some(group) = came.transition {
                self.evidence(turn.at, &replay.node().evidence(group))?;
            }
        }
        Ok(())
    }

    fn evidence(&mut self, now: Instant, evidence: &Evidence) -> io::Result<()> {
        let before = |at: Option<Instant>| {
            at.map_or("never".to_owned(), |at| format!("{} us before", now.since(at).as_micros()))
        };
        for (link, name) in evidence.links.iter().zip(self.summary.links.lines()) {
            let heard = before(link.at);
            writeln!(self.out, "{:>14}      {name}: beat {}, {heard}, {:?}", "", link.beat, link.state)?;
        }
        match &evidence.word {
            Some(word) => writeln!(self.out, "{:>14}      the peer's word: {word:?}", ""),
            None => Ok(()),
        }
    }

    fn clock(&self, at: Instant) -> String {
        let micros = at.since(self.summary.since).as_micros();
        format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }

    fn group(&self, number: u8) -> &str {
        self.summary.groups.lines().nth(usize::from(number)).unwrap_or("?")
    }

    fn link(&self, number: u8) -> &str {
        self.summary.links.lines().nth(usize::from(number)).unwrap_or("?")
    }

    fn told(&self, told: &Told<'_>) -> String {
        match told {
            Told::Input(Input::Bytes { link, bytes }) => format!("{} bytes from {}", bytes.len(), self.link(*link)),
            Told::Input(Input::Carrier { link, up }) => {
                format!("device {}: {}", self.link(*link), if *up { "there" } else { "gone" })
            }
            Told::Input(Input::Done { group, verb, ok }) => {
                format!("{verb:?} of {} {}", self.group(*group), if *ok { "succeeded" } else { "failed" })
            }
            Told::Input(Input::Order(order)) => format!("order {order:?}"),
            Told::Input(Input::Line { link, lost }) => {
                format!("the other end of {}: {}", self.link(*link), if *lost { "gone" } else { "there" })
            }
            Told::Input(Input::Probed { group }) => format!("asked for the VIPs of {}", self.group(*group)),
            Told::Input(Input::Answered { group, by }) => format!("{by:?} has a VIP of {}", self.group(*group)),
            Told::Input(Input::Asked { group }) => format!("the peer asks for the VIPs of {}", self.group(*group)),
            Told::Input(Input::Eyes { group, eyes }) => format!("eyes for {}: {eyes:?}", self.group(*group)),
            Told::Input(Input::Lapsed { group }) => format!("a VIP of {} has lapsed", self.group(*group)),
            Told::Input(Input::Found { group, until }) => {
                format!("VIPs of {} are left until {}", self.group(*group), until.as_micros())
            }
            Told::Input(Input::Fenced) => "the peer is off for certain".to_owned(),
            Told::Input(Input::Wake { swept: true }) => "time, every link was read".to_owned(),
            Told::Input(Input::Wake { swept: false }) => "time".to_owned(),
            Told::Reload { kept, .. } => format!("reload, {} groups", kept.len()),
            Told::Lost => "more than an entry holds; what follows begins at a new checkpoint".to_owned(),
        }
    }

    fn output(&self, output: &Output) -> Option<Came> {
        let quiet = |text| Some(Came { text, quiet: true, transition: None });
        let loud = |text, transition| Some(Came { text, quiet: false, transition });
        match output {
            Output::Transmit { link, frame } => {
                quiet(format!("-> {} bytes to {}", frame.bytes().len(), self.link(*link)))
            }
            Output::Run { group, verb } => loud(format!("-> {verb:?} {}", self.group(*group)), None),
            Output::Note(event @ Event::Group { group, .. }) => {
                loud(format!("-> group {}: {event:?}", self.group(*group)), Some(Some(*group)))
            }
            Output::Note(event @ Event::Peer { .. }) => loud(format!("-> {event:?}"), Some(None)),
            Output::Note(event) => loud(format!("-> {event:?}"), None),
            Output::Left => loud("-> left".to_owned(), None),
            Output::Renew { until } => quiet(format!("-> renew until {}", until.as_micros())),
            Output::Look { groups } => loud(format!("-> ask for the VIPs of groups {groups:#b}"), None),
            Output::Fence { wanted } => loud(format!("-> fence the peer: {wanted}"), None),
            Output::Wait { .. } => None,
        }
    }
}

/// What came of an input.
struct Came {
    text: String,
    /// Of every beat.
    quiet: bool,
    /// A transition, of a group or of the peer.
    transition: Option<Option<u8>>,
}
