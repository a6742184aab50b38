//! A node's state as far as it decides anything: what a checker of all interleavings must compare to know that it has
//! been somewhere before.
//!
//! Two nodes of one setup with equal digests do the same from here on, whatever comes, as far as [`Lens::horizon`]
//! reaches. Absolute times and counters never repeat, so neither is told:
//!
//! * A moment is told by how far the last thing that can depend on it lies ahead of the last input. What has expired is
//!   over for good: an own stall moves moments by less than the time since the next deadline, and that lies ahead.
//! * Of a nonce or a run only the identity matters, of a sequence number only the order within its series: new ones are
//!   always one above the newest, and everything else compares.
//!
//! Each type takes itself apart without `..`, so that a new field cannot be forgotten. Left out on purpose: what only
//! people see (counters, link states, noise), the setup (a reload changes it), the generator of nonces (whatever it
//! draws is new), the deframers (told between whole frames) and the marks of own frames (told where no link loops).

use super::{Leaving, Node, Timing};
use crate::time::{Duration, Instant};
use crate::wire::envelope::Pairing;
use crate::wire::hello::Nonce;

/// Where the parts of a digest go, always in the same order.
pub trait Digest {
    /// A value as it is.
    fn word(&mut self, word: u64);
    /// A value of which only the identity matters.
    fn name(&mut self, name: u64);
    /// A value of which only the order among those of the same series matters, zero included.
    fn count(&mut self, series: (u64, u64), value: u64);
}

/// How a node's moments are looked at.
#[derive(Clone, Copy)]
pub(super) struct Lens {
    pub now: Instant,
    horizon: Duration,
    pub timing: Timing,
}

impl Lens {
    /// Microseconds until `at`; zero when it is over.
    pub fn until(&self, at: Instant) -> u64 {
        at.since(self.now).as_micros().min(self.horizon.as_micros())
    }

    /// How long `at` still counts as less than `span` ago. What never was is like what is over.
    pub fn fresh(&self, at: Option<Instant>, span: Duration) -> u64 {
        at.map_or(0, |at| self.until(at + span))
    }
}

/// The number that stands for a nonce.
pub fn nonce_name(nonce: &Nonce) -> u64 {
    u64::from_le_bytes(*nonce)
}

/// The series that the sequence numbers of `pairing`'s signer belong to.
pub fn series(pairing: &Pairing) -> (u64, u64) {
    (nonce_name(&pairing.sender), nonce_name(&pairing.receiver))
}

/// Writes whether there is a value, and the value.
pub(super) fn maybe<D: Digest, T>(out: &mut D, value: Option<T>, write: impl FnOnce(&mut D, T)) {
    out.word(u64::from(value.is_some()));
    if let Some(value) = value {
        write(out, value);
    }
}

impl Node {
    /// Tells everything that decides, seen from the last input; to be called after `Wait`. Moments further ahead than
    /// `horizon` are told alike.
    pub fn digest(&self, horizon: Duration, out: &mut impl Digest) {
        let Self {
            setup,
            now,
            links,
            peer,
            groups,
            runs: _,
            starts: _,
            events: _,
            events_lost: _,
            speech,
            renewal,
            look: (look, _),
            fence: (fence, _),
            leaving,
            mute_since: _,
            judge: _,
            wait,
            witness: _,
        } = self;
        let lens = Lens { now: *now, horizon, timing: setup.timing };
        let own = self.outbound().map_or((0, 0), |(pairing, _)| series(&pairing));
        let theirs = (own.1, own.0);
        peer.digest(&lens, own, out);
        links.iter().for_each(|link| link.digest(&lens, theirs, out));
        let failback = super::decide::failback(peer, setup);
        groups.iter().for_each(|group| group.digest(&lens, own, failback, out));
        // With several keys the count of hellos also chooses the one to sign with.
        out.word(u64::from(speech.hellos()) % setup.keys.iter().count().max(1) as u64);
        speech.digest(&lens, setup.run, out);
        renewal.digest(&lens, out);
        out.word(u64::from(*look) << 1 | u64::from(*fence));
        match leaving {
            None => out.word(0),
            Some(Leaving::Stopping) => out.word(1),
            Some(Leaving::Left) => out.word(2),
            Some(Leaving::Goodbye { first, until }) => {
                out.word(3);
                out.count(own, *first);
                out.word(lens.until(*until));
            }
        }
        maybe(out, self.mute_until(), |out, until| out.word(lens.until(until)));
        maybe(out, *wait, |out, (until, why)| {
            out.word(lens.until(until));
            out.word(why as u64);
        });
    }

    /// The nonces with which beats are signed in the present session, and the number of the latest beat: what it takes,
    /// beside the key, to read a beat of this node on its way.
    pub fn outbound(&self) -> Option<(Pairing, u64)> {
        self.peer.session.as_ref().map(|session| (session.outbound(), session.tx_seq()))
    }
}
