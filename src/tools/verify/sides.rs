//! The two sides of a comparison, each read ahead on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;

use super::super::error::{Result, ToolError};

/// Runs an iterator ahead on a thread of its own, by one item.
pub(super) fn prefetched<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    items: impl Iterator<Item = T> + Send + 'scope,
) -> Receiver<T> {
    let (sender, receiver) = sync_channel(1);
    scope.spawn(move || {
        for item in items {
            // The other end is gone when an error ended the comparison.
            if sender.send(item).is_err() {
                break;
            }
        }
    });
    receiver
}

/// One side's rows, taken in runs of any length.
pub(super) struct Side {
    batches: Receiver<Result<RecordBatch>>,
    /// Rows received and not yet taken.
    ready: RecordBatch,
    /// Rows taken.
    pub(super) position: u64,
}

impl Side {
    pub(super) fn new(schema: &Schema, batches: Receiver<Result<RecordBatch>>) -> Self {
        let ready = RecordBatch::new_empty(Arc::new(schema.clone()));
        Self {
            batches,
            ready,
            position: 0,
        }
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.num_rows()
    }

    /// Makes rows ready; false at the end.
    pub(super) fn fill(&mut self) -> Result<bool> {
        while self.ready() == 0 {
            let Ok(batch) = self.batches.recv() else {
                return Ok(false);
            };
            self.ready = batch?;
        }
        Ok(true)
    }

    /// The next `n` rows, of which at least as many must be ready.
    pub(super) fn take(&mut self, n: usize) -> RecordBatch {
        let taken = self.ready.slice(0, n);
        self.ready = self.ready.slice(n, self.ready() - n);
        self.position += n as u64;
        taken
    }

    /// The next `n` rows, or as many as there are.
    pub(super) fn gather(&mut self, n: u64) -> Result<RecordBatch> {
        let end = self.position.saturating_add(n);
        let schema = self.ready.schema();
        let mut parts = Vec::new();
        while self.position < end && self.fill()? {
            let rows = (end - self.position).min(self.ready() as u64);
            parts.push(self.take(rows as usize));
        }
        concat_batches(&schema, &parts)
            .map_err(|error| ToolError::invalid(format!("rows cannot be put together: {error}")))
    }

    /// Reads to the end; returns the number of all rows.
    pub(super) fn count_rest(self) -> Result<u64> {
        let mut rows = self.position + self.ready() as u64;
        for batch in self.batches {
            rows += batch?.num_rows() as u64;
        }
        Ok(rows)
    }
}
