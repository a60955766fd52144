//! `tolerant serve`: a folder's packed files as ordinary Parquet files over HTTP, and as tables over
//! Flight SQL.
//!
//! Everything is read-only, and nothing outside the folder can be reached. What is served over HTTP
//! is the virtual file's bytes, by ranges, decoded in bounded pieces off the asynchronous threads;
//! limits on requests and memory are shared by both servers.

mod auth;
mod body;
mod cache;
mod conditions;
mod connections;
mod files;
mod flight;
mod handlers;
mod html;
mod limits;
mod listing;
mod paths;
mod ranges;
mod server;
mod stall;

pub use auth::Token;
pub use limits::blocking_threads;
#[cfg(feature = "distributed")]
pub(crate) use server::listen;
pub use server::{ServeOptions, Server, stop_signal};
