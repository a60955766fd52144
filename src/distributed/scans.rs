//! How many tasks a scan is worth.

use datafusion::datasource::physical_plan::FileGroup;
use datafusion::error::Result;
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedConfig,
};

use super::codec::{config_of, scan_of};

/// The engine's rule, a task for as many bytes as its partitions are expected to read, where a
/// packed file counts as the bytes that it decodes to.
///
/// Scans of other files are left whole: the engine would cut them at any byte, also in the middle
/// of a CSV value that has a line break.
pub(super) fn desired_tasks(
    event: DesiredTaskCountEvent,
) -> Option<Result<DesiredTaskCountEventResponse>> {
    let plan = event.plan.as_ref();
    let Some((config, _)) = scan_of(plan) else {
        return config_of(plan).map(|_| Ok(DesiredTaskCountEventResponse::maximum(1)));
    };
    let per_partition = match DistributedConfig::from_session_config(event.session_config) {
        Ok(engine) => engine.file_scan_config_bytes_per_partition.max(1),
        Err(error) => return Some(Err(error)),
    };
    let per_task = per_partition.saturating_mul(event.session_config.target_partitions());
    let bytes = decoded_bytes(&config.file_groups);
    let tasks = bytes.div_ceil(per_task as u64).max(1);
    Some(Ok(DesiredTaskCountEventResponse::desired(
        tasks.try_into().unwrap_or(usize::MAX),
    )))
}

/// The bytes of the parts of files that are read, once decoded, as far as statistics tell.
fn decoded_bytes(groups: &[FileGroup]) -> u64 {
    let files = groups.iter().flat_map(FileGroup::iter);
    files
        .map(|file| {
            let size = file.object_meta.size;
            let decoded = file.statistics.as_ref().map_or(0, |statistics| {
                let columns = statistics.column_statistics.iter();
                columns
                    .filter_map(|column| column.byte_size.get_value())
                    .sum::<usize>() as u64
            });
            let part = file.effective_size() as f64 / size.max(1) as f64;
            (decoded.max(size) as f64 * part) as u64
        })
        .sum()
}
