//! The threads of a search: whoever has nothing left to try is given a branch by one that has many.

use crate::act::Act;
use crate::world::World;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A state and what is still to be tried in it.
pub struct Branch {
    /// The state.
    pub world: World,
    /// Acts that nobody has tried.
    pub acts: Vec<Act>,
}

/// A branch for another thread, with the way to it.
pub struct Offer {
    /// From the beginning.
    pub path: Vec<Act>,
    /// What is to be tried.
    pub branch: Branch,
}

#[derive(Default)]
struct Table {
    offers: Vec<Offer>,
    idle: usize,
    over: bool,
}

/// The threads.
pub struct Crew {
    size: usize,
    table: Mutex<Table>,
    news: Condvar,
    hungry: AtomicBool,
    over: AtomicBool,
}

impl Crew {
    /// So many threads with one branch to begin with.
    pub fn new(size: usize, first: Offer) -> Self {
        let table = Table { offers: vec![first], ..Table::default() };
        Self {
            size,
            table: Mutex::new(table),
            news: Condvar::new(),
            hungry: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next branch; waits for one. None when all is tried, or the search has ended.
    pub fn take(&self) -> Option<Offer> {
        let mut table = self.table();
        table.idle += 1;
        loop {
            if table.idle == self.size && table.offers.is_empty() {
                table.over = true;
                self.news.notify_all();
            }
            if table.over {
                return None;
            }
            if let Some(offer) = table.offers.pop() {
                table.idle -= 1;
                self.look(&table);
                return Some(offer);
            }
            self.look(&table);
            table = self.news.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether somebody waits for a branch.
    pub fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed)
    }

    /// Hands a branch over.
    pub fn give(&self, offer: Offer) {
        let mut table = self.table();
        table.offers.push(offer);
        self.look(&table);
        self.news.notify_one();
    }

    /// More threads wait than there are branches for them.
    fn look(&self, table: &Table) {
        self.hungry.store(table.idle > table.offers.len(), Ordering::Relaxed);
    }

    /// Ends the search for everybody.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.table().over = true;
        self.news.notify_all();
    }

    /// Whether it was ended.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}
