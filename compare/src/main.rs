//! Tolerant and its peers on the same tables, at the same bounds, in one run and on one thread.
//! `compare/run.sh` installs what the peers need and runs this.

mod check;
mod comparison;
mod data;
mod machine;
mod markdown;
mod measure;
mod method;
mod peers;
mod plot;
mod quiet;
mod report;
mod rows;
#[cfg(test)]
mod smoke;
mod split;
mod synthetic;
mod tolerant_variants;
mod tune;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Parser;

use comparison::Comparison;
use data::{Result, Table};
use method::Method;

/// As Tolerant's own binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Values of each synthetic series.
const SERIES_VALUES: usize = 4_000_000;
const SERIES_BOUNDS: &[f64] = &[1e-2, 1e-3];

/// Compares Tolerant with error-bounded and lossless compressors at equal, verified bounds.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Subcommand>,
    /// Parquet files; their float columns are compared as float32.
    tables: Vec<PathBuf>,
    /// Value-range relative bounds.
    #[arg(long, value_delimiter = ',', default_value = "1e-1,1e-2,1e-3")]
    bounds: Vec<f64>,
    /// Only these compressors, beside Tolerant, for instance SZ3,ZFP.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Leave out the synthetic series.
    #[arg(long)]
    no_synthetic: bool,
    /// Take the peers' results from the comparison.json of an earlier run, where it has them.
    #[arg(long)]
    reuse: Option<PathBuf>,
    /// Where comparison.md, comparison.svg and comparison.json are written.
    #[arg(long, default_value = "docs")]
    out: PathBuf,
}

#[derive(clap::Subcommand)]
enum Subcommand {
    Tune(tune::Args),
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut out = quiet::take_stdout()?;
    if let Some(Subcommand::Tune(args)) = &args.command {
        return tune::run(args, &mut out);
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()?;
    let mut comparison = Comparison::new(command());
    if let Some(path) = &args.reuse {
        comparison.reuse(path)?;
    }
    let methods = with_tolerant(peers::all(), &args.peers)?;
    for path in &args.tables {
        comparison.add(&Table::read(path)?, &args.bounds, false, &methods)?;
        if let Some(input) = comparison.inputs.last() {
            writeln!(out, "{}", report::input_table(&comparison, input))?;
        }
        write(&comparison, &args.out)?;
    }
    if !args.no_synthetic {
        let methods = with_tolerant(peers::for_series(), &[])?;
        for table in [
            synthetic::random_walk(SERIES_VALUES),
            synthetic::sines(SERIES_VALUES),
        ] {
            comparison.add(&table, SERIES_BOUNDS, true, &methods)?;
            if let Some(input) = comparison.inputs.last() {
                writeln!(out, "{}", report::input_table(&comparison, input))?;
            }
        }
    }
    writeln!(out, "{}", report::summary(&comparison))?;
    write(&comparison, &args.out)?;
    eprintln!(
        "written to {}: comparison.md, .svg, .json",
        args.out.display()
    );
    Ok(())
}

fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("compare/run.sh {}", arguments.join(" "))
}

/// Tolerant's variants, then the peers named, or all.
fn with_tolerant(mut peers: Vec<Method>, only: &[String]) -> Result<Vec<Method>> {
    if let Some(name) = only
        .iter()
        .find(|name| !peers.iter().any(|peer| peer.family == name.as_str()))
    {
        return Err(format!("there is no peer named {name}").into());
    }
    peers.retain(|peer| only.is_empty() || only.iter().any(|name| name == peer.family));
    let mut methods = tolerant_variants::methods();
    methods.append(&mut peers);
    Ok(methods)
}

fn write(comparison: &Comparison, out: &Path) -> Result<()> {
    fs::create_dir_all(out)?;
    plot::draw(comparison, &out.join("comparison.svg"))?;
    fs::write(
        out.join("comparison.json"),
        serde_json::to_string_pretty(comparison)? + "\n",
    )?;
    fs::write(out.join("comparison.md"), report::document(comparison))?;
    Ok(())
}
