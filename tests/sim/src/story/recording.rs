//! What an eavesdropper has recorded, and says again.

use super::Pair;
use crate::Side;
use crate::frame::{Frame, Parcel};
use std::rc::Rc;

/// Frames that both nodes have sent, in the order of sending.
#[derive(Clone)]
pub struct Recording(Vec<Rc<Frame>>);

impl Recording {
    /// Only those that fit.
    #[must_use]
    pub fn only(mut self, fits: impl Fn(&Frame) -> bool) -> Self {
        self.0.retain(|frame| fits(frame));
        self
    }

    /// Its frames, again and again.
    pub fn cycle(&self) -> impl Iterator<Item = &Rc<Frame>> {
        self.0.iter().cycle()
    }

    /// Its frames.
    pub fn frames(&self) -> &[Rc<Frame>] {
        &self.0
    }
}

impl Pair {
    /// Everything said so far.
    pub fn recording(&self) -> Recording {
        let mut frames = self.world.history.clone();
        frames.sort_by_key(|frame| frame.number);
        Recording(frames)
    }

    /// A recorded frame comes to a node, on the link that it was sent on.
    #[track_caller]
    pub fn play(&mut self, frame: &Rc<Frame>, to: Side) {
        self.world.boxes[to].receive(usize::from(frame.link), Parcel::Whole(frame.clone()));
        self.world.turn(to);
        self.look();
    }
}
