//! Depth-first through every state within a number of ticks.

use crate::act::Act;
use crate::laws::Violation;
use crate::world::World;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// State hashes are hashes already.
#[derive(Default)]
pub struct AsIs(u64);

/// A set of states.
pub type States = HashSet<u64, BuildHasherDefault<AsIs>>;

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("states are known by 64 bits");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A broken law and how to get there.
#[derive(Clone, Debug)]
pub struct Found {
    /// The law.
    pub violation: Violation,
    /// From the beginning.
    pub acts: Vec<Act>,
}

/// What a search has seen.
#[derive(Default)]
pub struct Search {
    /// Each state, and the tick at which it was entered; an earlier one leads further.
    seen: HashMap<u64, u16, BuildHasherDefault<AsIs>>,
    calm: States,
    /// Acts tried.
    pub transitions: u64,
    /// States from which the pair was left to settle.
    pub settled: u64,
    /// States at the bound: nothing lies beyond where there are none.
    pub cut_off: u64,
    /// States after which the search gives up.
    pub states_max: usize,
}

impl Search {
    /// One that visits at most this many states.
    pub fn new(states_max: usize) -> Self {
        Self { states_max, ..Self::default() }
    }

    /// States visited.
    pub fn states(&self) -> usize {
        self.seen.len()
    }

    /// Whether `states_max` ended it early.
    pub fn is_incomplete(&self) -> bool {
        self.seen.len() >= self.states_max
    }

    /// Tries everything that can come after `root` within `ticks`.
    ///
    /// # Errors
    /// The first broken law that it meets.
    pub fn explore(&mut self, root: &World, ticks: u32) -> Result<(), Box<Found>> {
        let end = root.tick + ticks;
        let mut told = Vec::new();
        let mut path: Vec<Act> = Vec::new();
        let mut branches = vec![(root.clone(), root.acts())];
        self.seen.insert(root.hash(), root.tick as u16);
        while let Some((world, acts)) = branches.last_mut() {
            let Some(act) = acts.pop() else {
                branches.pop();
                path.pop();
                continue;
            };
            let mut next = world.clone();
            self.transitions += 1;
            told.clear();
            path.push(act);
            if let Err(violation) = next.act(act, &mut told) {
                return Err(Box::new(Found { violation, acts: path }));
            }
            if !self.enter(&next) || self.is_incomplete() {
                path.pop();
                continue;
            }
            if act == Act::Tick && (next.faults == 0 && next.tick % 4 == 0 || next.tick >= end) {
                self.settle(&next, &path)?;
            }
            if next.tick >= end {
                self.cut_off += 1;
                path.pop();
                continue;
            }
            let acts = next.acts();
            branches.push((next, acts));
        }
        Ok(())
    }

    /// Whether the state is new, or was only known from a later tick.
    fn enter(&mut self, world: &World) -> bool {
        let tick = world.tick as u16;
        match self.seen.entry(world.hash()) {
            Entry::Vacant(entry) => {
                entry.insert(tick);
                true
            }
            Entry::Occupied(mut entry) if *entry.get() > tick => {
                entry.insert(tick);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    fn settle(&mut self, world: &World, path: &[Act]) -> Result<(), Box<Found>> {
        self.settled += 1;
        let mut acts = path.to_vec();
        world.clone().settles(&mut self.calm, &mut acts).map_err(|violation| Box::new(Found { violation, acts }))
    }
}
