//! `lubdub status --why`: the last transitions, each with the rule that fired and what had been heard before it, from the
//! journal in the run directory. A daemon that lives is asked to write it first; that of a dead one is as it left it.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use lubdub::journal::{Decision, File, Refusal, Story, Summary};
use lubdub::node::{Cause, Event, PeerState};

use super::client;
use super::console;
use super::follow::Follow;
use super::journal::JOURNAL;
use super::names::{LinkName, Names};
use super::narrate::{Line, Ms};
use super::stamp::Stamp;
use super::status::quoted;
use super::watchdog::last_reset::LastReset;
use super::{NOT_PERMITTED, words};

/// Exit code: wrong usage (EX_USAGE of sysexits.h).
const USAGE: u8 = 64;
/// Exit code: the journal is not one (EX_DATAERR).
const NO_DATA: u8 = 65;
/// Exit code: no daemon, and none has left a journal (EX_UNAVAILABLE).
const NO_JOURNAL: u8 = 69;

/// Prints why things are as they are, for all groups and the peer or for one group. The exit code: 0, or why not.
#[inline(never)] // Its summary is large, and no part of the daemon.
pub fn explain(run_dir: &Path, group: Option<&str>, json: bool) -> u8 {
    let alive = client::refresh_journal(run_dir);
    let path = run_dir.join(JOURNAL);
    let told = fs::read(&path).map_err(|error| unread(&error)).and_then(|bytes| {
        let summary = File::open(&bytes).and_then(|file| file.summary());
        let summary = summary.map_err(|refusal| (NO_DATA, refused(refusal, alive)))?;
        let why = Why { reset: LastReset::of_this_boot(run_dir), ..Why::new(&summary, alive) };
        why.tell(group, json)
    });
    match told {
        Ok(text) => console::print(&text, 0),
        Err((code, text)) => {
            let _ = writeln!(io::stderr(), "lubdub: {}: {text}", path.display());
            code
        }
    }
}

fn unread(error: &io::Error) -> (u8, String) {
    match error.kind() {
        io::ErrorKind::PermissionDenied => (NOT_PERMITTED, format!("{error}; only root may read it")),
        _ => (NO_JOURNAL, format!("{error}; a daemon writes it: lubdub run")),
    }
}

/// This is the file that a daemon keeps: to copy it again mends nothing here.
fn refused(refusal: Refusal, alive: bool) -> String {
    let what = match refusal {
        Refusal::Cut { has, wants } => format!("cut off: {has} bytes where its header says {wants}"),
        Refusal::Damaged => "damaged: its checksum is wrong".to_owned(),
        other => return other.to_string(),
    };
    let remedy = match alive {
        true => "the daemon writes it anew with the next change; is there room in the run directory? see df",
        false => "the next daemon begins a new one: lubdub run; the journal before it is journal.old",
    };
    format!("{what}; {remedy}")
}

/// A summary with the names as people know them.
struct Why<'a> {
    summary: &'a Summary<'a>,
    names: Names,
    alive: bool,
    reset: LastReset,
}

impl<'a> Why<'a> {
    fn new(summary: &'a Summary<'a>, alive: bool) -> Self {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let names = Names {
            me: summary.node.to_owned(),
            peer: summary.peer.to_owned(),
            groups: lines(summary.groups),
            links: lines(summary.links).into_iter().map(|name| LinkName { name, kind: "" }).collect(),
        };
        Self { summary, names, alive, reset: LastReset::default() }
    }

    fn tell(&self, group: Option<&str>, json: bool) -> Result<String, (u8, String)> {
        let known = |key: &str| self.names.groups.iter().any(|group| group == key);
        if let Some(key) = group.filter(|key| !known(key)) {
            let groups = self.names.groups.join(", ");
            return Err((USAGE, format!("no group `{key}`; expected one of: {groups}")));
        }
        Ok(if json { self.json(group) } else { self.text(group) })
    }

    fn groups(&self, chosen: Option<&str>) -> impl Iterator<Item = (&String, &Story)> {
        let groups = self.names.groups.iter().zip(&self.summary.stories);
        groups.filter(move |(key, _)| chosen.is_none_or(|chosen| chosen == *key))
    }

    fn text(&self, chosen: Option<&str>) -> String {
        let Summary { node, peer, wall, .. } = self.summary;
        let state = if self.alive { "" } else { "; no daemon answers, this is what the last one wrote" };
        let mut out = format!("{node} at {}{state}\n", Stamp::from_micros(*wall));
        for (key, story) in self.groups(chosen) {
            let _ = writeln!(out, "\ngroup {key}");
            self.story(&mut out, story);
        }
        if chosen.is_none() {
            let _ = writeln!(out, "\npeer {peer}");
            self.story(&mut out, &self.summary.peer_story);
            if let Some(text) = self.reset.text(peer) {
                let _ = writeln!(out, "\nlast reset\n  {text}");
            }
        }
        out
    }

    fn story(&self, out: &mut String, story: &Story) {
        if let Some(decision) = &story.chosen {
            self.headline(out, decision);
            self.evidence(out, decision);
        }
        if let Some(decision) = &story.outcome {
            self.headline(out, decision);
            if let Some(chosen) = &story.chosen {
                let _ = writeln!(out, "    {} later", Ms(decision.at.since(chosen.at)));
            }
        }
        if story.last().is_none() {
            let _ = writeln!(out, "  nothing has happened to it since the daemon started");
        }
    }

    fn headline(&self, out: &mut String, decision: &Decision) {
        let line = Line { event: &decision.event, names: &self.names, timing: self.summary.timing };
        let _ = writeln!(out, "  {}  {line}", Stamp::from_micros(decision.wall));
    }

    fn evidence(&self, out: &mut String, decision: &Decision) {
        let evidence = &decision.evidence;
        let _ = writeln!(out, "    rule: {}", rule(decision, self.summary));
        let _ = writeln!(out, "    last heard from {} before that:", self.names.peer);
        for (link, name) in evidence.links.iter().zip(&self.names.links) {
            let heard = match link.at {
                Some(at) => format!("{} before ({})", Ms(decision.at.since(at)), beat(link.beat)),
                None => "never".to_owned(),
            };
            let last = match (link.at, evidence.peer_heard) {
                (Some(at), Some(last)) if at == last => "  <- the last word",
                (Some(at), Some(last)) if at > last => "  (a copy of the last word)",
                _ => "",
            };
            let _ = writeln!(out, "      {}: {heard}, link {}{last}", name.name, words::link(link.state));
        }
        if let Some(word) = evidence.word {
            let more =
                [(word.ask, ", asks for it"), (word.granted, ", agrees to give it"), (word.ordered, ", by order")];
            let more: String = more.iter().filter(|(set, _)| *set).map(|(_, text)| *text).collect();
            let (state, term) = (words::step(word.state), word.term.0);
            let _ = writeln!(out, "    {} last said of the group: {state}, claim {term}{more}", self.names.peer);
        }
    }

    fn json(&self, chosen: Option<&str>) -> String {
        let Summary { node, peer, wall, peer_story, .. } = self.summary;
        let groups = self.groups(chosen).map(|(key, story)| self.story_json("group", key, story));
        let groups: Vec<_> = groups.collect();
        let time = Stamp::from_micros(*wall);
        format!(
            "{{\"node\":{},\"time\":\"{time}\",\"alive\":{},\"groups\":[{}],\"peer\":{},\"last_reset\":{}}}\n",
            quoted(node),
            self.alive,
            groups.join(","),
            self.story_json("node", peer, peer_story),
            self.reset.json(peer)
        )
    }

    fn story_json(&self, what: &str, name: &str, story: &Story) -> String {
        let decision = |decision: &Option<Decision>| {
            decision.as_ref().map_or("null".to_owned(), |decision| self.decision_json(decision))
        };
        let (chosen, outcome) = (decision(&story.chosen), decision(&story.outcome));
        format!("{{\"{what}\":{},\"decision\":{chosen},\"outcome\":{outcome}}}", quoted(name))
    }

    fn decision_json(&self, decision: &Decision) -> String {
        let (stamp, uptime) = (Stamp::from_micros(decision.wall), decision.at.since(self.summary.since));
        let line = Line { event: &decision.event, names: &self.names, timing: self.summary.timing };
        let follow = Follow::at(stamp, &self.names, self.summary.timing, uptime);
        follow.decision(decision, line.level().word(), &rule(decision, self.summary))
    }
}

fn beat(number: u64) -> String {
    if number == 0 { "a hello".to_owned() } else { format!("beat {number}") }
}

/// The rule that fired, in a sentence.
fn rule(decision: &Decision, summary: &Summary<'_>) -> String {
    let (peer, timing) = (summary.peer, &summary.timing);
    let silence = if decision.evidence.peer_heard.is_some() {
        format!("deadtime ({})", Ms(timing.deadtime))
    } else {
        format!("initdead ({}), for {peer} was never heard in this run", Ms(timing.initdead))
    };
    match decision.event {
        Event::Group { cause, .. } => group_rule(cause, peer, &silence),
        Event::Peer { to, .. } => peer_rule(to, &silence),
        Event::Kept { .. } => {
            "heal: both nodes held it; the higher claim keeps it, at equal claims the preferred node".to_owned()
        }
        Event::StopFailed { .. } => {
            format!("stop before start: what may still run here is never reported stopped, so {peer} does not start it")
        }
        _ => "none: this moves nothing".to_owned(),
    }
}

fn group_rule(cause: Cause, peer: &str, silence: &str) -> String {
    match cause {
        Cause::Silence(_) => format!(
            "silence: nothing fresh on any link for {silence}, and every link was read once more before that was believed"
        ),
        Cause::Consent => format!(
            "consent: {peer} has stopped it, does not start it, and said so in a beat that answers this node's own ask"
        ),
        Cause::Goodbye => format!("goodbye: {peer} left, and its last beat said that it had stopped it"),
        Cause::Unplugged(_) => {
            "physical loss: every link lost its other end, and the VIP was asked for and is silent".to_owned()
        }
        Cause::Fenced => format!("fencing: a device or a human made sure that {peer} is off"),
        Cause::Adopted => {
            "adoption: its lease from a former run was about to end, and nobody else was heard at all".to_owned()
        }
        Cause::Answered => {
            format!("heal: {peer} answers for the VIP, and its claim is the older one, so this one lets go")
        }
        Cause::Lapsed => "lease: this node did not renew in time, so the kernel has ended the VIP".to_owned(),
        Cause::Blind => format!("eyes: the service LAN and {peer} were both out of reach for deadtime"),
        Cause::LanLost => {
            format!("ask: the service LAN was out of reach here for deadtime, while {peer} had said nothing alike")
        }
        Cause::LanNoBetter => {
            format!("ask: the service LAN is back here, or {peer} says that it does not see it either")
        }
        Cause::Mute => format!(
            "lease: without a device nothing is said, so no lease is renewed, and {peer} takes over when it has run out"
        ),
        Cause::Order => "order: an operator said so on this node".to_owned(),
        Cause::Handover => format!("order: {peer} asks for it with more right, so it is stopped here first"),
        Cause::Failback => {
            format!("failback: auto_failback is on, and {peer}, its preferred node, has been back for long enough")
        }
        Cause::Yielded { .. } => {
            "heal: both nodes held it; the higher claim keeps it, at equal claims the preferred node".to_owned()
        }
        Cause::Unheard => format!("heal: both nodes hold it and {peer} cannot hear this one, so this one lets go"),
        Cause::Leaving => "leave: a daemon that stops releases everything first".to_owned(),
        Cause::NobodyAsks => format!("release: a group is given only to a node that is there, and {peer} is not"),
        Cause::StartFailed => {
            "failure: what was started is stopped; after the last attempt the peer may have it".to_owned()
        }
        Cause::Cleared => "order: an operator cleared the failure".to_owned(),
        Cause::Started | Cause::Stopped | Cause::Inventory => "none: a step has ended".to_owned(),
    }
}

fn peer_rule(to: PeerState, silence: &str) -> String {
    match to {
        PeerState::Dead => format!("silence: nothing fresh on any link for {silence}"),
        PeerState::SplitSuspected => format!(
            "the VIP is the third link: nothing fresh on any heartbeat link for {silence}, and yet the peer \
             answers or asks for a VIP"
        ),
        PeerState::Left => "goodbye: it said that it leaves with every group stopped".to_owned(),
        PeerState::Alive => "session: both nodes have proved to be there now, and beats come".to_owned(),
        PeerState::Unknown => "silence: whoever was not to be trusted is gone; initdead is not over".to_owned(),
        PeerState::Untrusted(why) => format!(
            "untrusted ({}): somebody is there who must not be taken for the peer, and nothing moves while that lasts",
            words::untrusted(why)
        ),
    }
}

#[cfg(test)]
mod tests;
