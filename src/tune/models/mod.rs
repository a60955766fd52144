//! The models that reductions are judged by: trained on what training gets, scored on originals.
//!
//! All are deterministic for a seed and use one thread, so that many can be trained at once. Missing
//! and infinite values of features are missing values; rows whose target is one are left out;
//! columns of one value teach nothing and are left out.

mod clusters;
mod components;
mod forecast;
mod linear;
mod logistic;
mod metrics;
mod neighbours;
mod perceptron;
mod prepare;
#[cfg(test)]
mod tests;
mod trees;

use serde::{Deserialize, Serialize};

use super::error::{Result, TuneError};
use super::frame::Frame;
use super::method::Task;
use prepare::Classes;

/// A built-in model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Gradient-boosted trees.
    Trees,
    /// Ridge regression; for classes, logistic regression.
    Linear,
    /// Logistic regression.
    Logistic,
    /// The five nearest neighbours.
    Neighbours,
    /// A small multilayer perceptron.
    Perceptron,
    /// Ridge regression on the series' own past: autoregression.
    Forecaster,
    /// k-means.
    KMeans,
    /// Reconstruction from principal components.
    Pca,
}

/// How good a model is. Of every metric, more is better, and 1 is the best there is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// "R2", "accuracy", "skill", "adjusted Rand index" or "explained variance".
    pub metric: &'static str,
    pub value: f64,
}

const ALL: [Model; 8] = [
    Model::Trees,
    Model::Linear,
    Model::Logistic,
    Model::Neighbours,
    Model::Perceptron,
    Model::Forecaster,
    Model::KMeans,
    Model::Pca,
];

impl Model {
    /// The model of this name, one of [`names`](Self::names); also knn, mlp, ridge, gbt and ar.
    ///
    /// # Errors
    /// Where there is none.
    pub fn parse(name: &str) -> Result<Self> {
        let full = match name {
            "gbt" | "boosted-trees" => "trees",
            "ridge" => "linear",
            "knn" => "neighbours",
            "mlp" => "perceptron",
            "ar" | "autoregressive" => "forecaster",
            "k-means" => "kmeans",
            name => name,
        };
        let model = ALL.into_iter().find(|model| model.name() == full);
        model.ok_or_else(|| {
            TuneError::invalid(format!(
                "there is no model {name:?}: choose one of {}, or give a command to train your own",
                Self::names().join(", ")
            ))
        })
    }

    /// The names of all models.
    pub fn names() -> Vec<&'static str> {
        ALL.iter().map(|model| model.name()).collect()
    }

    /// The name that [`parse`](Self::parse) takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::Linear => "linear",
            Self::Logistic => "logistic",
            Self::Neighbours => "neighbours",
            Self::Perceptron => "perceptron",
            Self::Forecaster => "forecaster",
            Self::KMeans => "kmeans",
            Self::Pca => "pca",
        }
    }

    /// The model that a task is given to unless told otherwise.
    pub fn default_for(task: Task) -> Self {
        match task {
            Task::Regression | Task::Classification => Self::Trees,
            Task::Forecast => Self::Forecaster,
            Task::Clustering => Self::KMeans,
        }
    }

    /// Whether it can do this.
    pub fn does(self, task: Task) -> bool {
        match task {
            Task::Classification => !matches!(self, Self::Forecaster | Self::KMeans | Self::Pca),
            Task::Regression => !matches!(
                self,
                Self::Logistic | Self::Forecaster | Self::KMeans | Self::Pca
            ),
            Task::Forecast => !matches!(self, Self::Logistic | Self::KMeans | Self::Pca),
            Task::Clustering => matches!(self, Self::KMeans | Self::Pca),
        }
    }
}

/// Trains `model` on `train` and scores it on `holdout`.
///
/// - Regression: R2, the coefficient of determination.
/// - Classification: accuracy; a class that training did not see is always wrong.
/// - Forecast: skill, 1 - MSE / MSE of "as the last value", one step ahead. Rows of either frame are
///   in the order of time and follow one another; the past of the target and of all columns is what
///   the model sees.
/// - Clustering: of k-means the adjusted Rand index against the labels in the target, if it has
///   two or more, as many centres as labels; otherwise the variance of the holdout that the nearest of
///   eight centres explain. Of principal components the variance that a quarter of them explain. In
///   units of the holdout's own deviations, so that what happens to training data does not move
///   the scale.
///
/// # Errors
/// [`TuneError::InvalidInput`] where the model does not do such a task, and [`TuneError::Model`] where the
/// frames differ in their columns or have nothing to learn from or to score.
pub fn score(
    model: &Model,
    task: Task,
    train: &Frame,
    holdout: &Frame,
    seed: u64,
) -> Result<Score> {
    if !model.does(task) {
        let able: Vec<&str> = ALL
            .iter()
            .filter(|other| other.does(task))
            .map(|other| other.name())
            .collect();
        return Err(TuneError::invalid(format!(
            "model {} does no {}: choose one of {}",
            model.name(),
            task.name(),
            able.join(", ")
        )));
    }
    let score = match task {
        Task::Regression => {
            let (train, holdout) = prepare::clean(train, holdout, true)?;
            let predicted = regress(*model, &train, &holdout, seed)?;
            Score {
                metric: "R2",
                value: metrics::r2(&holdout.target, &predicted)?,
            }
        }
        Task::Classification => {
            let (mut train, holdout) = prepare::clean(train, holdout, true)?;
            let classes = Classes::of(&train.target)?;
            let labels = classes.positions(&train.target);
            train.target = Vec::new();
            let predicted = classify(*model, &train, &labels, classes.len(), &holdout, seed)?;
            Score {
                metric: "accuracy",
                value: metrics::accuracy(&holdout.target, &classes.values(&predicted)),
            }
        }
        Task::Forecast => forecast::score(*model, train, holdout, seed)?,
        Task::Clustering if *model == Model::Pca => components::score(train, holdout, seed)?,
        Task::Clustering => clusters::score(train, holdout, seed)?,
    };
    if !score.value.is_finite() {
        return Err(TuneError::model(format!(
            "model {}: {} is no finite number; the values may be too large for it",
            model.name(),
            score.metric
        )));
    }
    Ok(score)
}

/// Numbers for the rows of `holdout`; both frames are clean.
fn regress(model: Model, train: &Frame, holdout: &Frame, seed: u64) -> Result<Vec<f64>> {
    if train.columns.is_empty() {
        return Ok(vec![prepare::mean(&train.target); holdout.target.len()]);
    }
    match model {
        Model::Trees => trees::regress(train, holdout, seed),
        Model::Neighbours => Ok(neighbours::regress(train, holdout)),
        Model::Perceptron => Ok(perceptron::regress(train, holdout, seed)),
        _ => linear::regress(train, holdout),
    }
}

/// Positions of classes for the rows of `holdout`; both frames are clean.
fn classify(
    model: Model,
    train: &Frame,
    labels: &[usize],
    classes: usize,
    holdout: &Frame,
    seed: u64,
) -> Result<Vec<usize>> {
    if train.columns.is_empty() || classes < 2 {
        let commonest = prepare::commonest(labels, classes);
        return Ok(vec![commonest; holdout.target.len()]);
    }
    match model {
        Model::Trees => trees::classify(train, labels, classes, holdout, seed),
        Model::Neighbours => Ok(neighbours::classify(train, labels, classes, holdout)),
        Model::Perceptron => Ok(perceptron::classify(train, labels, classes, holdout, seed)),
        _ => logistic::classify(train, labels, holdout),
    }
}
