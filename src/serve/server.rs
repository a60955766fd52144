//! From options to servers that listen, until they are told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::tools::{Result, ToolError};

use super::auth::Token;
use super::connections;
use super::files::Folder;
use super::flight::{self, FlightSite};
use super::handlers::Site;
use super::limits::Limits;

/// What to serve, where and to whom.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The folder; nothing outside it is served.
    pub folder: PathBuf,
    /// Where the HTTP server listens, if there is to be one. Port 0 is any free one.
    pub http: Option<SocketAddr>,
    /// Where the Flight SQL server listens, if there is to be one.
    pub flight: Option<SocketAddr>,
    /// What every request must show; needed wherever others than this machine can ask.
    pub token: Option<Token>,
    /// Requests that are answered at a time.
    pub max_requests: usize,
    /// Bytes of memory that data may take between disk and network.
    pub memory: u64,
}

/// How long requests under way may still take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Servers that listen.
pub struct Server {
    http: Option<(TcpListener, Arc<Site>)>,
    flight: Option<(TcpListener, FlightSite)>,
}

impl Server {
    /// Opens the folder and starts to listen; nothing is answered before [`run`](Self::run).
    ///
    /// # Errors
    /// When the folder cannot be read, an address is not free, or others than this machine could
    /// ask without a token.
    pub async fn bind(options: &ServeOptions) -> Result<Self> {
        let limits = Limits::new(options.max_requests, options.memory);
        let folder = Arc::new(Folder::open(&options.folder)?);
        let token = options.token.as_ref();
        let http = match options.http {
            None => None,
            Some(address) => {
                let listener = listen(address, token).await?;
                let site = Site {
                    folder: Arc::clone(&folder),
                    limits: limits.clone(),
                    token: token.cloned(),
                };
                Some((listener, Arc::new(site)))
            }
        };
        let flight = match options.flight {
            None => None,
            Some(address) => {
                let listener = listen(address, token).await?;
                let site = FlightSite::new(folder, limits, options.memory, token.cloned())?;
                Some((listener, site))
            }
        };
        Ok(Self { http, flight })
    }

    /// Where the Flight SQL server listens.
    pub fn flight_address(&self) -> Option<SocketAddr> {
        let (listener, _) = self.flight.as_ref()?;
        listener.local_addr().ok()
    }

    /// Where the HTTP server listens.
    pub fn http_address(&self) -> Option<SocketAddr> {
        let (listener, _) = self.http.as_ref()?;
        listener.local_addr().ok()
    }

    /// Answers until `stop` is done. Requests under way then have ten seconds to finish. Needs a
    /// multi-threaded runtime.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let mut servers = tokio::task::JoinSet::new();
        if let Some((listener, site)) = self.http {
            servers.spawn(connections::serve(listener, site, stopped.clone(), GRACE));
        }
        if let Some((listener, site)) = self.flight {
            servers.spawn(flight::serve(listener, site, stopped.clone(), GRACE));
        }
        drop(stopped);
        stop.await;
        // Nobody listens where every server has ended already.
        let _ = stopping.send(true);
        while servers.join_next().await.is_some() {}
    }
}

/// Listens, unless others than this machine could ask without a token.
pub(crate) async fn listen(address: SocketAddr, token: Option<&Token>) -> Result<TcpListener> {
    if !address.ip().is_loopback() && token.is_none() {
        return Err(ToolError::invalid(format!(
            "{address} can be reached from other machines; give a --token-file, or bind to 127.0.0.1"
        )));
    }
    TcpListener::bind(address)
        .await
        .map_err(|source| ToolError::Io {
            what: format!("cannot listen on {address}"),
            source,
        })
}

/// Done at the first SIGINT (Ctrl-C) or SIGTERM.
///
/// # Errors
/// When the signals cannot be waited for.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Without a handler there is no signal to wait for, and the process ends as ever.
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
