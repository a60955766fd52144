//! Protects those who read over the network, and those who serve: the right bytes by ranges, nothing
//! outside the folder, nobody without the token, and nobody held up by anybody else. And those who
//! read and write files in object stores by URL.
//!
//! The server is the binary itself, on a free port of the loopback address.

mod access;
mod clients;
mod docs;
mod flight;
mod http;
mod load;
mod patience;
#[path = "../strangers/python.rs"]
mod python;
mod remote;
mod support;
