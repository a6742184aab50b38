//! What reached a node, and whether it should have counted.

use super::settling::is_willing;
use super::{Oracle, Scene};
use crate::Side;
use crate::appliance::Appliance;
use crate::frame::{Frame, Parcel};
use lubdub::node::{LinkKind, LinkState, Node, PeerState, Untrusted};
use lubdub::time::Instant;
use lubdub::wire::beat::State;
use std::rc::Rc;

/// A node before it read something.
pub struct Before {
    silent_since: Instant,
    alive: bool,
    states: Vec<State>,
    links: Vec<LinkState>,
    /// What it had received on each link that was good.
    received: Vec<u64>,
    /// Its own deadline had come too: not everything that changes comes of the bytes.
    due: bool,
}

impl Before {
    /// Looks at it.
    pub fn of(node: &Node, due: bool) -> Self {
        Self {
            silent_since: node.silent_since(),
            alive: node.peer() == PeerState::Alive,
            states: node.groups().map(|group| group.state).collect(),
            links: node.links().map(|link| link.state).collect(),
            received: node.links().map(|link| link.counters.rx_frames).collect(),
            due,
        }
    }

    /// Whether a beat among what was read on a link is the one that was heard last there, in the session that the node is
    /// in now. One of a session that has ended in this very moment is not, nor one that is played again.
    pub fn has_heard(&self, node: &Node, link: usize, frame: &Frame) -> bool {
        let received = node.links().nth(link).map(|it| it.counters.rx_frames);
        let newest = node.evidence(None).links.get(link).map(|link| link.beat as u16);
        received > self.received.get(link).copied() && frame.beat.as_ref().is_some_and(|beat| Some(beat.seq) == newest)
    }
}

impl Oracle {
    /// A node has read these parcels of a link at one go, and has not acted yet.
    pub fn delivered(&mut self, scene: &Scene<'_>, side: Side, link: usize, parcels: &[Parcel], before: &Before) {
        let Some(node) = scene.node(side) else { return };
        let local = scene.local(side);
        if parcels.iter().any(is_frame) {
            self.watches[side].reached_at = scene.now;
        }
        let first = parcels.iter().any(|parcel| is_first(side, link, parcel));
        let fresh: Vec<_> = parcels.iter().filter_map(|parcel| self.fresh(side, link, parcel)).collect();
        let moved = node.silent_since() == local && before.silent_since != local;
        if fresh.is_empty() {
            if moved {
                self.accuse(
                    scene.now,
                    "L5",
                    format_args!("node{} takes for life on link {link}: {parcels:?}", side + 1),
                );
            }
            let link = (!first).then_some(link);
            return self.demand_stillness(scene, side, node, before, link);
        }
        for frame in &fresh {
            self.note_stranger(scene, side, link, frame);
        }
        if moved && fresh.iter().all(|frame| is_of_stranger(scene, side, frame)) {
            self.accuse(scene.now, "UNTRUSTED", format_args!("node{} takes a stranger for its peer", side + 1));
        }
        self.note_arrival(scene, side, &fresh);
        let watch = &mut self.watches[side];
        if moved || before.silent_since == local {
            watch.life_at = Some(local);
            fresh.iter().for_each(|frame| frame.taken.set(true));
            let heard = |frame: &&&Rc<Frame>| before.has_heard(node, link, frame);
            let newest = fresh.iter().filter(heard).max_by_key(|frame| frame.number);
            if let Some(frame) = newest {
                self.accept(scene, side, frame);
            }
        }
    }

    /// Counts what was sent lately only: a recording of what had been lost proves nothing of the line.
    fn note_arrival(&mut self, scene: &Scene<'_>, side: Side, fresh: &[&Rc<Frame>]) {
        let keepalive = scene.scenario.keepalive();
        if !fresh.iter().any(|frame| scene.now.since(frame.sent) <= keepalive.times(4)) {
            return;
        }
        let watch = &mut self.watches[side];
        watch.arriving = match watch.arriving {
            Some((since, last)) if scene.now.since(last) <= keepalive.times(5).part(2) => Some((since, scene.now)),
            _ => Some((scene.now, scene.now)),
        };
    }

    /// The frame of a parcel, where it is one of the other node on this link that comes for the first time and is newer
    /// than what was accepted.
    fn fresh<'a>(&self, side: Side, link: usize, parcel: &'a Parcel) -> Option<&'a Rc<Frame>> {
        let Parcel::Whole(frame) = parcel else { return None };
        let ours = frame.from != side && usize::from(frame.link) == link;
        if !ours {
            return None;
        }
        frame.delivered.set(true);
        if frame.taken.get() {
            return None;
        }
        let newest = self.watches[side].accepted.as_ref().map_or(0, |frame| frame.number);
        (frame.beat.is_none() || frame.number > newest).then_some(frame)
    }

    fn accept(&mut self, scene: &Scene<'_>, side: Side, frame: &Rc<Frame>) {
        let local = scene.local(side);
        let gap = scene.scenario.keepalive().times(2);
        let watch = &mut self.watches[side];
        let unbroken = watch.accepted_at.is_some_and(|at| local.since(at) <= gap);
        watch.streak = if unbroken { watch.streak.or(Some(scene.now)) } else { Some(scene.now) };
        watch.accepted_before = watch.accepted_at;
        watch.accepted_at = Some(local);
        watch.accepted = Some(frame.clone());
        watch.fenced = false;
        let words = frame.beat.iter().flat_map(|beat| &beat.groups);
        for (word, failed_at) in words.zip(&mut watch.peer_failed_at) {
            if word.state == State::Failed {
                *failed_at = Some(local);
            }
        }
    }

    /// L5: what proves nothing changes nothing; and what did not even come for the first time, not even its link.
    fn demand_stillness(&mut self, scene: &Scene<'_>, side: Side, node: &Node, before: &Before, link: Option<usize>) {
        if before.due {
            return;
        }
        let up = |state: Option<LinkState>| state == Some(LinkState::Up);
        let raised = |link| up(node.links().nth(link).map(|it| it.state)) && !up(before.links.get(link).copied());
        if link.is_some_and(raised) {
            self.accuse(scene.now, "L5", format_args!("node{} holds a link up by false bytes", side + 1));
        }
        let alive = node.peer() == PeerState::Alive;
        if alive && !before.alive {
            self.accuse(scene.now, "L5", format_args!("node{} holds the peer alive by false bytes", side + 1));
        }
        let began = |(group, old): (lubdub::node::GroupStatus, &State)| group.state.holds() && !old.holds();
        if node.groups().zip(&before.states).any(began) {
            self.accuse(scene.now, "L5", format_args!("node{} starts a group by false bytes", side + 1));
        }
    }

    fn note_stranger(&mut self, scene: &Scene<'_>, side: Side, link: usize, frame: &Frame) {
        let current = frame.life == scene.boxes[frame.from].life;
        if !current || frame.beat.is_some() || scene.boxes.iter().all(|it| it.mask.is_none()) {
            return;
        }
        let ethernet = scene.scenario.links[link] == LinkKind::Broadcast;
        let watch = &mut self.watches[side];
        // On Ethernet an authentic stranger forbids only while it proves that it is no recording; tests/node.rs holds that.
        let at = if ethernet { &mut watch.doubted_at } else { &mut watch.barred_at };
        *at = Some(scene.boxes[side].clock.local(scene.now));
    }

    /// HANDSHAKE: where whole frames go both ways, two nodes that trust each other are soon in session. A verdict of
    /// this very moment may rest on frames that were lost.
    pub(super) fn look_for_deafness(&mut self, scene: &Scene<'_>) {
        if !scene.trusted() || !(0..2).all(|side| is_willing(scene, side)) {
            return;
        }
        let timing = scene.scenario.timing;
        let patience = scene.scenario.deadtime()
            + timing[0].warntime.max(timing[1].warntime).times(2)
            + scene.scenario.keepalive().times(8)
            + lubdub::time::Duration::from_millis(200)
            + scene.scenario.lag.times(8);
        let long = |watch: &super::Watch| {
            watch.arriving.is_some_and(|(since, last)| {
                scene.now.since(since.max(watch.disturbed_at).max(watch.turned_at)) > patience
                    && scene.now.since(last) <= scene.scenario.keepalive().times(2)
            })
        };
        if !self.watches.iter().all(long) {
            return;
        }
        for side in [0, 1] {
            let state = scene.node(side).map(Node::peer);
            if state != Some(PeerState::Alive) {
                let since = self.watches[side].arriving;
                self.accuse(
                    scene.now,
                    "HANDSHAKE",
                    format_args!("node{} hears its peer since {since:?} and says {state:?}", side + 1),
                );
            }
        }
    }
}

/// Sent in this life by a node that must not be trusted, or to one that must not trust.
fn is_of_stranger(scene: &Scene<'_>, to: Side, frame: &Frame) -> bool {
    let (it, other) = (&scene.boxes[frame.from], &scene.boxes[to]);
    // When a node lets go of a key is the model's guess. One that a node signs with it has, and where the other one may
    // have it too there is no wrong key.
    let has = |key| other.read.keys.iter().any(|(id, _)| *id == key) || other.read.let_go.contains(&key);
    let shared = frame.key.is_some_and(has);
    let guessed = |it: &Appliance| it.disguise.is_none() && it.mask == Some(Untrusted::WrongKey) && shared;
    let masked = |it: &Appliance| it.mask.is_some() && !guessed(it);
    frame.life == it.life && it.node.is_some() && (masked(it) || masked(other))
}

/// Something that a node takes for a frame, whoever has sent it.
fn is_frame(parcel: &Parcel) -> bool {
    matches!(parcel, Parcel::Whole(_)) || crate::frame::body(parcel.bytes()).is_some()
}

/// A frame of the other node that comes on its link for the first time.
fn is_first(side: Side, link: usize, parcel: &Parcel) -> bool {
    let first = |frame: &Rc<Frame>| frame.from != side && usize::from(frame.link) == link && !frame.delivered.get();
    matches!(parcel, Parcel::Whole(frame) if first(frame))
}
