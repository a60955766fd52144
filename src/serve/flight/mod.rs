//! Flight SQL: the folder's files and folders as tables, for ADBC, JDBC and every other client.
//!
//! A session of DataFusion of its own kind: it knows the folder's tables and no other file, no
//! statement that changes anything, and a limit of memory. Statements are prepared without a trace
//! here: a handle is the statement itself, with its parameters.

mod catalog;
mod handle;
mod metadata;
mod results;
mod service;
mod session;
mod store;

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use futures::stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Status};

use super::auth::Token;
use super::files::Folder;
use super::limits::Limits;
use super::stall::{self, Impatient};
use crate::tools::{Result, ToolError};
use service::Service;

/// A connection whose other end does not answer for so long is closed.
const PING: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(20);

/// Queries at a time of one connection.
const QUERIES: usize = 64;

/// What a Flight SQL server needs.
pub struct FlightSite {
    service: Service,
    token: Option<Token>,
}

impl FlightSite {
    /// # Errors
    /// When no session can be made.
    pub fn new(
        folder: Arc<Folder>,
        limits: Limits,
        memory: u64,
        token: Option<Token>,
    ) -> Result<Self> {
        let session = session::open(folder, memory)
            .map_err(|error| ToolError::invalid(format!("cannot start SQL: {error}")))?;
        Ok(Self {
            service: Service::new(session, limits, token.clone()),
            token,
        })
    }
}

/// Serves until `stopped` says so, and then for at most `grace`.
pub async fn serve(
    listener: TcpListener,
    site: FlightSite,
    mut stopped: watch::Receiver<bool>,
    grace: Duration,
) {
    let FlightSite { service, token } = site;
    let admit = move |request: Request<()>| match &token {
        Some(token) if !is_shown(token, &request) => Err(Status::unauthenticated(
            "this server asks for a bearer token",
        )),
        _ => Ok(request),
    };
    let incoming = stream::unfold(listener, |listener| async {
        let connection = listener.accept().await.map(|(stream, _)| {
            // Small answers are not to wait for more; that it fails does no harm.
            let _ = stream.set_nodelay(true);
            Impatient::new(stream, stall::PATIENCE)
        });
        if connection.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Some((connection, listener))
    });
    let mut stopping = stopped.clone();
    let server = Server::builder()
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(ANSWER))
        .concurrency_limit_per_connection(QUERIES)
        .add_service(InterceptedService::new(
            FlightServiceServer::new(service),
            admit,
        ))
        .serve_with_incoming_shutdown(incoming, async move {
            // Its sender gone means the same.
            let _ = stopping.changed().await;
        });
    let cut_off = async {
        let _ = stopped.changed().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        ended = server => if let Err(error) = ended {
            tracing::error!("Flight SQL: {error}");
        },
        () = cut_off => tracing::warn!("queries were cut off after {} s", grace.as_secs()),
    }
}

fn is_shown(token: &Token, request: &Request<()>) -> bool {
    let shown = request.metadata().get("authorization");
    shown.is_some_and(|shown| token.is_shown(shown.as_bytes()))
}

impl Connected for Impatient<TcpStream> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
