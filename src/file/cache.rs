//! Integers of blocks that other columns refer to, kept between reads: a column by column reader
//! would decode them again for each column. Which columns that is worth for, reads tell.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Integers kept at most, over all blocks: 32 MiB.
const CAPACITY: usize = 8 << 20;

/// The bytes that they take.
pub(super) const MEMORY: u64 = (CAPACITY * size_of::<i32>()) as u64;

/// Safe to share among threads. The oldest blocks make room.
#[derive(Debug, Default)]
pub(super) struct IntegerCache(Mutex<Blocks>);

#[derive(Debug, Default)]
struct Blocks {
    /// By unit of the layout.
    blocks: HashMap<usize, Arc<Vec<i32>>>,
    oldest: VecDeque<usize>,
    size: usize,
    /// Columns that columns which were read refer to.
    wanted: HashSet<usize>,
}

impl IntegerCache {
    /// Says that a column is read that refers to `column`.
    pub(super) fn want(&self, column: usize) {
        self.lock().wanted.insert(column);
    }

    /// Whether integers of `column` are worth keeping.
    pub(super) fn is_wanted(&self, column: usize) -> bool {
        self.lock().wanted.contains(&column)
    }

    pub(super) fn get(&self, unit: usize) -> Option<Arc<Vec<i32>>> {
        self.lock().blocks.get(&unit).map(Arc::clone)
    }

    pub(super) fn put(&self, unit: usize, integers: &Arc<Vec<i32>>) {
        let mut cache = self.lock();
        if cache.blocks.insert(unit, Arc::clone(integers)).is_some() {
            return;
        }
        cache.oldest.push_back(unit);
        cache.size += integers.len();
        while cache.size > CAPACITY {
            let Some(oldest) = cache.oldest.pop_front() else {
                return;
            };
            if let Some(block) = cache.blocks.remove(&oldest) {
                cache.size -= block.len();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Blocks> {
        // Nothing panics while it is held, and what it holds is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
