//! The Python module `tolerant`, its compiled half: virtual files, Arrow streams, training blocks,
//! compressing, verifying, inspecting and tuning.
//!
//! What Python programs see is in the package `tolerant` beside it, which is documented there.

mod blocks;
mod compress;
mod data;
mod dataset;
mod errors;
mod file;
mod ndarray;
mod scan;
mod table;
mod threads;
mod tune;
mod work;

use pyo3::prelude::*;

/// Buffers of some megabytes are made and dropped all the time; the system's allocator would hand
/// each back to the kernel. It is version 2: version 3 locks where threads begin and end, and a process
/// that is forked at that moment can begin none.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::blocks::Blocks;
    #[pymodule_export]
    use super::compress::{compress, inspect, remove_unfinished, verify};
    #[pymodule_export]
    use super::dataset::{column_names, scan, table_provider};
    #[pymodule_export]
    use super::errors::CorruptFileError;
    #[pymodule_export]
    use super::file::VirtualFile;
    #[pymodule_export]
    use super::scan::Scan;
    #[pymodule_export]
    use super::tune::tune;

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
