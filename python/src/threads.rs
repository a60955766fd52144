//! Threads that survive a fork.
//!
//! PyTorch's workers are forked by default: a child has the memory of its parent, but none of its
//! threads, and work that is handed to a pool of them would never be done. So each process has
//! pools and runtimes of its own. Tables are read in `tolerant::tools::readers`.
//!
//! Tokio's threads wait for one another by way of parking_lot wherever a crate in the build turns that
//! feature of its on: none does for the module alone, one does for the workspace. parking_lot's list of
//! waiting threads is one for the whole process. A child finds those of its parent in it, in memory that
//! is used for something else by then: threads are not woken any more, or worse. So no thread of ours
//! waits that way while nothing is read: runtimes have one thread, which waits for the system instead
//! (Tokio's feature `net` makes it), and what they have for work that blocks ends with it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::PyResult;
use pyo3::exceptions::PyRuntimeError;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::runtime::{Builder, Runtime};
use tolerant::file::PerProcess;

/// What a process has made.
type Own<T> = PerProcess<Mutex<Option<Arc<T>>>>;

static WORKERS: Own<ThreadPool> = Own::new();
static TABLES: Own<Runtime> = Own::new();

/// The pool in which tables are compressed and verified, which may wait for those who read, and,
/// doing other work meanwhile, for Python.
pub fn workers() -> PyResult<Arc<ThreadPool>> {
    own(&WORKERS, pool)
}

fn pool() -> PyResult<ThreadPool> {
    ThreadPoolBuilder::new()
        .build()
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// The runtime of the tables that other engines scan: on threads of theirs, but for what plans spawn.
pub fn tables() -> PyResult<Arc<Runtime>> {
    own(&TABLES, || {
        let mut builder = Builder::new_multi_thread();
        Ok(built(builder.worker_threads(1))?)
    })
}

/// A runtime for one piece of work, on the thread that it is made in.
pub fn runtime() -> io::Result<Runtime> {
    built(&mut Builder::new_current_thread())
}

fn built(builder: &mut Builder) -> io::Result<Runtime> {
    builder
        .enable_all()
        .thread_name("tolerant-runtime")
        .thread_keep_alive(Duration::ZERO)
        .build()
}

fn own<T>(of: &Own<T>, make: impl FnOnce() -> PyResult<T>) -> PyResult<Arc<T>> {
    let mut made = of.get().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(own) = made.as_ref() {
        return Ok(Arc::clone(own));
    }
    Ok(Arc::clone(made.insert(Arc::new(make()?))))
}
