//! What a node says, and when. A beat is composed when it is polled, never stored, so a slow cable carries news at most
//! one frame old.

use super::digest::{Digest, Lens};
use super::{Leaving, Node, Why};
use crate::time::{Duration, Instant};
use crate::wire::auth::Key;
use crate::wire::beat::{Beat, GROUPS_MAX, GroupWord};
use crate::wire::envelope::{Sealed, seal_beat, seal_hello};
use crate::wire::hello::{FINGERPRINTS_MAX, Hello};
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// What a beat says beside its numbers; whatever changes here is told at once.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    heard: u8,
    goodbye: bool,
    blind: bool,
    groups: Vec<GroupWord, GROUPS_MAX>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Speech {
    next_beat: Instant,
    /// Set when a beat is owed although nothing in it changed.
    at_once: bool,
    content: Content,
    hellos: u32,
}

impl Speech {
    pub fn new(now: Instant) -> Self {
        Self { next_beat: now, at_once: false, content: Content::default(), hellos: 0 }
    }

    pub fn answer_at_once(&mut self) {
        self.at_once = true;
    }

    /// The setup is another: what is due at the next keepalive is due now.
    pub fn hurry(&mut self, now: Instant) {
        self.next_beat = now;
    }

    /// A session began: a beat is owed, and the next hello has another offer, so it has another number too.
    pub fn offer_used(&mut self) {
        self.at_once = true;
        self.hellos = self.hellos.wrapping_add(1);
    }

    pub fn hellos(&self) -> u32 {
        self.hellos
    }

    /// What of it decides; the hellos are counted over `run`.
    pub fn digest(&self, lens: &Lens, run: u64, out: &mut impl Digest) {
        let Self { next_beat, at_once, content: Content { heard, goodbye, blind, groups }, hellos } = self;
        out.word(lens.until(*next_beat));
        out.word(u64::from(*at_once));
        out.word(u64::from(*heard) << 2 | u64::from(*blind) << 1 | u64::from(*goodbye));
        groups.iter().for_each(|word| out.word(u64::from(word.to_bits())));
        out.count((run, run), u64::from(*hellos));
    }
}

impl Node {
    /// Notes what every link owes.
    pub(super) fn prepare_speech(&mut self) {
        let due = self.now >= self.speech.next_beat;
        let content = self.content();
        let news = content != self.speech.content;
        if due {
            self.speech.next_beat = next_on_grid(self.speech.next_beat, self.now, self.setup.timing.keepalive);
            if self.wants_hello() {
                self.speech.hellos = self.speech.hellos.wrapping_add(1);
                self.links.iter_mut().for_each(|link| link.owes_hello = true);
            }
        }
        let Some(session) = self.peer.session.as_mut() else { return };
        if due || news || core::mem::take(&mut self.speech.at_once) {
            if !due {
                self.speech.next_beat = self.now + self.setup.timing.keepalive;
            }
            self.speech.at_once = false;
            self.speech.content = content;
            session.next_beat();
            self.links.iter_mut().for_each(|link| link.owes_beat = true);
        }
    }

    fn content(&self) -> Content {
        let span = self.setup.timing.deadtime;
        let heard = (0u8..).zip(&self.links).filter(|(_, link)| link.heard_within(self.now, span));
        Content {
            heard: heard.fold(0, |bits, (number, _)| bits | 1 << number),
            goodbye: matches!(self.leaving, Some(Leaving::Goodbye { .. } | Leaving::Left)),
            blind: self.setup.guard.probes && self.groups.iter().any(|group| group.has_vip() && group.sight.is_cut()),
            groups: self.groups.iter().map(super::Group::word).collect(),
        }
    }

    /// HANDSHAKE: hellos go out while there is no session, or none that the peer is known to have entered, after a reload,
    /// or once only unauthentic frames have come for warntime.
    fn wants_hello(&self) -> bool {
        let warntime = self.setup.timing.warntime;
        let deaf = super::link::within(self.peer.unauthentic_at, self.now, warntime)
            && self.now >= self.peer.silent_since + warntime;
        let entered = self.peer.session.as_ref().is_some_and(|session| session.news.is_some());
        !entered || self.peer.renew || deaf
    }

    /// The next frame that is owed on a line with room for it. A claim is on every link before the start begins, so it
    /// does not wait for room.
    pub(super) fn next_frame(&mut self) -> Option<(u8, Sealed)> {
        let claim = !self.starts.is_empty();
        let in_session = self.peer.session.is_some();
        for number in 0..self.links.len() as u8 {
            let link = &mut self.links[usize::from(number)];
            let beat = link.owes_beat && in_session;
            if !(beat || link.owes_hello) || link.busy(self.now).is_some() && !claim {
                continue;
            }
            let frame = if beat {
                link.owes_beat = false;
                if let Some(session) = self.peer.session.as_mut() {
                    session.spoke(self.now);
                }
                self.compose_beat(number)
            } else {
                link.owes_hello = false;
                link.hello_at = Some(self.now);
                self.compose_hello(number)
            };
            if let Some(frame) = frame {
                let link = &mut self.links[usize::from(number)];
                link.sent(self.now, frame.bytes().len(), frame.mark());
                // What has no device takes no beat, and pays for no lease.
                if link.device {
                    self.renewal.spoke();
                }
                return Some((number, frame));
            }
        }
        None
    }

    fn compose_beat(&self, number: u8) -> Option<Sealed> {
        let session = self.peer.session.as_ref()?;
        let key = self.setup.keys.with_fingerprint(session.key)?;
        let seq = session.tx_seq();
        let content = &self.speech.content;
        let beat = Beat {
            seq: seq as u16,
            echo: session.echo(),
            heard: content.heard,
            goodbye: content.goodbye,
            blind: content.blind,
            groups: content.groups.clone(),
        };
        Some(seal_beat(key, number, &session.outbound(), seq, &beat))
    }

    fn compose_hello(&mut self, number: u8) -> Option<Sealed> {
        let answered = self.peer.answer(self.now, &self.setup);
        let setup = &self.setup;
        let millis = |span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
        let hello = Hello {
            nonce: self.peer.offer(),
            answers: answered.map(|answer| answer.nonce),
            run: setup.run,
            sequence: self.speech.hellos,
            node: &setup.name,
            cluster: &setup.cluster,
            keepalive_ms: millis(setup.timing.keepalive),
            deadtime_ms: millis(setup.timing.deadtime),
            initdead_ms: millis(setup.timing.initdead),
            lease_ms: millis(self.renewal.told().unwrap_or_default()),
            lost: self.peer.memory.told_to(answered.and_then(|answer| answer.run)),
            digest: setup.digest,
            macs: setup.macs.clone(),
            fingerprints: setup.keys.iter().map(Key::fingerprint).take(FINGERPRINTS_MAX).collect(),
        };
        let answer_key = answered.and_then(|answer| setup.keys.with_fingerprint(answer.key?));
        let key = answer_key.unwrap_or_else(|| setup.keys.nth_round(self.speech.hellos as usize));
        seal_hello(key, number, &hello)
    }

    /// When something is to be said next.
    pub(super) fn speech_deadline(&self) -> (Instant, Why) {
        let owing = |link: &&super::Link| link.owes_hello || link.owes_beat && self.peer.session.is_some();
        let line = self.links.iter().filter(owing).filter_map(|link| link.busy(self.now)).min();
        match line {
            Some(at) if at < self.speech.next_beat => (at, Why::Line),
            _ => (self.speech.next_beat, Why::Beat),
        }
    }
}

/// The next point of the grid that lies ahead; missed points are not made up for.
fn next_on_grid(due: Instant, now: Instant, keepalive: Duration) -> Instant {
    let next = due + keepalive;
    if next > now { next } else { now + keepalive }
}
