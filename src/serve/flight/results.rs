//! Rows on their way to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::{Response, Status};

/// What the methods of a Flight service answer with.
pub type DataStream = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// Batches that wait for the client, and how long the first of them does before the query ends.
const AHEAD: usize = 2;
const PATIENCE: Duration = Duration::from_secs(60);

/// The rows of a query. A client that stops reading loses it, and gives back `place` and the memory.
pub fn stream_rows(
    mut rows: SendableRecordBatchStream,
    place: OwnedSemaphorePermit,
) -> Response<DataStream> {
    let schema = rows.schema();
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _place = place;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|error| FlightError::Tonic(Box::new(status(&error))));
            let is_last = batch.is_err();
            let sent = tokio::time::timeout(PATIENCE, sender.send(batch)).await;
            // Whoever has gone, or does not read, needs no more.
            if is_last || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    let batches = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|batch| (batch, receiver))
    });
    encode(schema, batches)
}

/// The schema that a client is sent for rows of `schema`: dictionaries go as their values.
pub fn sent_schema(schema: SchemaRef) -> SchemaRef {
    let encoder = FlightDataEncoderBuilder::new().with_schema(Arc::clone(&schema));
    let encoder = encoder.build(stream::empty::<Result<RecordBatch, FlightError>>());
    encoder.known_schema().unwrap_or(schema)
}

/// One batch that is there already.
pub fn one(batch: RecordBatch) -> Response<DataStream> {
    encode(batch.schema(), stream::iter([Ok(batch)]))
}

fn encode(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Response<DataStream> {
    let encoded = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .build(batches);
    Response::new(Box::pin(encoded.map_err(Status::from)))
}

/// What DataFusion says, to the client.
pub fn status(error: &DataFusionError) -> Status {
    let text = error.strip_backtrace();
    match error.find_root() {
        DataFusionError::Plan(_)
        | DataFusionError::SQL(..)
        | DataFusionError::SchemaError(..)
        | DataFusionError::Diagnostic(..) => Status::invalid_argument(text),
        DataFusionError::NotImplemented(_) => Status::unimplemented(text),
        DataFusionError::ResourcesExhausted(_) => Status::resource_exhausted(text),
        _ => {
            tracing::error!("{text}");
            Status::internal(text)
        }
    }
}
