//! Each event of the node as one line: who, what, why, with the numbers that led to it.

use std::fmt;

use lubdub::conf::PINGS_MAX;
use lubdub::node::{Cause, Event, LinkState, PeerState, Timing, Untrusted};
use lubdub::time::Duration;
use lubdub::wire::beat::State;
use lubdub::wire::loss::Loss;

use super::eyes::PingNews;
use super::lines::Shown;
use super::names::{LinkName, Names};
use super::report::{Level, Often};
use super::words;

/// Changes of one link that are told within a minute before they are counted.
const LINK_CHANGES: u32 = 6;

/// News of `ping` nodes: twice of each within a minute, before those of one that comes and goes are counted.
pub const PING_NEWS: Often = Often { key: 0x300, free: 2 * PINGS_MAX as u32 };

/// One event, to be displayed.
pub struct Line<'a> {
    /// The event.
    pub event: &'a Event,
    /// The names in it.
    pub names: &'a Names,
    /// The timings it is measured by.
    pub timing: Timing,
}

/// A `ping` node that fell silent or answers again.
impl fmt::Display for PingNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ping node {}", self.node.address)?;
        if let Some(group) = &self.node.group {
            write!(f, " of {group}")?;
        }
        let silent = Ms(self.silent);
        if self.answers { write!(f, ": answers again, after {silent}") } else { write!(f, ": silent for {silent}") }
    }
}

impl Line<'_> {
    /// How much it matters.
    pub fn level(&self) -> Level {
        match self.event {
            Event::StopFailed { .. } | Event::HeldOff { .. } | Event::Asked { .. } | Event::Blind { .. } => Level::Crit,
            Event::Peer { to: PeerState::SplitSuspected, .. } => Level::Crit,
            Event::Group { cause: Cause::Lapsed | Cause::Blind | Cause::Mute | Cause::Answered, .. } => Level::Crit,
            Event::Group { to: State::Failed, .. } => Level::Crit,
            Event::Group { cause: Cause::LanLost, .. } => Level::Warning,
            Event::Group { cause: Cause::StartFailed, .. } => Level::Err,
            Event::Group { cause: Cause::Silence(_) | Cause::Unplugged(_) | Cause::Fenced, .. } => Level::Warning,
            Event::Group { cause: Cause::Yielded { .. } | Cause::Unheard | Cause::Adopted, .. } => Level::Warning,
            Event::Peer { to: PeerState::Alive | PeerState::Left | PeerState::Unknown, .. } => Level::Notice,
            Event::Link { to: LinkState::Up, .. } | Event::Session { .. } | Event::Group { .. } => Level::Notice,
            _ => Level::Warning,
        }
    }

    /// Which events repeat each other, if it is one that may come often. A link that flaps is told a few times.
    pub fn repeats(&self) -> Option<Often> {
        match self.event {
            Event::Late { .. } => Some(1.into()),
            Event::Stalled { .. } => Some(2.into()),
            Event::Lost { .. } => Some(3.into()),
            Event::Link { link, .. } => Some(Often { key: 0x100 | u32::from(*link), free: LINK_CHANGES }),
            _ => None,
        }
    }

    fn peer_line(&self, f: &mut fmt::Formatter<'_>, from: PeerState, to: PeerState, silent: Duration) -> fmt::Result {
        let (before, after) = (words::peer(from), words::peer(to));
        write!(f, "node {}: {before} -> {after}", self.names.peer)?;
        match to {
            PeerState::Dead if from == PeerState::Unknown => {
                write!(f, ": never heard for {} (initdead {})", Ms(silent), Ms(self.timing.initdead))
            }
            PeerState::Dead => {
                write!(f, ": silent on every link for {} (deadtime {})", Ms(silent), Ms(self.timing.deadtime))
            }
            PeerState::SplitSuspected => write!(
                f,
                ": ALARM split suspected: every heartbeat link has been silent for {}, and yet it lives on the \
                 service LAN; nothing moves. Look at the cables",
                Ms(silent)
            ),
            PeerState::Left => write!(f, ": it said goodbye with every resource stopped"),
            PeerState::Untrusted(why) => f.write_str(untrusted_line(why)),
            PeerState::Alive | PeerState::Unknown => Ok(()),
        }
    }

    fn cause(&self, f: &mut fmt::Formatter<'_>, cause: Cause) -> fmt::Result {
        let peer = &self.names.peer;
        match cause {
            Cause::Inventory => write!(f, "nothing of a former run is left"),
            Cause::Consent => write!(f, "{peer} has stopped it and agrees"),
            Cause::Goodbye => write!(f, "{peer} left with it stopped"),
            Cause::Silence(silent) => write!(f, "takeover, {peer} has been silent for {}", Ms(silent)),
            Cause::Unplugged(since) => {
                write!(f, "takeover, {peer} is off: every link lost its other end {} ago, its VIP is silent", Ms(since))
            }
            Cause::Fenced => write!(f, "takeover, {peer} has been fenced"),
            Cause::Adopted => {
                write!(f, "left by a former run with its lease unexpired, and nobody else is heard: adopted")
            }
            Cause::Answered => write!(f, "split brain: {peer} answers for the VIP, and was here first"),
            Cause::Lapsed => write!(f, "ALARM the lease ran out before this node renewed it"),
            Cause::Blind => {
                write!(f, "ALARM the service LAN and {peer} are both out of reach: nobody could use it here")
            }
            Cause::LanLost => write!(f, "the service LAN is out of reach here: {peer} may have it if it sees more"),
            Cause::LanNoBetter => write!(f, "the service LAN is back, or {peer} does not see it either"),
            Cause::Mute => {
                write!(f, "ALARM no heartbeat link has a device any more, so that {peer} counts this node out")
            }
            Cause::Started => write!(f, "every resource runs"),
            Cause::StartFailed => write!(f, "a resource did not start"),
            Cause::Stopped => write!(f, "every resource is stopped"),
            Cause::Order => write!(f, "by order on this node"),
            Cause::Handover => write!(f, "{peer} takes it"),
            Cause::Failback => write!(f, "failback, {peer} is preferred and has been back for F"),
            Cause::Yielded { mine, theirs } => {
                write!(f, "split brain: {peer} holds it too, with claim {} against {}", theirs.0, mine.0)
            }
            Cause::Unheard => write!(f, "split brain: {peer} holds it too and does not hear this node"),
            Cause::Leaving => write!(f, "the daemon stops"),
            Cause::NobodyAsks => write!(f, "{peer} is gone, nobody is left to give it to"),
            Cause::Cleared => write!(f, "cleared by order"),
        }
    }
}

const fn untrusted_line(why: Untrusted) -> &'static str {
    match why {
        Untrusted::WrongKey => {
            ": its frames are signed with another key (wrong-key); nothing moves while it is there. Make authkeys equal"
        }
        Untrusted::OtherCluster => ": it belongs to another cluster (other-cluster); nothing moves while it is there",
        Untrusted::SameName => {
            ": another node has this node's name (same-name); nothing moves while it is there. Rename one of them"
        }
        Untrusted::DifferentHaresources => {
            ": its haresources or auto_failback differ (different-haresources); nothing moves while it is there. \
             Make the files equal"
        }
        Untrusted::OtherVersion(_) => {
            ": it speaks another protocol version (other-version); nothing moves while it is there. \
             Install the same release"
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names;
        match *self.event {
            Event::Link { link, from, to, why } => {
                write!(f, "link {}: {} -> {}", names.link(link), words::link(from), words::link(to))?;
                why.map_or(Ok(()), |why| write!(f, ": {}", words::link_why(why)))
            }
            Event::Peer { from, to, silent } => self.peer_line(f, from, to, silent),
            Event::Session { new_run, lost } => {
                let run = if new_run { "a new" } else { "the same" };
                write!(f, "node {}: new session with {run} run", names.peer)?;
                memory(lost).map_or(Ok(()), |how| write!(f, "; it had lost this node: {how}"))
            }
            Event::DeadtimesDiffer { mine, theirs } => write!(
                f,
                "node {}: its deadtime is {}, here it is {}: each node judges by its own; make ha.cf equal",
                names.peer,
                Ms(theirs),
                Ms(mine)
            ),
            Event::Late { interval } => write!(
                f,
                "Late heartbeat: node {}: interval {} (warntime {})",
                names.peer,
                Ms(interval),
                Ms(self.timing.warntime)
            ),
            Event::Group { group, from, to, cause } => {
                write!(f, "group {}: {} -> {}: ", names.group(group), words::step(from), words::step(to))?;
                self.cause(f, cause)
            }
            Event::Kept { group, mine, theirs } => write!(
                f,
                "group {}: split brain healed: kept, claim {} against {}'s {}",
                names.group(group),
                mine.0,
                names.peer,
                theirs.0
            ),
            Event::StopFailed { group, times, again_in } => write!(
                f,
                "ALARM group {}: stop failed ({times} times): it may still run here, so {} will not start it; \
                 tried again in {}; end what runs by hand, or power this node off",
                names.group(group),
                names.peer,
                Ms(again_in)
            ),
            Event::PeerStops { group, lasts } => write!(
                f,
                "group {}: {} has been stopping it for {}: it may still run there, so it is not started here; \
                 see the log of {}",
                names.group(group),
                names.peer,
                Ms(lasts),
                names.peer
            ),
            Event::HeldOff { group, silent } => write!(
                f,
                "ALARM group {}: not taken over: its VIP is in use although {} has been silent for {}; \
                 look at the heartbeat cables",
                names.group(group),
                names.peer,
                Ms(silent)
            ),
            Event::Asked { silent } => write!(
                f,
                "ALARM node {}: it asks for the VIPs of this node on the service LAN although nothing of it has been heard \
                 for {}; nothing moves; look at the heartbeat cables",
                names.peer,
                Ms(silent)
            ),
            Event::Blind { group } => write!(
                f,
                "ALARM group {}: not taken over from {}: nothing on the service LAN answers this node, so it cannot see \
                 whether the VIP is in use; look at its interface and switch",
                names.group(group),
                names.peer
            ),
            Event::Stalled { length } => {
                write!(f, "this node was not scheduled for {}; that time is nobody's silence", Ms(length))
            }
            Event::Lost { count } => write!(f, "{count} events were not logged"),
        }
    }
}

/// How the peer lost this node, in its own view; none when it did not.
pub const fn memory(lost: Loss) -> Option<&'static str> {
    Some(match lost {
        Loss::None => return None,
        Loss::Goodbye => "it said goodbye",
        Loss::Silence => "it fell silent on every link",
        Loss::Unplugged => "every link lost its other end",
        Loss::Stopping => "it fell silent while it could not stop, or was still stopping, a resource",
        Loss::Fenced => "it was fenced",
    })
}

/// What a link shows of its other end, to be displayed. It comes from the shell and not from the node.
pub struct Evidence<'a> {
    /// The link.
    pub link: &'a LinkName,
    /// Before.
    pub before: Shown,
    /// Now.
    pub shown: Shown,
}

impl Evidence<'_> {
    /// How much it matters.
    pub fn level(&self) -> Level {
        if self.shown == Shown::Lost { Level::Warning } else { Level::Notice }
    }

    /// Which of these repeat each other. A cable with a loose contact is told a few times.
    pub fn repeats(&self, link: u8) -> Often {
        Often { key: 0x200 | u32::from(link), free: LINK_CHANGES }
    }

    /// `lines`, `carrier`: what shows it.
    pub fn what(&self) -> &'static str {
        if self.link.is_serial() { "lines" } else { "carrier" }
    }
}

impl fmt::Display for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, shown) = (words::shown(self.before), words::shown(self.shown));
        write!(f, "link {}: {}: {before} -> {shown}", self.link.name, self.what())?;
        f.write_str(match (self.shown, self.link.is_serial()) {
            (Shown::Lost, _) => ": the other end is gone, or the cable is pulled",
            (Shown::None, true) => ": a cable of three wires, or the peer's port is closed",
            (Shown::Strapped, _) => ": they follow this end's own, a strapped plug; they prove nothing",
            _ => "",
        })
    }
}

/// A length of time as people read it: tenths of a millisecond below a second.
pub struct Ms(pub Duration);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match micros {
            0..1_000_000 if micros.is_multiple_of(1_000) => write!(f, "{} ms", micros / 1_000),
            0..1_000_000 => write!(f, "{}.{} ms", micros / 1_000, micros / 100 % 10),
            _ if micros.is_multiple_of(1_000_000) => write!(f, "{} s", micros / 1_000_000),
            _ => write!(f, "{}.{:03} s", micros / 1_000_000, micros / 1_000 % 1_000),
        }
    }
}
