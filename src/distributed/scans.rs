//! How many tasks a scan is worth, and what each of them reads.

use std::sync::Arc;

use datafusion::common::not_impl_err;
use datafusion::datasource::physical_plan::{FileGroup, FileGroupPartitioner};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    Distribution, ExecutionPlan, ExecutionPlanProperties, Partitioning,
};
use datafusion_distributed::{
    BroadcastExec, DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedConfig,
    DistributedLeafExec, ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
};

use super::codec::{config_of, scan_of};

/// The engine's rule, a task for as many bytes as its partitions are expected to read, where a
/// packed file counts as the bytes that it decodes to.
///
/// Scans of other files are left whole: the engine would cut them at any byte, also in the middle
/// of a CSV value that has a line break. So is what counts on partitions that tasks would tear.
pub(super) fn desired_tasks(
    event: DesiredTaskCountEvent,
) -> Option<Result<DesiredTaskCountEventResponse>> {
    let plan = event.plan.as_ref();
    if let Err(error) = can_be_sent(plan) {
        return Some(Err(error));
    }
    let one = Some(Ok(DesiredTaskCountEventResponse::maximum(1)));
    if counts_on_partitions(plan) {
        return one;
    }
    let Some((config, _)) = scan_of(plan) else {
        return config_of(plan).and(one);
    };
    if config.output_partitioning.is_some() {
        return one;
    }
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

/// What DataFusion would encode as something else.
fn can_be_sent(plan: &dyn ExecutionPlan) -> Result<()> {
    let skip = plan
        .downcast_ref::<GlobalLimitExec>()
        .map(GlobalLimitExec::skip);
    let most = plan.fetch().max(skip).unwrap_or(0);
    if u32::try_from(most).is_err() {
        return not_impl_err!(
            "LIMIT and OFFSET above {} over workers; leave it out",
            u32::MAX
        );
    }
    match config_of(plan) {
        Some(config) if config.file_compression_type.is_compressed() => {
            let file = config.file_groups.iter().flat_map(FileGroup::iter).next();
            not_impl_err!(
                "{}: compressed files are not read by workers; decompress it, or ask without workers",
                file.map_or_else(String::new, |file| file.path().to_string())
            )
        }
        _ => Ok(()),
    }
}

/// Whether a plan counts on all rows, or all of a key, being in one partition, and has them so from a scan,
/// with no exchange between. The engine does not look at that: each task would take its part of the scan for
/// the whole.
fn counts_on_partitions(plan: &dyn ExecutionPlan) -> bool {
    if plan.fetch().is_some() && plan.output_partitioning().partition_count() == 1 {
        return true;
    }
    let required = plan.input_distribution_requirements().into_per_child();
    let mut children = required.into_iter().zip(plan.children());
    children.any(|(required, child)| {
        !matches!(required, Distribution::UnspecifiedDistribution) && reaches_scan(child.as_ref())
    })
}

/// Whether there is a way down to a leaf that no exchange between tasks is on.
fn reaches_scan(plan: &dyn ExecutionPlan) -> bool {
    let is_exchange = plan.is::<CoalescePartitionsExec>()
        || plan.is::<SortPreservingMergeExec>()
        || plan.is::<BroadcastExec>()
        || plan
            .downcast_ref::<RepartitionExec>()
            .is_some_and(|dealt| matches!(dealt.partitioning(), Partitioning::Hash(..)));
    let children = plan.children();
    !is_exchange
        && (children.is_empty()
            || children
                .into_iter()
                .any(|child| reaches_scan(child.as_ref())))
}

/// Splits a scan as the engine does, but for files too small to be cut into as many parts as there
/// are partitions: the engine would make tasks of unequal partitions, which it refuses.
pub(super) fn split(event: ScaleUpLeafNodeEvent) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let (config, _) = scan_of(event.plan.as_ref())?;
    let partitions = event.plan.output_partitioning().partition_count();
    let groups = FileGroupPartitioner::new()
        .with_target_partitions(partitions * event.task_count)
        .with_repartition_file_min_size(0)
        .with_preserve_order_within_groups(!config.output_ordering.is_empty())
        .repartition_file_groups(&config.file_groups)
        .unwrap_or_else(|| config.file_groups.clone());
    let mut parts = vec![Vec::with_capacity(partitions); event.task_count];
    for (i, group) in groups.into_iter().enumerate() {
        parts[i % event.task_count].push(group);
    }
    let scans = parts.into_iter().map(|mut groups| {
        let fewest = groups.len().max(partitions);
        groups.resize(fewest, FileGroup::new(Vec::new()));
        let mut scan = config.clone();
        scan.file_groups = groups;
        DataSourceExec::from_data_source(scan) as _
    });
    let leaf = DistributedLeafExec::try_new(Arc::clone(event.plan), scans);
    Some(leaf.map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf))))
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
