//! One file on its way to its bytes, within the memory that a query may use.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use crate::file::{self, FileLayout, PortableWriter, Writer, WriterOptions, raw_bytes};

use super::external;

/// What a row takes while it is encoded: itself, a copy, and its integers.
const ENCODING_FACTOR: usize = 3;

/// Encodes batches; where memory is short, in smaller row groups.
pub(super) struct Encoder {
    writer: AnyWriter,
    schema: SchemaRef,
    written: Buffer,
    reservation: MemoryReservation,
    /// Bytes after which a row group is full, so that some are left to the rest of the query.
    budget: usize,
}

enum AnyWriter {
    Packed(Box<Writer<Buffer>>),
    Portable(Box<PortableWriter<Buffer>>),
}

impl Encoder {
    pub(super) fn try_new(
        schema: SchemaRef,
        layout: FileLayout,
        options: WriterOptions,
        reservation: MemoryReservation,
        budget: usize,
    ) -> file::Result<Self> {
        let written = Buffer::default();
        let (sink, columns) = (written.clone(), Arc::clone(&schema));
        let writer = match layout {
            FileLayout::Packed => {
                AnyWriter::Packed(Box::new(Writer::try_new(sink, columns, options)?))
            }
            FileLayout::Portable => {
                AnyWriter::Portable(Box::new(PortableWriter::try_new(sink, columns, options)?))
            }
        };
        Ok(Self {
            writer,
            schema,
            written,
            reservation,
            budget,
        })
    }

    /// Takes rows in; the bytes that are complete by then.
    ///
    /// # Errors
    /// Also when the memory pool has no room even for these rows alone.
    pub(super) fn write(&mut self, batch: RecordBatch) -> Result<Vec<u8>> {
        let columns = batch.columns().to_vec();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let bytes = batch.columns().iter().map(raw_bytes).sum::<u64>() as usize;
        let needed = bytes * ENCODING_FACTOR;
        let full = self.reservation.size() + needed > self.budget;
        if full || self.reservation.try_grow(needed).is_err() {
            self.writer.flush().map_err(external)?;
            self.reservation.free();
            self.reservation.try_grow(needed)?;
        }
        let held = self.writer.write(&batch).map_err(external)?;
        if held < batch.num_rows() {
            // A row group was full.
            let left = needed / batch.num_rows() * held;
            self.reservation.shrink(self.reservation.size() - left);
        }
        Ok(self.written.take())
    }

    /// The file's rows, its size in bytes, and the last of them.
    pub(super) fn close(self) -> Result<(u64, u64, Vec<u8>)> {
        let report = match self.writer {
            AnyWriter::Packed(writer) => writer.close().map_err(external)?.1,
            AnyWriter::Portable(writer) => writer.close().map_err(external)?.1,
        };
        Ok((report.rows, report.file_bytes, self.written.take()))
    }
}

impl AnyWriter {
    /// Rows that are held back, for a row group.
    fn write(&mut self, batch: &RecordBatch) -> file::Result<usize> {
        match self {
            Self::Packed(writer) => {
                writer.write(batch)?;
                Ok(writer.in_progress_rows())
            }
            Self::Portable(writer) => {
                writer.write(batch)?;
                Ok(writer.in_progress_rows())
            }
        }
    }

    fn flush(&mut self) -> file::Result<()> {
        match self {
            Self::Packed(writer) => writer.flush(),
            Self::Portable(writer) => writer.flush(),
        }
    }
}

/// Bytes between a writer and an upload.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut bytes)
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
