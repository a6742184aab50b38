//! What each group is shown when it decides, and what becomes of its decision.

use super::event::Event;
use super::group::{Effects, Group, Scene, Verb};
use super::peer::Peer;
use super::setup::Setup;
use super::warrant::weigh;
use super::{Node, link};
use crate::time::{Duration, Instant};

impl Node {
    /// Whether the peer is to be fenced for it.
    pub(super) fn decide(&mut self, number: u8, swept: bool) -> bool {
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

    pub(super) fn with_group(&mut self, number: u8, act: impl FnOnce(&mut Group, Instant, &mut Effects)) {
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
}

/// FAILBACK: since when the peer has been in session, and the least F: the larger initdead of the two.
pub(super) fn failback(peer: &Peer, setup: &Setup) -> Option<(Instant, Duration)> {
    let session = peer.session.as_ref().filter(|_| setup.auto_failback && !peer.is_blind())?;
    Some((peer.alive_since?.max(peer.blind_at.unwrap_or_default()), setup.timing.initdead.max(session.facts.initdead)))
}
