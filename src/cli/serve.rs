//! `tolerant serve`.

use std::net::{Ipv4Addr, SocketAddr};

use crate::serve::{ServeOptions, Server, Token, blocking_threads, stop_signal};
use crate::tools::{Result, ToolError};

use super::{SUCCESS, args, output};

/// Where nothing else is asked for.
const DEFAULT_PORT: u16 = 8080;

/// Serves until the process is told to stop.
pub fn run(args: args::Serve) -> Result<u8> {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    let options = ServeOptions {
        folder: args.folder,
        // Asked for Flight SQL alone, it is that alone.
        http: args.bind.or(args.flight.is_none().then_some(default)),
        flight: args.flight,
        token: args.token_file.as_deref().map(Token::read).transpose()?,
        max_requests: args.max_requests,
        memory: args.memory.saturating_mul(1 << 20),
    };
    let io = |source| ToolError::Io {
        what: "cannot start the server".to_owned(),
        source,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(blocking_threads())
        .enable_all()
        .build()
        .map_err(io)?;
    runtime.block_on(async {
        let stop = stop_signal().map_err(io)?;
        let server = Server::bind(&options).await?;
        if let Some(address) = server.http_address() {
            output::print(&format!("HTTP: http://{address}/\n"))?;
        }
        if let Some(address) = server.flight_address() {
            output::print(&format!("Flight SQL: grpc://{address}\n"))?;
        }
        server.run(stop).await;
        Ok(SUCCESS)
    })
}
