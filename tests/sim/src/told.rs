//! The words of a timeline.

use crate::appliance::Appliance;
use crate::timeline::span;
use lubdub::node::{Cause, Event, Groups, Order, PeerState, Verb};
use lubdub::wire::beat::State;
use std::fmt;

/// What stands at the head of a timeline.
pub const LEGEND: &str = "\
  seconds      groups of node1|node2, a letter each: . stopped, s starting, H held, g giving, d on its way down, F failed,
               - no daemon, ~ frozen";

/// The states of a node's groups, a letter each.
pub fn states(it: &Appliance) -> String {
    let groups = it.resources.len();
    let Some(node) = &it.node else { return "-".repeat(groups) };
    if it.frozen.is_some() {
        return "~".repeat(groups);
    }
    node.groups().map(|group| letter(group.state)).collect()
}

const fn letter(state: State) -> char {
    match state {
        State::Stopped => '.',
        State::Starting => 's',
        State::Held => 'H',
        State::Giving => 'g',
        State::Stopping => 'd',
        State::Failed => 'F',
    }
}

/// A step as something that a node does.
pub const fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "starts",
        Verb::Stop => "stops",
        Verb::Drop => "drops the VIPs of and stops",
        Verb::Announce => "announces the VIPs of",
        Verb::Inventory => "looks what is left of",
    }
}

/// An order, with the groups that it is about.
pub fn order(order: Order) -> String {
    match order {
        Order::Takeover(mask) => format!("to take {}", groups(mask)),
        Order::Standby(mask) => format!("to give {}", groups(mask)),
        Order::Withdraw(mask) => format!("nothing any more of {}", groups(mask)),
        Order::Clear(mask) => format!("to clear {}", groups(mask)),
        Order::Leave => "to leave".into(),
    }
}

fn groups(mask: Groups) -> String {
    if mask == Groups::MAX {
        return "all groups".into();
    }
    let numbers: Vec<_> = (0..Groups::BITS).filter(|bit| mask >> bit & 1 != 0).map(|bit| bit.to_string()).collect();
    format!("group {}", numbers.join(", "))
}

/// A frame: its number in the seed, and what it says.
pub struct Frame<'a>(pub &'a crate::frame::Frame);

impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(frame) = self;
        write!(f, "#{}", frame.number)?;
        if let Some(key) = frame.key {
            write!(f, ", key {key}")?;
        }
        let Some(beat) = &frame.beat else { return write!(f, ": hello") };
        write!(f, ": beat {} echoing {},", beat.seq, beat.echo)?;
        for word in &beat.groups {
            write!(f, " {}{}", letter(word.state), word.term.0)?;
            let flags = [(word.ask, "ask"), (word.ordered, "ordered"), (word.granted, "granted")];
            let flags = flags.into_iter().chain([(word.provisional, "provisional")]);
            flags.filter(|(set, _)| *set).try_for_each(|(_, flag)| write!(f, " {flag}"))?;
        }
        if beat.blind {
            write!(f, " blind")?
        }
        if beat.goodbye { write!(f, " goodbye") } else { Ok(()) }
    }
}

/// An event as what comes after a node's name.
pub struct Told<'a>(pub &'a Event);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.0 {
            Event::Link { link, from, to, why: Some(why) } => {
                write!(f, "link {link}: {from:?} -> {to:?}, {why:?}")
            }
            Event::Link { link, from, to, why: None } => write!(f, "link {link}: {from:?} -> {to:?}"),
            Event::Peer { from, to: PeerState::Dead, silent } => {
                write!(f, "peer: {from:?} -> Dead, silent for {}", span(silent))
            }
            Event::Peer { from, to, .. } => write!(f, "peer: {from:?} -> {to:?}"),
            Event::Session { new_run: true, .. } => write!(f, "session with a new run"),
            Event::Session { new_run: false, .. } => write!(f, "session with the same run"),
            Event::Group { group, from, to, cause } => {
                write!(f, "group {group}: {from:?} -> {to:?}, ")?;
                because(f, cause)
            }
            Event::Kept { group, mine, theirs } => {
                write!(f, "group {group} is kept: claim {} against the peer's {}", mine.0, theirs.0)
            }
            Event::Late { interval } => write!(f, "hears a late beat, after {}", span(interval)),
            Event::StopFailed { group, times, again_in } => {
                write!(f, "group {group}: stop fails, the {times}. time; again in {}", span(again_in))
            }
            Event::Stalled { length } => write!(f, "was late itself by {}", span(length)),
            other => write!(f, "{other:?}"),
        }
    }
}

fn because(f: &mut fmt::Formatter<'_>, cause: Cause) -> fmt::Result {
    match cause {
        Cause::Silence(length) => write!(f, "silence of {}", span(length)),
        Cause::Yielded { mine, theirs } => write!(f, "yielded: claim {} against the peer's {}", mine.0, theirs.0),
        other => write!(f, "{other:?}"),
    }
}
