//! Sessions whose queries run on workers.

use std::sync::Arc;

use datafusion::error::Result as PlanResult;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_distributed::{
    DistributedConfig, DistributedExt, SessionStateBuilderExt, WorkerResolver,
};
use url::Url;

use crate::datafusion::{builder, open};
use crate::tools::{Result, ToolError};

use super::channels::{Access, Channels};
use super::codec::TolerantCodec;
use super::scans::{desired_tasks, split};

/// The workers of a query or a dataset, and how they are asked.
#[derive(Debug, Clone)]
pub struct Cluster {
    workers: Arc<Vec<Url>>,
    access: Access,
}

impl Cluster {
    /// Workers by `HOST:PORT`, and what all of them ask for and show. They are not asked yet; one that
    /// is named twice counts once.
    ///
    /// # Errors
    /// When there is none, or an address is not `HOST:PORT`.
    pub fn new(workers: &[impl AsRef<str>], access: Access) -> Result<Self> {
        if workers.is_empty() {
            return Err(ToolError::invalid("name at least one worker"));
        }
        let scheme = access.scheme();
        let mut urls: Vec<Url> = Vec::with_capacity(workers.len());
        for worker in workers {
            let url = address(scheme, worker.as_ref())?;
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        Ok(Self {
            workers: Arc::new(urls),
            access,
        })
    }

    pub(super) fn workers(&self) -> &[Url] {
        &self.workers
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    /// As [`session_context_with_config`](crate::datafusion::session_context_with_config), for queries whose scans and joins run on the workers.
    ///
    /// All paths and URLs are opened by the workers too, and must name the same files there. What
    /// is too small to be split runs here.
    pub fn session_context(&self, config: SessionConfig) -> SessionContext {
        let builder = builder(without_budget(config))
            .with_distributed_planner()
            .with_distributed_worker_resolver(Workers(Arc::clone(&self.workers)))
            .with_distributed_channel_resolver(Channels::new(self.access.clone()))
            .with_distributed_user_codec(TolerantCodec)
            .with_distributed_desired_task_count_handler(desired_tasks)
            .with_distributed_scale_up_leaf_node_handler(split);
        open(builder)
    }
}

/// All partitions of a task's answer share a budget of memory at whoever reads them. A merge that waits for one
/// of them would wait for ever, once the others have used it up.
fn without_budget(mut config: SessionConfig) -> SessionConfig {
    let extensions = &mut config.options_mut().extensions;
    let mut engine = match extensions.get::<DistributedConfig>() {
        Some(engine) => engine.clone(),
        None => DistributedConfig::default(),
    };
    engine.worker_connection_buffer_budget_bytes = usize::MAX;
    extensions.insert(engine);
    config
}

/// What the engine may send tasks to. It keeps a query to itself where no stage has two tasks, so
/// that a worker alone gets two.
struct Workers(Arc<Vec<Url>>);

impl WorkerResolver for Workers {
    fn get_urls(&self) -> PlanResult<Vec<Url>> {
        match self.0.as_slice() {
            [only] => Ok(vec![only.clone(); 2]),
            workers => Ok(workers.to_vec()),
        }
    }
}

fn address(scheme: &str, text: &str) -> Result<Url> {
    let bad = || ToolError::invalid(format!("{text:?} is no worker's address; write HOST:PORT"));
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    port.parse::<u16>().map_err(|_| bad())?;
    let url = Url::parse(&format!("{scheme}://{host}:{port}/")).map_err(|_| bad())?;
    let plain = url.path() == "/" && url.username().is_empty() && url.query().is_none();
    if host.is_empty() || !plain || url.fragment().is_some() {
        return Err(bad());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "localhost:1",
            "127.0.0.1:80",
            "[::1]:7601",
            "a.example:65535",
        ] {
            let url = address("https", good).unwrap();
            assert_eq!(super::super::channels::name(&url), good);
            address("http", good).unwrap();
        }
        for bad in [
            "",
            "localhost",
            ":80",
            "a:b",
            "a:70000",
            "http://a:80",
            "a/b:80",
            "u@a:80",
            "a?:80",
        ] {
            assert!(address("http", bad).is_err(), "{bad}");
        }
        assert!(Cluster::new(&[] as &[&str], Access::default()).is_err());
    }

    #[test]
    fn a_worker_that_is_named_twice_counts_once() {
        let names = ["b:1", "a:1", "b:1", "B:1", "b:2"];
        let cluster = Cluster::new(&names, Access::default()).unwrap();
        let kept: Vec<String> = cluster
            .workers()
            .iter()
            .map(super::super::channels::name)
            .collect();
        assert_eq!(kept, ["b:1", "a:1", "b:2"]);
    }
}
