//! Record batches on their way to Python, made by a thread that reads ahead.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchReader, StructArray};
use arrow::datatypes::{Field, SchemaRef};
use arrow::error::ArrowError;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::PyRecordBatch;
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};

use super::errors;

/// Groups of batches made before they are asked for, besides the one that is being made.
const READ_AHEAD: usize = 1;
/// How often signals are looked for.
const TICK: Duration = Duration::from_millis(50);

type Batch = Result<RecordBatch, ArrowError>;
/// Batches that were made together.
pub type Group = Vec<Batch>;
/// Sends batches.
type Work = Box<dyn FnOnce(&SyncSender<Group>) + Send>;

/// Record batches, to be iterated over or taken as one Arrow stream, once.
#[pyclass(frozen, module = "tolerant._native")]
pub struct Scan {
    schema: SchemaRef,
    batches: Mutex<Option<Ahead>>,
}

impl Scan {
    /// Batches of `schema`, made by `work` on a thread of its own from when the first is asked for.
    /// It sends them until it is done or that fails, because nobody wants more.
    pub fn new(schema: SchemaRef, work: impl FnOnce(&SyncSender<Group>) + Send + 'static) -> Self {
        let batches = Ahead {
            schema: Arc::clone(&schema),
            batches: State::Waiting(Box::new(work)),
            home: thread::current().id(),
        };
        Self {
            schema,
            batches: Mutex::new(Some(batches)),
        }
    }

    fn next(&self) -> Option<Batch> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.as_mut()?.next()
    }
}

#[pymethods]
impl Scan {
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema.as_ref())?)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let taken = self
            .batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let batches = taken.ok_or_else(|| PyValueError::new_err("the stream was taken before"))?;
        let field = Field::new_struct("", self.schema.fields().clone(), false)
            .with_metadata(self.schema.metadata().clone());
        let arrays =
            batches.map(|batch| batch.map(|batch| Arc::new(StructArray::from(batch)) as ArrayRef));
        let arrays = Box::new(ArrayIterator::new(arrays, field.into()));
        Ok(to_stream_pycapsule(py, arrays, requested_schema)?)
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<PyRecordBatch>> {
        let batch = py.detach(|| self.next()).transpose();
        Ok(batch.map_err(errors::arrow)?.map(PyRecordBatch::new))
    }
}

/// The receiving end.
struct Ahead {
    schema: SchemaRef,
    batches: State,
    /// The thread that Python called from: it, if any, is the one to mind signals, and no other may
    /// wait for the GIL, which this one may hold while it waits for the other.
    home: ThreadId,
}

enum State {
    Waiting(Work),
    Running(Running),
    Ended,
}

struct Running {
    receiver: Receiver<Group>,
    received: std::vec::IntoIter<Batch>,
    /// The one that has the thread which sends.
    process: u32,
}

impl Ahead {
    fn receive(&mut self) -> Option<Batch> {
        if self.forsake() {
            let forked =
                "this process was forked while the table was being read; read it anew here";
            return Some(Err(failed(forked)));
        }
        if let State::Waiting(_) = &self.batches
            && let State::Waiting(work) = std::mem::replace(&mut self.batches, State::Ended)
        {
            match start(work) {
                Ok(running) => self.batches = State::Running(running),
                Err(error) => return Some(Err(error.into())),
            }
        }
        let State::Running(running) = &mut self.batches else {
            return None;
        };
        loop {
            if let Some(batch) = running.received.next() {
                return Some(batch);
            }
            if thread::current().id() == self.home
                && let Some(Err(interrupted)) = Python::try_attach(|py| py.check_signals())
            {
                return Some(Err(ArrowError::ExternalError(Box::new(interrupted))));
            }
            match running.receiver.recv_timeout(TICK) {
                Ok(group) => running.received = group.into_iter(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Gives up a stream that the process began which this one was forked from; whether it is such. A
    /// thread that is not here may hold what its receiver would wait for.
    fn forsake(&mut self) -> bool {
        let forked =
            matches!(&self.batches, State::Running(running) if running.process != process::id());
        if forked {
            std::mem::forget(std::mem::replace(&mut self.batches, State::Ended));
        }
        forked
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.forsake();
    }
}

/// Starts the thread that makes batches.
fn start(work: Work) -> io::Result<Running> {
    let (sender, receiver) = sync_channel(READ_AHEAD);
    let thread = thread::Builder::new().name("tolerant-scan".to_owned());
    thread.spawn(move || {
        let worked = catch_unwind(AssertUnwindSafe(|| work(&sender)));
        if worked.is_err() {
            // There may have been more rows: this is no end.
            let error = failed("reading failed unexpectedly; please report it");
            let _ = sender.send(vec![Err(error)]);
        }
    })?;
    Ok(Running {
        receiver,
        received: Vec::new().into_iter(),
        process: process::id(),
    })
}

fn failed(what: &str) -> ArrowError {
    ArrowError::ExternalError(what.into())
}

impl Iterator for Ahead {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let batch = self.receive();
        if !matches!(batch, Some(Ok(_))) {
            // Nothing comes after an error.
            self.batches = State::Ended;
        }
        batch
    }
}

impl RecordBatchReader for Ahead {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
