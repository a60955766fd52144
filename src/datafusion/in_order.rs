//! Rows in the order of the files that they come from, for `COPY` and `INSERT`: DataFusion splits a scan into
//! partitions and merges them as they come, which would leave an ordered series in pieces, and row groups whose
//! statistics prune nothing.

use std::fmt::{self, Formatter};
use std::sync::Arc;

use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties,
};
use futures::StreamExt;

/// Batches that are read before they are asked for.
const READ_AHEAD: usize = 4;

/// The partitions of its input, one after another.
#[derive(Debug)]
pub(super) struct InOrderExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl InOrderExec {
    /// `input` with its rows in order, where that is known: of a scan, some of its columns and rows, and what is
    /// computed of them. Other plans have no order, or one that they keep themselves.
    pub(super) fn of(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let has_order = is_scan(&input) && !input.boundedness().is_unbounded();
        match has_order && input.output_ordering().is_none() {
            true => Arc::new(Self::new(input)),
            false => input,
        }
    }

    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let mut equivalences = input.equivalence_properties().clone();
        equivalences.clear_per_partition_constants();
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(1),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self {
            input,
            properties: Arc::new(properties),
        }
    }
}

/// Whether each partition of a plan has its rows in the order of a scan, but for what the optimizer puts
/// between to deal them out.
fn is_scan(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if plan.is::<DataSourceExec>() {
        return true;
    }
    let passes = plan.is::<FilterExec>() || plan.is::<ProjectionExec>();
    passes && plan.children().into_iter().all(is_scan)
}

/// `plan` without what deals out rows to other partitions.
fn undealt(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let undealt = plan.transform_up(|plan| {
        Ok(match plan.downcast_ref::<RepartitionExec>() {
            Some(dealt) => Transformed::yes(Arc::clone(dealt.input())),
            None => Transformed::no(plan),
        })
    })?;
    Ok(undealt.data)
}

impl DisplayAs for InOrderExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "InOrderExec")
    }
}

impl ExecutionPlan for InOrderExec {
    fn name(&self) -> &'static str {
        "InOrderExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(Self::new(undealt(input)?))),
            Err(others) => internal_err!("InOrderExec has one input, not {}", others.len()),
        }
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut builder = RecordBatchReceiverStream::builder(self.schema(), READ_AHEAD);
        let (input, sender) = (Arc::clone(&self.input), builder.tx());
        builder.spawn(async move {
            for partition in 0..input.output_partitioning().partition_count() {
                let mut batches = input.execute(partition, Arc::clone(&context))?;
                while let Some(batch) = batches.next().await {
                    if sender.send(batch).await.is_err() {
                        // Nobody wants more.
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        Ok(builder.build())
    }
}
