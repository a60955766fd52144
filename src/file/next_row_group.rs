//! Fetching a row group while the one before is decoded and computed with: a scan that waits for each in turn
//! leaves the store idle while it computes, and computes nothing while it waits.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{OBJECT_STORE_COALESCE_DEFAULT, ObjectStore};
use parquet::file::metadata::ColumnChunkMetaData;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::layout::{Layout, UnitKind};

/// What more than this is asked for is not fetched ahead, in bytes.
const MOST: u64 = 16 << 20;

/// From when on a reader fetches the next row group ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchAhead {
    /// From the first on: it reads them all.
    AtOnce,
    /// Once it has read two in succession: it may leave some out.
    InTurn,
}

/// What one reader fetches ahead. A row group that was foreseen and not asked for ends it, as does a failure.
#[derive(Debug)]
pub(super) struct NextRowGroup {
    from: FetchAhead,
    /// The row groups that may be read, by number; all of them if None.
    chosen: Option<Vec<bool>>,
    /// The row group that was read last, as a whole.
    last: Option<usize>,
    fetch: Option<Fetch>,
    ended: bool,
}

/// Dropped, it is given up.
#[derive(Debug)]
struct Fetch {
    ranges: Vec<Range<u64>>,
    bytes: JoinSet<object_store::Result<Vec<Bytes>>>,
}

impl NextRowGroup {
    pub(super) fn new(from: FetchAhead, chosen: Option<Vec<bool>>) -> Self {
        Self {
            from,
            chosen,
            last: None,
            fetch: None,
            ended: false,
        }
    }

    /// The bytes of these ranges, if they have been asked for already. None after a failure too: who asks
    /// again is told about it.
    pub(super) async fn take(&mut self, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
        let mut fetch = self.fetch.take()?;
        let bytes = match fetch.ranges == ranges {
            true => fetch.bytes.join_next().await,
            false => None,
        };
        let bytes = bytes.and_then(|bytes| bytes.ok()?.ok());
        self.ended = bytes.is_none();
        bytes
    }

    /// The ranges of the virtual file that will be read after `ranges`: the same columns of the next row
    /// group. None if that is not to be expected, as after parts of chunks.
    pub(super) fn foresee(
        &mut self,
        layout: &Layout,
        ranges: &[Range<u64>],
    ) -> Option<Vec<Range<u64>>> {
        if self.ended {
            return None;
        }
        let row_groups = layout.metadata().row_groups();
        let expected = self.first_from(self.last.map_or(0, |last| last + 1), row_groups.len());
        let row_group = row_group_at(layout, ranges.first()?.start)?;
        let columns = columns(row_groups.get(row_group)?.columns(), ranges);
        let before = std::mem::replace(&mut self.last, columns.as_ref().map(|_| row_group));
        let waits = self.from == FetchAhead::InTurn && before.is_none();
        if waits || expected != Some(row_group) {
            return None;
        }
        let next = self.first_from(row_group + 1, row_groups.len())?;
        let next = row_groups.get(next)?.columns();
        let columns = columns?.into_iter();
        columns.map(|column| range_of(next.get(column)?)).collect()
    }

    /// The first row group that may be read, of those from `start` on.
    fn first_from(&self, start: usize, count: usize) -> Option<usize> {
        let may_be_read = |i: &usize| match &self.chosen {
            Some(chosen) => chosen.get(*i) == Some(&true),
            None => true,
        };
        (start..count).find(may_be_read)
    }

    /// Asks `store` for `ranges` of an object, unless these are too many bytes, and comes back once it is
    /// asked.
    pub(super) async fn start(
        &mut self,
        store: &Arc<dyn ObjectStore>,
        location: &Path,
        ranges: &[Range<u64>],
    ) {
        if ranges.is_empty() || held_for(ranges) > MOST || Handle::try_current().is_err() {
            return;
        }
        let (store, location) = (Arc::clone(store), location.clone());
        let ranges = ranges.to_vec();
        let mut fetched = JoinSet::new();
        let asked = ranges.clone();
        fetched.spawn(async move { store.get_ranges(&location, &asked).await });
        self.fetch = Some(Fetch {
            ranges,
            bytes: fetched,
        });
        // A runtime of one thread begins with it only when this task waits.
        tokio::task::yield_now().await;
    }
}

/// The bytes that are fetched and held for `ranges`: stores fetch small gaps between them, too.
fn held_for(ranges: &[Range<u64>]) -> u64 {
    let lengths = ranges.iter().map(|range| range.end - range.start);
    let gaps = ranges
        .windows(2)
        .map(|pair| pair[1].start.saturating_sub(pair[0].end));
    lengths.sum::<u64>()
        + gaps
            .filter(|gap| *gap <= OBJECT_STORE_COALESCE_DEFAULT)
            .sum::<u64>()
}

/// The row group that a position in the virtual file belongs to.
fn row_group_at(layout: &Layout, position: u64) -> Option<usize> {
    let unit = layout
        .units
        .partition_point(|unit| unit.range.end <= position);
    match &layout.units.get(unit)?.kind {
        UnitKind::Virtual(page) => Some(page.row_group),
        // These are where they are in the packed file.
        UnitKind::Ordinary(_) => layout.row_group_of_physical(position),
    }
}

/// The columns of which `ranges`, in their order, are the whole chunks.
fn columns(chunks: &[ColumnChunkMetaData], ranges: &[Range<u64>]) -> Option<Vec<usize>> {
    let mut columns = Vec::with_capacity(ranges.len());
    for (column, chunk) in chunks.iter().enumerate() {
        match ranges.get(columns.len()) {
            Some(range) if range_of(chunk).as_ref() == Some(range) => columns.push(column),
            Some(_) => {}
            None => break,
        }
    }
    (columns.len() == ranges.len()).then_some(columns)
}

/// The bytes of a chunk, as parquet-rs asks for them; the metadata may be a damaged file's.
fn range_of(chunk: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let start = chunk
        .dictionary_page_offset()
        .unwrap_or(chunk.data_page_offset());
    let start = u64::try_from(start).ok()?;
    let len = u64::try_from(chunk.compressed_size()).ok()?;
    Some(start..start.checked_add(len)?)
}
