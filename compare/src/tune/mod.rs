//! `tolerant-compare tune`: what `tolerant tune` does, with the C and C++ peers among the methods.

mod coders;
mod columns;
mod peers;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use tolerant::file::ReaderBuilder;
use tolerant::tune::models::Model;
use tolerant::tune::{
    Budget, Family, ModelFunction, Report, Tested, Training, TuneOptions, Watch, methods, tune,
};

use crate::data::Result;

/// Tunes tables with all methods, the C and C++ peers among them.
#[derive(clap::Args)]
pub struct Args {
    /// Parquet files.
    tables: Vec<PathBuf>,
    /// The column to predict.
    #[arg(long, default_value = "target")]
    target: String,
    #[arg(long, default_value = "trees")]
    model: String,
    /// The loss that may be, relative to the baseline's score.
    #[arg(long, default_value_t = 0.01)]
    max_loss: f64,
    #[arg(long, default_value_t = 5)]
    seeds: usize,
    /// How many bounds are tried besides the methods.
    #[arg(long, default_value_t = 120)]
    evaluations: usize,
    /// Train on fewer rows, too.
    #[arg(long)]
    sample_rows: bool,
    /// Where report.html and report.json of each table are written.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Tunes every table and prints the best of every method.
pub fn run(args: &Args, out: &mut impl Write) -> Result<()> {
    let model = Model::parse(&args.model)?;
    let training = Training::Function(ModelFunction::built_in(model));
    let mut methods = methods::all();
    methods.extend(peers::all());
    let options = TuneOptions {
        target: Some(args.target.clone()),
        max_loss: args.max_loss,
        seeds: args.seeds,
        budget: Budget::Evaluations(args.evaluations),
        sample_rows: args.sample_rows,
        ..TuneOptions::default()
    };
    let mut sums = [0.0; 3];
    for path in &args.tables {
        let table = read(path)?;
        let watch = Watch {
            stop: &AtomicBool::new(false),
            progress: &|progress| {
                eprint!("\r\x1b[K{}: {progress:?}", path.display());
            },
        };
        let report = tune(&table, &training, &methods, &options, &watch)?;
        eprint!("\r\x1b[K");
        print(&path.display().to_string(), &report, out)?;
        if let Some(folder) = &args.out {
            let folder = folder.join(path.file_stem().unwrap_or_default());
            std::fs::create_dir_all(&folder)?;
            report.write(&folder, &path.display().to_string())?;
        }
        for (sum, ratio) in sums.iter_mut().zip(ratios(&report)) {
            *sum += ratio.ln();
        }
    }
    let [tuned, shared, peer] = sums.map(|sum| (sum / args.tables.len().max(1) as f64).exp());
    writeln!(
        out,
        "geometric means: tuned {tuned:.1}, best shared bound {shared:.1}, best other method \
         {peer:.1}; tuned / other {:.2}",
        tuned / peer
    )?;
    Ok(())
}

/// Of what is chosen, of Tolerant's best shared bound, and of the best other method.
fn ratios(report: &Report) -> [f64; 3] {
    let best = |of: &dyn Fn(&Tested) -> bool| {
        let points = report.best.iter().filter(|point| of(point));
        points.map(|point| point.ratio).fold(f64::NAN, f64::max)
    };
    let ours = |point: &Tested| point.setting.method.starts_with("tolerant");
    let chosen = report.chosen.as_ref();
    [
        chosen.map_or(f64::NAN, |chosen| chosen.point.ratio),
        best(&|point| ours(point) && point.setting.parameter.starts_with("rel:")),
        best(&|point| !ours(point) && point.setting.family != Family::None),
    ]
}

fn print(path: &str, report: &Report, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "## {path}\n\n{} rows x {} columns, {} {}: {:.4} ± {:.4} on the test part; {} tried\n",
        report.table.rows,
        report.table.columns,
        report.model,
        report.metric,
        report.test.mean,
        report.test.spread,
        report.search.tried
    )?;
    writeln!(
        out,
        "| method | parameter | ratio | loss, validation | loss, test |\n|---|---|--:|--:|--:|"
    )?;
    let chosen = report.chosen.iter().map(|chosen| &chosen.point);
    for point in chosen.chain(&report.best) {
        writeln!(
            out,
            "| {} | {} | {:.1} | {:.2} % | {:.2} % ± {:.2} |",
            point.setting.method,
            point.setting.parameter,
            point.ratio,
            point.validation.mean * 100.0,
            point.test.map_or(f64::NAN, |loss| loss.mean) * 100.0,
            point.test.map_or(f64::NAN, |loss| loss.error) * 100.0,
        )?;
    }
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

fn read(path: &Path) -> Result<RecordBatch> {
    let reader = ReaderBuilder::new(Arc::new(File::open(path)?))?.build()?;
    let schema = reader.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(concat_batches(&schema, &batches)?)
}
