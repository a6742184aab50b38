//! One segment lived through again.

use super::entry::{Entry, Sum, Told};
use super::file::Refusal;
use crate::node::{Node, Output};
use crate::time::{Duration, Instant};

/// A node that is told again what it was told.
pub struct Replay<'a> {
    node: Node,
    rest: &'a [u8],
    now: Instant,
    sum: Sum,
    lost: bool,
}

/// One input of the journal.
pub struct Turn<'a> {
    /// When.
    pub at: Instant,
    /// What the node was told.
    pub told: Told<'a>,
    /// The same came of it as then.
    pub agrees: bool,
}

impl<'a> Replay<'a> {
    /// Begins with the checkpoint of a segment.
    ///
    /// # Errors
    /// The segment does not begin with a node.
    pub fn new(segment: &'a [u8]) -> Result<Self, Refusal> {
        let (node, rest) = postcard::take_from_bytes::<Node>(segment).map_err(|_| Refusal::Unreadable)?;
        if !node.is_sound() {
            return Err(Refusal::Unreadable);
        }
        Ok(Self { now: node.now(), node, rest, sum: Sum::default(), lost: false })
    }

    /// Lives through the next input and shows what comes of it; none at the end of the segment.
    ///
    /// # Errors
    /// The bytes are no entry.
    pub fn turn(&mut self, mut see: impl FnMut(&Output)) -> Result<Option<Turn<'a>>, Refusal> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (entry, rest) = postcard::take_from_bytes::<Entry<'a>>(self.rest).map_err(|_| Refusal::Unreadable)?;
        self.rest = rest;
        self.now += Duration::from_micros(entry.after);
        self.node.foretell(entry.answers, entry.nonce);
        match &entry.told {
            Told::Input(input) => self.node.handle(self.now, *input),
            Told::Reload { setup, .. } if !setup.keys.is_sound() => return Err(Refusal::Unreadable),
            Told::Reload { setup, kept } => self.node.reload(self.now, setup.clone(), kept),
            Told::Lost => {
                self.lost = true;
                return Ok(Some(Turn { at: self.now, told: entry.told, agrees: true }));
            }
        }
        loop {
            let output = self.node.poll();
            self.sum.add(&output);
            see(&output);
            if matches!(output, Output::Wait { .. }) {
                break;
            }
        }
        Ok(Some(Turn { at: self.now, told: entry.told, agrees: self.sum.0 == entry.sum }))
    }

    /// Whether the next segment begins where this one has ended; true where something between them was not recorded.
    pub fn leads_to(&self, next: &[u8]) -> bool {
        let mut buf = [0; super::recorder::SEGMENT];
        self.lost || postcard::to_slice(&self.node, &mut buf).is_ok_and(|end| next.starts_with(end))
    }

    /// The node as it is after the last turn.
    pub fn node(&self) -> &Node {
        &self.node
    }
}
