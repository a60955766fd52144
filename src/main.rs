//! The `tolerant` binary: see [`tolerant::cli`].

fn main() -> std::process::ExitCode {
    tolerant::cli::run(std::env::args_os())
}
