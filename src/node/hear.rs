//! Bytes to news: what a frame must pass before anything in it counts. Each failure has its own counter, and none of
//! them changes a state.

use super::group::STOP_PATIENCE;
use super::peer::{Greeting, Heard, Ignored, Untrusted};
use super::setup::LinkKind;
use super::{Event, Node};
use crate::wire::beat::{Beat, GROUPS_MAX};
use crate::wire::envelope::{Envelope, Kind, Refused};
use heapless::Vec;

impl Node {
    pub(super) fn hear(&mut self, number: u8, bytes: &[u8]) {
        let index = usize::from(number);
        let Some(link) = self.links.get_mut(index) else { return };
        let mut deframer = core::mem::take(&mut link.deframer);
        let mut frames_end = 0;
        for (at, byte) in bytes.iter().enumerate() {
            match deframer.push(*byte) {
                Some(Ok(body)) => {
                    self.links[index].junk = Default::default();
                    frames_end = at + 1;
                    self.take_body(number, body);
                }
                Some(Err(_)) => self.count_noise(number),
                None => {}
            }
        }
        let link = &mut self.links[index];
        link.junk.add(self.now, &bytes[frames_end..]);
        link.deframer = deframer;
    }

    fn count_noise(&mut self, number: u8) {
        let link = &mut self.links[usize::from(number)];
        link.counters.noise += 1;
        link.noise_at = Some(self.now);
    }

    fn take_body(&mut self, number: u8, body: &[u8]) {
        let envelope = match Envelope::open(body) {
            Ok(envelope) => envelope,
            Err(Refused::Malformed) => return self.count_noise(number),
            Err(Refused::Version(version)) => {
                self.count_noise(number);
                return self.suspect(number, Untrusted::OtherVersion(version), false);
            }
        };
        let link = &mut self.links[usize::from(number)];
        if self.witness.is(|| link.is_own(envelope.mark())) {
            return self.count_own(number);
        }
        if envelope.link != number {
            link.counters.foreign += 1;
            return;
        }
        match envelope.kind {
            Kind::Beat => self.take_beat(number, &envelope),
            Kind::Hello => self.take_hello(number, &envelope),
        }
    }

    /// A frame of mine that came back: a looped cable, or a switch port that reflects.
    fn count_own(&mut self, number: u8) {
        let link = &mut self.links[usize::from(number)];
        link.counters.looped += 1;
        link.looped_at = Some(self.now);
    }

    fn suspect(&mut self, number: u8, why: Untrusted, proven: bool) {
        self.peer.suspect(self.now, why, proven || self.is_cable(number));
    }

    fn is_cable(&self, number: u8) -> bool {
        matches!(self.links[usize::from(number)].kind, LinkKind::Serial { .. })
    }

    fn take_hello(&mut self, number: u8, envelope: &Envelope<'_>) {
        let keys = &self.setup.keys;
        let signer = self.witness.key(keys, || envelope.hello_signer(keys));
        let Some(hello) = signer.map_or_else(|| envelope.hello_of_nobody(), |key| envelope.hello_of(key)) else {
            return self.count_noise(number);
        };
        let authentic = signer.is_some();
        let heard = Heard { authentic, on_cable: self.is_cable(number) };
        let greeting = self.peer.greet(self.now, &self.setup, &hello, heard);
        let link = &mut self.links[usize::from(number)];
        if authentic && !matches!(greeting, Greeting::Ignored(Ignored::Own | Ignored::Neighbour)) {
            link.counters.rx_frames += 1;
        }
        match greeting {
            Greeting::Ignored(Ignored::Own) => self.count_own(number),
            Greeting::Ignored(Ignored::Neighbour) => link.counters.foreign += 1,
            Greeting::Ignored(Ignored::Old) => {}
            Greeting::Untrusted { why, proven } => {
                link.counters.unauthentic += u64::from(why == Untrusted::WrongKey);
                self.peer.unauthentic_at = Some(self.now);
                self.suspect(number, why, proven);
            }
            Greeting::Answer => {
                self.answer();
                if self.is_cable(number) {
                    // No life yet, but nobody else can have said it.
                    self.peer.bar(self.now);
                }
            }
            Greeting::Session { new_run } => {
                link.heard_at = Some(self.now);
                self.enter_session(new_run);
            }
        }
    }

    /// At most one answer per keepalive and link; on every link, since this one may carry nothing the other way.
    fn answer(&mut self) {
        let keepalive = self.setup.timing.keepalive;
        for link in &mut self.links {
            link.owes_hello |= !super::link::within(link.hello_at, self.now, keepalive);
        }
    }

    fn enter_session(&mut self, new_run: bool) {
        self.links.iter_mut().for_each(super::link::Link::session_began);
        self.groups.iter_mut().for_each(|group| group.session_began(new_run));
        self.speech.offer_used();
        if let Some(super::Leaving::Goodbye { first, .. }) = &mut self.leaving {
            // Every beat of this session says it.
            *first = 1;
        }
        self.renewal.is_known();
        let lost = self.peer.session.as_ref().map(|session| session.facts.lost).unwrap_or_default();
        self.note(Event::Session { new_run, lost });
        let mine = self.setup.timing.deadtime;
        let theirs = self.peer.session.as_ref().map_or(mine, |session| session.facts.deadtime);
        if theirs != mine {
            self.note(Event::DeadtimesDiffer { mine, theirs });
        }
    }

    fn take_beat(&mut self, number: u8, envelope: &Envelope<'_>) {
        let Some((seq, beat)) = self.verified(envelope).or_else(|| self.verified_prospect(envelope)) else {
            self.links[usize::from(number)].counters.unauthentic += 1;
            self.recognise_former(envelope);
            self.peer.unauthentic_at = Some(self.now);
            if self.is_cable(number) {
                // The other end beats, in a session that this run or this setup does not know.
                self.peer.bar(self.now);
            } else {
                // So may the peer here, or anybody.
                self.peer.doubt(self.now, &self.setup);
            }
            return;
        };
        if beat.groups.len() != self.groups.len() {
            return self.count_noise(number);
        }
        if self.links[usize::from(number)].hear(self.now, seq) {
            self.take_news(seq, beat);
        }
    }

    fn verified(&mut self, envelope: &Envelope<'_>) -> Option<(u64, Beat)> {
        let session = self.peer.session.as_mut()?;
        let seq = session.full_seq(envelope.beat_seq()?);
        let (beat, live) = self.witness.beat(&self.setup.keys, envelope, &session.inbound(), seq)?;
        if let Some(key) = live {
            self.setup.keys.forget_retired();
            // This node may have signed with one of those until now; the peer accepts what it signs with itself.
            if self.setup.keys.with_fingerprint(session.key).is_none() {
                session.key = key;
            }
        }
        Some((seq, beat))
    }

    /// A fresh beat of the session before a reload shows that the peer is there, with another haresources.
    fn recognise_former(&mut self, envelope: &Envelope<'_>) {
        let Some(former) = self.peer.former.as_mut() else { return };
        let Some(seq) = envelope.beat_seq().map(|low| former.full_seq(low)) else { return };
        if let Some((beat, _)) = self.witness.beat(&self.setup.keys, envelope, &former.inbound(), seq)
            && former.hear(self.now, seq, beat, self.setup.timing.deadtime)
        {
            self.peer.suspect(self.now, Untrusted::DifferentHaresources, true);
        }
    }

    /// A beat signed over an unproven nonce of the peer and my offer begins a session too.
    fn verified_prospect(&mut self, envelope: &Envelope<'_>) -> Option<(u64, Beat)> {
        let low = envelope.beat_seq()?;
        let (keys, witness) = (&self.setup.keys, &mut self.witness);
        let mut prospects = self.peer.prospects(self.now, self.setup.timing.deadtime);
        let (number, seq, beat) = prospects.find_map(|(number, prospect)| {
            let seq = prospect.full_seq(low);
            witness.beat(keys, envelope, &prospect.inbound(), seq).map(|(beat, _)| (number, seq, beat))
        })?;
        drop(prospects);
        let new_run = self.peer.accept_prospect(self.now, &self.setup, number)?;
        self.enter_session(new_run);
        Some((seq, beat))
    }

    /// A beat that this link had not heard. Another link may have: then it changes nothing more.
    fn take_news(&mut self, seq: u64, beat: Beat) {
        let timing = self.setup.timing;
        let Some(session) = self.peer.session.as_mut() else { return };
        let first = session.news.is_none();
        let Beat { goodbye, blind, .. } = beat;
        if !session.hear(self.now, seq, beat, timing.deadtime) {
            return;
        }
        let Some(news) = &session.news else { return };
        if blind {
            self.peer.blind_at = Some(self.now);
        }
        let knows_me = news.echo >= self.peer.stall_floor;
        let mut waits = false;
        let patience = STOP_PATIENCE.max(session.facts.deadtime).max(timing.deadtime) + session.facts.lease;
        let mut stops: Vec<Event, GROUPS_MAX> = Vec::new();
        for (number, (group, theirs)) in (0..).zip(self.groups.iter_mut().zip(&news.beat.groups)) {
            group.heard(self.now, theirs);
            if let Some(lasts) = group.peer_stops(self.now, theirs, patience) {
                stops.push(Event::PeerStops { group: number, lasts }).expect("one a group");
            }
            waits |= theirs.ask && group.is_granted();
        }
        if waits {
            // The grant is known to stand for this ask only when its beat is echoed.
            self.speech.answer_at_once();
        }
        stops.into_iter().for_each(|event| self.note(event));
        let interval = self.now.since(self.peer.silent_since);
        if goodbye && knows_me && !self.peer.left {
            self.peer.left = true;
            self.speech.answer_at_once();
        }
        self.peer.lives(self.now);
        // HEAL: whoever was silent, or begins a session, learns at once that it is heard.
        if first || interval >= timing.deadtime {
            self.speech.answer_at_once();
        }
        if !first && interval > timing.warntime {
            self.note(Event::Late { interval });
        }
    }
}
