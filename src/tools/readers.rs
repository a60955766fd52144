//! The threads in which tables are read, several columns at a time.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::file::PerProcess;

/// Runs `work`, in which rayon's iterators use the pool that this is called in or, called in none, one that is this
/// process's own: of the global pool a forked process has no threads. `work` must not wait for another thread.
pub fn install<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    static POOL: PerProcess<OnceLock<Option<ThreadPool>>> = PerProcess::new();
    if rayon::current_thread_index().is_some() {
        return work();
    }
    let pool = POOL.get();
    match pool.get_or_init(|| ThreadPoolBuilder::new().build().ok()) {
        Some(pool) => pool.install(work),
        // The system gives no threads: rayon does what it can.
        None => work(),
    }
}
