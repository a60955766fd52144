//! The words of `tolerant tune`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::tune::{Budget, Task};

use super::args::{Effort, Layout, RowOrder, place};

/// Find how much error a model bears: bounds by column, and a report that shows it.
///
/// Reduces the table in many ways, trains the model on each, scores it on original data, and writes
/// report.html, report.json and config.toml, which `tolerant compress --config` takes. Interrupted with
/// Ctrl-C, the same command goes on where it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tolerant tune train.parquet --target price -o report/
  tolerant tune train.parquet --target label --model linear --max-loss 0.5% -o report/
  tolerant tune series.parquet --target load --task forecast -o report/
  tolerant tune train.csv --target y --train-cmd \"python train.py {train} {validation} {seed}\" -o report/
  tolerant compress train.parquet -o small.parquet --config report/config.toml")]
pub struct Tune {
    /// Parquet, CSV or Arrow IPC files, globs or folders; all of one schema, joined in this order
    #[arg(value_name = "TABLE", required = true, value_parser = place)]
    pub inputs: Vec<PathBuf>,
    /// The column to predict; of clusters, the labels to find, if there are any
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// What the model is to do; made out from the target unless given
    #[arg(long, value_enum)]
    pub task: Option<TaskWord>,
    /// A built-in model: trees, linear, logistic, neighbours, perceptron, forecaster, kmeans or pca;
    /// trees unless the task needs another
    #[arg(long, value_name = "NAME", conflicts_with = "train_cmd")]
    pub model: Option<String>,
    /// A program that trains a model and prints its score: {train}, {validation} and {seed} stand for two
    /// files and a number, which are its last arguments otherwise
    #[arg(long, value_name = "CMD")]
    pub train_cmd: Option<String>,
    /// What the program reads
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "parquet",
        requires = "train_cmd"
    )]
    pub train_format: Format,
    /// How long one training of the program may take
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration, requires = "train_cmd")]
    pub train_timeout: Duration,
    /// The program's score is an error: less is better
    #[arg(long, requires = "train_cmd")]
    pub lower_is_better: bool,
    /// The part of the baseline's score that may be lost
    #[arg(long, value_name = "PART", default_value = "1%", value_parser = part)]
    pub max_loss: f64,
    /// The part of that loss that the search leaves as a margin for data that it does not see
    #[arg(long, value_name = "PART", default_value = "25%", value_parser = part)]
    pub margin: f64,
    /// Trainings of the baseline and of the final figures, each with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub seeds: usize,
    /// The first seed; the split and random choices follow from it too
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Bounds to try besides the methods, or how long to go on trying, as in 10m; reports are reproducible
    /// only with a number
    #[arg(long, value_name = "N|TIME", default_value = "120", value_parser = budget)]
    pub budget: Budget,
    /// Methods to compare with, by their names or the beginnings of names, with commas between; all, or none
    #[arg(long, value_name = "LIST", default_value = "all")]
    pub methods: String,
    /// Keep a float target exactly; otherwise it has a bound like other columns in the training data
    #[arg(long)]
    pub exact_target: bool,
    /// Let the search drop rows too
    #[arg(long)]
    pub sample_rows: bool,
    /// The kind of file to find bounds for
    #[arg(long, value_enum, default_value = "packed")]
    pub layout: Layout,
    /// Whether files may store rows in another order [default: any; keep for forecasts]
    #[arg(long, value_enum, value_name = "ORDER")]
    pub row_order: Option<RowOrder>,
    /// How hard to try to make files small
    #[arg(long, value_enum, default_value = "balanced")]
    pub effort: Effort,
    /// Trainings at a time [default: one for each core; 1 for --train-cmd]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// The folder for the report; also where an interrupted search goes on from
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Print report.json instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TaskWord {
    Regression,
    Classification,
    Forecast,
    Clustering,
}

impl From<TaskWord> for Task {
    fn from(word: TaskWord) -> Self {
        match word {
            TaskWord::Regression => Self::Regression,
            TaskWord::Classification => Self::Classification,
            TaskWord::Forecast => Self::Forecast,
            TaskWord::Clustering => Self::Clustering,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Parquet,
    Arrow,
}

/// "1%" or "0.01".
fn part(text: &str) -> Result<f64, String> {
    let (digits, unit) = match text.strip_suffix('%') {
        Some(digits) => (digits, 100.0),
        None => (text, 1.0),
    };
    match digits.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number / unit),
        _ => Err("write a part, as in 1% or 0.01".into()),
    }
}

/// "200" or "10m".
fn budget(text: &str) -> Result<Budget, String> {
    if let Ok(evaluations) = text.parse() {
        return Ok(Budget::Evaluations(evaluations));
    }
    let time = humantime::parse_duration(text);
    time.map(Budget::Time)
        .map_err(|_| "write a number of configurations, or a time as in 90s, 10m or 2h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_budgets() {
        assert_eq!(part("1%"), Ok(0.01));
        assert_eq!(part("0.5 %"), Ok(0.005));
        assert_eq!(part("0.02"), Ok(0.02));
        assert!(part("much").is_err() && part("nan").is_err());
        assert_eq!(budget("200"), Ok(Budget::Evaluations(200)));
        assert_eq!(budget("10m"), Ok(Budget::Time(Duration::from_secs(600))));
        assert!(budget("soon").is_err());
    }
}
