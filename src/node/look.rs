//! L9: whose VIPs are asked for, and what is told of a split.

use super::Node;
use super::event::Event;
use super::group::Hold;
use super::peer::PeerState;

impl Node {
    /// L9: from warntime on the VIPs of a silent peer are asked for, so that it costs no time.
    pub(super) fn look(&mut self) {
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

    /// L9: what the owner says of a split, as the standby does of a VIP in use: at once, and again after twice initdead.
    pub(super) fn alarm_asked(&mut self) {
        let split = self.peer.state == PeerState::SplitSuspected && !self.is_held_off();
        let pause = self.setup.timing.initdead.times(2);
        if self.peer.asked.is_news(self.now, split, pause) {
            let silent = self.now.since(self.peer.silent_since);
            self.note(Event::Asked { silent });
        }
    }

    /// A VIP that this node would take is in use.
    pub(super) fn is_held_off(&self) -> bool {
        self.groups.iter().any(|group| group.held_off() == Some(Hold::InUse))
    }
}
