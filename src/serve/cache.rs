//! Files that have been opened, kept for the requests to come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::{Identity, Served};

/// Bytes that opened files keep in memory, and open handles, beyond which those used least recently
/// are closed. One file is kept always.
const CAPACITY: u64 = 256 << 20;
const FILES: usize = 256;

/// By path. Files in use stay open as long as they are.
#[derive(Default)]
pub struct Cache(Mutex<Files>);

#[derive(Default)]
struct Files {
    files: HashMap<String, Kept>,
    memory: u64,
    clock: u64,
}

struct Kept {
    file: Arc<Served>,
    used: u64,
}

impl Cache {
    /// The file of this path, if it is still the same.
    pub fn get(&self, path: &str, identity: &Identity) -> Option<Arc<Served>> {
        let mut cache = self.lock();
        cache.clock += 1;
        let now = cache.clock;
        let kept = cache.files.get_mut(path)?;
        kept.used = now;
        (kept.file.identity == *identity).then(|| Arc::clone(&kept.file))
    }

    pub fn put(&self, path: &str, file: &Arc<Served>) {
        let mut cache = self.lock();
        cache.clock += 1;
        cache.memory += file.memory();
        let kept = Kept {
            file: Arc::clone(file),
            used: cache.clock,
        };
        if let Some(before) = cache.files.insert(path.to_owned(), kept) {
            cache.memory -= before.file.memory();
        }
        while cache.files.len() > 1 && (cache.memory > CAPACITY || cache.files.len() > FILES) {
            let oldest = cache.files.iter().min_by_key(|(_, kept)| kept.used);
            let Some(path) = oldest.map(|(path, _)| path.clone()) else {
                return;
            };
            if let Some(kept) = cache.files.remove(&path) {
                cache.memory -= kept.file.memory();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        // Nothing panics while it is held, and what it holds is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
