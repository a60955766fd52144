//! A worker: runs the parts of plans that it is sent, and compresses files, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::exec_err;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::error::Result as PlanResult;
use datafusion::execution::SessionState;
use datafusion::prelude::SessionContext;
use datafusion_distributed::{
    ChannelResolver, DistributedExt, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse,
    WorkerQueryContext,
};
use futures::stream;
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Request, Status};

use crate::datafusion::session_context;
use crate::serve::{Token, listen};
use crate::tools::Result;

use super::channels::{Access, Channels};
use super::codec::TolerantCodec;
use super::compress;
use super::settings;
use super::tls::WorkerTls;

/// How long work under way may still take once the worker is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// A connection whose other end does not answer for so long is closed.
const PING: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(20);

/// Where a worker listens, and to whom.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Port 0 is any free one.
    pub bind: SocketAddr,
    /// What every request must show, and what this worker shows to others; needed wherever others
    /// than this machine can ask.
    pub token: Option<Token>,
    /// Without it, whoever listens in can read all.
    pub tls: Option<WorkerTls>,
}

/// A worker that listens.
pub struct Worker {
    listener: TcpListener,
    server: Server,
    access: Access,
}

impl Worker {
    /// Starts to listen; nothing is answered before [`run`](Self::run).
    ///
    /// # Errors
    /// When the address is not free, or others than this machine could ask without a token.
    pub async fn bind(options: &WorkerOptions) -> Result<Self> {
        let WorkerOptions { bind, token, tls } = options;
        let server = match tls {
            None => Server::builder(),
            Some(tls) => tls.identity.server()?,
        };
        Ok(Self {
            listener: listen(*bind, token.as_ref()).await?,
            server,
            access: Access {
                token: token.clone(),
                authority: tls.as_ref().map(|tls| tls.authority.clone()),
            },
        })
    }

    /// Where the worker listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Works until `stop` is done. Queries and files under way then have ten seconds to finish.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            server,
            access,
        } = self;
        let token = access.token.clone();
        let queries = service(access).into_worker_server();
        let admit = move |request| admit(&token, request);
        let queries = InterceptedService::new(queries, admit.clone());
        let compression = InterceptedService::new(compress::service(), admit);
        let incoming = stream::unfold(listener, |listener| async {
            let connection = listener.accept().await.map(|(stream, _)| {
                // Small answers are not to wait for more; that it fails does no harm.
                let _ = stream.set_nodelay(true);
                stream
            });
            if connection.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Some((connection, listener))
        });
        let (stopping, mut stopped) = tokio::sync::watch::channel(false);
        let server = server
            .http2_keepalive_interval(Some(PING))
            .http2_keepalive_timeout(Some(ANSWER))
            .http2_adaptive_window(Some(true))
            .add_service(queries)
            .add_service(compression)
            .serve_with_incoming_shutdown(incoming, async move {
                // Its sender gone means the same.
                let _ = stopped.changed().await;
            });
        let cut_off = async move {
            stop.await;
            // Nobody listens where the server has ended already.
            let _ = stopping.send(true);
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            ended = server => if let Err(error) = ended {
                tracing::error!("worker: {error}");
            },
            () = cut_off => tracing::warn!("work was cut off after {} s", GRACE.as_secs()),
        }
    }
}

fn admit(token: &Option<Token>, request: Request<()>) -> std::result::Result<Request<()>, Status> {
    let shown = request.metadata().get("authorization");
    match (token, shown) {
        (None, _) => Ok(request),
        (Some(token), Some(shown)) if token.is_shown(shown.as_bytes()) => Ok(request),
        (Some(_), None) => Err(Status::unauthenticated(
            "asks for a token; give its --token-file",
        )),
        (Some(_), Some(_)) => Err(Status::unauthenticated("refuses this token")),
    }
}

/// The engine's worker, with sessions of ours.
fn service(access: Access) -> datafusion_distributed::Worker {
    let channels: Arc<dyn ChannelResolver + Send + Sync> = Arc::new(Channels::new(access));
    let runtime = session_context().runtime_env();
    datafusion_distributed::Worker::from_session_builder(move |query: WorkerQueryContext| {
        let state = session(query, Arc::clone(&channels));
        async { state }
    })
    .with_runtime_env(runtime)
    .with_version(settings::VERSION.as_str())
}

/// A session like that of the query, for a part of its plan.
fn session(
    mut query: WorkerQueryContext,
    channels: Arc<dyn ChannelResolver + Send + Sync>,
) -> PlanResult<SessionState> {
    let config = query.builder.config().get_or_insert_default();
    settings::take(&query.headers, config.options_mut())?;
    config.set_distributed_channel_resolver(channels);
    config.set_distributed_user_codec(TolerantCodec);
    config.set_distributed_worker_plan_rewrite_handler(refuse_writing);
    let ctx = SessionContext::new_with_state(query.builder.build());
    tolerant_udfs::register_all(&ctx);
    Ok(ctx.state())
}

/// Workers read. What writes runs where the query was asked.
fn refuse_writing(event: WorkerPlanRewriteEvent) -> PlanResult<WorkerPlanRewriteEventResponse> {
    if event.plan.exists(|plan| Ok(plan.is::<DataSinkExec>()))? {
        return exec_err!("workers write nothing; send the plan below the sink");
    }
    Ok(WorkerPlanRewriteEventResponse::new(event.plan))
}
