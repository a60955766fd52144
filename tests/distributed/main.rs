//! `tolerant worker` and `--workers`: three processes on this machine, their answers beside those of
//! one, and what happens when a worker is lost.

mod access;
mod answers;
mod compress;
mod compress_loss;
mod loss;
mod partitions;
mod support;
mod tls;
