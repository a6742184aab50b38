//! Hellos that verify but prove nothing yet: each may be the live peer or a recording of one of its former runs. With one
//! of them and my offer a beat of the peer can prove itself, and my answer lets it prove itself by a hello.

use super::digest::{Digest, Lens, nonce_name};
use super::link::within;
use super::session::Facts;
use super::setup::Setup;
use crate::time::{Duration, Instant};
use crate::wire::hello::{Hello, MACS_MAX, Nonce};
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Runs remembered at a time. Recordings of so many former runs must come between two hellos of the live one to keep it
/// out, and none can that come over Ethernet while the live one calls over the cable.
const CALLERS_MAX: usize = 4;

/// The latest such hello of one run.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Caller {
    pub nonce: Nonce,
    pub sequence: u32,
    pub facts: Facts,
    pub macs: Vec<[u8; 6], MACS_MAX>,
    /// The fingerprint of the key to answer with.
    pub key: u32,
    on_cable: bool,
    heard_at: Instant,
}

impl Caller {
    pub fn new(now: Instant, setup: &Setup, hello: &Hello<'_>, on_cable: bool) -> Self {
        Self {
            nonce: hello.nonce,
            sequence: hello.sequence,
            facts: Facts::of(hello),
            macs: hello.macs.clone(),
            key: setup.keys.send_to(&hello.fingerprints).fingerprint(),
            on_cable,
            heard_at: now,
        }
    }

    /// Nobody but the other end can send on a cable; then the later call is the likelier one.
    fn rank(&self) -> (bool, Instant) {
        (self.on_cable, self.heard_at)
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Callers {
    known: Vec<Caller, CALLERS_MAX>,
    turns: u32,
}

impl Callers {
    /// Remembers a caller; false when it is older than what is known of its run, or there is no room for one like it.
    pub fn note(&mut self, caller: Caller) -> bool {
        if let Some(known) = self.known.iter_mut().find(|known| known.facts.run == caller.facts.run) {
            let newer = caller.sequence > known.sequence;
            let again = caller.sequence == known.sequence && caller.nonce == known.nonce;
            if newer || again {
                let on_cable = known.on_cable && again;
                *known = caller;
                known.on_cable |= on_cable;
            }
            return newer || again;
        }
        if self.known.is_full() {
            let least = (0..).zip(&self.known).min_by_key(|(_, known)| known.rank());
            let Some(at) = least.filter(|(_, known)| known.on_cable <= caller.on_cable).map(|(at, _)| at) else {
                return false;
            };
            self.known.swap_remove(at);
        }
        self.known.push(caller).is_ok()
    }

    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// The number of the next answer.
    pub fn next_turn(&mut self) -> u32 {
        self.turns = self.turns.wrapping_add(1);
        // Scattered (Knuth's multiplicative hashing), so that links that answer in turn do not each keep to one caller.
        self.turns.wrapping_mul(0x9e37_79b1) >> 16
    }

    /// The one to answer, of those that called within `span`.
    pub fn chosen(&self, turn: u32, now: Instant, span: Duration) -> Option<&Caller> {
        let calling = || self.known.iter().filter(|known| within(Some(known.heard_at), now, span));
        let count = calling().count();
        calling().nth((turn as usize).checked_rem(count)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Caller> {
        self.known.iter()
    }

    /// What of it decides.
    pub fn digest(&self, lens: &Lens, out: &mut impl Digest) {
        let Self { known, turns } = self;
        // The turn matters only where there is a choice.
        out.word(if known.len() > 1 { u64::from(*turns) } else { 0 });
        out.word(known.len() as u64);
        for Caller { nonce, sequence, facts, macs: _, key, on_cable, heard_at } in known {
            out.name(nonce_name(nonce));
            out.count((facts.run, facts.run), u64::from(*sequence));
            facts.digest(out);
            out.word(u64::from(*key));
            out.word(u64::from(*on_cable));
            out.word(lens.until(*heard_at + lens.timing.deadtime));
        }
    }
}
