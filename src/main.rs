//! The `tolerant` binary: see [`tolerant::cli`].

/// The system's allocator gives the memory of each block back, and the kernel clears it again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tolerant::cli::run(std::env::args_os())
}
