//! The `ping` nodes of ha.cf: when they are asked, which of them answer, and since when one is silent.
//!
//! Knows no socket. An answer counts as of its question: late, it proves what was true when it was asked for.

use std::net::IpAddr;

use heapless::Deque;
use lubdub::node::Timing;
use lubdub::time::{Duration, Instant};

use crate::host::icmp::Echo;

/// Between two questions when all is well: this or a keepalive, whichever is longer.
const EVERY: Duration = Duration::from_secs(1);
/// Between two questions in doubt: a quarter of a keepalive, within these.
const HURRIED_MIN: Duration = Duration::from_millis(10);
const HURRIED_MAX: Duration = Duration::from_millis(250);
/// Questions that must be unanswered before a station is silent, as with the probes for a VIP.
const UNANSWERED: u32 = 3;
/// Questions remembered: an answer to an older one proves nothing.
const REMEMBERED: usize = 16;
/// So much later no harm is done: what is due is asked along with a beat, which saves the processor a wake.
const LATER: Duration = Duration::from_millis(100);

/// A station to ask, as ha.cf has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingNode {
    /// Its address.
    pub address: IpAddr,
    /// Its `ping_group`, in which one answer is enough.
    pub group: Option<String>,
}

/// How a `ping` node fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingReport {
    /// The station.
    pub node: PingNode,
    /// None: too early to tell.
    pub answers: Option<bool>,
    /// Since when it is so.
    pub since: Instant,
}

/// A `ping` node fell silent, or answers again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingNews {
    /// The station.
    pub node: PingNode,
    /// It answers.
    pub answers: bool,
    /// So long it was silent when that was known, or has been silent.
    pub silent: Duration,
}

#[derive(Debug)]
struct Station {
    node: PingNode,
    /// The time of the latest question that it answered; at first, of its first one.
    answered: Instant,
    /// The first question since then, and how many there are.
    first: Option<Instant>,
    unanswered: u32,
    answers: Option<bool>,
    since: Instant,
}

/// All `ping` nodes.
#[derive(Debug)]
pub struct Pings {
    stations: Vec<Station>,
    timing: Timing,
    /// The latest questions, each with its time.
    asked: Deque<(Echo, Instant), REMEMBERED>,
    last: Option<Instant>,
    /// When the peer was last heard, as the node has it.
    peer_heard: Instant,
}

impl Pings {
    /// None to ask.
    pub fn none() -> Self {
        let timing =
            Timing { keepalive: EVERY, warntime: EVERY.times(2), deadtime: EVERY.times(3), initdead: EVERY.times(3) };
        Self { stations: Vec::new(), timing, asked: Deque::new(), last: None, peer_heard: Instant::FAR }
    }

    /// Asks these from now on. What is known of those that stay is kept.
    pub fn ask(&mut self, nodes: Vec<PingNode>, timing: Timing, now: Instant) {
        let mut before = std::mem::take(&mut self.stations);
        for node in nodes {
            let known = before.iter().position(|known| known.node.address == node.address);
            let station = match known.map(|at| before.swap_remove(at)) {
                Some(known) => Station { node, ..known },
                None => Station { node, answered: now, first: None, unanswered: 0, answers: None, since: now },
            };
            self.stations.push(station);
        }
        (self.timing, self.last) = (timing, None);
    }

    /// None is configured.
    pub fn is_empty(&self) -> bool {
        self.stations.is_empty()
    }

    /// Whom to ask.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.stations.iter().map(|station| station.node.address)
    }

    /// How they fare, in the order of ha.cf.
    pub fn report(&self) -> impl Iterator<Item = PingReport> {
        self.stations.iter().map(|Station { node, answers, since, .. }| PingReport {
            node: node.clone(),
            answers: *answers,
            since: *since,
        })
    }

    /// When the peer was last heard: from warntime to deadtime after that they are asked quickly, so that the node knows
    /// by then whether it is it that nobody hears.
    pub fn peer_heard(&mut self, at: Instant) {
        self.peer_heard = at;
    }

    /// All are silent.
    pub fn are_silent(&self) -> bool {
        !self.is_empty() && self.stations.iter().all(|station| station.answers == Some(false))
    }

    /// One of them has answered what it was asked then or later.
    pub fn prove(&self, since: Instant) -> bool {
        self.stations.iter().any(|station| station.answers == Some(true) && station.answered >= since)
    }

    /// Whether they are to be asked now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.ask_at(Duration::ZERO).is_some_and(|at| at <= now)
    }

    /// They are asked now, all of them this; nothing, where no question can be made.
    pub fn asked(&mut self, echo: Option<Echo>, now: Instant) {
        self.last = Some(now);
        if let Some(echo) = echo {
            if self.asked.is_full() {
                self.asked.pop_front();
            }
            // Room was made.
            let _ = self.asked.push_back((echo, now));
        }
        for station in &mut self.stations {
            if station.first.is_none() {
                station.first = Some(now);
                if station.answers.is_none() {
                    station.answered = now;
                }
            }
            station.unanswered = station.unanswered.saturating_add(1);
        }
    }

    /// A station answers. What it was not asked lately is no answer. Returns it if that is news.
    pub fn answered(&mut self, from: IpAddr, echo: Echo, now: Instant) -> Option<PingNews> {
        let at = self.asked.iter().find(|(asked, _)| *asked == echo).map(|(_, at)| *at)?;
        let later = || self.asked.iter().map(|(_, at)| *at).filter(|other| *other > at);
        let (first, unanswered) = (later().min(), later().count() as u32);
        let station = self.stations.iter_mut().find(|station| station.node.address == from)?;
        if station.answers == Some(true) && station.answered >= at {
            return None;
        }
        let before = station.answers;
        let silent = now.since(station.answered);
        (station.answered, station.first, station.unanswered) = (at, first, unanswered);
        if before == Some(true) {
            return None;
        }
        (station.answers, station.since) = (Some(true), now);
        (before == Some(false)).then(|| PingNews { node: station.node.clone(), answers: true, silent })
    }

    /// Who is silent by now; told once.
    pub fn judge(&mut self, now: Instant) -> impl Iterator<Item = PingNews> {
        let (deadtime, hurried) = (self.timing.deadtime, self.hurried());
        self.stations.iter_mut().filter_map(move |station| {
            let due = station.silent_at(deadtime, hurried).is_some_and(|at| at <= now);
            if !due {
                return None;
            }
            (station.answers, station.since) = (Some(false), now);
            let silent = now.since(station.answered);
            Some(PingNews { node: station.node.clone(), answers: false, silent })
        })
    }

    /// When there is something to ask or to judge.
    pub fn wake_at(&self) -> Option<Instant> {
        let (deadtime, hurried) = (self.timing.deadtime, self.hurried());
        let silent = self.stations.iter().filter_map(|station| station.silent_at(deadtime, hurried)).min();
        self.ask_at(LATER.min(hurried)).into_iter().chain(silent).min()
    }

    fn hurried(&self) -> Duration {
        self.timing.keepalive.part(4).max(HURRIED_MIN).min(HURRIED_MAX)
    }

    /// Nobody has answered the last question yet, and that is not known of all of them.
    fn in_doubt(&self) -> bool {
        !self.are_silent() && self.stations.iter().all(|station| station.unanswered > 0)
    }

    /// When the next question is due, a slow one so much later.
    fn ask_at(&self, later: Duration) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        let Some(last) = self.last else { return Some(Instant::ZERO) };
        let soon = last + self.hurried();
        if self.in_doubt() {
            return Some(soon);
        }
        let slow = last + self.timing.keepalive.max(EVERY) + later;
        let hurry = soon.max(self.peer_heard + self.timing.warntime);
        let known = self.peer_heard + self.timing.deadtime + self.hurried().times(u64::from(UNANSWERED) + 1);
        Some(if hurry <= known { slow.min(hurry) } else { slow })
    }
}

impl Station {
    /// When it will be silent unless it answers: deadtime after the last question that it answered, and not before three
    /// were in vain for long enough.
    fn silent_at(&self, deadtime: Duration, hurried: Duration) -> Option<Instant> {
        let first = self.first.filter(|_| self.answers != Some(false) && self.unanswered >= UNANSWERED)?;
        Some((self.answered + deadtime).max(first + hurried.times(u64::from(UNANSWERED))))
    }
}

#[cfg(test)]
mod tests;
