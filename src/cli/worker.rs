//! `tolerant worker`, and `--workers` of `query`, `sql` and `compress`.

use std::time::Duration;

use crate::distributed::{Access, Authority, Cluster, Identity, Worker, WorkerOptions, WorkerTls};
use crate::serve::{Token, stop_signal};
use crate::tools::query::Sessions;
use crate::tools::{Result, ToolError};

use super::{SUCCESS, args, output};

/// How long files may still be read and written once a worker has ended.
const STILL: Duration = Duration::from_secs(5);

/// Works until the process is told to stop.
pub fn run(args: args::Worker) -> Result<u8> {
    let options = WorkerOptions {
        bind: args.bind,
        token: args.token_file.as_deref().map(Token::read).transpose()?,
        tls: tls(&args)?,
    };
    let io = |source| ToolError::Io {
        what: "cannot start the worker".to_owned(),
        source,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(io)?;
    let ended = runtime.block_on(async {
        let stop = stop_signal().map_err(io)?;
        let worker = Worker::bind(&options).await?;
        if let Some(address) = worker.address() {
            output::print(&format!("Worker: {address}\n"))?;
        }
        worker.run(stop).await;
        Ok(SUCCESS)
    });
    // A file that is being read or written may hang; what has not appeared by now shall not.
    runtime.shutdown_timeout(STILL);
    ended
}

/// The three files, which the command line gives together or not at all.
fn tls(args: &args::Worker) -> Result<Option<WorkerTls>> {
    let (Some(certificate), Some(key), Some(authority)) =
        (&args.tls_cert, &args.tls_key, &args.tls_ca)
    else {
        return Ok(None);
    };
    Ok(Some(WorkerTls {
        identity: Identity::read(certificate, key)?,
        authority: Authority::read(authority)?,
    }))
}

/// Sessions of this process, or of the workers that were named.
pub fn sessions(words: &args::Cluster) -> Result<Sessions> {
    Ok(match cluster(words)? {
        None => Sessions::default(),
        Some(cluster) => Sessions::new(move |config| cluster.session_context(config)),
    })
}

/// The workers that were named, if any were.
pub fn cluster(words: &args::Cluster) -> Result<Option<Cluster>> {
    if words.workers.is_empty() {
        return Ok(None);
    }
    let access = Access {
        token: words.token_file.as_deref().map(Token::read).transpose()?,
        authority: words.tls_ca.as_deref().map(Authority::read).transpose()?,
    };
    Cluster::new(&words.workers, access).map(Some)
}
