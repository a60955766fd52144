//! A search from table to report.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::DataType;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::file::{is_float, raw_bytes};

use super::candidate::Candidate;
use super::encoder::{Encoder, numbers};
use super::error::{Result, TuneError};
use super::finish::finished;
use super::harness::Harness;
use super::hash::{table_hash, text_hash};
use super::journal::Journal;
use super::ladder::Ladder;
use super::method::{Reduction, Task};
use super::noise::Baseline;
use super::options::TuneOptions;
use super::report::{JOURNAL, Report, TableFacts};
use super::search::{Base, FIRST_SHARE, Folds, Search, mutual_information, order_of};
use super::split::{folds, split};
use super::trainer::{Outcome, Part, Trainer, Training};
use super::watch::Watch;

/// Classes that a column of whole numbers may have to be taken for one of classes.
const MOST_CLASSES: usize = 20;
/// Where the baseline's spread is below this share of the loss that may be, one seed shows enough.
const CALM: f64 = 0.1;
/// Seeds that the search trains with elsewhere.
const SEARCH_SEEDS: usize = 2;

/// Finds how much error `training` bears on `table`: see the [module](super).
///
/// The same inputs give the same report, whatever the number of threads and however often the search was
/// interrupted, unless the budget is a time.
///
/// # Errors
/// When the table, the target or the options do not fit together; when the model cannot be trained on the
/// original; when stopped; when the journal cannot be written.
pub fn tune(
    table: &RecordBatch,
    training: &Training,
    methods: &[Box<dyn Reduction>],
    options: &TuneOptions,
    watch: &Watch<'_>,
) -> Result<Report> {
    let started = Instant::now();
    options.check()?;
    let target = target(table, options)?;
    let task = task_of_table(table, options)?;
    if target.is_none() && task != Task::Clustering {
        return Err(TuneError::invalid(format!(
            "{} needs a target; give --target COLUMN",
            task.name()
        )));
    }
    let used = with_target(table, target)?;
    let features: Vec<usize> = (0..used.num_columns())
        .filter(|column| Some(*column) != target)
        .collect();
    let parts = split(&used, &features, task, options.seed)?;
    let part = |rows: &[usize]| {
        let rows = UInt32Array::from_iter_values(rows.iter().map(|row| *row as u32));
        take_record_batch(&used, &rows)
    };
    let (train, validation) = (part(&parts.train)?, part(&parts.validation)?);
    let test = part(&parts.test)?;
    let encoder = Encoder::fit(&train, &used, task, target)?;
    let lossy = lossy_columns(&train, &encoder, task, target, options);
    let storage = options.storage(task);

    let identity = [
        // Other versions write other files.
        env!("CARGO_PKG_VERSION").to_owned(),
        table_hash(&used)?,
        training.identity(),
        storage.identity(),
        format!("{task:?} {:?} {} {lossy:?}", options.target, options.seed),
    ];
    let journal = match &options.folder {
        Some(folder) => Journal::open(&folder.join(JOURNAL), &text_hash(&identity.join("\n")))?,
        None => Journal::in_memory(),
    };
    let facts = TableFacts {
        rows: table.num_rows(),
        columns: table.num_columns(),
        train_rows: train.num_rows(),
        validation_rows: validation.num_rows(),
        test_rows: test.num_rows(),
        without_target: table.num_rows() - used.num_rows(),
        raw_bytes: float_bytes(table),
        train_raw_bytes: float_bytes(&train),
        lossy_columns: lossy.len(),
        ignored: encoder.ignored().to_vec(),
    };
    let (prior, order) = prior(&encoder, &train, &lossy, target)?;
    let mut holdouts = vec![(Part::Validation, validation), (Part::Test, test)];
    let mut trained_on = Vec::new();
    let folds = folds(&used, &features, &parts, task, options.seed)?;
    for (fold, (train, holdout)) in folds.iter().enumerate() {
        trained_on.push(part(train)?);
        holdouts.push((Part::Fold(fold as u8), part(holdout)?));
    }
    let harness = Harness {
        ladders: lossy.iter().map(|c| Ladder::of(&train, *c)).collect(),
        lossy,
        target,
        methods,
        storage,
        trainer: Trainer::new(training, task, encoder, &holdouts)?,
        folds: trained_on,
        journal,
        pools: pools(training, options)?,
        watch,
        seed: options.seed,
        train,
    };
    let seeds: Vec<u64> = (0..options.seeds as u64)
        .map(|i| options.seed.wrapping_add(i))
        .collect();
    let lower_is_better = training.lower_is_better();
    let (baseline, metric) = baseline(&harness, Part::Validation, &seeds, lower_is_better)?;
    let target_loss = options.max_loss * (1.0 - options.margin);
    let calm = baseline.relative_spread() <= target_loss * CALM;
    let mut search = Search {
        harness: &harness,
        baseline,
        search_seeds: if calm {
            1
        } else {
            SEARCH_SEEDS.min(seeds.len())
        },
        seeds,
        max_loss: options.max_loss,
        target: target_loss,
        first_target: target_loss,
        folds: Folds::default(),
        prior,
        order,
        raw_bytes: facts.train_raw_bytes,
        sample_rows: options.sample_rows && task != Task::Forecast,
        budget: options.budget,
        started,
        points: Vec::new(),
        known: HashMap::new(),
        share: FIRST_SHARE,
        exhausted: false,
        base: Base::default(),
    };
    search.run()?;
    finished(search, table, facts, task, training, metric, options)
}

/// What the options ask for, or else what their target is for.
///
/// # Errors
/// When there is no such target.
pub fn task_of_table(table: &RecordBatch, options: &TuneOptions) -> Result<Task> {
    let target = target(table, options)?;
    options.task.map_or_else(|| task_of(table, target), Ok)
}

/// The scores on the original, and what the metric is called.
pub(super) fn baseline(
    harness: &Harness<'_>,
    part: Part,
    seeds: &[u64],
    lower_is_better: bool,
) -> Result<(Baseline, String)> {
    let evaluations = harness.evaluate(&[Candidate::Original], part, seeds)?;
    let outcomes = evaluations
        .into_iter()
        .next()
        .map(|evaluation| evaluation.outcomes)
        .unwrap_or_default();
    let metric = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Scored { metric, .. } => Some(metric.clone()),
        Outcome::Failed(_) => None,
    });
    let baseline = Baseline::of(&outcomes, lower_is_better).map_err(|why| {
        TuneError::model(format!(
            "the model cannot be trained on the original table: {why}"
        ))
    })?;
    let metric = metric.unwrap_or_default();
    if !baseline.has_learnt() {
        return Err(TuneError::model(format!(
            "the model learns nothing from the original table ({metric} {:.4} on {} data), so that no loss \
             can be told; try another model, task or target, or more rows",
            baseline.mean,
            match part {
                Part::Test => "test",
                Part::Validation | Part::Fold(_) => "validation",
            }
        )));
    }
    Ok((baseline, metric))
}

/// The position of the target.
fn target(table: &RecordBatch, options: &TuneOptions) -> Result<Option<usize>> {
    let Some(name) = &options.target else {
        return Ok(None);
    };
    let schema = table.schema();
    match schema.index_of(name) {
        Ok(column) => Ok(Some(column)),
        Err(_) => Err(TuneError::invalid(format!(
            "no column is named {name:?}; there are {}",
            listed(schema.fields().iter().map(|field| field.name().as_str()))
        ))),
    }
}

/// The first names of many.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    let rest = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - rest].join(", ");
    if rest == 0 {
        shown
    } else {
        format!("{shown} and {rest} more")
    }
}

/// What a target of this kind is for: text, truth values and a few whole numbers are classes.
fn task_of(table: &RecordBatch, target: Option<usize>) -> Result<Task> {
    let Some(target) = target else {
        return Ok(Task::Clustering);
    };
    let array = table.column(target);
    let data_type = array.data_type();
    if is_float(data_type) || matches!(data_type, DataType::Decimal128(..)) {
        return Ok(Task::Regression);
    }
    if !data_type.is_integer() {
        return Ok(Task::Classification);
    }
    let mut values = numbers(array)?;
    values.sort_by(f64::total_cmp);
    values.dedup();
    Ok(if values.len() <= MOST_CLASSES {
        Task::Classification
    } else {
        Task::Regression
    })
}

/// The rows that have a target.
fn with_target(table: &RecordBatch, target: Option<usize>) -> Result<RecordBatch> {
    let Some(target) = target else {
        return Ok(table.clone());
    };
    let array = table.column(target);
    let known: BooleanArray = if is_float(array.data_type()) {
        let values = numbers(array)?;
        values.iter().map(|x| Some(!x.is_nan())).collect()
    } else {
        (0..array.len())
            .map(|row| Some(array.is_valid(row)))
            .collect()
    };
    Ok(filter_record_batch(table, &known)?)
}

/// The float columns that may change: features, and the target of a regression or a forecast.
fn lossy_columns(
    train: &RecordBatch,
    encoder: &Encoder,
    task: Task,
    target: Option<usize>,
    options: &TuneOptions,
) -> Vec<usize> {
    let schema = train.schema();
    let numeric = matches!(task, Task::Regression | Task::Forecast);
    let target = target.filter(|_| numeric && !options.exact_target);
    let mut columns: Vec<usize> = encoder.features().chain(target).collect();
    columns.retain(|column| is_float(schema.field(*column).data_type()));
    columns.sort_unstable();
    columns
}

/// Raw Arrow bytes of the float columns.
pub(super) fn float_bytes(table: &RecordBatch) -> u64 {
    let columns = table.columns().iter();
    let floats = columns.filter(|array| is_float(array.data_type()));
    floats.map(raw_bytes).sum()
}

/// What each lossy column tells about the target, in bits, all alike where there is none; and the order of
/// those that tell most besides one another.
fn prior(
    encoder: &Encoder,
    train: &RecordBatch,
    lossy: &[usize],
    target: Option<usize>,
) -> Result<(Vec<f64>, Vec<usize>)> {
    let labels = encoder.frame(train)?.target;
    let values = lossy.iter().map(|column| numbers(train.column(*column)));
    let values: Vec<Vec<f64>> = values.collect::<Result<_>>()?;
    let bits = values.iter().map(|values| match target {
        Some(_) => mutual_information(values, &labels),
        None => 1.0,
    });
    let bits: Vec<f64> = bits.collect();
    let order = order_of(&values, &bits);
    Ok((bits, order))
}

fn pools(training: &Training, options: &TuneOptions) -> Result<[ThreadPool; 2]> {
    let pool = |threads: usize| {
        ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| TuneError::invalid(format!("no threads can be started: {error}")))
    };
    let training = match training {
        Training::Function(_) => options.jobs.unwrap_or(0),
        Training::Command(_) => options.jobs.unwrap_or(1),
    };
    Ok([pool(0)?, pool(training)?])
}

/// For tables that come as columns of numbers: a table of Float64 columns.
///
/// # Errors
/// When the columns are not of one length.
pub fn table_of(columns: impl IntoIterator<Item = (String, Vec<f64>)>) -> Result<RecordBatch> {
    let arrays = columns.into_iter().map(|(name, values)| {
        let array: ArrayRef = Arc::new(Float64Array::from(values));
        (name, array)
    });
    Ok(RecordBatch::try_from_iter(arrays)?)
}
