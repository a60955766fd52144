//! Record batches on their way to Python, made by a thread that reads ahead.

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
    Running(Receiver<Group>, std::vec::IntoIter<Batch>),
    Ended,
}

impl Ahead {
    fn receive(&mut self) -> Option<Batch> {
        if let State::Waiting(_) = &self.batches
            && let State::Waiting(work) = std::mem::replace(&mut self.batches, State::Ended)
        {
            let (sender, receiver) = sync_channel(READ_AHEAD);
            let thread = thread::Builder::new().name("tolerant-scan".to_owned());
            if let Err(error) = thread.spawn(move || work(&sender)) {
                return Some(Err(error.into()));
            }
            self.batches = State::Running(receiver, Vec::new().into_iter());
        }
        let State::Running(receiver, received) = &mut self.batches else {
            return None;
        };
        loop {
            if let Some(batch) = received.next() {
                return Some(batch);
            }
            if thread::current().id() == self.home
                && let Some(Err(interrupted)) = Python::try_attach(|py| py.check_signals())
            {
                return Some(Err(ArrowError::ExternalError(Box::new(interrupted))));
            }
            match receiver.recv_timeout(TICK) {
                Ok(group) => *received = group.into_iter(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
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
