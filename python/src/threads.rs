//! Threads that survive a fork.
//!
//! PyTorch's workers are forked by default: a child has the memory of its parent, but none of its
//! threads, and work that is handed to a pool of them would never be done. So each process has a
//! pool and a runtime of its own.

use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::PyResult;
use pyo3::exceptions::PyRuntimeError;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::runtime::{Builder, Runtime};

/// What a process has made, and which process that was.
type Own<T> = Mutex<Option<(u32, Arc<T>)>>;

static READERS: Own<ThreadPool> = Mutex::new(None);
static WORKERS: Own<ThreadPool> = Mutex::new(None);
static RUNTIME: Own<Runtime> = Mutex::new(None);

/// The pool in which files are read. Nothing that runs there may wait for another thread.
pub fn readers() -> PyResult<Arc<ThreadPool>> {
    own(&READERS, pool)
}

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

/// The runtime that this process's queries run in.
pub fn runtime() -> PyResult<Arc<Runtime>> {
    own(&RUNTIME, || {
        Ok(Builder::new_multi_thread().enable_all().build()?)
    })
}

fn own<T>(of: &Own<T>, make: impl FnOnce() -> PyResult<T>) -> PyResult<Arc<T>> {
    let mut made = of.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((process, own)) = made.as_ref()
        && *process == process::id()
    {
        return Ok(Arc::clone(own));
    }
    let new = Arc::new(make()?);
    // The parent's is not dropped: that would wait for its threads, which are not here.
    if let Some(parents) = made.replace((process::id(), Arc::clone(&new))) {
        std::mem::forget(parents);
    }
    Ok(new)
}
