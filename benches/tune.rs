//! What tuning is worth: `cargo bench --bench tune --no-default-features --features tune -- TABLE.parquet...
//! [--model NAME] [--seeds N] [--evaluations N] [--margin M] [--max-loss L] [--seed S] [--methods]
//! [--sample-rows] [--progress] [--out DIR]`
//!
//! Prints for each table, whose column `target` is predicted, the ratios of the tuned file, of the best
//! shared bound and of the best other method, at no more than 1 % loss; and the loss on the test part.

#[path = "common/arguments.rs"]
mod arguments;

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arguments::Arguments;
use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use tolerant::file::ReaderBuilder;
use tolerant::tune::models::Model;
use tolerant::tune::{
    Budget, ModelFunction, Reduction, Report, Tested, Training, TuneOptions, Watch, tune,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::of_process();
    let option = |name: &str| arguments.option(name);
    let mut options = TuneOptions {
        target: Some(option("--target").unwrap_or_else(|| "target".into())),
        ..TuneOptions::default()
    };
    if let Some(seeds) = option("--seeds") {
        options.seeds = seeds.parse()?;
    }
    if let Some(seed) = option("--seed") {
        options.seed = seed.parse()?;
    }
    if let Some(evaluations) = option("--evaluations") {
        options.budget = Budget::Evaluations(evaluations.parse()?);
    }
    if let Some(margin) = option("--margin") {
        options.margin = margin.parse()?;
    }
    if let Some(loss) = option("--max-loss") {
        options.max_loss = loss.parse()?;
    }
    options.sample_rows = arguments.0.iter().any(|a| a == "--sample-rows");
    let model = Model::parse(&option("--model").unwrap_or_else(|| "trees".into()))?;
    let training = Training::Function(ModelFunction::built_in(model));
    let methods: Vec<Box<dyn Reduction>> = if arguments.0.iter().any(|a| a == "--methods") {
        tolerant::tune::methods::all()
    } else {
        Vec::new()
    };
    let mut logarithms = Vec::new();
    for path in arguments.0.iter().filter(|a| a.ends_with(".parquet")) {
        let table = read(Path::new(path))?;
        let start = Instant::now();
        let watch = Watch {
            stop: &AtomicBool::new(false),
            progress: &|progress| {
                if arguments.0.iter().any(|a| a == "--progress") {
                    eprintln!("{:.1} s {progress:?}", start.elapsed().as_secs_f64());
                }
            },
        };
        let report = tune(&table, &training, &methods, &options, &watch)?;
        print(path, &report);
        println!(
            "  {} tried in {:.0} s",
            report.search.tried,
            start.elapsed().as_secs_f64()
        );
        if let Some(folder) = option("--out") {
            let name = Path::new(path).file_stem().unwrap_or_default();
            let folder = Path::new(&folder).join(name);
            std::fs::create_dir_all(&folder)?;
            report.write(&folder, path)?;
        }
        if let Some(chosen) = &report.chosen {
            logarithms.push(chosen.table_ratio.ln());
        }
    }
    let mean = logarithms.iter().sum::<f64>() / logarithms.len().max(1) as f64;
    println!("geometric mean {:.1}", mean.exp());
    Ok(())
}

fn print(path: &str, report: &Report) {
    println!(
        "{path}: {} {:.4} ± {:.4} (validation), {:.4} ± {:.4} (test)",
        report.metric,
        report.validation.mean,
        report.validation.spread,
        report.test.mean,
        report.test.spread
    );
    if let Some(chosen) = &report.chosen {
        println!(
            "  whole table {:.1} x, {}",
            chosen.table_ratio,
            if chosen.holds_on_test {
                "holds"
            } else {
                "FAILS"
            }
        );
    }
    for point in &report.best {
        print_point(point);
    }
}

fn print_point(point: &Tested) {
    println!(
        "  {:<24} {:<24} ratio {:>7.1}, loss {:>6.2} % ± {:.2} (validation), {:>6.2} % ± {:.2} (test)",
        point.setting.method,
        point.setting.parameter,
        point.ratio,
        point.validation.mean * 100.0,
        point.validation.error * 100.0,
        point.test.map_or(f64::NAN, |loss| loss.mean) * 100.0,
        point.test.map_or(f64::NAN, |loss| loss.error) * 100.0,
    );
}

fn read(path: &Path) -> Result<RecordBatch, Box<dyn Error>> {
    let reader = ReaderBuilder::new(Arc::new(File::open(path)?))?.build()?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    Ok(concat_batches(&schema, &batches)?)
}
