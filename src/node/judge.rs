//! The verdicts on the peer and on each link.

use super::Node;
use super::event::Event;
use super::group::Group;
use super::link::LinkState;
use super::peer::PeerState;
use crate::lease::PROBE_WAIT;
use crate::time::Instant;

impl Node {
    /// Since when every link has lost its other end, which each had shown. What was on its way then may still arrive; what
    /// comes later shows that the lines are wrong.
    pub(super) fn unplugged(&self) -> Option<Instant> {
        let mut lost = self.links.iter().map(|link| link.lost_at);
        let last = lost.try_fold(Instant::ZERO, |last, lost| Some(last.max(lost?)))?;
        (self.peer.ever_heard && self.peer.silent_since < last + PROBE_WAIT).then_some(last)
    }

    pub(super) fn fencing_is_over(&self) -> bool {
        self.peer.is_fenced() || self.peer.left || self.peer.is_alive(self.now, &self.setup)
    }

    pub(super) fn judge_peer(&mut self, swept: bool) {
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

    pub(super) fn judge_links(&mut self) {
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
}
