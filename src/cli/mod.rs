//! The `tolerant` binary: arguments in, results on standard output, one line of error on standard
//! error, and an exit code that scripts can rely on.

mod args;
mod compress;
mod each_report;
mod guard;
mod output;
mod reports;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "tune")]
mod tune;
#[cfg(feature = "tune")]
mod tune_args;
mod words;
#[cfg(feature = "distributed")]
mod worker;

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;

use crate::tools::decompress::decompress;
use crate::tools::input::Input;
use crate::tools::inspect::inspect;
use crate::tools::query;
use crate::tools::verify::{verify, verify_folder};
use crate::tools::{Result, ToolError, names, outputs, paths};

use args::{Cli, Command};

pub use reports::{CompressJson, compress_json};

const SUCCESS: u8 = 0;
/// `verify` found violations.
const VIOLATIONS: u8 = 1;
const ERROR: u8 = 2;

/// Runs the command line `args`, the program's name first.
///
/// Exit codes: 0 success, 1 `verify` found violations, 2 any error. An error is one line on
/// standard error (clap's usage errors also show the usage), and nothing is left half-written.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        // Help and version come as errors too. A closed output is no reason to fail.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { ERROR } else { SUCCESS });
        }
    };
    let outcome = guard::catch(|| {
        start_log(cli.command.is_server())?;
        dispatch(cli.command)
    });
    ExitCode::from(outcome.unwrap_or_else(|error| {
        eprint_line(&format!("error: {}", output::one_line(&error.to_string())));
        ERROR
    }))
}

fn dispatch(command: Command) -> Result<u8> {
    // Others wait for signals themselves.
    if let Command::Compress(_) | Command::Decompress(_) | Command::Query(_) | Command::Sql(_) =
        command
    {
        guard::leave_nothing_behind();
    }
    match command {
        Command::Compress(args) => compress::run(args),
        Command::Verify(args) => {
            say_what_is_left_out(std::slice::from_ref(&args.original));
            let report = match outputs::is_folder(&args.packed) {
                true => verify_folder(&args.original, &args.packed)?,
                false => {
                    let original = Input::open(&[&args.original])?;
                    verify(original.schema(), original.batches(), &args.packed)?
                }
            };
            if args.json {
                output::print_json(&report)?;
            } else {
                output::print(&reports::verify_table(&report))?;
            }
            Ok(if report.violations == 0 {
                SUCCESS
            } else {
                VIOLATIONS
            })
        }
        Command::Inspect(args) => {
            let report = inspect(&args.file)?;
            if args.json {
                output::print_json(&report)?;
            } else {
                output::print(&reports::inspect_table(&report))?;
            }
            Ok(SUCCESS)
        }
        Command::Query(args) => run_query(args),
        #[cfg(feature = "tune")]
        Command::Tune(args) => tune::run(args),
        Command::Sql(args) => run_sql(args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "distributed")]
        Command::Worker(args) => worker::run(args),
        Command::Decompress(args) => {
            let bar = bar("decompressing");
            let report = decompress(&args.input, &args.output, &|rows, total| {
                bar.set_length(total);
                bar.set_position(rows);
            });
            bar.finish_and_clear();
            let report = report?;
            output::print(&format!(
                "{} rows, {} in {:.2} s\n",
                output::count(report.rows),
                output::bytes(report.file_bytes),
                report.seconds
            ))?;
            Ok(SUCCESS)
        }
    }
}

fn run_query(args: args::Query) -> Result<u8> {
    let format = args.format.map(query::Format::from);
    let format = format.unwrap_or_else(|| query::Format::of_name(args.output.as_deref()));
    let options = query::QueryOptions {
        sql: args.sql,
        tables: args.tables,
        format,
        #[cfg(feature = "distributed")]
        sessions: worker::sessions(&args.cluster)?,
        #[cfg(not(feature = "distributed"))]
        sessions: query::Sessions::default(),
    };
    match args.output {
        Some(path) => query::query_to_file(&options, &path).map(|_| SUCCESS),
        None if format == query::Format::Parquet && io::stdout().is_terminal() => Err(
            ToolError::invalid("Parquet is not for a terminal; name a file with -o"),
        ),
        None => {
            let mut out = BufWriter::new(io::stdout());
            let outcome = query::query(&options, &mut out);
            printed(outcome.and_then(|_| out.flush().map_err(output::failed)))
        }
    }
}

fn run_sql(args: args::Sql) -> Result<u8> {
    let options = query::ScriptOptions {
        tables: args.tables,
        format: args.format.into(),
        #[cfg(feature = "distributed")]
        sessions: worker::sessions(&args.cluster)?,
        #[cfg(not(feature = "distributed"))]
        sessions: query::Sessions::default(),
    };
    let shell = io::stdin().is_terminal() && io::stdout().is_terminal();
    let failed = &mut |error: ToolError| {
        if !shell {
            return Err(error);
        }
        eprint_line(&format!("error: {}", output::one_line(&error.to_string())));
        Ok(())
    };
    let out = BufWriter::new(io::stdout());
    printed(query::script(
        &options,
        io::stdin().lock(),
        out,
        shell,
        failed,
    ))
}

/// Who reads only the first rows, as `head` does, has had what was asked for.
fn printed(outcome: Result<()>) -> Result<u8> {
    match outcome {
        Err(ToolError::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            Ok(SUCCESS)
        }
        outcome => outcome.map(|()| SUCCESS),
    }
}

/// A progress bar on a terminal's standard error, and nowhere else.
fn bar(message: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "{msg} {wide_bar} {human_pos}/{human_len} rows, {elapsed}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(message);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Names the tables in folders that are not looked at.
fn say_what_is_left_out(inputs: &[PathBuf]) {
    let left_out = paths::left_out(inputs);
    if !left_out.is_empty() {
        note(
            "these are left out, for their names start with . or _",
            &left_out,
        );
    }
}

/// A remark on files, on standard error.
fn note(what: &str, files: &[PathBuf]) {
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    eprint_line(&format!("note: {what}: {}", names::some(&names)));
}

/// A log on standard error, where `TOLERANT_LOG` asks for one; of errors at least where `serving`.
fn start_log(serving: bool) -> Result<()> {
    let filter = std::env::var("TOLERANT_LOG").unwrap_or_default();
    let filter = match serving && filter.is_empty() {
        true => "error".to_owned(),
        false => filter,
    };
    if filter.is_empty() {
        return Ok(());
    }
    let filter = EnvFilter::builder().parse(&filter).map_err(|error| {
        ToolError::invalid(format!(
            "TOLERANT_LOG={filter:?} is not a log filter ({error}); try TOLERANT_LOG=info"
        ))
    })?;
    // Only a log that is there already can make this fail.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
    Ok(())
}

/// A line on standard error; when that is closed, the exit code still tells.
fn eprint_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
