//! Depth-first through every state within a number of ticks, on every core.

use crate::act::Act;
use crate::crew::{Branch, Crew, Offer};
use crate::laws::Violation;
use crate::states::States;
use crate::world::World;
use std::thread;

/// A broken law and how to get there.
#[derive(Clone, Debug)]
pub struct Found {
    /// The law.
    pub violation: Violation,
    /// From the beginning.
    pub acts: Vec<Act>,
}

/// What a search has counted. How often a state is met again depends on the order in which the threads come to it.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Acts tried.
    pub transitions: u64,
    /// States from which the pair was left to settle.
    pub settled: u64,
    /// States at the bound: nothing lies beyond where there are none.
    pub cut_off: u64,
}

/// What a search has seen.
#[derive(Default)]
pub struct Search {
    seen: States,
    calm: States,
    /// Of all threads.
    pub counts: Counts,
    /// States after which the search gives up.
    states_max: usize,
}

impl Search {
    /// One that visits about this many states at most.
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
        self.seen.enter(root.hash(), root.tick as u16);
        let branch = Branch { world: root.clone(), acts: root.acts() };
        let size = thread::available_parallelism().map_or(1, usize::from);
        let crew = Crew::new(size, Offer { path: Vec::new(), branch });
        let (search, crew, end) = (&*self, &crew, root.tick + ticks);
        let work = move || Worker { search, crew, end, counts: Counts::default() }.work();
        let results: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..size).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a worker does not panic")).collect()
        });
        let mut verdict = Ok(());
        for (counts, result) in results {
            self.counts.transitions += counts.transitions;
            self.counts.settled += counts.settled;
            self.counts.cut_off += counts.cut_off;
            verdict = verdict.and(result);
        }
        verdict
    }
}

/// A thread that panics ends the search for the others, which would wait for its branches.
struct Alarm<'a>(&'a Crew);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        }
    }
}

struct Worker<'a> {
    search: &'a Search,
    crew: &'a Crew,
    end: u32,
    counts: Counts,
}

impl Worker<'_> {
    fn work(mut self) -> (Counts, Result<(), Box<Found>>) {
        let _alarm = Alarm(self.crew);
        while let Some(offer) = self.crew.take() {
            if let Err(found) = self.descend(offer) {
                self.crew.end();
                return (self.counts, Err(found));
            }
        }
        (self.counts, Ok(()))
    }

    fn descend(&mut self, Offer { mut path, branch }: Offer) -> Result<(), Box<Found>> {
        let (start, end) = (path.len(), self.end);
        let mut told = Vec::new();
        let mut branches = vec![branch];
        while let Some(Branch { world, acts }) = branches.last_mut() {
            if self.crew.is_over() {
                break;
            }
            let Some(act) = acts.pop() else {
                branches.pop();
                path.pop();
                continue;
            };
            let mut next = world.clone();
            self.counts.transitions += 1;
            told.clear();
            path.push(act);
            if let Err(violation) = next.act(act, &mut told) {
                return Err(Box::new(Found { violation, acts: path }));
            }
            let new = self.search.seen.enter(next.hash(), next.tick as u16);
            if self.search.is_incomplete() {
                self.crew.end();
            }
            if new && act == Act::Tick && (next.faults == 0 && next.tick % 4 == 0 || next.tick >= end) {
                self.settle(&next, &path)?;
            }
            if new && next.tick >= end {
                self.counts.cut_off += 1;
            }
            if !new || next.tick >= end {
                path.pop();
                continue;
            }
            let acts = next.acts();
            branches.push(Branch { world: next, acts });
            if self.crew.is_hungry() {
                self.share(&mut branches, &path[..], start);
            }
        }
        Ok(())
    }

    /// Gives away the branch nearest to the root, which has most below it.
    fn share(&self, branches: &mut [Branch], path: &[Act], start: usize) {
        let spare = branches.len() - 1;
        let first = branches[..spare].iter_mut().enumerate().find(|(_, branch)| !branch.acts.is_empty());
        if let Some((depth, branch)) = first {
            let acts = std::mem::take(&mut branch.acts);
            let path = path[..start + depth].to_vec();
            self.crew.give(Offer { path, branch: Branch { world: branch.world.clone(), acts } });
        }
    }

    fn settle(&mut self, world: &World, path: &[Act]) -> Result<(), Box<Found>> {
        self.counts.settled += 1;
        let mut acts = path.to_vec();
        let settles = world.clone().settles(&self.search.calm, &mut acts);
        settles.map_err(|violation| Box::new(Found { violation, acts }))
    }
}
