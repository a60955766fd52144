//! From parts of a physical file to row groups of the virtual one.
//!
//! A scan is split into byte ranges of the *physical* file. Where a row group starts there is
//! known only once the file is open, so a file that comes with a range is opened first; its range
//! then becomes an access plan, which names the row groups. DataFusion itself would look for the
//! row groups' offsets in the virtual file, and lose or double them.

use std::fmt;
use std::sync::Arc;

use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, ParquetRowSelection};
use datafusion::error::Result;
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use datafusion_datasource::morsel::{MorselPlan, MorselPlanner, Morselizer};

use crate::file::{Layout, Opened};

use super::cache::OpenSlot;
use super::reader::{SharedFile, TolerantReaderFactory};

/// Hands files on to the Parquet scan's morselizer, ready to be read through the virtual file.
pub(super) struct TolerantMorselizer {
    pub(super) parquet: Arc<dyn Morselizer>,
    pub(super) readers: TolerantReaderFactory,
}

impl fmt::Debug for TolerantMorselizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TolerantMorselizer")
            .field(&self.parquet)
            .finish()
    }
}

impl Morselizer for TolerantMorselizer {
    fn plan_file(&self, mut file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        // Plans that have travelled come without.
        if !file.extensions.contains::<OpenSlot>() {
            file.extensions.insert(OpenSlot::default());
        }
        let Some(range) = file.range.clone() else {
            return self.parquet.plan_file(file);
        };
        let whole = range.start <= 0 && range.end as u64 >= file.object_meta.size;
        let cell = if whole {
            OpenSlot::cell
        } else {
            OpenSlot::kept_cell
        };
        let cell = file
            .extensions
            .get::<OpenSlot>()
            .map(cell)
            .unwrap_or_default();
        let shared = self.readers.file(file.object_meta.clone(), cell);
        Ok(Box::new(PartPlanner {
            parquet: Arc::clone(&self.parquet),
            file,
            range,
            shared,
        }))
    }
}

/// Plans a part of a file, once the file is open.
struct PartPlanner {
    parquet: Arc<dyn Morselizer>,
    file: PartitionedFile,
    range: FileRange,
    shared: SharedFile,
}

impl fmt::Debug for PartPlanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartPlanner")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl MorselPlanner for PartPlanner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self {
            parquet,
            mut file,
            range,
            shared,
        } = *self;
        Ok(Some(MorselPlan::new().with_pending_planner(async move {
            if let Opened::Packed(layout) = shared.opened().await.map_err(super::external)? {
                select_row_groups(&mut file, layout, &range);
            }
            // `shared` lives until the readers do, so that they find the file open.
            parquet.plan_file(file)
        })))
    }
}

/// Replaces the file's range by the row groups that start in it.
fn select_row_groups(file: &mut PartitionedFile, layout: &Layout, range: &FileRange) {
    let row_groups = layout.metadata().row_groups();
    let starts_here = |i: usize| {
        layout
            .physical_offset_of_row_group(i)
            .is_some_and(|offset| range.contains(offset as i64))
    };
    file.range = None;
    // What an external index has chosen stays chosen.
    if let Some(selection) = file.extensions.get::<ParquetRowSelection>() {
        let here: RowSelection = (0..row_groups.len())
            .map(|i| match row_groups[i].num_rows() as usize {
                rows if starts_here(i) => RowSelector::select(rows),
                rows => RowSelector::skip(rows),
            })
            .collect();
        let both = selection.selection().intersection(&here);
        file.extensions.insert(ParquetRowSelection::new(both));
        return;
    }
    let mut plan = match file.extensions.get::<ParquetAccessPlan>() {
        // The Parquet scan will say what is wrong with it.
        Some(plan) if plan.len() != row_groups.len() => return,
        Some(plan) => plan.clone(),
        None => ParquetAccessPlan::new_all(row_groups.len()),
    };
    (0..row_groups.len())
        .filter(|i| !starts_here(*i))
        .for_each(|i| plan.skip(i));
    file.extensions.insert(plan);
}
