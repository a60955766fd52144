//! `tolerant worker`, and `--workers` of `query` and `sql`.

use crate::distributed::{Cluster, Worker, WorkerOptions};
use crate::serve::{Token, stop_signal};
use crate::tools::query::Sessions;
use crate::tools::{Result, ToolError};

use super::{SUCCESS, args, output};

/// Works until the process is told to stop.
pub fn run(args: args::Worker) -> Result<u8> {
    let options = WorkerOptions {
        bind: args.bind,
        token: args.token_file.as_deref().map(Token::read).transpose()?,
    };
    let io = |source| ToolError::Io {
        what: "cannot start the worker".to_owned(),
        source,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(io)?;
    runtime.block_on(async {
        let stop = stop_signal().map_err(io)?;
        let worker = Worker::bind(&options).await?;
        if let Some(address) = worker.address() {
            output::print(&format!("Worker: {address}\n"))?;
        }
        worker.run(stop).await;
        Ok(SUCCESS)
    })
}

/// Sessions of this process, or of the workers that were named.
pub fn sessions(cluster: &args::Cluster) -> Result<Sessions> {
    if cluster.workers.is_empty() {
        return Ok(Sessions::default());
    }
    let token = cluster.token_file.as_deref().map(Token::read).transpose()?;
    let cluster = Cluster::new(&cluster.workers, token)?;
    Ok(Sessions::new(move |config| cluster.session_context(config)))
}
