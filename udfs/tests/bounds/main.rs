//! Protects the functions that know the error: what they say of the original is true of it.

mod common;
mod guarantee;
mod literals;
mod origin;
mod planning;
