//! What a node says that it did, and why, against what it could know.

use super::{Oracle, Scene, roughly};
use crate::Side;
use lubdub::node::{Cause, Event, PeerState};
use lubdub::time::Instant;
use lubdub::wire::beat::State;

impl Oracle {
    /// A node notes something.
    pub fn noted(&mut self, scene: &Scene<'_>, side: Side, event: &Event) {
        let local = scene.local(side);
        if matches!(event, Event::Session { .. }) {
            // Its number was one of the session before; in this one every beat says it.
            let watch = &mut self.watches[side];
            watch.goodbye = watch.goodbye.map(|(at, _)| (at, 1));
        }
        match *event {
            Event::Peer { to, .. } => {
                self.watches[side].turned_at = scene.now;
                if to == PeerState::SplitSuspected {
                    self.demand_sign_of_life(scene, side);
                }
                self.watches[side].alive_since = (to == PeerState::Alive).then_some(local);
            }
            Event::Session { new_run: true, .. } => {
                self.watches[side].met_at = Some(scene.now);
                self.note_leases(scene, side);
                self.watches[side].alive_since = Some(local);
                self.forget_orders();
            }
            Event::Session { new_run: false, .. } => {
                self.note_leases(scene, side);
                self.churn += 1;
                self.watches[side].met_at = Some(scene.now);
                self.watches[side].session_at = Some(scene.now);
            }
            Event::Group { group, to, cause, .. } => {
                let group = usize::from(group);
                self.moved(scene, side, group, to, cause);
                if to == State::Starting {
                    self.watches[side].started[group] = Some((scene.now, super::claims::is_claim(cause)));
                }
                match to {
                    State::Starting => self.acquired(scene, side, group, cause),
                    State::Stopping => self.went_down(scene, side, group, cause),
                    _ => {}
                }
            }
            Event::Kept { group, .. } => self.demand_verdict(scene, side, usize::from(group), false),
            _ => {}
        }
    }

    fn went_down(&mut self, scene: &Scene<'_>, side: Side, group: usize, cause: Cause) {
        match cause {
            Cause::Yielded { .. } => {
                self.demand_drop(scene, side, group);
                self.demand_verdict(scene, side, group, true);
                self.yielded(scene, side, group, false);
            }
            Cause::Unheard => {
                self.demand_drop(scene, side, group);
                self.demand_deafness(scene, side, group);
                self.yielded(scene, side, group, true);
            }
            Cause::Failback => {
                self.given_back[group] += 1;
                self.demand_ask(scene, side, group);
                self.demand_patience(scene, side, group);
            }
            Cause::Handover => self.demand_ask(scene, side, group),
            _ => {}
        }
    }

    /// L6: the verdict is the same on both sides, so never both yield; unless a line so bad that neither can be sure
    /// makes each seem deaf to the other.
    fn yielded(&mut self, scene: &Scene<'_>, side: Side, group: usize, unheard: bool) {
        let other = self.watches[1 - side].yielded_at[group];
        let span = scene.scenario.deadtime().times(2);
        let steady = |watch: &super::Watch| watch.streak.is_some_and(|since| scene.now.since(since) > span);
        let unsure = unheard || other.is_some_and(|(_, unheard)| unheard);
        let excused = unsure && !self.watches.iter().all(steady);
        let recent = other.is_some_and(|(at, _)| scene.now.since(at) < scene.scenario.deadtime());
        if recent && !excused && !scene.boxes[1 - side].holds(group) {
            self.accuse(scene.now, "L6", format_args!("both nodes yield group {group}: {other:?}"));
        }
        self.watches[side].yielded_at[group] = Some((scene.now, unheard));
    }

    /// HEAL 2: only when the peer has not echoed for deadtime, and two of its beats say so.
    fn demand_deafness(&mut self, scene: &Scene<'_>, side: Side, group: usize) {
        let watch = &self.watches[side];
        let deadtime = scene.scenario.timing[side].deadtime;
        let knows = watch.accepted.as_ref().and_then(|frame| frame.knows);
        let lasting = watch.accepted_before.is_some_and(|at| scene.local(side).since(at) <= roughly(deadtime.times(2)));
        // A node remembers when its beats were sent by samples, 32 in a deadtime.
        let lately = |at: Instant| scene.now.since(at) < deadtime - deadtime.part(24);
        if watch.met_at.is_some_and(lately) {
            self.accuse(
                scene.now,
                "HEAL",
                format_args!("node{} yields group {group} as unheard in a session that has just begun", side + 1),
            );
        } else if knows.is_some_and(lately) {
            self.accuse(
                scene.now,
                "HEAL",
                format_args!("node{} yields group {group} as unheard, but a beat made the round trip", side + 1),
            );
        }
        if !lasting {
            self.accuse(
                scene.now,
                "HEAL",
                format_args!("node{} yields group {group} as unheard at the first beat after silence", side + 1),
            );
        }
    }

    /// RELEASE: a group is stopped for a handover only against an ask heard within two keepalives.
    fn demand_ask(&mut self, scene: &Scene<'_>, side: Side, group: usize) {
        let watch = &self.watches[side];
        let beat = watch.accepted.as_ref().and_then(|frame| frame.beat.as_ref());
        let asks = beat.is_some_and(|beat| beat.groups.get(group).is_some_and(|word| word.ask));
        let span = roughly(scene.scenario.keepalive().times(2));
        if !asks || watch.accepted_at.is_none_or(|at| scene.local(side).since(at) > span) {
            self.accuse(scene.now, "RELEASE", format_args!("node{} stops group {group} for no open ask", side + 1));
        }
    }

    /// FAILBACK: the preferred node has been in session and not failed for F.
    fn demand_patience(&mut self, scene: &Scene<'_>, side: Side, group: usize) {
        let watch = &self.watches[side];
        let local = scene.local(side);
        let patience = scene.scenario.initdead();
        let since = watch.alive_since;
        let failed_lately = watch.peer_failed_at[group].is_some_and(|at| local.since(at) < patience);
        if since.is_none_or(|at| local.since(at) < patience) {
            self.accuse(
                scene.now,
                "FAILBACK",
                format_args!("node{} gives group {group} back to a peer in session since {since:?}", side + 1),
            );
        }
        if failed_lately {
            self.accuse(
                scene.now,
                "FAILBACK",
                format_args!("node{} gives group {group} back to a peer on which it has just failed", side + 1),
            );
        }
    }
}
