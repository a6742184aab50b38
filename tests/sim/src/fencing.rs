//! A fencing device: it takes its time, and then the other box is off; or it fails, or hangs.

use crate::Side;
use crate::appliance::Report;
use crate::kind::Kind;
use crate::world::{What, World};
use lubdub::time::Duration;

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The other box is off.
    Succeeds,
    /// Nothing is known.
    Fails,
    /// It is given up after a while, and nothing is known.
    Hangs,
}

const WORK: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_secs(1);

impl World {
    /// A node wants its peer fenced, or not any more.
    pub(crate) fn fence(&mut self, side: Side, wanted: bool) {
        let it = &mut self.boxes[side];
        let begins = wanted && !it.fences;
        it.fences = wanted;
        let what = if wanted { "wants its peer fenced" } else { "wants nobody fenced" };
        self.relate(format_args!("node{} {what}", side + 1));
        if begins {
            self.attempt(side);
        }
    }

    fn attempt(&mut self, side: Side) {
        let run = self.boxes[side].run;
        let attempt = match self.rng.below(3) {
            _ if self.by_hand => self.device[side],
            _ if self.calm || !self.scenario.kinds.has(Kind::Fencing) => Attempt::Succeeds,
            0 => Attempt::Fails,
            1 => Attempt::Hangs,
            _ => Attempt::Succeeds,
        };
        self.tally.count(Kind::Fencing);
        self.tally.variety(
            Kind::Fencing,
            match attempt {
                Attempt::Succeeds => "succeeds",
                Attempt::Fails => "fails",
                Attempt::Hangs => "hangs",
            },
        );
        let work = if attempt == Attempt::Hangs { self.scenario.hang } else { self.rng.magnitude(WORK) };
        self.after(work, What::FencingEnds { side, run, attempt });
    }

    pub(crate) fn fencing_ends(&mut self, side: Side, attempt: Attempt) {
        let run = self.boxes[side].run;
        if !self.boxes[side].fences {
            return;
        }
        if attempt != Attempt::Succeeds {
            return self.after(PAUSE, What::FencesAgain { side, run });
        }
        self.relate(format_args!("node{} is fenced", 2 - side));
        self.cut_power(1 - side);
        // The device is done. Whether that was enough is for the node to say.
        self.boxes[side].fences = false;
        self.boxes[side].reports.push_back(Report::Fenced);
        self.turn(side);
    }

    pub(crate) fn fences_again(&mut self, side: Side) {
        if self.boxes[side].fences {
            self.attempt(side);
        }
    }
}
