//! Compressing the files of a dataset on workers: which task is whose (`client`), how it is done
//! (`service`), and what goes over the wire (`wire`, `reports`).
//!
//! A task is an exchange of Arrow Flight. The coordinator sends the task; the worker answers with
//! rows read, and with what it found or wrote. What it wrote appears under its name when the
//! coordinator says so: a worker that was given up, and whose file another has written since, is never told
//! to.

mod client;
mod reports;
mod service;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_client;
mod wire;

pub(super) use service::service;

/// Bytes of a message: a table of 60,000 columns has tens of megabytes of bounds and ranges.
const MESSAGE: usize = 128 << 20;
