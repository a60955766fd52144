//! Fetching row groups while those before are decoded and computed with: a scan that waits for each in turn
//! leaves the store idle while it computes, computes nothing while it waits, and waits for an answer each time.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{OBJECT_STORE_COALESCE_DEFAULT, ObjectStore};
use parquet::file::metadata::ColumnChunkMetaData;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::layout::{Layout, UnitKind};

/// While fewer bytes than this are under way, another row group is asked for: to send them takes about as long as to
/// answer.
const ENOUGH: u64 = 4 << 20;
/// The most that is under way with it, in bytes.
const MOST: u64 = 16 << 20;
/// The row groups that are under way at a time.
const AT_A_TIME: usize = 8;

/// From when on a reader fetches row groups ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchAhead {
    /// From the first on: it reads them all.
    AtOnce,
    /// Once it has read two in succession: it may leave some out.
    InTurn,
}

/// What one reader fetches ahead: one row group at first, and one more for each that was right. One that was foreseen
/// and not asked for ends it, as does a failure.
#[derive(Debug)]
pub(super) struct RowGroupsAhead {
    from: FetchAhead,
    /// The row groups that may be read, by number; all of them if None.
    chosen: Option<Vec<bool>>,
    /// The row group that was read last, as a whole.
    last: Option<usize>,
    /// The last one that was asked for ahead.
    asked: usize,
    under_way: VecDeque<Fetch>,
    /// How many may be under way.
    window: usize,
    ended: bool,
}

/// A request for a row group. Dropped, it is given up.
#[derive(Debug)]
struct Fetch {
    ranges: Vec<Range<u64>>,
    bytes: JoinSet<object_store::Result<Vec<Bytes>>>,
}

impl RowGroupsAhead {
    pub(super) fn new(from: FetchAhead, chosen: Option<Vec<bool>>) -> Self {
        Self {
            from,
            chosen,
            last: None,
            asked: 0,
            under_way: VecDeque::new(),
            window: 1,
            ended: false,
        }
    }

    /// The bytes of these ranges, if they have been asked for already. None after a failure too: who asks
    /// again is told about it.
    pub(super) async fn take(&mut self, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
        let mut fetch = self.under_way.pop_front()?;
        let bytes = match fetch.ranges == ranges {
            true => fetch.bytes.join_next().await,
            false => None,
        };
        let bytes = bytes.and_then(|bytes| bytes.ok()?.ok());
        match bytes {
            Some(_) => self.window = AT_A_TIME.min(self.window + 1),
            None => {
                self.ended = true;
                self.under_way.clear();
            }
        }
        bytes
    }

    /// After `ranges` of the virtual file have been read, asks `store` for what will be read next, if that is to be
    /// expected: the same columns of the next row groups.
    pub(super) async fn fetch(
        &mut self,
        layout: &Layout,
        ranges: &[Range<u64>],
        store: &Arc<dyn ObjectStore>,
        location: &Path,
    ) {
        let Some(columns) = self.columns_in_turn(layout, ranges) else {
            return;
        };
        if Handle::try_current().is_err() {
            return;
        }
        let before = self.under_way.len();
        while let Some(ranges) = self.next(layout, &columns) {
            let (store, location) = (Arc::clone(store), location.clone());
            let asked = ranges.clone();
            let mut bytes = JoinSet::new();
            bytes.spawn(async move { store.get_ranges(&location, &asked).await });
            self.under_way.push_back(Fetch { ranges, bytes });
        }
        if self.under_way.len() > before {
            // A runtime of one thread begins with them only when this task waits.
            tokio::task::yield_now().await;
        }
    }

    /// The columns that `ranges` are the whole chunks of, if the row groups that follow are to be fetched now. Parts
    /// of chunks tell nothing of those that follow.
    fn columns_in_turn(&mut self, layout: &Layout, ranges: &[Range<u64>]) -> Option<Vec<usize>> {
        if self.ended {
            return None;
        }
        let row_groups = layout.metadata().row_groups();
        let expected = self.first_from(self.last.map_or(0, |last| last + 1), row_groups.len());
        let row_group = row_group_at(layout, ranges.first()?.start)?;
        let columns = columns(row_groups.get(row_group)?.columns(), ranges);
        let before = std::mem::replace(&mut self.last, columns.as_ref().map(|_| row_group));
        let waits = self.from == FetchAhead::InTurn && before.is_none();
        columns.filter(|_| !waits && expected == Some(row_group))
    }

    /// The first row group that may be read, of those from `start` on.
    fn first_from(&self, start: usize, count: usize) -> Option<usize> {
        let may_be_read = |i: &usize| match &self.chosen {
            Some(chosen) => chosen.get(*i) == Some(&true),
            None => true,
        };
        (start..count).find(may_be_read)
    }

    /// The ranges to fetch for `columns` of the row group to ask for next, if there is room for one.
    fn next(&mut self, layout: &Layout, columns: &[usize]) -> Option<Vec<Range<u64>>> {
        if self.under_way.len() >= self.window {
            return None;
        }
        let row_groups = layout.metadata().row_groups();
        let asked = self.asked.max(self.last?);
        let row_group = self.first_from(asked + 1, row_groups.len())?;
        let chunks = row_groups.get(row_group)?.columns();
        let ranges = columns.iter().map(|column| range_of(chunks.get(*column)?));
        let ranges: Vec<_> = ranges.collect::<Option<_>>()?;
        // What is wrong with it is told to who reads it.
        let plan = layout.plan(&ranges).ok()?;
        let held = self.under_way.iter().map(|fetch| held_for(&fetch.ranges));
        if plan.fetches().is_empty() || !has_room(held.sum(), held_for(plan.fetches())) {
            return None;
        }
        self.asked = row_group;
        Some(plan.fetches().to_vec())
    }
}

/// Whether `more` bytes are to be asked for where `held` are.
fn has_room(held: u64, more: u64) -> bool {
    held < ENOUGH && more <= MOST - held
}

/// The bytes that are fetched and held for `ranges`: stores fetch small gaps between them, too.
fn held_for(ranges: &[Range<u64>]) -> u64 {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable_by_key(|range| range.start);
    let (mut held, mut end) = (0, 0);
    for range in ranges {
        let gap = range.start.saturating_sub(end);
        let from = match gap <= OBJECT_STORE_COALESCE_DEFAULT && held > 0 {
            true => end,
            false => range.start,
        };
        held += range.end.saturating_sub(from);
        end = end.max(range.end);
    }
    held
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_while_4_mib_are_not_under_way_and_for_16_at_most() {
        const MIB: u64 = 1 << 20;
        for (held, more, room) in [
            (0, 16 * MIB, true),
            (0, 16 * MIB + 1, false),
            (0, u64::MAX, false),
            (4 * MIB - 1, 1, true),
            (4 * MIB - 1, 12 * MIB + 1, true),
            (4 * MIB - 1, 12 * MIB + 2, false),
            (4 * MIB, 1, false),
            (16 * MIB, 0, false),
        ] {
            assert_eq!(has_room(held, more), room, "{held} and {more}");
        }
    }

    #[test]
    fn gaps_that_stores_fetch_too_are_counted() {
        const GAP: u64 = OBJECT_STORE_COALESCE_DEFAULT;
        assert_eq!(held_for(&[10..20, 30..40]), 30);
        assert_eq!(held_for(&[10..20, GAP + 20..GAP + 21]), GAP + 11);
        assert_eq!(held_for(&[10..20, GAP + 21..GAP + 22]), 11);
        assert_eq!(held_for(&[0..20, GAP + 21..GAP + 22]), 21);
        // As of columns that others are predicted from, block by block.
        assert_eq!(held_for(&[10..20, 90..99, 20..30, 99..110]), 100);
        assert_eq!(held_for(&[90..99, 10..20, 15..17, 10..20]), 89);
        assert_eq!(held_for(&[]), 0);
    }
}
