//! Long work beside Python: on a thread of its own, while the calling thread minds Ctrl-C and the
//! progress callback.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tolerant::tools::ToolError;
use tolerant::tools::compress::{Phase, Progress};

use super::{errors, threads};

/// How often signals are looked for and progress is told.
const TICK: Duration = Duration::from_millis(50);
/// How long work that was asked to stop may take to clean up before it is left to itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the work and the one who waits for it share.
#[derive(Default)]
pub struct Shared {
    stopped: AtomicBool,
    progress: Mutex<Option<Progress>>,
}

impl Shared {
    /// An error once the work is to stop.
    pub fn check(&self) -> Result<(), ToolError> {
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(ToolError::Stopped),
            false => Ok(()),
        }
    }

    /// Tells how far the work is, and as [`check`](Self::check).
    pub fn report(&self, progress: Progress) -> Result<(), ToolError> {
        *self.lock() = Some(progress);
        self.check()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` with the GIL released. Ctrl-C and exceptions of `callback` make it stop at its next
/// [`check`](Shared::check), and are raised.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    callback: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Shared) -> Result<T, ToolError> + Send + 'static,
) -> PyResult<T> {
    let pool = threads::workers()?;
    let shared = Arc::new(Shared::default());
    let (done, result) = channel();
    // Shared with `detach`, which a bare receiver may not be.
    let result = Mutex::new(result);
    let theirs = Arc::clone(&shared);
    thread::Builder::new()
        .name("tolerant".to_owned())
        .spawn(move || {
            let work = || pool.install(|| work(&theirs));
            // Nobody is left to hear of a panic but the one who waits.
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)).ok());
        })?;
    match wait(py, &result, &shared, callback) {
        Ok(Some(Some(result))) => {
            tell(py, &shared, callback)?;
            result.map_err(errors::tool)
        }
        Ok(_) => Err(PyRuntimeError::new_err(
            "tolerant failed unexpectedly; please report it",
        )),
        Err(interrupted) => {
            shared.stopped.store(true, Ordering::Relaxed);
            let _ = py.detach(|| receive(&result, PATIENCE));
            Err(interrupted)
        }
    }
}

fn wait<T: Send>(
    py: Python<'_>,
    result: &Mutex<Receiver<T>>,
    shared: &Shared,
    callback: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<T>> {
    loop {
        match py.detach(|| receive(result, TICK)) {
            Ok(result) => return Ok(Some(result)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                py.check_signals()?;
                tell(py, shared, callback)?;
            }
        }
    }
}

fn receive<T>(result: &Mutex<Receiver<T>>, time: Duration) -> Result<T, RecvTimeoutError> {
    let result = result.lock().unwrap_or_else(PoisonError::into_inner);
    result.recv_timeout(time)
}

/// Calls `callback(phase, rows, total)` if there is something new.
fn tell(py: Python<'_>, shared: &Shared, callback: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let (Some(progress), Some(callback)) = (shared.lock().take(), callback) else {
        return Ok(());
    };
    let phase = match progress.phase {
        Phase::Ranges => "ranges",
        Phase::Quantiles => "quantiles",
        Phase::Compressing => "compressing",
    };
    callback.call1((phase, progress.rows, progress.total))?;
    py.check_signals()
}
