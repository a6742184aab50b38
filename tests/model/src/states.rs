//! The states that a search has seen, for all its threads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// State hashes are hashes already.
#[derive(Default)]
struct AsIs(u64);

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

type Shard = HashMap<u64, u16, BuildHasherDefault<AsIs>>;

/// So many that two threads seldom want the same one.
const SHARDS: u64 = 64;

/// States by their hashes, each with the earliest tick at which it was entered.
pub struct States {
    shards: Vec<Mutex<Shard>>,
    len: AtomicUsize,
}

impl Default for States {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), len: AtomicUsize::new(0) }
    }
}

impl States {
    /// The map's own buckets are chosen by the other end of the hash.
    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let index = (hash >> 32) % SHARDS;
        self.shards[index as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the state is new, or was only known from a later tick.
    pub fn enter(&self, hash: u64, tick: u16) -> bool {
        match self.shard(hash).entry(hash) {
            Entry::Vacant(entry) => {
                entry.insert(tick);
                self.len.fetch_add(1, Ordering::Relaxed);
                true
            }
            Entry::Occupied(mut entry) if *entry.get() > tick => {
                entry.insert(tick);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Whether it is known from any tick.
    pub fn contains(&self, hash: u64) -> bool {
        self.shard(hash).contains_key(&hash)
    }

    /// States known.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
