//! Tables to frames: every column a column of numbers, or left out.
//!
//! Numbers, booleans, dates and times are taken as numbers; infinities count as missing. Strings become
//! the positions of their values among those of the training part in sorted order, and are left out where
//! they are mostly different from row to row, as names and identifiers are. Lists, structs and binary
//! columns are left out, and so are columns that hold a single value, or none, in the training part. What
//! is learned here is learned from the original training part, once: reduced tables are encoded alike.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::error::{Result, TuneError};
use super::frame::Frame;
use super::method::Task;

/// How the columns of a table become those of a frame.
#[derive(Debug, Clone)]
pub struct Encoder {
    features: Vec<(usize, Feature)>,
    target: Option<(usize, Option<Vec<String>>)>,
    ignored: Vec<Ignored>,
}

/// A column that models do not see.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Ignored {
    pub column: String,
    pub why: &'static str,
}

#[derive(Debug, Clone)]
enum Feature {
    Number,
    /// Positions of the values.
    Codes(HashMap<String, f64>),
}

/// The most values that a column of strings may have.
const MOST_CODES: usize = 10_000;

impl Encoder {
    /// Learns from the training part how columns are encoded, and from `all` which classes there are.
    ///
    /// # Errors
    /// When no feature is left, or the target cannot be what the task needs.
    pub fn fit(
        train: &RecordBatch,
        all: &RecordBatch,
        task: Task,
        target: Option<usize>,
    ) -> Result<Self> {
        let schema = train.schema();
        let mut features = Vec::new();
        let mut ignored = Vec::new();
        for (column, field) in schema.fields().iter().enumerate() {
            if Some(column) == target {
                continue;
            }
            match feature(train.column(column))? {
                Ok(feature) => features.push((column, feature)),
                Err(why) => ignored.push(Ignored {
                    column: field.name().clone(),
                    why,
                }),
            }
        }
        // A series may be forecast from its own past.
        if features.is_empty() && task != Task::Forecast {
            return Err(TuneError::invalid(format!(
                "no column is left for the model to learn from: {}",
                ignored
                    .iter()
                    .map(|ignored| format!("{:?} {}", ignored.column, ignored.why))
                    .collect::<Vec<_>>()
                    .join("; ")
            )));
        }
        let target = match target {
            None => None,
            Some(column) => Some((column, classes(all, column, task)?)),
        };
        Ok(Self {
            features,
            target,
            ignored,
        })
    }

    /// Positions of the columns that models see, in order.
    pub fn features(&self) -> impl Iterator<Item = usize> + '_ {
        self.features.iter().map(|(column, _)| *column)
    }

    /// Columns that models do not see, and why.
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// `table`, of the schema that this was learned from, as a frame.
    ///
    /// # Errors
    /// When a column cannot be read as what it was.
    pub fn frame(&self, table: &RecordBatch) -> Result<Frame> {
        let schema = table.schema();
        let mut frame = Frame::default();
        for (column, feature) in &self.features {
            frame.names.push(schema.field(*column).name().clone());
            frame.columns.push(match feature {
                Feature::Number => numbers(table.column(*column))?,
                Feature::Codes(codes) => {
                    let code = |text: Option<String>| Some(*codes.get(&text?)?);
                    let texts = texts(table.column(*column))?.into_iter();
                    texts.map(|text| code(text).unwrap_or(f64::NAN)).collect()
                }
            });
        }
        if let Some((column, classes)) = &self.target {
            frame.target = match classes {
                None => numbers(table.column(*column))?,
                Some(classes) => {
                    let code = |text: Option<String>| classes.binary_search(&text?).ok();
                    let texts = texts(table.column(*column))?.into_iter();
                    let code = |text| code(text).map_or(f64::NAN, |code| code as f64);
                    texts.map(code).collect()
                }
            };
        }
        Ok(frame)
    }
}

/// How a column is encoded, or why it is left out.
fn feature(array: &ArrayRef) -> Result<Result<Feature, &'static str>> {
    let data_type = plain_type(array.data_type());
    if is_text(&data_type) {
        let mut values: Vec<String> = texts(array)?.into_iter().flatten().collect();
        let rows = values.len();
        values.sort_unstable();
        values.dedup();
        return Ok(match values.len() {
            0 | 1 => Err("holds one value, or none, in the training part"),
            n if n > MOST_CODES || (n > 20 && n * 2 > rows) => {
                Err("holds text that is mostly different from row to row")
            }
            _ => Ok(Feature::Codes(
                values
                    .into_iter()
                    .zip(0_u32..)
                    .map(|(value, code)| (value, f64::from(code)))
                    .collect(),
            )),
        });
    }
    if !is_number(&data_type) {
        return Ok(Err("is of a type that models do not take"));
    }
    let mut values = numbers(array)?.into_iter().filter(|x| !x.is_nan());
    let first = values.next();
    Ok(match first {
        Some(first) if values.any(|x| x != first) => Ok(Feature::Number),
        _ => Err("holds one value, or none, in the training part"),
    })
}

/// The classes of a target, sorted; None where it is a number.
fn classes(all: &RecordBatch, column: usize, task: Task) -> Result<Option<Vec<String>>> {
    let array = all.column(column);
    let schema = all.schema();
    let name = schema.field(column).name();
    let data_type = plain_type(array.data_type());
    let is_label = matches!(task, Task::Classification | Task::Clustering);
    if !is_text(&data_type) && !is_number(&data_type) {
        return Err(TuneError::invalid(format!(
            "the target {name:?} is {data_type}; a target is a number, a truth value or a text"
        )));
    }
    if !is_label {
        if is_text(&data_type) {
            return Err(TuneError::invalid(format!(
                "the target {name:?} is text, which {} cannot predict; give --task classification",
                task.name()
            )));
        }
        return Ok(None);
    }
    let mut values: Vec<String> = texts(array)?.into_iter().flatten().collect();
    values.sort_unstable();
    values.dedup();
    if values.len() < 2 {
        return Err(TuneError::invalid(format!(
            "the target {name:?} has {} class; classification needs two at least",
            values.len()
        )));
    }
    if values.len() * 2 > all.num_rows() {
        return Err(TuneError::invalid(format!(
            "the target {name:?} has {} classes in {} rows; give --task regression, or another target",
            values.len(),
            all.num_rows()
        )));
    }
    Ok(Some(values))
}

/// What a dictionary holds, or the type itself.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_temporal() || *data_type == DataType::Boolean
}

/// The values as numbers; NaN for nulls and infinities.
pub(super) fn numbers(array: &ArrayRef) -> Result<Vec<f64>> {
    let data_type = plain_type(array.data_type());
    let plain = cast(array, &data_type)?;
    let counted = match data_type {
        DataType::Date32 | DataType::Time32(_) => cast(&plain, &DataType::Int32)?,
        data_type if data_type.is_temporal() => cast(&plain, &DataType::Int64)?,
        _ => plain,
    };
    let floats = cast(&counted, &DataType::Float64)?;
    let floats = floats.as_primitive::<Float64Type>();
    let finite = |x: Option<f64>| x.filter(|x| x.is_finite()).unwrap_or(f64::NAN);
    Ok(floats.iter().map(finite).collect())
}

fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>> {
    let texts = cast(array, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    Ok(texts.iter().map(|text| text.map(str::to_owned)).collect())
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
