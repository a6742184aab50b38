//! Stretches of what was said, recorded from the moments at which sessions begin: a hello and what follows is what a
//! replay would need.

use crate::Side;
use crate::frame::{Frame, Parcel};
use crate::kind::Kind;
use crate::timeline::span;
use crate::world::{What, World};
use std::rc::Rc;

/// Stretches kept, of the whole life of a seed.
const REELS_MAX: usize = 24;
/// Frames of a stretch, of both nodes on all links.
const FRAMES_MAX: usize = 64;

/// What was recorded.
#[derive(Default)]
pub(crate) struct Recorder {
    reels: Vec<Vec<Rc<Frame>>>,
    current: usize,
    begun: u64,
}

impl Recorder {
    /// A new stretch begins, in place of any where there is no room.
    fn begin(&mut self, chance: u64) {
        self.begun += 1;
        self.current = if self.reels.len() < REELS_MAX {
            self.reels.push(Vec::new());
            self.reels.len() - 1
        } else {
            (chance % REELS_MAX as u64) as usize
        };
        self.reels[self.current].clear();
    }

    /// A frame was sent.
    pub fn record(&mut self, frame: &Rc<Frame>) {
        if let Some(reel) = self.reels.get_mut(self.current)
            && reel.len() < FRAMES_MAX
        {
            reel.push(frame.clone());
        }
    }
}

/// A recording that is being played.
#[derive(Clone)]
pub(crate) struct Play {
    frames: Rc<[Rc<Frame>]>,
    next: usize,
    to: Side,
    /// On another link than the one it was recorded on.
    link: Option<usize>,
    /// At once, and not as slowly as it was said.
    hurried: bool,
}

impl World {
    /// Something begins that is worth recording.
    pub(crate) fn begin_recording(&mut self) {
        // Of its own chance: whether anybody records changes nothing else.
        let chance = self.frames.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.recorder.begin(chance);
    }

    /// Somebody plays to a node what the other one, or it itself, said in one stretch of any earlier moment.
    pub(crate) fn play_recording(&mut self, to: Side) {
        if self.recorder.reels.is_empty() {
            return;
        }
        let from = if self.rng.percent(80) { 1 - to } else { to };
        let reel = self.rng.index(self.recorder.reels.len());
        let life = self.boxes[from].life;
        // What was lost and is still of this run is only late when it comes: nobody can tell that it is a recording.
        let fits = |frame: &&Rc<Frame>| frame.from == from && (frame.delivered.get() || frame.life != life);
        let frames: Rc<[_]> = self.recorder.reels[reel].iter().filter(fits).cloned().collect();
        let Some(first) = frames.first() else { return };
        let former = first.life != life;
        let sent = first.sent;
        let links = self.scenario.links.len();
        let link = self.rng.percent(30).then(|| self.rng.index(links));
        self.tally.count(Kind::Recording);
        self.tally.variety(Kind::Recording, if from == to { "of the node itself" } else { "of its peer" });
        self.tally.variety(Kind::Recording, if former { "of a former run" } else { "of the present run" });
        if link.is_some() {
            self.tally.variety(Kind::Recording, "on any link");
        }
        let age = span(self.now.since(sent));
        let (count, whose) = (frames.len(), from + 1);
        self.relate(format_args!("{count} frames that node{whose} sent {age} ago are played to node{}", to + 1));
        let play = Play { frames, next: 0, to, link, hurried: self.rng.percent(50) };
        self.play(play);
    }

    /// The next frame of a recording.
    pub(crate) fn play(&mut self, mut play: Play) {
        let Some(frame) = play.frames.get(play.next).filter(|_| !self.calm).cloned() else { return };
        play.next += 1;
        let after = play.frames.get(play.next).map(|next| next.sent.since(frame.sent));
        let link = play.link.unwrap_or(usize::from(frame.link));
        let parcel = self.as_heard(play.to, Parcel::Whole(frame));
        self.boxes[play.to].receive(link, parcel);
        self.turn(play.to);
        if let Some(after) = after {
            self.after(if play.hurried { after.part(50) } else { after }, What::Plays { play });
        }
    }
}
