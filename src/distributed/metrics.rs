//! Metrics of tasks that were never asked for rows.
//!
//! Behind a LIMIT that others have met, or a join whose other side is empty, a task gets its plan and nothing
//! more. It then reports no metrics, for which the engine's `EXPLAIN ANALYZE` waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion_distributed::{MaybeEncoded, SetPlanRequest, TaskMetrics, WorkerToCoordinatorMsg};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, future};

/// The metrics of a task that did nothing: an empty set for each node of its plan.
///
/// The worker may put one more node on top; the engine reads as many sets as it knows nodes.
pub(super) fn of_nothing_done(request: &SetPlanRequest) -> Result<TaskMetrics> {
    let nodes = match &request.plan {
        MaybeEncoded::Decoded(plan) => nodes(plan)? + 1,
        MaybeEncoded::Encoded(_) => 0,
    };
    Ok(TaskMetrics {
        pre_order_plan_metrics: vec![MetricsSet::new(); nodes],
        task_metrics: MetricsSet::new(),
    })
}

fn nodes(plan: &Arc<dyn ExecutionPlan>) -> Result<usize> {
    let mut nodes = 0;
    plan.apply(|_| {
        nodes += 1;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(nodes)
}

/// What a worker says of a task, and `idle` at its end where it has sent no metrics itself.
pub(super) fn always(
    answers: BoxStream<'static, Result<WorkerToCoordinatorMsg>>,
    idle: TaskMetrics,
) -> BoxStream<'static, Result<WorkerToCoordinatorMsg>> {
    let reported = Arc::new(AtomicBool::new(false));
    let reports = Arc::clone(&reported);
    let answers = answers.inspect(move |answer| {
        if let Ok(WorkerToCoordinatorMsg::TaskMetrics(_)) | Err(_) = answer {
            reports.store(true, Relaxed);
        }
    });
    let rest = stream::once(async move {
        let missing = !reported.load(Relaxed);
        missing.then_some(Ok(WorkerToCoordinatorMsg::TaskMetrics(idle)))
    });
    answers.chain(rest.filter_map(future::ready)).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    use datafusion::error::DataFusionError;
    use datafusion_distributed::WorkerToCoordinatorMsg::{LoadInfoEos, TaskMetrics as Metrics};

    fn of_nodes(nodes: usize) -> TaskMetrics {
        TaskMetrics {
            pre_order_plan_metrics: vec![MetricsSet::new(); nodes],
            task_metrics: MetricsSet::new(),
        }
    }

    /// What comes of a worker's messages, metrics as their number of nodes.
    async fn heard(said: Vec<Result<WorkerToCoordinatorMsg>>) -> Vec<Option<usize>> {
        let answers = always(stream::iter(said).boxed(), of_nodes(7));
        let nodes = answers.filter_map(|answer| async move {
            match answer {
                Ok(Metrics(metrics)) => Some(Some(metrics.pre_order_plan_metrics.len())),
                Ok(_) => None,
                Err(_) => Some(None),
            }
        });
        nodes.collect().await
    }

    #[tokio::test]
    async fn every_task_has_metrics_once() {
        assert_eq!(heard(vec![]).await, [Some(7)]);
        assert_eq!(heard(vec![Ok(LoadInfoEos)]).await, [Some(7)]);
        let reported = vec![Ok(Metrics(of_nodes(3))), Ok(LoadInfoEos)];
        assert_eq!(heard(reported).await, [Some(3)]);
        let lost = vec![Err(DataFusionError::Execution("lost".into()))];
        assert_eq!(heard(lost).await, [None]);
    }
}
