//! Training: a table in, a score out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use serde::{Deserialize, Serialize};

use super::command::{CommandTrainer, TrainCommand};
use super::encoder::Encoder;
use super::error::{Result, TuneError};
use super::frame::Frame;
use super::method::Task;
use super::models::{self, Model};
use super::options::TuneOptions;
use super::run::task_of_table;

/// What is trained.
#[derive(Clone)]
pub enum Training {
    /// A function of this program.
    Function(ModelFunction),
    /// A program of the user's.
    Command(TrainCommand),
}

impl Training {
    /// The built-in model of a name, or else the usual one for the task at hand.
    ///
    /// # Errors
    /// When there is no such model or target.
    pub fn built_in(
        model: Option<&str>,
        table: &RecordBatch,
        options: &TuneOptions,
    ) -> Result<Self> {
        let model = match model {
            Some(name) => Model::parse(name)?,
            None => Model::default_for(task_of_table(table, options)?),
        };
        Ok(Self::Function(ModelFunction::built_in(model)))
    }
}

/// A model as a function: higher scores are better.
#[derive(Clone)]
pub struct ModelFunction {
    /// What reports call it; models of one name must give the same scores.
    pub name: String,
    pub score: ScoreFunction,
}

impl ModelFunction {
    /// A built-in model.
    pub fn built_in(model: Model) -> Self {
        Self {
            name: model.name().to_owned(),
            score: Arc::new(move |task, train, holdout, seed| {
                let score = models::score(&model, task, train, holdout, seed);
                let score = score.map_err(|error| error.to_string())?;
                Ok(Metric {
                    name: score.metric.to_owned(),
                    value: score.value,
                })
            }),
        }
    }
}

/// Trains on the first frame, scores on the second, for a seed. What it says is random must depend on the
/// seed only.
pub type ScoreFunction =
    Arc<dyn Fn(Task, &Frame, &Frame, u64) -> Result<Metric, String> + Send + Sync>;

/// A score and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub name: String,
    pub value: f64,
}

/// The parts of the table that models are scored on: always as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What the search sees.
    Validation,
    /// A part of the training rows in turn, while a model trains on the others and the validation part.
    Fold(u8),
    /// What neither the search nor its confirmation sees.
    Test,
}

/// What came of one training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A finite score.
    Scored { value: f64, metric: String },
    /// No score, and why: never taken for a good one.
    Failed(String),
}

impl Outcome {
    /// Of a score, which counts if it is a finite number.
    pub fn of(metric: &str, value: f64) -> Self {
        if value.is_finite() {
            Self::Scored {
                value,
                metric: metric.to_owned(),
            }
        } else {
            Self::Failed(format!("the score is {value}, which is no number"))
        }
    }

    /// The score, if there is one.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Scored { value, .. } => Some(*value),
            Self::Failed(_) => None,
        }
    }
}

impl Training {
    /// What reports call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Function(model) => &model.name,
            Self::Command(command) => &command.command,
        }
    }

    /// Whether a lower score is the better one.
    pub fn lower_is_better(&self) -> bool {
        match self {
            Self::Function(_) => false,
            Self::Command(command) => command.lower_is_better,
        }
    }

    /// All that scores depend on, besides the data and the seed.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::Function(model) => format!("model {}", model.name),
            Self::Command(command) => command.identity(),
        }
    }
}

/// A [`Training`] with what it is scored on.
pub(super) struct Trainer {
    task: Task,
    kind: Kind,
}

enum Kind {
    Function {
        score: ScoreFunction,
        encoder: Encoder,
        holdouts: Vec<(Part, Frame)>,
    },
    Command(CommandTrainer),
}

impl Trainer {
    pub(super) fn new(
        training: &Training,
        task: Task,
        encoder: Encoder,
        holdouts: &[(Part, RecordBatch)],
    ) -> Result<Self> {
        let kind = match training {
            Training::Function(model) => Kind::Function {
                score: Arc::clone(&model.score),
                holdouts: holdouts
                    .iter()
                    .map(|(part, table)| Ok((*part, encoder.frame(table)?)))
                    .collect::<Result<_>>()?,
                encoder,
            },
            Training::Command(command) => Kind::Command(CommandTrainer::new(command, holdouts)?),
        };
        Ok(Self { task, kind })
    }

    /// Trains on `table` with its rows in an order that follows from the seed: their order carries
    /// nothing, and what it does to the model is noise. Rows in time's order stay so.
    ///
    /// # Errors
    /// When stopped, or when files for a program cannot be written; a training that fails is an outcome.
    pub(super) fn train(
        &self,
        table: &RecordBatch,
        part: Part,
        seed: u64,
        stop: &AtomicBool,
    ) -> Result<Outcome> {
        let table = match self.task {
            Task::Forecast => table.clone(),
            _ => shuffled(table, seed)?,
        };
        match &self.kind {
            Kind::Command(trainer) => trainer.train(&table, part, seed, stop),
            Kind::Function {
                score,
                encoder,
                holdouts,
            } => {
                let frame = encoder.frame(&table)?;
                let holdout = of_part(holdouts, part)?;
                // A panic of a library on some odd data is a failed training, not the end of the search.
                let scored =
                    catch_unwind(AssertUnwindSafe(|| score(self.task, &frame, holdout, seed)));
                Ok(match scored {
                    Ok(Ok(metric)) => Outcome::of(&metric.name, metric.value),
                    Ok(Err(why)) => Outcome::Failed(why),
                    Err(_) => Outcome::Failed("the model's library panicked".into()),
                })
            }
        }
    }
}

/// What a part is scored on.
///
/// # Errors
/// When there is no such part: none is known of.
pub(super) fn of_part<T>(holdouts: &[(Part, T)], part: Part) -> Result<&T> {
    let found = holdouts.iter().find(|(other, _)| *other == part);
    let (_, holdout) =
        found.ok_or_else(|| TuneError::invalid(format!("there is no part {part:?}")))?;
    Ok(holdout)
}

fn shuffled(table: &RecordBatch, seed: u64) -> Result<RecordBatch> {
    let mut rows: Vec<u32> = (0..table.num_rows() as u32).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut rows);
    Ok(take_record_batch(table, &UInt32Array::from(rows))?)
}
