//! Protects those who read over the network, and those who serve: the right bytes by ranges, nothing
//! outside the folder, nobody without the token, and nobody held up by anybody else.
//!
//! The server is the binary itself, on a free port of the loopback address.

mod access;
mod clients;
mod http;
mod load;
mod patience;
mod support;
