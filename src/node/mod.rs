//! Beats to decisions. Knows nothing of Linux, names or addresses: a group is a number here, in the order of
//! haresources, and a link is a number, serial ones first.
//!
//! # The contract
//!
//! * Every change enters by [`Node::handle`] with the present time, which never goes back.
//! * After each `handle` the shell calls [`Node::poll`] until it says [`Output::Wait`]; `handle` asserts that.
//! * The order of outputs carries meaning. A step that removes something comes before the beat that tells of it, and the
//!   beat that claims a group comes before the step that starts it: the shell carries out each output before it asks for
//!   the next.
//! * At the time that `Wait` names the shell calls `handle` with [`Input::Wake`]. Where the reason is [`Why::Judge`] it
//!   first reads what every link has, so that a beat already here counts, and says `swept`.

mod asked;
mod callers;
mod deadline;
mod decide;
mod digest;
mod event;
mod evidence;
mod group;
mod guard;
mod hear;
mod io;
mod judge;
mod leave;
mod link;
mod look;
mod memory;
mod peer;
mod reload;
mod renewal;
mod session;
mod setup;
mod sight;
mod speak;
mod status;
mod warrant;
mod witness;

pub use asked::ASKED_MIN;
pub use digest::{Digest, nonce_name, series};
pub use event::{Cause, Event};
pub use evidence::{Evidence, LinkEvidence};
pub use group::{Hold, START_ATTEMPTS, STOP_PATIENCE, STOP_RETRY, STOP_RETRY_MAX, Verb};
pub use guard::Guard;
pub use io::{Groups, Input, Order, Output, Why};
pub use leave::GOODBYE_MAX;
pub use link::{Counters, LinkState, LinkWhy};
pub use peer::{PeerState, Untrusted};
pub use setup::{Cluster, GroupSetup, LinkKind, Name, Setup, Timing};
pub use sight::{By, Eyes};
pub use status::{GroupStatus, LinkStatus, Owner, Refusal};
pub use witness::ANSWERS_MAX;

use crate::time::{Duration, Instant};
use crate::wire::beat::{GROUPS_MAX, LINKS_MAX};
use crate::wire::loss::Loss;
use group::Group;
use heapless::{Deque, Vec};
use leave::Leaving;
use link::Link;
use peer::Peer;
use renewal::Renewal;
use serde::{Deserialize, Serialize};
use witness::Witness;

const EVENTS_MAX: usize = 64;

/// One node of the pair.
#[derive(Clone, Serialize, Deserialize)]
pub struct Node {
    setup: Setup,
    now: Instant,
    links: Vec<Link, LINKS_MAX>,
    peer: Peer,
    groups: Vec<Group, GROUPS_MAX>,
    runs: Deque<(u8, Verb), { 3 * GROUPS_MAX }>,
    starts: Deque<u8, GROUPS_MAX>,
    events: Deque<Event, EVENTS_MAX>,
    events_lost: u32,
    speech: speak::Speech,
    renewal: Renewal,
    /// The groups whose VIPs are asked for, and whether the shell knows.
    look: (Groups, bool),
    /// The peer is to be fenced, and whether the shell knows.
    fence: (bool, bool),
    leaving: Option<Leaving>,
    /// Since when no link has a device.
    mute_since: Option<Instant>,
    judge: bool,
    wait: Option<(Instant, Why)>,
    #[serde(skip)]
    witness: Witness,
}

impl Node {
    /// A node of a new run. Its groups begin in `stopping`: the first outputs order the removal of leftovers.
    pub fn new(now: Instant, setup: Setup) -> Self {
        let mut groups = Vec::new();
        let mut runs = Deque::new();
        for (number, group) in (0..).zip(&setup.groups) {
            let (group, verb) = Group::new(number, *group, setup.guard.lease.is_some());
            let room = groups.push(group).is_ok() && runs.push_back((number, verb)).is_ok();
            assert!(room, "as many groups as a setup holds");
        }
        let mut node = Self {
            now,
            links: setup.links.iter().copied().map(Link::new).collect(),
            peer: Peer::new(now, &setup),
            groups,
            runs,
            starts: Deque::new(),
            events: Deque::new(),
            events_lost: 0,
            speech: speak::Speech::new(now),
            renewal: Renewal::new(setup.guard.lease),
            look: (0, true),
            fence: (false, true),
            leaving: None,
            mute_since: None,
            judge: false,
            wait: None,
            witness: Witness::new(),
            setup,
        };
        node.settle(false);
        node
    }

    /// Takes an input. `now` must not lie before that of the last call.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        let wait = self.wait.take();
        assert!(wait.is_some(), "poll until Wait before the next input");
        self.now = self.now.max(now);
        self.witness.begin();
        if let Some((until, _)) = wait {
            self.notice_stall(until);
        }
        self.notice_lapse();
        match input {
            Input::Bytes { link, bytes } => self.hear(link, bytes),
            Input::Carrier { link, up } => self.carrier(link, up),
            Input::Done { group, verb, ok } => self.with_group(group, |group, now, fx| group.done(now, verb, ok, fx)),
            Input::Order(order) => self.obey(order),
            Input::Line { link, lost } => self.line(link, lost),
            Input::Probed { group } => self.see(group, |group, now| group.sight.probed(now)),
            Input::Answered { group, by } => {
                let known = !self.peer.macs.is_empty();
                self.see(group, |group, now| group.answered(now, by, known));
            }
            Input::Asked { .. } => self.peer.asks(self.now, &self.setup),
            Input::Eyes { group, eyes } => self.see(group, |group, now| group.sight.eyes(now, eyes)),
            Input::Lapsed { group } => self.with_group(group, |group, _, fx| group.lapsed(fx)),
            Input::Found { group, until } => self.see(group, |group, _| group.found(until)),
            Input::Fenced => self.fenced(),
            Input::Wake { .. } => {}
        }
        self.settle(matches!(input, Input::Wake { swept: true }));
    }

    /// The next thing for the shell to do.
    pub fn poll(&mut self) -> Output {
        if let Some((group, verb)) = self.runs.pop_front() {
            return Output::Run { group, verb };
        }
        if let Some((link, frame)) = self.next_frame() {
            return Output::Transmit { link, frame };
        }
        if let Some(until) = self.next_renewal() {
            return Output::Renew { until };
        }
        if let Some(group) = self.starts.pop_front() {
            return Output::Run { group, verb: Verb::Start };
        }
        if let (groups, known @ false) = &mut self.look {
            *known = true;
            return Output::Look { groups: *groups };
        }
        if let (wanted, known @ false) = &mut self.fence {
            *known = true;
            return Output::Fence { wanted: *wanted };
        }
        if let Some(event) = self.next_event() {
            return Output::Note(event);
        }
        if matches!(self.leaving, Some(Leaving::Left)) && self.wait.is_none() {
            self.wait = Some((Instant::FAR, Why::Goodbye));
            return Output::Left;
        }
        let (until, why) = self.deadline();
        self.wait = Some((until, why));
        Output::Wait { until, why }
    }

    /// L7: own lateness proves nothing about the peer, and what was read after it grants nothing.
    fn notice_stall(&mut self, until: Instant) {
        let length = self.now.since(until);
        if length <= self.setup.timing.keepalive {
            return;
        }
        self.peer.stalled(self.now, length);
        self.links.iter_mut().for_each(|link| link.stalled(length));
        self.groups.iter_mut().for_each(Group::stalled);
        if let Some(Leaving::Goodbye { until, .. }) = &mut self.leaving {
            *until += length;
        }
        self.note(Event::Stalled { length });
    }

    /// An owner whose stall outlasted its lease drops its VIPs before anything else is said.
    fn notice_lapse(&mut self) {
        if self.renewal.has_lapsed(self.now) {
            self.renewal.rest();
            for number in 0..self.groups.len() as u8 {
                self.with_group(number, |group, _, fx| group.lapsed(fx));
            }
        }
    }

    /// The lease is renewed in a turn that has just spoken, and where a claim is about to be carried out.
    fn next_renewal(&mut self) -> Option<Instant> {
        if !self.groups.iter().any(Group::has_lease) {
            self.renewal.rest();
            return None;
        }
        self.renewal.due(self.now, self.setup.timing.keepalive, !self.starts.is_empty())
    }

    fn see(&mut self, number: u8, take: impl FnOnce(&mut Group, Instant)) {
        if let Some(group) = self.groups.get_mut(usize::from(number)) {
            take(group, self.now);
        }
    }

    fn fenced(&mut self) {
        if self.peer.is_alive(self.now, &self.setup) {
            return;
        }
        if self.peer.is_off(self.now, &self.setup) {
            self.peer.memory.note(Loss::Fenced);
        } else {
            // The device that said so is done: what is still wanted is asked for once more.
            self.fence.1 &= !self.fence.0;
        }
    }

    fn line(&mut self, link: u8, lost: bool) {
        if let Some(link) = self.links.get_mut(usize::from(link)) {
            link.lost_at = lost.then(|| link.lost_at.unwrap_or(self.now));
        }
    }

    fn carrier(&mut self, link: u8, up: bool) {
        if let Some(link) = self.links.get_mut(usize::from(link)) {
            link.device = up;
            link.deframer = Default::default();
            link.owes_beat |= up;
        }
    }

    fn obey(&mut self, order: Order) {
        if order == Order::Leave {
            self.leaving.get_or_insert(Leaving::Stopping);
            return;
        }
        let (Order::Takeover(mask) | Order::Standby(mask) | Order::Withdraw(mask) | Order::Clear(mask)) = order else {
            return;
        };
        for number in (0..self.groups.len() as u8).filter(|number| mask >> number & 1 != 0) {
            self.with_group(number, |group, _, fx| match order {
                Order::Takeover(_) => group.take(fx),
                Order::Standby(_) => group.give(fx),
                Order::Clear(_) => group.clear(fx),
                _ => group.withdraw(fx),
            });
        }
    }

    /// Brings every verdict up to date with the present moment. `swept`: every link has been read in this turn.
    fn settle(&mut self, swept: bool) {
        self.judge = false;
        // A peer that left is not expected to answer, and its goodbye stands.
        if !self.peer.left && self.peer.session.as_ref().is_some_and(|session| session.is_spent()) {
            self.peer.session = None;
        }
        self.peer.unplugged = self.unplugged();
        self.mute_since = self.is_mute().then(|| self.mute_since.unwrap_or(self.now));
        self.judge_peer(swept);
        self.alarm_asked();
        self.judge_links();
        let mut fence = false;
        for number in 0..self.groups.len() as u8 {
            fence |= self.decide(number, swept);
        }
        let fence = fence && !self.peer.is_fenced() || self.fence.0 && !self.fencing_is_over();
        self.fence = (fence, self.fence.1 && fence == self.fence.0);
        self.look();
        self.leave();
        self.prepare_speech();
    }

    /// No link has a device: nothing that this node says leaves it.
    fn is_mute(&self) -> bool {
        !self.links.is_empty() && self.links.iter().all(|link| !link.device)
    }

    /// How long this node keeps what it holds while no link of it has a device. It cannot speak, so it renews no lease and
    /// feeds no watchdog, and its peer takes over after its own deadtime at the earliest: the second half of the shorter
    /// one is for stopping scripts, before the watchdog ends them. What holds nothing needs no watchdog, so a node that
    /// lives on alone is not reset again and again. A device that comes back before is as if nothing had been.
    fn mute_until(&self) -> Option<Instant> {
        self.mute_since.map(|since| since + self.shorter_deadtime().part(2))
    }

    /// The smaller deadtime of the two nodes, as far as the peer has told its own.
    fn shorter_deadtime(&self) -> Duration {
        let mine = self.setup.timing.deadtime;
        self.peer.session.as_ref().map_or(mine, |session| session.facts.deadtime.min(mine))
    }

    fn note(&mut self, event: Event) {
        if self.events.push_back(event).is_err() {
            self.events_lost += 1;
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front().or_else(|| {
            let count = core::mem::take(&mut self.events_lost);
            (count > 0).then_some(Event::Lost { count })
        })
    }
}
