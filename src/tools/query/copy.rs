//! `COPY` must not replace a file that it reads.

use std::path::{Path, PathBuf};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::{ListingTable, ListingTableUrl};
use datafusion::datasource::source_as_provider;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::dml::CopyTo;

use crate::file::shown;
use crate::tools::error::{Result, ToolError};
use crate::tools::paths;

use super::explain;

/// An error where a `COPY` is to write to a file that it reads, or to one in a folder that it reads.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    let mut replaced = None;
    // It may stand within another statement, such as EXPLAIN ANALYZE.
    let visited = plan.apply(|node| {
        if let LogicalPlan::Copy(copy) = node
            && reads_output(copy)?
        {
            replaced = Some(shown(Path::new(&copy.output_url)));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.map_err(explain)?;
    match replaced {
        None => Ok(()),
        Some(output) => Err(ToolError::invalid(format!(
            "{output} is also an input; name another file to write"
        ))),
    }
}

fn reads_output(copy: &CopyTo) -> DataFusionResult<bool> {
    // What cannot be written to is told of later; to folders, new files are added.
    let output = ListingTableUrl::parse(&copy.output_url).ok();
    let output = output.filter(|output| !output.is_collection());
    let Some(output) = output.as_ref().and_then(place) else {
        return Ok(false);
    };
    let mut is_read = false;
    copy.input.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
            && let Some(table) = provider.downcast_ref::<ListingTable>()
        {
            let mut read = table.table_paths().iter().filter_map(place);
            is_read |= read.any(|read| output.starts_with(read));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(is_read)
}

/// What tells where files are: on this machine with links followed. None where nothing is there yet.
fn place(url: &ListingTableUrl) -> Option<PathBuf> {
    let url = url.get_url();
    match url.scheme() {
        "file" => url.to_file_path().ok()?.canonicalize().ok(),
        _ => Some(paths::comparable(Path::new(url.as_str()))),
    }
}
