//! What of a group decides, for a checker that must know whether it has been there before.

use super::Group;
use super::ask::Ask;
use super::failback::FAILBACK_MEMORY;
use crate::node::digest::{Digest, Lens, maybe};
use crate::time::{Duration, Instant};
use crate::wire::beat::State;

impl Group {
    /// What of it decides; `own`: the series of this node's beats.
    pub fn digest(&self, lens: &Lens, own: (u64, u64), failback: Option<(Instant, Duration)>, out: &mut impl Digest) {
        let Self {
            number: _,
            setup: _,
            state,
            step,
            ask,
            wish,
            ordered,
            given,
            granted,
            provisional,
            acquired,
            offered,
            unseen,
            term,
            seen,
            attempts,
            tried,
            kept,
            failed_stops,
            retry,
            quiet_until,
            failbacks,
            peer_failed_at,
            // Told to people alone.
            peer_stops: _,
            sight,
            hold,
            leftover,
        } = self;
        sight.digest(lens, out);
        maybe(out, *hold, |out, (hold, again)| {
            out.word(hold as u64);
            out.word(lens.until(again));
        });
        maybe(out, *leftover, |out, until| out.word(lens.until(until)));
        out.word(*state as u64);
        maybe(out, *step, |out, verb| out.word(verb as u64));
        maybe(out, *ask, |out, Ask { since, ordered, grant_heard }| {
            out.count(own, since);
            out.word(u64::from(ordered));
            maybe(out, grant_heard, |out, at| out.word(lens.until(at + lens.timing.deadtime)));
        });
        maybe(out, *wish, |out, wish| out.word(wish as u64));
        for flag in [ordered, given, granted, provisional, unseen, tried, kept] {
            out.word(u64::from(*flag));
        }
        for number in [term.0, seen.0, *attempts] {
            out.word(u64::from(number));
        }
        out.word(u64::from(*failed_stops));
        let counts = if failbacks.is_empty() { lens.timing.deadtime } else { FAILBACK_MEMORY };
        out.word(lens.fresh(Some(*acquired), counts));
        out.count(own, if *state == State::Giving { *offered } else { 0 });
        maybe(out, *retry, |out, (at, verb)| {
            out.word(lens.until(at));
            out.word(verb as u64);
        });
        out.word(lens.until(*quiet_until));
        failbacks.iter().for_each(|at| out.word(lens.until(*at + FAILBACK_MEMORY)));
        // As far as the doublings below reach.
        maybe(out, *peer_failed_at, |out, at| out.word(lens.until(at + lens.timing.initdead.times(8))));
        // F as it is, and doubled by the failbacks that may follow without the peer being away in between.
        maybe(out, failback, |out, (since, least)| {
            for doublings in 0..3 {
                out.word(lens.until(self.failback_at(lens.now, since, least.times(1 << doublings))));
            }
        });
    }
}
