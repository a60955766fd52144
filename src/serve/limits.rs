//! How much is done at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a request waits for its turn before it is refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// The unit in which memory is counted, in bytes.
const UNIT: u64 = 1024;

/// Threads that read and decode: more than there are processors, since reading waits for disks, and no
/// more than that, since the allocator keeps some megabytes for each.
pub fn blocking_threads() -> usize {
    2 * std::thread::available_parallelism().map_or(4, usize::from)
}

/// Counts what is under way: requests, work on files, memory. Shared by all servers of a process.
#[derive(Debug, Clone)]
pub struct Limits {
    requests: Arc<Semaphore>,
    work: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    memory_units: u32,
}

impl Limits {
    /// `requests` that are answered at a time, and `memory` bytes that their data may take between
    /// disk and network.
    pub fn new(requests: usize, memory: u64) -> Self {
        let memory_units = u32::try_from(memory / UNIT).unwrap_or(u32::MAX >> 3);
        let memory_units = memory_units.clamp(1, u32::MAX >> 3);
        Self {
            requests: Arc::new(Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS))),
            work: Arc::new(Semaphore::new(blocking_threads())),
            memory: Arc::new(Semaphore::new(memory_units as usize)),
            memory_units,
        }
    }

    /// A place among the requests, which is given back when it is dropped. None when there was none
    /// for some seconds.
    pub async fn request(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.requests).acquire_owned();
        tokio::time::timeout(PATIENCE, place).await.ok()?.ok()
    }

    /// The right to `bytes` of memory, once there is room. What exceeds the limit by itself gets all
    /// of it, alone. None never comes: nobody closes the semaphore.
    pub async fn memory(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let memory = Arc::clone(&self.memory);
        memory.acquire_many_owned(self.units(bytes)).await.ok()
    }

    /// Gives back what of a right to memory exceeds `bytes`.
    pub fn shrink(&self, right: &mut OwnedSemaphorePermit, bytes: u64) {
        let excess = right
            .num_permits()
            .saturating_sub(self.units(bytes) as usize);
        drop(right.split(excess));
    }

    fn units(&self, bytes: u64) -> u32 {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        units.clamp(1, self.memory_units)
    }

    /// Does blocking work off the asynchronous threads. None if it panicked.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = Arc::clone(&self.work).acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.ok()
    }
}
