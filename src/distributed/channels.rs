//! Connections to workers: with token and TLS, with an end to all waiting, and with the worker's name
//! in each of its errors.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, ExecuteTaskRequest, GetWorkerInfoRequest,
    GetWorkerInfoResponse, SetPlanRequest, WorkerChannel, WorkerToCoordinatorMsg,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use url::{Position, Url};

use crate::serve::Token;

use super::metrics;
use super::settings;
use super::tls::Authority;

/// A worker that has not accepted a connection by then is not there.
const CONNECT: Duration = Duration::from_secs(10);

/// A machine that is gone does not say so: a worker is asked whether it lives, and counts as dead
/// if it does not answer.
const PING: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(20);

/// Bytes that a worker may send unread, on one stream and on all of a connection: the most that HTTP/2 has.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How workers are asked.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// What each of them is shown, where they ask for it.
    pub token: Option<Token>,
    /// Who says which worker is which, where they speak TLS.
    pub authority: Option<Authority>,
}

impl Access {
    /// That of all their URLs.
    pub(super) fn scheme(&self) -> &'static str {
        match self.authority {
            Some(_) => "https",
            None => "http",
        }
    }

    /// Shows who asks.
    pub(super) fn sign(&self, headers: &mut HeaderMap) -> Result<()> {
        if let Some(token) = &self.token {
            let mut value = HeaderValue::from_bytes(&token.bearer())
                .map_err(|error| DataFusionError::External(error.into()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(())
    }

    /// What the transport says, in words.
    pub(super) fn of_status(&self, status: &Status) -> String {
        let message = status.message();
        match status.code() {
            Code::Unauthenticated => message.to_owned(),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal => {
                let cause = innermost(status).to_string();
                let cause = if cause.contains(message) {
                    message.to_owned()
                } else {
                    format!("{message}: {cause}")
                };
                // One that speaks TLS hangs up without a word.
                let or = match self.authority {
                    Some(_) => "",
                    None => ", or speak TLS (--tls-ca)",
                };
                format!("the connection was lost ({cause}); the worker may have been stopped{or}")
            }
            code => format!("{code}: {message}"),
        }
    }

    /// The error, with the worker's name unless one that it asked is at fault.
    fn named(&self, worker: &str, error: DataFusionError) -> DataFusionError {
        let text = match error.find_root() {
            DataFusionError::Execution(text)
            | DataFusionError::NotImplemented(text)
            | DataFusionError::Configuration(text)
            | DataFusionError::ResourcesExhausted(text) => text.clone(),
            DataFusionError::External(error) => match error.downcast_ref::<Status>() {
                Some(status) => self.of_status(status),
                None => error.to_string(),
            },
            other => other.strip_backtrace(),
        };
        if text.starts_with("worker ") {
            return DataFusionError::Execution(text);
        }
        DataFusionError::Execution(format!("worker {worker}: {text}"))
    }
}

/// One connection to each worker, made when it is first needed.
pub(super) struct Channels {
    access: Access,
    open: Mutex<HashMap<Url, Channel>>,
}

impl Channels {
    pub(super) fn new(access: Access) -> Self {
        Self {
            access,
            open: Mutex::default(),
        }
    }

    /// The connection to a worker, or why there is none.
    pub(super) async fn channel(&self, url: &Url) -> std::result::Result<Channel, String> {
        // What it holds is whole at any time.
        let known = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(url)
            .cloned();
        if let Some(channel) = known {
            return Ok(channel);
        }
        // Whoever asks a worker to ask others names them as it knows them.
        if url.scheme() != self.access.scheme() {
            return Err(format!(
                "worker {}: asked for by {} where this machine speaks {}; give all machines --tls-ca, or none",
                name(url),
                url.scheme(),
                self.access.scheme()
            ));
        }
        let connect = async {
            let mut endpoint = Endpoint::from_shared(url.to_string())?;
            if let Some(authority) = &self.access.authority {
                endpoint = endpoint.tls_config(authority.client(url))?;
            }
            endpoint
                .connect_timeout(CONNECT)
                .tcp_nodelay(true)
                // A stream that nobody reads must not keep others of the connection from being read.
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .http2_keep_alive_interval(PING)
                .keep_alive_timeout(ANSWER)
                .keep_alive_while_idle(true)
                .connect()
                .await
        };
        let channel = connect.await.map_err(|error| {
            let worker = name(url);
            let cause = innermost(&error);
            format!(
                "worker {worker}: cannot be reached ({cause}); {}",
                self.advice(cause)
            )
        })?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(open.entry(url.clone()).or_insert(channel).clone())
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    /// What to do where there is no connection.
    fn advice(&self, cause: &(dyn Error + 'static)) -> &'static str {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        match (&self.access.authority, io) {
            // What rustls says of the other end.
            (Some(_), Some(io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)) => {
                "does it run with --tls-cert, and a certificate for this name that --tls-ca knows?"
            }
            _ => "is `tolerant worker` running there?",
        }
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let channel = self
            .channel(url)
            .await
            .map_err(DataFusionError::Execution)?;
        let channel = BoxCloneSyncChannel::new(channel);
        Ok(Box::new(NamedWorker {
            name: name(url),
            access: self.access.clone(),
            worker: create_worker_client(channel),
        }))
    }
}

/// The worker as `--workers` names it.
pub(super) fn name(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    match url.port() {
        Some(_) => url[Position::BeforeHost..Position::AfterPort].to_owned(),
        None => format!("{}:{port}", url.host_str().unwrap_or_default()),
    }
}

pub(super) fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost
}

/// A worker that is told who asks, and whose errors say whose they are.
struct NamedWorker {
    name: String,
    access: Access,
    worker: Box<dyn WorkerChannel>,
}

impl NamedWorker {
    /// Names the worker in an error.
    fn named(&self) -> impl Fn(DataFusionError) -> DataFusionError + Send + use<> {
        let (name, access) = (self.name.clone(), self.access.clone());
        move |error| access.named(&name, error)
    }
}

#[async_trait]
impl WorkerChannel for NamedWorker {
    async fn coordinator_channel(
        &mut self,
        mut headers: HeaderMap,
        request: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        transport: ExecutionPlanMetricsSet,
        ctx: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        self.access.sign(&mut headers)?;
        settings::put(ctx.session_config().options(), &mut headers)?;
        let idle = metrics::of_nothing_done(&request)?;
        let answers = self
            .worker
            .coordinator_channel(headers, request, messages, transport, ctx)
            .await;
        let answers = answers.map_err(self.named())?;
        let answers = answers.map_err(self.named()).boxed();
        Ok(metrics::always(answers, idle))
    }

    async fn execute_task(
        &mut self,
        mut headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        ctx: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        self.access.sign(&mut headers)?;
        let partitions = self
            .worker
            .execute_task(headers, request, metrics, ctx)
            .await
            .map_err(self.named())?;
        let partitions = partitions.into_iter();
        Ok(partitions
            .map(|rows| rows.map_err(self.named()).boxed())
            .collect())
    }

    async fn get_worker_info(
        &mut self,
        request: GetWorkerInfoRequest,
    ) -> Result<GetWorkerInfoResponse> {
        let info = self.worker.get_worker_info(request).await;
        info.map_err(self.named())
    }
}
