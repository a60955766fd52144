//! Tuning: how much error a model bears, and the bounds for it.
//!
//! [`tune`] takes a table and a model, tries methods of reduction and error bounds of single columns, and
//! returns the frontier of size against quality, and the configuration to use. The model and its score are
//! the control: only the data that it trains on changes, and it is scored on original data.
//!
//! - Losses count against noise: the baseline is trained with several seeds.
//! - Nothing leaks: parts are split by hash, once; the search sees the validation part only, and final
//!   figures are of the test part.
//! - Nothing is done twice: evaluations are kept in a journal, by which an interrupted search goes on.
//!
//! ```
//! use std::sync::{Arc, atomic::AtomicBool};
//! use tolerant::tune::*;
//!
//! let x: Vec<f64> = (0..500).map(|i| f64::from(i * 37 % 500) / 500.0).collect();
//! let y = x.iter().map(|x| 2.0 * x).collect();
//! let table = table_of([("x".to_owned(), x), ("y".to_owned(), y)])?;
//! // The nearest neighbour in x, scored by R2.
//! let model = ModelFunction {
//!     name: "nearest".into(),
//!     score: Arc::new(|_, train, holdout, _| {
//!         let nearest = |x: f64| {
//!             let near = |i: &usize| (train.columns[0][*i] - x).abs();
//!             (0..train.len()).min_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or(0)
//!         };
//!         let mean = holdout.target.iter().sum::<f64>() / holdout.len() as f64;
//!         let (mut wrong, mut all) = (0.0, 0.0);
//!         for (x, y) in holdout.columns[0].iter().zip(&holdout.target) {
//!             wrong += (train.target[nearest(*x)] - y).powi(2);
//!             all += (mean - y).powi(2);
//!         }
//!         Ok(Metric { name: "R2".into(), value: 1.0 - wrong / all })
//!     }),
//! };
//! let options = TuneOptions { target: Some("y".into()), ..TuneOptions::default() };
//! let watch = Watch { stop: &AtomicBool::new(false), progress: &|_| {} };
//! let report = tune(&table, &Training::Function(model), &[], &options, &watch)?;
//! let chosen = report.chosen.expect("exact columns lose nothing");
//! assert!(chosen.point.ratio > 3.0 && chosen.holds_on_test);
//! # Ok::<(), TuneError>(())
//! ```

mod candidate;
mod command;
mod config;
mod encoder;
mod error;
mod finish;
mod frame;
mod frontier;
mod harness;
mod hash;
mod journal;
mod ladder;
mod method;
pub mod methods;
pub mod models;
mod noise;
mod options;
mod report;
mod run;
mod sample;
mod search;
mod split;
mod stored;
#[cfg(test)]
mod tests;
mod trainer;
mod watch;

pub use command::{TableFormat, TrainCommand};
pub use config::Config;
pub use encoder::Ignored;
pub use error::{Result, TuneError};
pub use frame::Frame;
pub use method::{Family, Reduced, Reduction, Setting, Task};
pub use noise::{Baseline, Crossed, Loss};
pub use options::TuneOptions;
pub use report::{
    CONFIG, Chosen, ColumnFacts, JOURNAL, REPORT_HTML, REPORT_JSON, Report, SearchFacts,
    TableFacts, Tested, Tried,
};
pub use run::{table_of, task_of_table, tune};
pub use sample::kept_rows;
pub use search::Budget;
pub use split::{Split, split};
pub use trainer::{Metric, ModelFunction, Outcome, Part, ScoreFunction, Training};
pub use watch::{Phase, Progress, Watch};
