//! Applications of tuning, at most 1 % loss each:
//! `cargo bench --bench applications --no-default-features --features tune -- DATA [--only NAME]
//! [--evaluations N] [--seeds N] [--out docs/applications.md]`
//!
//! DATA is a folder with protein, kin40k, bike and beijing as Parquet files. Writes a table of what was
//! found: the tuned configuration, Tolerant's best with one bound for all columns, and the best of the
//! other methods.

#[path = "../common/arguments.rs"]
mod arguments;

mod tables;

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arguments::Arguments;
use arrow::array::RecordBatch;
use tolerant::tune::models::Model;
use tolerant::tune::{
    Budget, Family, ModelFunction, Report, Task, Tested, Training, TuneOptions, Watch, methods,
    tune,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Application {
    name: &'static str,
    /// Where the table comes from.
    table: &'static str,
    read: fn(&Path) -> Result<RecordBatch>,
    task: Task,
    target: Option<&'static str>,
    model: Model,
}

const APPLICATIONS: [Application; 8] = [
    Application {
        name: "regression",
        table: "protein",
        read: |data| tables::shared(data, "protein"),
        task: Task::Regression,
        target: Some("target"),
        model: Model::Trees,
    },
    Application {
        name: "classification",
        table: "one station of beijing: polluted or not",
        read: tables::polluted,
        task: Task::Classification,
        target: Some("polluted"),
        model: Model::Trees,
    },
    Application {
        name: "linear",
        table: "bike",
        read: |data| tables::shared(data, "bike"),
        task: Task::Regression,
        target: Some("target"),
        model: Model::Linear,
    },
    Application {
        name: "perceptron",
        table: "kin40k",
        read: |data| tables::shared(data, "kin40k"),
        task: Task::Regression,
        target: Some("target"),
        model: Model::Perceptron,
    },
    Application {
        name: "forecast",
        table: "one station of beijing: the next hour's temperature",
        read: tables::station,
        task: Task::Forecast,
        target: Some("TEMP"),
        model: Model::Forecaster,
    },
    Application {
        name: "clustering",
        table: "protein without its target",
        read: |data| tables::without_target(data, "protein"),
        task: Task::Clustering,
        target: None,
        model: Model::KMeans,
    },
    Application {
        name: "wide",
        table: "generated (tables.rs)",
        read: |_| tables::wide(),
        task: Task::Regression,
        target: Some("target"),
        model: Model::Linear,
    },
    Application {
        name: "images",
        table: "digits, 8 x 8 pixels a row",
        read: |_| tables::digits(),
        task: Task::Classification,
        target: Some("digit"),
        model: Model::Neighbours,
    },
];

const HEADER: &str = "\
| application | table | rows x columns | model, metric | baseline ± spread | method | parameter | \
ratio | loss, test | seeds |
|---|---|--:|---|--:|---|---|--:|--:|--:|
";

fn main() -> Result<()> {
    let arguments = Arguments::of_process();
    let option = |name: &str| arguments.option(name);
    let data = arguments.0.first().filter(|first| !first.starts_with("--"));
    let data = Path::new(data.ok_or("give the folder of the tables first")?);
    let mut options = TuneOptions::default();
    if let Some(seeds) = option("--seeds") {
        options.seeds = seeds.parse()?;
    }
    if let Some(evaluations) = option("--evaluations") {
        options.budget = Budget::Evaluations(evaluations.parse()?);
    }
    let only = option("--only");
    let mut found = String::from(HEADER);
    print!("{HEADER}");
    for application in &APPLICATIONS {
        if only.as_ref().is_some_and(|only| only != application.name) {
            continue;
        }
        let start = Instant::now();
        let report = run(application, data, &options)?;
        let lines = lines(application, &report)?;
        print!("{lines}");
        eprintln!(
            "{}: {} tried in {:.0} s",
            application.name,
            report.search.tried,
            start.elapsed().as_secs_f64()
        );
        found += &lines;
    }
    if let Some(path) = option("--out") {
        std::fs::write(path, document(&found, &arguments.0))?;
    }
    Ok(())
}

fn run(application: &Application, data: &Path, options: &TuneOptions) -> Result<Report> {
    let table = (application.read)(data)?;
    // Sampling is among the methods that it is compared with.
    let options = TuneOptions {
        sample_rows: true,
        target: application.target.map(str::to_owned),
        task: Some(application.task),
        ..options.clone()
    };
    let training = Training::Function(ModelFunction::built_in(application.model));
    let watch = Watch {
        stop: &AtomicBool::new(false),
        progress: &|_| {},
    };
    Ok(tune(&table, &training, &methods::all(), &options, &watch)?)
}

/// The chosen configuration, Tolerant's best shared bound, and the best other method.
fn lines(application: &Application, report: &Report) -> Result<String> {
    let ours = |point: &&Tested| point.setting.method.starts_with("tolerant");
    let best = |points: Vec<&Tested>| {
        let better = |a: &&Tested, b: &&Tested| a.ratio.total_cmp(&b.ratio);
        points.into_iter().max_by(better).cloned()
    };
    let shared = |point: &&Tested| point.setting.parameter.starts_with("rel:");
    let shared = best(report.best.iter().filter(ours).filter(shared).collect());
    let other = |point: &&Tested| !ours(point) && point.setting.family != Family::None;
    let other = best(report.best.iter().filter(other).collect());
    let chosen = report.chosen.as_ref().map(|chosen| chosen.point.clone());
    let mut lines = String::new();
    for (name, point) in [("tuned", chosen), ("", shared), ("", other)] {
        let Some(point) = point else { continue };
        let name = match name {
            "" => point.setting.method.clone(),
            name => format!("**{name}**"),
        };
        let test = match point.test {
            Some(loss) => format!("{:.2} % ± {:.2}", loss.mean * 100.0, loss.error * 100.0),
            None => "failed".to_owned(),
        };
        writeln!(
            lines,
            "| {} | {} | {} x {} | {}, {} | {:.4} ± {:.4} | {name} | {} | {:.1} | {test} | {} |",
            application.name,
            application.table,
            report.table.rows,
            report.table.columns,
            report.model,
            report.metric,
            report.test.mean,
            report.test.spread,
            point.setting.parameter,
            point.ratio,
            report.seeds.len()
        )?;
    }
    Ok(lines)
}

fn document(found: &str, arguments: &[String]) -> String {
    format!(
        "# Applications\n\n{INTRODUCTION}\n    cargo bench --bench applications --no-default-features \
         --features tune -- {}\n\n{found}\n{NOTES}",
        arguments.join(" ")
    )
}

const INTRODUCTION: &str = "\
How small training tables become where models may lose at most 1 % of their score. Models train on what is
left and are scored on originals that the search never saw (a test part of the rows, of the latest ones in
forecasts). Written by:
";

const NOTES: &str = "\
- *ratio*: raw bytes of the float columns (float32) to bytes of all columns, of the training part. Rows
  may be in any order, but in forecasts.
- *baseline ± spread*: the score of the model trained on the original, on the test part, over the seeds.
- *loss, test*: relative to the baseline, with its standard error; negative is better than the baseline.
- *tuned*: each column with a bound of its own, and fewer rows where that is smaller, but in forecasts, as
  `tolerant tune --sample-rows` chooses. Below it Tolerant's best with one
  bound for all columns (`rel:`, of each column's range), and the best of the other methods that the crate
  has: lossless, sampling, reduced precision.
- Tables: protein, kin40k and bike are UCI's, as the Gaussian-process literature has them; beijing is UCI's
  Beijing Multi-Site Air Quality; digits is scikit-learn's (benches/applications/export.py); the wide table
  is made in benches/applications/tables.rs.
";
