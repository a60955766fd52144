//! `COPY` must not replace a file that it reads.

use std::path::PathBuf;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::{ListingTable, ListingTableUrl};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;

use crate::tools::error::{Result, ToolError};

use super::explain;

/// An error where a `COPY` is to write to a file that it reads, or to one in a folder that it reads.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    let LogicalPlan::Copy(copy) = plan else {
        return Ok(());
    };
    // What cannot be written to is told of later.
    let Ok(output) = ListingTableUrl::parse(&copy.output_url) else {
        return Ok(());
    };
    if output.is_collection() {
        // New files are added to what is there.
        return Ok(());
    }
    let output = Place::of(&output);
    let mut is_read = false;
    let visited = copy.input.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
            && let Some(table) = provider.downcast_ref::<ListingTable>()
        {
            is_read |= table
                .table_paths()
                .iter()
                .any(|url| output.lies_in(&Place::of(url)));
        }
        Ok(match is_read {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    visited.map_err(explain)?;
    match is_read {
        true => Err(ToolError::invalid(format!(
            "{} is also an input; name another file to write",
            copy.output_url
        ))),
        false => Ok(()),
    }
}

/// Where files are: on this machine, links followed, or elsewhere.
enum Place {
    Local(PathBuf),
    Remote(String),
    /// Nothing is there yet.
    Nowhere,
}

impl Place {
    fn of(url: &ListingTableUrl) -> Self {
        let url = url.get_url();
        match url.scheme() {
            "file" => {
                let path = url.to_file_path().ok();
                let path = path.and_then(|path| path.canonicalize().ok());
                path.map_or(Self::Nowhere, Self::Local)
            }
            _ => Self::Remote(url.to_string()),
        }
    }

    fn lies_in(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(this), Self::Local(other)) => this.starts_with(other),
            (Self::Remote(this), Self::Remote(other)) => {
                this == other || (other.ends_with('/') && this.starts_with(other.as_str()))
            }
            _ => false,
        }
    }
}
