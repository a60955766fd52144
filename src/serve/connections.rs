//! Connections: accepted up to a limit, cut off where the other end says or takes nothing, and ended
//! in peace when the server stops.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::handlers::{self, Site};
use super::stall::{self, Impatient};

/// Connections at a time; more wait until one ends.
const CONNECTIONS: usize = 4096;

/// A connection must send a request's head in this time, the first one and every other: longer than
/// clients commonly keep idle connections, so that they part first.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// After an error of accepting, mostly too many open files.
const BREATH: Duration = Duration::from_millis(100);

/// Serves until `stopped` says so, and then for at most `grace`.
pub async fn serve(
    listener: TcpListener,
    site: Arc<Site>,
    mut stopped: watch::Receiver<bool>,
    grace: Duration,
) {
    let router = handlers::router(site);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let accepted = tokio::select! {
            // Its sender gone means the same.
            _ = stopped.changed() => break,
            accepted = accept => accepted,
        };
        let Some((place, accepted)) = accepted else {
            break;
        };
        let stream: TcpStream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        // Small answers are not to wait for more; that it fails does no harm.
        let _ = stream.set_nodelay(true);
        let stream = TokioIo::new(Impatient::new(stream, stall::PATIENCE));
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(stream, service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("connection: {error}");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were cut off after {} s", grace.as_secs());
    }
}
