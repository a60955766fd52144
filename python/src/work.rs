//! Long work beside Python: on a thread of its own, while the calling thread minds Ctrl-C and the
//! progress callback.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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
    /// There is a callback, which may stop the work.
    asks: bool,
    state: Mutex<State>,
    /// Of the state, or that the work is to stop.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    told: Option<Told>,
    /// The work waits until this has been told.
    waits: bool,
    over: bool,
}

/// A phase, how much of it is done, and how much there is to do if that is known.
type Told = (&'static str, u64, Option<u64>);

impl Shared {
    /// An error once the work is to stop.
    pub fn check(&self) -> Result<(), ToolError> {
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(ToolError::Stopped),
            false => Ok(()),
        }
    }

    /// Set once the work is to stop.
    pub fn stop(&self) -> &AtomicBool {
        &self.stopped
    }

    /// Tells how far the work is, and as [`check`](Self::check); before it finishes, once the callback
    /// has been asked.
    pub fn report(&self, progress: Progress) -> Result<(), ToolError> {
        let phase = match progress.phase {
            Phase::Ranges => "ranges",
            Phase::Quantiles => "quantiles",
            Phase::Compressing | Phase::Finishing => "compressing",
        };
        let waits = self.asks && progress.phase == Phase::Finishing;
        self.change(|state| {
            state.told = Some((phase, progress.rows, progress.total));
            state.waits = waits;
        });
        while waits && self.is_unheard() {}
        self.check()
    }

    /// Waits for a while until what was told has been heard; whether that is still to come.
    fn is_unheard(&self) -> bool {
        // What hears it may itself wait for work that is queued for this very thread.
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            return true;
        }
        let waits = |state: &mut State| state.waits && self.check().is_ok();
        let waited = self.changed.wait_timeout_while(self.lock(), TICK, waits);
        waits(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Tells how far the work is.
    pub fn told(&self, told: Told) {
        self.lock().told = Some(told);
    }

    /// Waits until the work is over or waits itself, or for a while; whether it is over.
    fn wait(&self) -> bool {
        let goes_on = |state: &mut State| !state.over && !state.waits;
        let waited = self.changed.wait_timeout_while(self.lock(), TICK, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.over
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    let shared = Arc::new(Shared {
        asks: callback.is_some(),
        ..Shared::default()
    });
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
            theirs.change(|state| state.over = true);
        })?;
    match wait(py, &shared, callback) {
        Ok(()) => match py.detach(|| receive(&result, PATIENCE)) {
            Ok(Some(result)) => {
                tell(py, &shared, callback)?;
                result.map_err(errors::tool)
            }
            _ => Err(PyRuntimeError::new_err(
                "tolerant failed unexpectedly; please report it",
            )),
        },
        Err(interrupted) => {
            shared.stopped.store(true, Ordering::Relaxed);
            shared.change(|_| {});
            let _ = py.detach(|| receive(&result, PATIENCE));
            Err(interrupted)
        }
    }
}

/// Waits for the end of the work, which is told when it waits itself.
fn wait(py: Python<'_>, shared: &Shared, callback: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    while !py.detach(|| shared.wait()) {
        py.check_signals()?;
        tell(py, shared, callback)?;
    }
    Ok(())
}

fn receive<T>(result: &Mutex<Receiver<T>>, time: Duration) -> Result<T, RecvTimeoutError> {
    let result = result.lock().unwrap_or_else(PoisonError::into_inner);
    result.recv_timeout(time)
}

/// Calls `callback(phase, done, total)` if there is something new, and lets work go on that waits for
/// that.
fn tell(py: Python<'_>, shared: &Shared, callback: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let (told, waits) = {
        let mut state = shared.lock();
        (state.told.take(), state.waits)
    };
    if let (Some(told), Some(callback)) = (told, callback) {
        callback.call1(told)?;
        py.check_signals()?;
    }
    if waits {
        shared.change(|state| state.waits = false);
    }
    Ok(())
}
