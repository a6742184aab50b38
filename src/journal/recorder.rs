//! Two segments that take turns.

use super::entry::{BYTES_MAX, ENTRY_MAX, Entry, Sum, Told};
use crate::node::{ANSWERS_MAX, Input, Node, Output, Setup};
use crate::time::Instant;
use crate::wire::hello::Nonce;
use heapless::Vec;

/// Bytes of a segment: at keepalive 100 ms on two links one lasts half a minute. The largest checkpoint (32 groups, 8
/// links, two sessions) has half as many.
pub const SEGMENT: usize = 32 * 1024;

/// Writes down what a node is told. Its memory is all that it ever uses.
pub struct Recorder<M> {
    memory: [M; 2],
    lens: [usize; 2],
    current: usize,
    last: Instant,
    offer: Nonce,
    sum: Sum,
    broken: bool,
}

impl<M: AsRef<[u8]> + AsMut<[u8]>> Recorder<M> {
    /// With this memory, of [`SEGMENT`] bytes each; nothing is recorded before [`Self::begin`].
    pub fn new(memory: [M; 2]) -> Self {
        Self {
            memory,
            lens: [0; 2],
            current: 0,
            last: Instant::ZERO,
            offer: Nonce::default(),
            sum: Sum::default(),
            broken: true,
        }
    }

    /// Begins a segment with a drained node; the one before is kept, the one before that forgotten.
    pub fn begin(&mut self, node: &Node) {
        self.current = 1 - self.current;
        let written = postcard::to_slice(node, self.memory[self.current].as_mut()).map(|bytes| bytes.len());
        self.broken = written.is_err();
        self.lens[self.current] = written.unwrap_or(0);
        (self.last, self.offer, self.sum) = (node.now(), node.offer(), Sum::default());
    }

    /// Adds an output of the node to what came of the input under way.
    pub fn saw(&mut self, output: &Output) {
        self.sum.add(output);
    }

    /// Writes down what the node was told, once it is drained.
    pub fn record(&mut self, told: Told<'_, &Setup>, node: &Node) {
        if self.broken {
            return self.begin(node);
        }
        let answers = node.answers().map(|answers| answers.collect::<Vec<u8, ANSWERS_MAX>>());
        let long = matches!(told, Told::Input(Input::Bytes { bytes, .. }) if bytes.len() > BYTES_MAX);
        let whole = answers.is_some() && !long;
        let entry = Entry {
            after: node.now().since(self.last).as_micros(),
            told: if whole { told } else { Told::Lost },
            answers: answers.as_deref().unwrap_or_default(),
            nonce: (node.offer() != self.offer).then(|| node.offer()),
            sum: self.sum.0,
        };
        let len = &mut self.lens[self.current];
        let room = &mut self.memory[self.current].as_mut()[*len..];
        match postcard::to_slice(&entry, room) {
            Ok(bytes) => *len += bytes.len(),
            Err(_) => self.broken = true,
        }
        let left = self.memory[self.current].as_ref().len() - self.lens[self.current];
        if !whole || self.broken || left < ENTRY_MAX {
            return self.begin(node);
        }
        (self.last, self.offer) = (node.now(), node.offer());
    }

    /// The older segment, empty when there is none, and the newer one.
    pub fn segments(&self) -> [&[u8]; 2] {
        [1 - self.current, self.current].map(|number| &self.memory[number].as_ref()[..self.lens[number]])
    }

    /// There was no room for a checkpoint, so nothing is recorded.
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}
