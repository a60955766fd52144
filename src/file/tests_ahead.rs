//! Protects fetching ahead: the same bytes as without it, each range fetched once and only where it is to be expected,
//! errors that are told, and nothing under way once its reader is gone.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::ParquetMetaData;

use super::FetchAhead::{AtOnce, InTurn};
use super::tests::{pack, table};
use super::*;

const NAME: &str = "table.parquet";

/// Knows what it is asked for, and can fail or never answer.
#[derive(Debug, Default)]
struct LoggingStore {
    files: InMemory,
    asked: Mutex<Vec<Vec<Range<u64>>>>,
    /// Requests that will fail.
    failing: AtomicUsize,
    silent: AtomicBool,
    /// Requests that were given up.
    given_up: Arc<AtomicUsize>,
}

impl LoggingStore {
    /// The requests since the last call.
    fn take(&self) -> Vec<Vec<Range<u64>>> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

struct GivenUp(Arc<AtomicUsize>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for LoggingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoggingStore")
    }
}

#[async_trait]
impl ObjectStore for LoggingStore {
    async fn put_opts(&self, to: &Path, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.files.put_opts(to, bytes, how).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(to, how).await
    }

    async fn get_opts(&self, from: &Path, how: GetOptions) -> Result<GetResult> {
        self.files.get_opts(from, how).await
    }

    async fn get_ranges(&self, from: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.asked.lock().unwrap().push(ranges.to_vec());
        if self.silent.load(Ordering::Relaxed) {
            let _given_up = GivenUp(Arc::clone(&self.given_up));
            std::future::pending::<()>().await;
        }
        let failing = &self.failing;
        let fails = |left: usize| left.checked_sub(1);
        if failing
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails)
            .is_ok()
        {
            return Err(object_store::Error::Generic {
                store: "LoggingStore",
                source: "too many requests".into(),
            });
        }
        self.files.get_ranges(from, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, how).await
    }
}

/// A packed file of several row groups, in a store that tells what it is asked.
struct File {
    store: Arc<LoggingStore>,
    object: ObjectMeta,
    metadata: Arc<ParquetMetaData>,
    opened: Opened,
}

impl File {
    async fn new() -> Self {
        Self::of_row_groups(5, 2000).await
    }

    async fn of_row_groups(count: usize, rows: usize) -> Self {
        let options = WriterOptions::new()
            .with_block_rows(500)
            .with_row_group_rows(rows);
        let (bytes, _) = pack(&table(count * rows - 100), options);
        let store = Arc::new(LoggingStore::default());
        let path = Path::from(NAME);
        store.put(&path, bytes.into()).await.unwrap();
        let object = store.head(&path).await.unwrap();
        let opened = ObjectReader::open(&*store, &object).await.unwrap();
        let metadata = Arc::clone(opened.metadata());
        assert_eq!(metadata.num_row_groups(), count);
        store.take();
        Self {
            store,
            object,
            metadata,
            opened,
        }
    }

    fn plain(&self) -> ObjectReader {
        let store: Arc<dyn ObjectStore> = Arc::clone(&self.store) as _;
        ObjectReader::new(store, self.object.clone()).with_opened(self.opened.clone())
    }

    fn ahead(&self, from: FetchAhead) -> ObjectReader {
        self.plain().with_fetch_ahead(from, None)
    }

    /// The chunks of three columns of a row group.
    fn chunks(&self, row_group: usize) -> Vec<Range<u64>> {
        let columns = self.metadata.row_group(row_group).columns();
        let ranges = [0, 1, 3].map(|column| columns[column].byte_range());
        ranges.map(|(start, len)| start..start + len).to_vec()
    }

    /// What a reader of nothing else asks for.
    async fn requests(&self, row_group: usize) -> Vec<Range<u64>> {
        let mut reader = self.plain();
        let read = reader.get_byte_ranges(self.chunks(row_group)).await;
        read.unwrap();
        self.store.take().concat()
    }

    /// Reads row groups one after the other, and compares with a reader that fetches nothing ahead; the number of
    /// requests after each.
    async fn read(&self, mut reader: ObjectReader, row_groups: &[usize]) -> Vec<usize> {
        let mut counts = Vec::new();
        let mut requests = Vec::new();
        for row_group in row_groups {
            let chunks = self.chunks(*row_group);
            let expected = self.plain().get_byte_ranges(chunks.clone()).await.unwrap();
            self.store.take();
            let found = reader.get_byte_ranges(chunks).await.unwrap();
            assert!(found == expected, "row group {row_group}");
            requests.append(&mut self.store.take());
            counts.push(requests.len());
        }
        counts
    }
}

#[tokio::test]
async fn row_groups_are_asked_for_before_those_before_are_handed_on() {
    let file = File::new().await;
    let read = file.read(file.ahead(AtOnce), &[0, 1, 2, 3, 4]).await;
    assert_eq!(read, [2, 4, 5, 5, 5]);
    let mut reader = file.ahead(AtOnce);
    for row_group in 0..5 {
        let read = reader.get_byte_ranges(file.chunks(row_group)).await;
        read.unwrap();
    }
    for (row_group, asked) in file.store.take().into_iter().enumerate() {
        assert_eq!(asked, file.requests(row_group).await);
    }
}

/// One more for each that was right, up to eight.
#[tokio::test]
async fn eight_are_under_way_at_a_time() {
    let file = File::of_row_groups(20, 500).await;
    let row_groups: Vec<usize> = (0..20).collect();
    let read = file.read(file.ahead(AtOnce), &row_groups).await;
    let ahead = read.iter().zip(1..).map(|(requests, read)| requests - read);
    let expected = [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0];
    assert_eq!(ahead.collect::<Vec<usize>>(), expected);
}

#[tokio::test]
async fn a_scan_that_may_leave_row_groups_out_shows_first_that_it_does_not() {
    let file = File::new().await;
    let read = file.read(file.ahead(InTurn), &[0, 1, 2, 3, 4]).await;
    assert_eq!(read, [1, 3, 5, 5, 5]);
    // The third is fetched for nothing, once.
    let read = file.read(file.ahead(InTurn), &[0, 1, 3, 4]).await;
    assert_eq!(read, [1, 3, 4, 5]);
    let read = file.read(file.ahead(InTurn), &[4, 3, 2, 1, 0]).await;
    assert_eq!(read, [1, 2, 3, 4, 5]);
    // It was to begin with the first.
    let read = file.read(file.ahead(AtOnce), &[4, 3, 2, 1, 0]).await;
    assert_eq!(read, [1, 2, 3, 4, 5]);
    let read = file.read(file.ahead(InTurn), &[0, 2, 3, 4]).await;
    assert_eq!(read, [1, 2, 4, 4]);
}

#[tokio::test]
async fn only_chosen_row_groups_are_fetched() {
    let file = File::new().await;
    let chosen = |from, chosen: &[bool]| file.plain().with_fetch_ahead(from, Some(chosen.to_vec()));
    let some = [true, false, true, true, false];
    assert_eq!(
        file.read(chosen(AtOnce, &some), &[0, 2, 3]).await,
        [2, 3, 3]
    );
    assert_eq!(
        file.read(chosen(InTurn, &some), &[0, 2, 3]).await,
        [1, 3, 3]
    );
    // Of another file, it seems: what is not in it is not fetched ahead.
    assert_eq!(
        file.read(chosen(AtOnce, &[true]), &[0, 1, 2]).await,
        [1, 2, 3]
    );
}

#[tokio::test]
async fn after_parts_of_chunks_it_begins_anew() {
    let file = File::new().await;
    for from in [AtOnce, InTurn] {
        let mut reader = file.ahead(from);
        let mut parts = file.chunks(0);
        parts[1].end -= 1;
        reader.get_byte_ranges(parts).await.unwrap();
        assert_eq!(file.store.take().len(), 1);
        assert_eq!(file.read(reader, &[1, 2, 3, 4]).await, [1, 3, 4, 4]);
    }
}

/// Of all kinds, whose chunks are in the virtual file's part or in the packed one.
#[tokio::test]
async fn every_column_is_found() {
    let file = File::new().await;
    for column in 0..file.metadata.row_group(0).columns().len() {
        let mut reader = file.ahead(InTurn);
        for (row_group, requests) in [1, 2, 2, 0, 0].into_iter().enumerate() {
            let chunk = file.metadata.row_group(row_group).column(column);
            let (start, len) = chunk.byte_range();
            reader.get_bytes(start..start + len).await.unwrap();
            let asked = file.store.take().len();
            assert_eq!(asked, requests, "column {column}, row group {row_group}");
        }
    }
}

#[tokio::test]
async fn what_fails_ahead_is_asked_for_again() {
    let file = File::new().await;
    for failures in [1, 3] {
        let mut reader = file.ahead(AtOnce);
        reader.get_byte_ranges(file.chunks(0)).await.unwrap();
        // Of one row group ahead, or of two, and then of who asks for the first of them.
        file.store.failing.store(failures, Ordering::Relaxed);
        reader.get_byte_ranges(file.chunks(1)).await.unwrap();
        let read = reader.get_byte_ranges(file.chunks(2)).await;
        assert_eq!(file.store.failing.load(Ordering::Relaxed), 0);
        match failures {
            1 => assert_eq!(read.unwrap().len(), 3),
            _ => assert!(read.unwrap_err().to_string().contains("too many requests")),
        }
        // Once is enough.
        file.store.take();
        assert_eq!(file.read(reader, &[3, 4]).await, [1, 2]);
    }
}

#[tokio::test]
async fn a_reader_that_is_dropped_gives_up_what_it_asked_for() {
    let file = File::new().await;
    let mut reader = file.ahead(InTurn);
    reader.get_byte_ranges(file.chunks(0)).await.unwrap();
    reader.get_byte_ranges(file.chunks(1)).await.unwrap();
    file.store.silent.store(true, Ordering::Relaxed);
    reader.get_byte_ranges(file.chunks(2)).await.unwrap();
    assert_eq!(file.store.given_up.load(Ordering::Relaxed), 0);
    drop(reader);
    tokio::task::yield_now().await;
    assert_eq!(file.store.given_up.load(Ordering::Relaxed), 2);
}

#[test]
fn without_a_runtime_nothing_is_fetched_ahead() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let file = runtime.block_on(File::new());
    let mut reader = file.ahead(AtOnce);
    let read = reader.get_byte_ranges(file.chunks(0));
    assert_eq!(futures::executor::block_on(read).unwrap().len(), 3);
    assert_eq!(file.store.take().len(), 1);
}
