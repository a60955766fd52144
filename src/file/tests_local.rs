//! Protects reads of local files without the store between: the same values, and an error where the file has
//! become shorter; and that such a reader reads from any other store too.

use std::fs::{self, File};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;

use super::tests::{pack, read, table};
use super::*;

const NAME: &str = "table.parquet";

async fn object(store: &dyn ObjectStore) -> ObjectMeta {
    store.head(&ObjectPath::from(NAME)).await.unwrap()
}

async fn read_all(reader: ObjectReader) -> Result<RecordBatch, ParquetError> {
    let stream = ParquetRecordBatchStreamBuilder::new(reader)
        .await?
        .build()?;
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    let schema = batches[0].schema();
    Ok(arrow::compute::concat_batches(&schema, &batches)?)
}

/// A folder with a packed file of row groups whose columns take more than buffers take at least, its
/// store, and what is in it.
fn folder() -> (tempfile::TempDir, Arc<dyn ObjectStore>, RecordBatch) {
    let folder = tempfile::tempdir().unwrap();
    let options = WriterOptions::new()
        .with_block_rows(5000)
        .with_row_group_rows(25_000);
    let (bytes, _) = pack(&table(100_000), options);
    fs::write(folder.path().join(NAME), &bytes).unwrap();
    let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    (folder, Arc::new(store), read(&bytes))
}

#[tokio::test]
async fn local_files_read_the_same() {
    let (_folder, store, expected) = folder();
    let object = object(&*store).await;
    for buffers in [Buffers::default(), Buffers::reused()] {
        // Twice into the same memory.
        for _ in 0..2 {
            let reader = ObjectReader::new(Arc::clone(&store), object.clone())
                .with_buffers(buffers.clone())
                .with_local_files();
            let found = read_all(reader).await.unwrap();
            assert_eq!(found.columns(), expected.columns());
        }
    }
}

#[tokio::test]
async fn a_store_in_memory_has_no_local_files() {
    let (folder, _, expected) = folder();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let bytes = fs::read(folder.path().join(NAME)).unwrap();
    store
        .put(&ObjectPath::from(NAME), bytes.into())
        .await
        .unwrap();
    let object = object(&*store).await;
    let reader = ObjectReader::new(store, object).with_local_files();
    let found = read_all(reader).await.unwrap();
    assert_eq!(found.columns(), expected.columns());
}

#[tokio::test]
async fn a_file_that_became_shorter_is_an_error() {
    let (folder, store, _) = folder();
    let object = object(&*store).await;
    let opened = ObjectReader::open(&*store, &object).await.unwrap();
    let file = File::options()
        .write(true)
        .open(folder.path().join(NAME))
        .unwrap();
    file.set_len(100).unwrap();
    let reader = ObjectReader::new(store, object)
        .with_opened(opened)
        .with_local_files();
    let error = read_all(reader).await.unwrap_err();
    assert!(error.to_string().contains(NAME), "{error}");
}
