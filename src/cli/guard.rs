//! The last lines of defence: a panic anywhere below, in whatever library, is one line of error, and a
//! process that is told to end leaves nothing behind.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

use crate::file::{panic_text, remove_unfinished};
use crate::tools::{Result, ToolError};

/// Runs `work`; a panic in it becomes an error, and files not yet committed are removed as ever.
pub fn catch<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let place = Arc::new(Mutex::new(None));
    let last = Arc::clone(&place);
    // Panics that a library catches itself, and those of other threads, come by here as well.
    panic::set_hook(Box::new(move |info| {
        tracing::error!("{info}");
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = info.location().map(ToString::to_string);
    }));
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(ToolError::invalid(format!(
            "internal error: {} (at {}); a file that is read may be damaged, else please report this",
            panic_text(&*panic),
            place.as_deref().unwrap_or("an unknown place")
        )))
    })
}

/// What shells say of a process that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// On Ctrl-C, or when the process is told to end, removes the files that are being written.
pub fn leave_nothing_behind() {
    // Fails where SIGINT or SIGHUP is to be ignored, as in a shell's background, and leaves it so.
    if ctrlc::try_set_handler(end).is_err() {
        // Where SIGTERM cannot be waited for, it ends the process as ever.
        #[cfg(unix)]
        let _ = end_when_terminated();
    }
}

fn end() {
    remove_unfinished();
    std::process::exit(INTERRUPTED);
}

/// Waits for SIGTERM alone, in a thread of its own.
#[cfg(unix)]
fn end_when_terminated() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    // From here on it is waited for.
    let mut terminated = {
        let _inside = runtime.enter();
        signal(SignalKind::terminate())?
    };
    std::thread::spawn(move || {
        if runtime.block_on(terminated.recv()).is_some() {
            end();
        }
    });
    Ok(())
}
