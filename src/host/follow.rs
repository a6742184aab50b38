//! What `status --follow` shows: each event of the node as one JSON object on a line.
//!
//! Every line has `time` (wall clock, UTC), `uptime_ms` (since the daemon started) and `event`; events of the node have
//! `level` too, as in the log. Numbers of nodes, links and groups are names here; lengths of time end in `_ms`.

use std::fmt::{Display, Write};

use lubdub::journal::Decision;
use lubdub::node::{Cause, Event, LinkState, LinkWhy, PeerState, Timing, Untrusted};
use lubdub::time::{Duration, Instant};
use lubdub::wire::beat::{State, Term};

use super::control::Wording;
use super::eyes::PingNews;
use super::names::Names;
use super::narrate::Evidence;
use super::stamp::Stamp;
use super::status::quoted;
use super::words;

/// When something happened, and the names and times that it is told with.
pub struct Follow<'a> {
    time: Stamp,
    uptime: Duration,
    names: &'a Names,
    timing: Timing,
}

impl<'a> Follow<'a> {
    /// For what happens now, `uptime` after the daemon's start; `timing` is what lateness is measured by.
    pub fn new(names: &'a Names, timing: Timing, uptime: Duration) -> Self {
        Self::at(Stamp::now(), names, timing, uptime)
    }

    /// For what happened then.
    pub fn at(time: Stamp, names: &'a Names, timing: Timing, uptime: Duration) -> Self {
        Self { time, uptime, names, timing }
    }

    /// The first line: the state of things, as `status --json` shows it.
    pub fn status(&self, json: &str) -> String {
        let mut object = self.object("status");
        object.field("status", json);
        object.end()
    }

    /// An event; `level` is its word in the log.
    pub fn event(&self, event: &Event, level: &str) -> String {
        self.event_object(event, level).end()
    }

    /// A transition with the rule that fired and what the node had heard; no line, but an object within one.
    pub fn decision(&self, decision: &Decision, level: &str, rule: &str) -> String {
        let Decision { at, event, evidence, wall: _ } = decision;
        let mut object = self.event_object(event, level);
        object.text("rule", rule);
        let before =
            |heard: Option<Instant>| heard.map_or("null".into(), |heard| at.since(heard).as_micros().to_string());
        object.field("heard_before_us", before(evidence.peer_heard));
        let links = evidence.links.iter().zip(&self.names.links).map(|(heard, link)| {
            let mut object = Object(String::new());
            object.text("link", &link.name);
            object.text("state", words::link(heard.state));
            object.field("beat", heard.beat);
            object.field("heard_before_us", before(heard.at));
            object.close()
        });
        object.field("links", format_args!("[{}]", links.collect::<Vec<_>>().join(",")));
        if let Some(word) = &evidence.word {
            let mut said = Object(String::new());
            said.text("state", words::step(word.state));
            said.field("term", word.term.0);
            said.field("asks", word.ask);
            said.field("grants", word.granted);
            said.field("ordered", word.ordered);
            object.field("peer_said", said.close());
        }
        object.close()
    }

    fn event_object(&self, event: &Event, level: &str) -> Object {
        let mut object = self.object(word(event));
        object.text("level", level);
        let names = self.names;
        match *event {
            Event::Link { link, from, to, why } => object.link(names.link(link), from, to, why),
            Event::Peer { from, to, silent } => object.peer(&names.peer, from, to, silent),
            Event::Session { new_run, lost } => {
                object.text("node", &names.peer);
                object.field("new_run", new_run);
                object.text("had_lost_this_node", words::loss(lost));
            }
            Event::DeadtimesDiffer { mine, theirs } => {
                object.text("node", &names.peer);
                object.ms("deadtime", mine);
                object.ms("peer_deadtime", theirs);
            }
            Event::Late { interval } => {
                object.text("node", &names.peer);
                object.ms("interval", interval);
                object.ms("warntime", self.timing.warntime);
            }
            Event::Group { group, from, to, cause } => object.group(names.group(group), from, to, cause),
            Event::Kept { group, mine, theirs } => {
                object.text("group", names.group(group));
                object.terms(mine, theirs);
            }
            Event::StopFailed { group, times, again_in } => {
                object.text("group", names.group(group));
                object.field("times", times);
                object.ms("again_in", again_in);
            }
            Event::PeerStops { group, lasts } => {
                object.text("node", &names.peer);
                object.text("group", names.group(group));
                object.ms("lasts", lasts);
            }
            Event::HeldOff { group, silent } => {
                object.text("group", names.group(group));
                object.ms("silent", silent);
            }
            Event::Asked { silent } => {
                object.text("node", &names.peer);
                object.ms("silent", silent);
            }
            Event::Blind { group } => object.text("group", names.group(group)),
            Event::Stalled { length } => object.ms("length", length),
            Event::Lost { count } => object.field("count", count),
        }
        object
    }

    /// What a link shows of its other end has changed.
    pub fn evidence(&self, evidence: &Evidence<'_>) -> String {
        let mut object = self.object(evidence.what());
        object.text("level", evidence.level().word());
        object.text("link", &evidence.link.name);
        object.change(words::shown(evidence.before), words::shown(evidence.shown));
        object.end()
    }

    /// An alarm of the shell's own, as it stands in the log.
    pub fn alarm(&self, text: &str) -> String {
        let mut object = self.object("alarm");
        object.text("level", "crit");
        object.text("text", text);
        object.end()
    }

    /// A `ping` node fell silent, or answers again; `level` is its word in the log.
    pub fn ping(&self, news: &PingNews, level: &str) -> String {
        let mut object = self.object("ping");
        object.text("level", level);
        object.text("node", &news.node.address.to_string());
        if let Some(group) = &news.node.group {
            object.text("ping_group", group);
        }
        object.text("state", if news.answers { "answering" } else { "silent" });
        object.ms("silent", news.silent);
        object.end()
    }

    fn object(&self, event: &str) -> Object {
        let mut object = Object(String::new());
        object.text("time", &self.time.to_string());
        object.ms("uptime", self.uptime);
        object.text("event", event);
        object
    }
}

impl Wording for Follow<'_> {
    fn lost(&self, count: u64) -> String {
        let mut object = self.object("lost");
        object.field("count", count);
        object.end()
    }

    fn dropped(&self, lost: u64) -> String {
        let mut object = self.object("dropped");
        object.text("why", "not-reading");
        object.field("lost", lost);
        object.end()
    }
}

const fn word(event: &Event) -> &'static str {
    match event {
        Event::Link { .. } => "link",
        Event::Peer { .. } => "peer",
        Event::Session { .. } => "session",
        Event::DeadtimesDiffer { .. } => "deadtimes-differ",
        Event::Late { .. } => "late",
        Event::Group { .. } => "group",
        Event::Kept { .. } => "kept",
        Event::StopFailed { .. } => "stop-failed",
        Event::PeerStops { .. } => "peer-stops",
        Event::HeldOff { .. } => "held-off",
        Event::Asked { .. } => "asked",
        Event::Blind { .. } => "blind",
        Event::Stalled { .. } => "stalled",
        Event::Lost { .. } => "lost",
    }
}

/// A JSON object that grows by a field at a time.
struct Object(String);

impl Object {
    /// `value` is JSON already: a number, a truth or an object.
    fn field(&mut self, key: &str, value: impl Display) {
        let before = if self.0.is_empty() { '{' } else { ',' };
        // A String takes everything.
        let _ = write!(self.0, "{before}\"{key}\":{value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.field(key, quoted(value));
    }

    fn ms(&mut self, key: &str, length: Duration) {
        self.field(&format!("{key}_ms"), length.as_millis());
    }

    fn terms(&mut self, mine: Term, theirs: Term) {
        self.field("mine", mine.0);
        self.field("theirs", theirs.0);
    }

    fn change(&mut self, from: &str, to: &str) {
        self.text("from", from);
        self.text("to", to);
    }

    fn link(&mut self, name: &str, from: LinkState, to: LinkState, why: Option<LinkWhy>) {
        self.text("link", name);
        self.change(words::link(from), words::link(to));
        if let Some(why) = why {
            self.text("why", words::link_why(why));
        }
    }

    fn peer(&mut self, name: &str, from: PeerState, to: PeerState, silent: Duration) {
        self.text("node", name);
        self.change(words::peer(from), words::peer(to));
        if let Some(why) = words::peer_why(to) {
            self.text("why", why);
        }
        if let PeerState::Untrusted(Untrusted::OtherVersion(version)) = to {
            self.field("version", version);
        }
        self.ms("silent", silent);
    }

    fn group(&mut self, key: &str, from: State, to: State, cause: Cause) {
        self.text("group", key);
        self.change(words::step(from), words::step(to));
        self.text("why", words::cause(cause));
        match cause {
            Cause::Silence(silent) => self.ms("silent", silent),
            Cause::Unplugged(since) => self.ms("unplugged", since),
            Cause::Yielded { mine, theirs } => self.terms(mine, theirs),
            _ => {}
        }
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn end(self) -> String {
        self.close() + "\n"
    }
}

#[cfg(test)]
mod tests;
