//! The command line as scripts use it: the real binary, run on files made here.
#![cfg(feature = "cli")]

mod bounds;
mod compress;
mod csv;
mod decompress;
mod folders;
mod hostile;
mod inputs;
mod inspect;
mod kinds;
mod portable;
mod query;
mod row_order;
mod safety;
mod sql;
mod support;
mod tables;
mod terminal;
#[cfg(feature = "tune")]
mod tune;
mod vectors;
mod verify;
