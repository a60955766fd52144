//! The words of the command line.

#[cfg(feature = "serve")]
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::codec::{CodecError, ErrorBound};

/// Error-bounded lossy compression of float tables, in Parquet files that SQL reads as ever.
#[derive(Debug, Parser)]
#[command(name = "tolerant", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Files are paths or URLs: s3://, gs://, az://, http://, https:// or file://.

Examples:
  tolerant compress train.parquet -o train.tolerant.parquet --rel 1e-3
  tolerant verify train.parquet train.tolerant.parquet
  tolerant query \"SELECT count(*) FROM 'train.tolerant.parquet'\"

Exit codes: 0 success, 1 verify found violations, 2 any error.
Set TOLERANT_LOG=debug (or info, warn, a tracing filter) for a log on standard error.";

#[derive(Debug, Subcommand)]
pub enum Command {
    Compress(Compress),
    Verify(Verify),
    Inspect(Inspect),
    Query(Query),
    Sql(Sql),
    Decompress(Decompress),
    #[cfg(feature = "tune")]
    Tune(super::tune_args::Tune),
    #[cfg(feature = "serve")]
    Serve(Serve),
    #[cfg(feature = "distributed")]
    Worker(Worker),
}

impl Command {
    /// Whether it serves others until it is told to end.
    pub fn is_server(&self) -> bool {
        match self {
            #[cfg(feature = "serve")]
            Self::Serve(_) => true,
            #[cfg(feature = "distributed")]
            Self::Worker(_) => true,
            _ => false,
        }
    }
}

/// Compress tables into one Parquet file, or each into one of its own.
///
/// Every float column keeps a promised distance to the original: its error bound. Integers, dates,
/// times, strings and all else are stored exactly.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tolerant compress train.csv -o train.parquet
  tolerant compress data/ 'more/*.parquet' -o all.parquet --rel 1e-2 --column label=exact
  tolerant compress data/ -o packed/ --rel 1e-2
  tolerant compress train.parquet -o train.small.parquet --layout portable
  tolerant compress sensors.arrow -o sensors.parquet --abs 0.05 --column temperature=abs:0.5 --json
  tolerant compress field.parquet -o out.parquet --rel 1e-3@p1..p99 --column flux=pwrel:0.01 --column image=psnr:60")]
pub struct Compress {
    /// Parquet, CSV or Arrow IPC files, globs or folders; all of one schema, joined in this order
    #[arg(value_name = "IN", required = true, value_parser = place)]
    pub inputs: Vec<PathBuf>,
    /// The file to write; it appears complete or not at all. A folder, or what ends in a slash, gets a
    /// file for each input file, with bounds relative to the ranges of all of them
    #[arg(short, long, value_name = "OUT", value_parser = place)]
    pub output: PathBuf,
    /// Bound of float columns, as a fraction of each column's value range [default: 0.001]; R@p1..p99
    /// for a fraction of the range between two percentiles, which a few outliers do not stretch
    #[arg(long, value_name = "R", group = "bound", allow_negative_numbers = true, value_parser = rel)]
    pub rel: Option<ErrorBound>,
    /// Bound of float columns, in the columns' own unit
    #[arg(long, value_name = "E", group = "bound", allow_negative_numbers = true, value_parser = abs)]
    pub abs: Option<ErrorBound>,
    /// Bound of float columns, as a fraction of each value; zeros and signs are kept
    #[arg(long, value_name = "R", group = "bound", allow_negative_numbers = true, value_parser = pwrel)]
    pub pwrel: Option<ErrorBound>,
    /// Bound of float columns, as the least peak signal-to-noise ratio of each column, in decibels
    #[arg(long, value_name = "D", group = "bound", allow_negative_numbers = true, value_parser = psnr)]
    pub psnr: Option<ErrorBound>,
    /// Bound of one column: rel:R, rel:R@p1..p99, abs:E, pwrel:R, psnr:D or exact; may be given for
    /// several. A list's name stands for its values, s.x for the field x of the structs in s
    #[arg(long = "column", value_name = "NAME=BOUND", value_parser = column)]
    pub columns: Vec<(String, ErrorBound)>,
    /// How hard to try: fast is for the highest decode speed, small for the smallest file
    /// [default: balanced]
    #[arg(long, value_enum)]
    pub effort: Option<Effort>,
    /// The most other columns that the coding of a column may refer to; 0 codes each for itself, so
    /// that reading one never reads others
    #[arg(long, value_name = "N")]
    pub max_references: Option<usize>,
    /// The kind of file: packed is smallest and needs Tolerant to be read; portable is ordinary
    /// Parquet, which anything reads [default: packed]
    #[arg(long, value_enum)]
    pub layout: Option<Layout>,
    /// Rows of a block: what is coded together, and the least that a reader decodes
    #[arg(long, value_name = "N")]
    pub block_rows: Option<usize>,
    /// Rows of a row group: what is held in memory while writing
    #[arg(long, value_name = "N")]
    pub row_group_rows: Option<usize>,
    /// Whether rows keep their order, or each row group may store them in the order that is smallest
    /// [default: keep]
    #[arg(long, value_enum, value_name = "ORDER")]
    pub row_order: Option<RowOrder>,
    /// What a vector's bound is relative to: the range of all of its values, or that of each
    /// dimension (of lists of fixed size; other lists have none)
    #[arg(long, value_enum, value_name = "RANGE", default_value = "all")]
    pub vector_range: VectorRange,
    /// Add a last column of this name: each row's position in the input, counted from 0
    #[arg(long, value_name = "NAME")]
    pub row_id: Option<String>,
    /// A file that says all this, as `tolerant tune` writes it; flags go before it
    #[cfg(feature = "tune")]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What the configuration says and flags do not.
    #[cfg(feature = "tune")]
    #[arg(skip)]
    pub configured_bound: Option<ErrorBound>,
    #[cfg(feature = "tune")]
    #[arg(skip)]
    pub keep_rows: Option<f64>,
    #[cfg(feature = "distributed")]
    #[command(flatten)]
    pub cluster: Cluster,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Effort {
    Fast,
    Balanced,
    Small,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    Packed,
    Portable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VectorRange {
    All,
    Dimension,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowOrder {
    Keep,
    Any,
}

/// Compare a packed or portable file with its original, value by value, in exact arithmetic.
///
/// Exit code 1 if any value is farther from the original than promised, or any null, NaN, infinity
/// or signed zero has changed. Rows of a file compressed with --row-order any are matched with those
/// of the original, one to one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tolerant verify train.parquet train.packed.parquet
  tolerant verify 'data/*.csv' all.parquet --json
  tolerant verify data/ packed/")]
pub struct Verify {
    /// The original: a Parquet, CSV or Arrow IPC file, a glob or a folder
    #[arg(value_parser = place)]
    pub original: PathBuf,
    /// The packed or portable file, or the folder that the original was compressed into
    #[arg(value_parser = place)]
    pub packed: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Show what a packed, portable or ordinary Parquet file holds: schema, bounds, ranges, sizes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tolerant inspect train.packed.parquet
  tolerant inspect train.packed.parquet --json")]
pub struct Inspect {
    /// A packed, portable or ordinary Parquet file
    #[arg(value_parser = place)]
    pub file: PathBuf,
    /// Print one JSON object, with all columns, instead of tables
    #[arg(long)]
    pub json: bool,
}

/// Run SQL over packed and ordinary files.
///
/// Tables are files or folders, by path in quotes or by a name given with --table.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tolerant query \"SELECT avg(x) FROM 'train.parquet' WHERE y > 0\"
  tolerant query \"SELECT * FROM a JOIN b USING (id)\" --table a=a.parquet --table b=data/ --format json
  tolerant query \"SELECT * FROM 'train.parquet' LIMIT 100\" -o head.parquet")]
pub struct Query {
    /// The query
    #[arg(value_name = "SQL")]
    pub sql: String,
    /// A name for a file or folder; may be given for several
    #[arg(long = "table", value_name = "NAME=PATH", value_parser = table)]
    pub tables: Vec<(String, String)>,
    /// How to print the rows; json is one object per row, a line each [default: by the ending of OUT,
    /// else table]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The file to write instead of standard output; it appears complete or not at all
    #[arg(short, long, value_name = "OUT", value_parser = place)]
    pub output: Option<PathBuf>,
    #[cfg(feature = "distributed")]
    #[command(flatten)]
    pub cluster: Cluster,
}

/// Run SQL statements from standard input: a shell on a terminal, else a script.
///
/// Statements end with a semicolon and see the tables, views and settings of those before them. A
/// script ends at its first error. `exit` leaves the shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tolerant sql
  tolerant sql --table t=train.parquet < report.sql
  echo \"COPY (SELECT * FROM 'a.csv') TO 'a.parquet' STORED AS TOLERANT OPTIONS (bound 'rel:0.01');\" | tolerant sql")]
pub struct Sql {
    /// A name for a file or folder; may be given for several
    #[arg(long = "table", value_name = "NAME=PATH", value_parser = table)]
    pub tables: Vec<(String, String)>,
    /// How to print the rows; json is one object per row, a line each
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    #[cfg(feature = "distributed")]
    #[command(flatten)]
    pub cluster: Cluster,
}

/// The machines that do the work.
#[cfg(feature = "distributed")]
#[derive(Debug, Args)]
pub struct Cluster {
    /// Work on these, where `tolerant worker` runs: scans and joins of a query, or the files of a folder
    /// to compress; paths must name the same files there
    #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',')]
    pub workers: Vec<String>,
    /// Show the workers the token in this file's first line
    #[arg(long, value_name = "FILE", requires = "workers")]
    pub token_file: Option<PathBuf>,
    /// Speak TLS with the workers, whose certificates one in this PEM file vouches for
    #[arg(long, value_name = "FILE", requires = "workers")]
    pub tls_ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Csv,
    Json,
    Parquet,
}

/// Write a packed file as ordinary Parquet. A portable file is that already, and is copied.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  tolerant decompress train.packed.parquet -o train.parquet")]
pub struct Decompress {
    /// A packed file
    #[arg(value_name = "IN", value_parser = place)]
    pub input: PathBuf,
    /// The file to write; it appears complete or not at all
    #[arg(short, long, value_name = "OUT", value_parser = place)]
    pub output: PathBuf,
}

/// Serve the packed files of a folder as ordinary Parquet files over HTTP, or as tables over Flight SQL,
/// read-only.
///
/// Over HTTP every packed file appears under its own path as the Parquet file that it stands for;
/// ordinary Parquet files are passed on as they are, and nothing else is served. Over Flight SQL files
/// and folders are tables by their names. Stop with Ctrl-C.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tolerant serve data/
  tolerant serve data/ --bind 127.0.0.1:9000 --token-file token.txt
  tolerant serve data/ --flight 32010")]
pub struct Serve {
    /// The folder to serve, with all folders below it
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Where to listen for HTTP [default: 127.0.0.1:8080]; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub bind: Option<SocketAddr>,
    /// Serve Flight SQL here, and HTTP only if --bind is given too; a port alone is one of this machine's
    /// own address
    #[arg(long, value_name = "PORT", value_parser = address)]
    pub flight: Option<SocketAddr>,
    /// Ask every client for the token in this file's first line; needed where the address is not
    /// this machine's own
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Requests that are answered at a time; more wait for some seconds
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub max_requests: usize,
    /// Memory that data may take between disk and network, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    pub memory: u64,
}

/// Run parts of other machines' queries, and compress files for them: those of `tolerant query`, `sql` and
/// `compress` with --workers.
///
/// Whoever may ask can read every file and URL that this process can, and write .parquet files. Stop with
/// Ctrl-C.
#[cfg(feature = "distributed")]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tolerant worker
  tolerant worker --bind 10.0.0.2:7601 --token-file token.txt
  tolerant worker --bind 10.0.0.2:7601 --token-file token.txt \\
      --tls-cert worker.pem --tls-key worker.key --tls-ca ca.pem")]
pub struct Worker {
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7601")]
    pub bind: SocketAddr,
    /// Ask everyone for the token in this file's first line, and show it to other workers; needed
    /// where the address is not this machine's own
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Speak TLS only, and show this certificate (PEM, followed by those between it and the authority's)
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_ca"])]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Ask other workers by TLS, whose certificates one in this PEM file vouches for
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_ca: Option<PathBuf>,
}

#[cfg(feature = "serve")]
fn address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port))),
        Err(_) => text
            .parse()
            .map_err(|_| "write PORT or ADDRESS:PORT, as in 127.0.0.1:32010".to_owned()),
    }
}

/// A path, or a URL; that of a local file is its path.
pub(super) fn place(text: &str) -> Result<PathBuf, String> {
    #[cfg(feature = "remote")]
    if text.starts_with("file://") {
        let url = url::Url::parse(text).map_err(|error| error.to_string())?;
        return url.to_file_path().map_err(|()| {
            "a file:// URL names a path of this machine, as in file:///tmp/x".into()
        });
    }
    Ok(PathBuf::from(text))
}

fn rel(text: &str) -> Result<ErrorBound, String> {
    if text.contains('@') {
        return format!("rel:{text}")
            .parse()
            .map_err(|error: CodecError| error.to_string());
    }
    ErrorBound::rel(number(text)?).map_err(|error| error.to_string())
}

fn pwrel(text: &str) -> Result<ErrorBound, String> {
    ErrorBound::pointwise_rel(number(text)?).map_err(|error| error.to_string())
}

fn psnr(text: &str) -> Result<ErrorBound, String> {
    ErrorBound::psnr(number(text)?).map_err(|error| error.to_string())
}

fn abs(text: &str) -> Result<ErrorBound, String> {
    ErrorBound::abs(number(text)?).map_err(|error| error.to_string())
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "not a number".to_string())
}

/// Split at the last `=`: a column's name may hold one, a bound does not.
fn column(text: &str) -> Result<(String, ErrorBound), String> {
    let (name, bound) = text
        .rsplit_once('=')
        .ok_or("write NAME=BOUND: rel:R, rel:R@p1..p99, abs:E, pwrel:R, psnr:D or exact")?;
    let bound = bound
        .parse::<ErrorBound>()
        .map_err(|error| error.to_string())?;
    Ok((name.to_string(), bound))
}

/// Split at the first `=`: a path may hold one (`year=2024`), a table's name seldom does.
fn table(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_string(), path.to_string()))
        }
        _ => Err("write NAME=PATH".to_string()),
    }
}

impl From<Format> for crate::tools::query::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Table => Self::Table,
            Format::Csv => Self::Csv,
            Format::Json => Self::Json,
            Format::Parquet => Self::Parquet,
        }
    }
}
