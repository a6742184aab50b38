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
mod digest;
mod event;
mod evidence;
mod group;
mod guard;
mod hear;
mod link;
mod memory;
mod peer;
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
pub use link::{Counters, LinkState, LinkWhy};
pub use peer::{PeerState, Untrusted};
pub use setup::{Cluster, GroupSetup, LinkKind, Name, Setup, Timing};
pub use sight::{By, Eyes};
pub use status::{GroupStatus, LinkStatus, Owner, Refusal};
pub use witness::ANSWERS_MAX;

use crate::lease::PROBE_WAIT;
use crate::time::{Duration, Instant};
use crate::wire::beat::{GROUPS_MAX, LINKS_MAX};
use crate::wire::envelope::Sealed;
use crate::wire::loss::Loss;
use group::{Effects, Group, Scene};
use heapless::{Deque, Vec};
use link::Link;
use peer::Peer;
use renewal::Renewal;
use serde::{Deserialize, Serialize};
use warrant::weigh;
use witness::Witness;

/// How long a goodbye is repeated at most, where deadtime is not shorter.
pub const GOODBYE_MAX: Duration = Duration::from_secs(1);

const EVENTS_MAX: usize = 64;

/// A set of groups: bit `n` is group `n`.
pub type Groups = u32;
const _: () = assert!(GROUPS_MAX <= Groups::BITS as usize && LINKS_MAX <= 8);

/// What the shell tells the node.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Input<'a> {
    /// Bytes of a link, cut in any way.
    Bytes {
        /// The link.
        link: u8,
        /// What was read.
        #[serde(borrow)]
        bytes: &'a [u8],
    },
    /// A link's device came or went.
    Carrier {
        /// The link.
        link: u8,
        /// It is there.
        up: bool,
    },
    /// A step ended. For a start: everything runs. For the others: nothing does.
    Done {
        /// The group.
        group: u8,
        /// The step.
        verb: Verb,
        /// It succeeded.
        ok: bool,
    },
    /// An operator's order.
    Order(Order),
    /// The modem lines of a cable, or the carrier of a direct one, have shown its other end, and do not any more; or show
    /// it again. Never said of a link that goes through the service LAN, nor of one that has shown nothing yet.
    Line {
        /// The link.
        link: u8,
        /// The other end is gone.
        lost: bool,
    },
    /// A probe has been sent for every VIP of a group.
    Probed {
        /// The group.
        group: u8,
    },
    /// Somebody else answers for a VIP of a group, or announces it.
    Answered {
        /// The group.
        group: u8,
        /// Who.
        by: By,
    },
    /// A MAC that the peer has told has sent a probe for a VIP of a group: it looks whether somebody has it.
    Asked {
        /// The group.
        group: u8,
    },
    /// Whether answers about a group's VIPs could be heard.
    Eyes {
        /// The group.
        group: u8,
        /// How far.
        eyes: Eyes,
    },
    /// The kernel has ended a VIP of a group that nobody renewed.
    Lapsed {
        /// The group.
        group: u8,
    },
    /// The inventory has found all VIPs of a group, with a lease of a former run. The step's `Done` follows.
    Found {
        /// The group.
        group: u8,
        /// When the lease runs out.
        until: Instant,
    },
    /// The peer is off for certain: a device has confirmed it, or a human vouches for it. Ignored while it lives, and within
    /// a keepalive of a stall, during which it may have been said; [`Node::is_peer_fenced`] tells.
    Fenced,
    /// Time has passed.
    Wake {
        /// Every link was read since the deadline passed, and the service LAN's answers too.
        swept: bool,
    },
}

/// Orders of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// These groups are wanted here.
    Takeover(Groups),
    /// These groups are wanted on the peer.
    Standby(Groups),
    /// Whoever ordered these groups no longer waits.
    Withdraw(Groups),
    /// What made these groups fail is repaired.
    Clear(Groups),
    /// Release everything and say goodbye.
    Leave,
}

/// What the node wants of the shell.
#[allow(clippy::large_enum_variant, reason = "there is no heap to put the frame on, and it is sent at once")]
pub enum Output {
    /// Hand this frame to the link's device, or drop it: never wait.
    Transmit {
        /// The link.
        link: u8,
        /// The frame.
        frame: Sealed,
    },
    /// Begin a step of a group; all VIPs of a `Drop` are gone before the next `poll`.
    Run {
        /// The group.
        group: u8,
        /// The step.
        verb: Verb,
    },
    /// Renew the lease of every VIP here until then, and give what remains of it to those added before the next renewal;
    /// [`Instant::FAR`]: they stay until they are removed. A shell that is later than [`RENEWAL_MAX`](crate::lease::RENEWAL_MAX) leaves it.
    Renew {
        /// When they end.
        until: Instant,
    },
    /// Ask for the VIPs of these groups, and no others, on the service LAN from now on.
    Look {
        /// The groups.
        groups: Groups,
    },
    /// See to it that the peer is off, from now on or not any more.
    Fence {
        /// It is wanted.
        wanted: bool,
    },
    /// For the log and the status.
    Note(Event),
    /// Everything is released and goodbye is said: the daemon may exit.
    Left,
    /// Nothing more to do before `until`.
    Wait {
        /// When.
        until: Instant,
        /// What for.
        why: Why,
    },
}

/// Why a node wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// A beat is due.
    Beat,
    /// Silence is to be judged: read every link first.
    Judge,
    /// A cable has room for a beat that is owed.
    Line,
    /// A link has been silent for deadtime, or strangers have.
    Link,
    /// The VIPs of a silent peer are to be asked for.
    Look,
    /// A stop is tried again, or an unused grant given back.
    Group,
    /// The preferred node has been back for long enough.
    Failback,
    /// The goodbye was repeated for long enough.
    Goodbye,
}

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

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Leaving {
    Stopping,
    Goodbye { first: u64, until: Instant },
    Left,
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

    /// Lives on with another setup: keys, timings, `auto_failback` and groups may differ; names, links and the run stay.
    /// `kept` says for each new group which old one it was. What is not kept is forgotten: the shell stops it.
    ///
    /// A key that the peer still signs with is accepted until it signs with one of the new ring. Where the digest
    /// changes the session ends, since the groups' numbers no longer mean the same; otherwise it goes on, and a new one
    /// tells the peer what has changed.
    pub fn reload(&mut self, now: Instant, setup: Setup, kept: &[Option<u8>]) {
        assert!(self.wait.take().is_some(), "poll until Wait before a reload");
        self.now = self.now.max(now);
        self.witness.begin();
        let old = core::mem::replace(&mut self.setup, setup);
        self.setup.keys = self.setup.keys.clone().in_place_of(&old.keys);
        (self.setup.run, self.setup.seed, self.setup.links) = (old.run, old.seed, old.links);
        self.renewal.reload(self.setup.guard.lease);
        self.peer.withdraw_offer();
        self.peer.forget_stranger();
        self.speech.hurry(self.now);
        if self.setup.digest != old.digest {
            self.peer.part(self.now);
            self.groups.iter_mut().for_each(Group::session_ended);
        }
        self.peer.renew = true;
        let mut before: Vec<Option<Group>, GROUPS_MAX> =
            core::mem::take(&mut self.groups).into_iter().map(Some).collect();
        for (number, setup) in (0..).zip(&self.setup.groups) {
            let was = kept.get(usize::from(number)).copied().flatten();
            let group = match was.and_then(|was| before.get_mut(usize::from(was))?.take()) {
                Some(group) => group.renamed(number, *setup),
                None => {
                    let (group, verb) = Group::new(number, *setup, false);
                    self.runs.push_back((number, verb)).expect("a drained queue has room for a step a group");
                    group
                }
            };
            assert!(self.groups.push(group).is_ok(), "as many groups as a setup holds");
        }
        if let Some(Leaving::Goodbye { .. }) = self.leaving {
            // A group that is new here may run: goodbye waits until it is stopped.
            self.leaving = Some(Leaving::Stopping);
        }
        self.settle(false);
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

    /// Since when every link has lost its other end, which each had shown. What was on its way then may still arrive; what
    /// comes later shows that the lines are wrong.
    fn unplugged(&self) -> Option<Instant> {
        let mut lost = self.links.iter().map(|link| link.lost_at);
        let last = lost.try_fold(Instant::ZERO, |last, lost| Some(last.max(lost?)))?;
        (self.peer.ever_heard && self.peer.silent_since < last + PROBE_WAIT).then_some(last)
    }

    fn fencing_is_over(&self) -> bool {
        self.peer.is_fenced() || self.peer.left || self.peer.is_alive(self.now, &self.setup)
    }

    /// L9: from warntime on the VIPs of a silent peer are asked for, so that it costs no time.
    fn look(&mut self) {
        let (peer, setup, now) = (&self.peer, &self.setup, self.now);
        let session = peer.session.as_ref().filter(|_| peer.is_alive(now, setup));
        let news = session.and_then(|session| session.news.as_ref());
        let two_way = session.is_some_and(|session| session.is_two_way(now, setup.timing.deadtime));
        let silent = now >= peer.look_at(now, setup) || peer.unplugged.is_some();
        let due = silent && self.leaving.is_none() && !peer.left_lately(now, setup);
        let mut groups = 0;
        for (number, group) in (0u8..).zip(&mut self.groups) {
            let word = news.and_then(|news| news.beat.groups.get(usize::from(number)));
            if setup.guard.probes && group.wants_look(due, word, peer.is_blind(), two_way) {
                groups |= 1 << number;
            } else {
                group.sight.rest();
            }
        }
        self.look = (groups, self.look.1 && groups == self.look.0);
    }

    fn judge_peer(&mut self, swept: bool) {
        let before = self.peer.state;
        let after = self.verdict(swept);
        // A new run that came before the old one was missed counts anew: FAILBACK begins with it.
        match after {
            PeerState::Alive => _ = self.peer.alive_since.get_or_insert(self.now),
            _ => self.peer.alive_since = None,
        }
        if after == before {
            return;
        }
        self.peer.state = after;
        if after == PeerState::Alive {
            self.groups.iter_mut().for_each(Group::peer_lives);
        }
        if before == PeerState::Alive {
            self.peer.memory.note(self.peer.loss());
        }
        let silent = self.now.since(self.peer.silent_since);
        self.note(Event::Peer { from: before, to: after, silent });
    }

    /// L9: what the owner says of a split, as the standby does of a VIP in use: at once, and again after twice initdead.
    fn alarm_asked(&mut self) {
        let split = self.peer.state == PeerState::SplitSuspected && !self.is_held_off();
        let pause = self.setup.timing.initdead.times(2);
        if self.peer.asked.is_news(self.now, split, pause) {
            let silent = self.now.since(self.peer.silent_since);
            self.note(Event::Asked { silent });
        }
    }

    /// A VIP that this node would take is in use.
    fn is_held_off(&self) -> bool {
        self.groups.iter().any(|group| group.held_off() == Some(Hold::InUse))
    }

    fn verdict(&mut self, swept: bool) -> PeerState {
        let (peer, setup) = (&self.peer, &self.setup);
        if peer.is_alive(self.now, setup) {
            return PeerState::Alive;
        }
        if peer.left {
            return PeerState::Left;
        }
        if let Some(why) = peer.untrusted(self.now, setup) {
            return PeerState::Untrusted(why);
        }
        let dead = self.now >= peer.silent_since + peer.patience(setup) || peer.unplugged.is_some();
        let lives = self.is_held_off() || peer.asks_until(setup).is_some_and(|until| self.now < until);
        match peer.state {
            PeerState::Dead | PeerState::SplitSuspected if lives => PeerState::SplitSuspected,
            PeerState::Dead | PeerState::SplitSuspected => PeerState::Dead,
            _ if dead && swept => PeerState::Dead,
            PeerState::Untrusted(_) if !dead => PeerState::Unknown,
            state => {
                self.judge |= dead;
                state
            }
        }
    }

    fn judge_links(&mut self) {
        let span = self.setup.timing.deadtime;
        let alive = self.peer.is_alive(self.now, &self.setup);
        let news = self.peer.session.as_ref().and_then(|session| session.news.as_ref()).filter(|_| alive);
        let heard = news.map_or(0, |news| news.beat.heard);
        for number in 0..self.links.len() as u8 {
            let link = &mut self.links[usize::from(number)];
            let from = link.state;
            // Without a live peer nobody hears this node: a link that brought its last word is not one-way for that.
            link.state = if alive { link.verdict(self.now, span, heard >> number & 1 != 0) } else { LinkState::Down };
            if link.state != from {
                let (to, why) = (link.state, link.why(self.now, span));
                self.note(Event::Link { link: number, from, to, why });
            }
        }
    }

    /// Whether the peer is to be fenced for it.
    fn decide(&mut self, number: u8, swept: bool) -> bool {
        let mut fx = Effects::default();
        let (peer, setup, now) = (&self.peer, &self.setup, self.now);
        let (deadtime, mute) = (self.shorter_deadtime(), self.mute_until());
        let everywhere = self.links.iter().all(|link| !link.device || link.counters.tx_frames > 0);
        let group = &mut self.groups[usize::from(number)];
        let session = peer.session.as_ref();
        let news = session.and_then(|session| session.news.as_ref());
        let word = news.and_then(|news| news.beat.groups.get(usize::from(number)));
        let (alive, heard) = (peer.is_alive(now, setup), peer.is_heard(now, setup));
        let facts = session.map(|session| &session.facts);
        let keepalive = facts.map_or(setup.timing.keepalive, |facts| facts.keepalive.max(setup.timing.keepalive));
        let scene = Scene {
            now,
            theirs: word.filter(|_| alive),
            rival: word.filter(|_| alive || heard && news.is_some_and(|news| group.is_rival_since(news.at))),
            fresh: news.is_some_and(|news| now < news.at + keepalive.times(2) && news.echo >= peer.stall_floor),
            echo: news.map_or(0, |news| news.echo),
            echo_young: link::within(news.and_then(|news| news.echo_sent), now, deadtime - keepalive),
            next_seq: session.map_or(1, |session| session.tx_seq() + 1),
            two_way: heard && session.is_some_and(|session| session.is_two_way(now, setup.timing.deadtime)),
            unheard: session.is_some_and(|session| session.is_unheard(keepalive.times(2), setup.timing.deadtime)),
            goodbye: word.filter(|_| peer.goodbye_at(setup, group.has_vip()).is_some_and(|at| at <= now)),
            left_lately: peer.left_lately(now, setup),
            waited: now >= peer.takeover_at(now, setup, group.has_vip(), group.is_granted()),
            swept,
            last_word: word,
            warrant: weigh(peer, setup, now, (group.has_vip(), group.is_granted()), swept),
            alone: everywhere && self.mute_since.is_none() && peer.nobody_was_heard(),
            guard: setup.guard,
            silent: now.since(peer.silent_since),
            initdead: setup.timing.initdead,
            mute,
            willing: self.leaving.is_none(),
            peer_blind: peer.is_blind(),
            peer_sees: peer.has_seen(now, setup),
            failback: failback(peer, setup),
            keepalive,
            deadtime: setup.timing.deadtime,
        };
        group.decide(&scene, &mut fx);
        let fence = fx.fence;
        self.apply(number, fx);
        fence
    }

    fn with_group(&mut self, number: u8, act: impl FnOnce(&mut Group, Instant, &mut Effects)) {
        let Some(group) = self.groups.get_mut(usize::from(number)) else { return };
        let mut fx = Effects::default();
        act(group, self.now, &mut fx);
        self.apply(number, fx);
    }

    fn apply(&mut self, number: u8, fx: Effects) {
        self.judge |= fx.judge;
        for verb in fx.run {
            self.begin(number, verb);
        }
        for (from, to, cause) in fx.events {
            self.note(Event::Group { group: number, from, to, cause });
        }
        if let Some(event) = fx.other {
            if matches!(event, Event::Kept { .. }) {
                self.begin(number, Verb::Announce);
            }
            self.note(event);
        }
    }

    fn begin(&mut self, number: u8, verb: Verb) {
        let room = if verb == Verb::Start {
            if self.peer.session.is_none() {
                // There is nobody to tell of the claim, but the lease begins with what is said.
                self.links.iter_mut().for_each(|link| link.owes_hello = true);
            }
            self.starts.push_back(number).is_ok()
        } else {
            // A start that was not said yet is not begun.
            for _ in 0..self.starts.len() {
                let other = self.starts.pop_front().expect("counted");
                if other != number || verb == Verb::Announce {
                    self.starts.push_back(other).expect("taken out before");
                }
            }
            self.runs.push_back((number, verb)).is_ok()
        };
        assert!(room, "a group has one step and one announcement at a time");
    }

    /// RELEASE: goodbye comes when everything is stopped, is repeated until echoed, and is not said to nobody.
    fn leave(&mut self) {
        let echo = self.peer.session.as_ref().and_then(|session| session.news.as_ref()).map_or(0, |news| news.echo);
        match self.leaving {
            Some(Leaving::Stopping) if self.groups.iter().all(Group::is_at_rest) => {
                let span = self.setup.timing.deadtime.min(GOODBYE_MAX);
                let first = self.peer.session.as_ref().map_or(0, |session| session.tx_seq() + 1);
                let alive = self.peer.is_alive(self.now, &self.setup);
                let goodbye = Leaving::Goodbye { first, until: self.now + span };
                self.leaving = Some(if alive { goodbye } else { Leaving::Left });
            }
            Some(Leaving::Goodbye { first, until }) if echo >= first || self.now >= until => {
                self.leaving = Some(Leaving::Left);
            }
            _ => {}
        }
    }

    fn deadline(&self) -> (Instant, Why) {
        if self.judge {
            return (self.now, Why::Judge);
        }
        let (now, setup) = (self.now, &self.setup);
        let mut soonest = self.speech_deadline();
        let mut at = |at: Option<Instant>, why| {
            if let Some(at) = at.filter(|at| *at > now && *at < soonest.0) {
                soonest = (at, why);
            }
        };
        at(Some(self.peer.look_at(now, setup)).filter(|_| setup.guard.probes), Why::Look);
        for has_vip in [false, true] {
            at(self.peer.goodbye_at(setup, has_vip), Why::Link);
        }
        at(Some(self.peer.silent_since + self.peer.patience(setup)), Why::Judge);
        at(self.peer.untrusted_until(setup), Why::Link);
        at(self.peer.asks_until(setup), Why::Link);
        at(self.peer.asked.again(), Why::Link);
        for link in &self.links {
            at(link.heard_until(setup.timing.deadtime), Why::Link);
        }
        let failback = failback(&self.peer, setup);
        for group in &self.groups {
            at(Some(self.peer.takeover_at(now, setup, group.has_vip(), group.is_granted())), Why::Judge);
            at(group.sight.silent_at(), Why::Judge);
            for due in group.deadlines(&setup.guard, setup.timing.deadtime) {
                at(Some(due), Why::Group);
            }
            at(failback.map(|(since, least)| group.failback_at(now, since, least)), Why::Failback);
        }
        at(self.mute_until(), Why::Group);
        if let Some(Leaving::Goodbye { until, .. }) = self.leaving {
            at(Some(until), Why::Goodbye);
        }
        soonest
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

/// FAILBACK: since when the peer has been in session, and the least F: the larger initdead of the two.
fn failback(peer: &Peer, setup: &Setup) -> Option<(Instant, Duration)> {
    let session = peer.session.as_ref().filter(|_| setup.auto_failback && !peer.is_blind())?;
    Some((peer.alive_since?.max(peer.blind_at.unwrap_or_default()), setup.timing.initdead.max(session.facts.initdead)))
}
