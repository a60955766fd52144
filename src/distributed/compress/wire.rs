//! Tasks and answers as messages of Arrow Flight: JSON, and schemas as Arrow writes them.
//!
//! Both ends are of one version, which is checked before; floats go as their bits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow_flight::{FlightData, FlightDescriptor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::{Effort, ErrorBound, ValueRange};
use crate::file::{FileLayout, RowOrder, VectorRange, from_ipc, is_float, is_url, to_ipc};
use crate::tools::compress::{CompressOptions, CompressReport};
use crate::tools::compress_each::{Task, Work};
use crate::tools::leaves::LeafRange;
use crate::tools::relative::Ranges;
use crate::tools::{Result, ToolError};

use super::reports::{self, ReportJson};

/// What a worker says of a task.
#[derive(Debug)]
pub(super) enum Answer {
    /// Rows read so far.
    Rows(u64),
    /// The end of [`Work::Find`].
    Found(Ranges),
    /// The output is written, and waits for the word to appear.
    Written(Box<CompressReport>),
    /// The output is there.
    There,
    /// The task cannot be done, whoever tries.
    Failed(String),
}

#[derive(Serialize, Deserialize)]
enum AnswerJson {
    Rows(u64),
    Found(RangesJson),
    Written(ReportJson),
    There,
    Failed(String),
}

#[derive(Serialize, Deserialize)]
struct TaskJson {
    input: PathBuf,
    input_bytes: Option<u64>,
    output: PathBuf,
    options: OptionsJson,
    work: WorkJson,
    mark: u64,
}

#[derive(Serialize, Deserialize)]
enum WorkJson {
    Find(Vec<usize>),
    Write(RangesJson),
}

#[derive(Serialize, Deserialize)]
struct OptionsJson {
    bound: String,
    columns: Vec<(String, String)>,
    #[serde(with = "LayoutJson")]
    layout: FileLayout,
    effort: String,
    max_references: Option<usize>,
    block_rows: Option<usize>,
    row_group_rows: Option<usize>,
    #[serde(with = "RowOrderJson")]
    row_order: RowOrder,
    #[serde(with = "VectorRangeJson")]
    vector_range: VectorRange,
    keep_rows: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "FileLayout")]
enum LayoutJson {
    Packed,
    Portable,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "RowOrder")]
enum RowOrderJson {
    Keep,
    Any,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "VectorRange")]
enum VectorRangeJson {
    All,
    Dimension,
}

/// The bits of both ends.
pub(super) type RangeJson = [u64; 2];

#[derive(Serialize, Deserialize)]
struct RangesJson {
    columns: Vec<(usize, RangeJson)>,
    quantiles: Vec<(usize, RangeJson)>,
    leaves: Vec<LeafJson>,
}

#[derive(Serialize, Deserialize)]
struct LeafJson {
    name: String,
    ranges: Vec<RangeJson>,
    by_dimension: bool,
}

/// The first message of an exchange. `mark` names the file that is written until it appears.
pub(super) fn ask(task: &Task, mark: u64) -> Result<FlightData> {
    let json = TaskJson {
        input: absolute(&task.input)?,
        input_bytes: task.input_bytes,
        output: absolute(&task.output)?,
        options: of_options(&task.options),
        work: match &task.work {
            Work::Find(columns) => WorkJson::Find(columns.to_vec()),
            Work::Write(ranges) => WorkJson::Write(of_ranges(ranges)),
        },
        mark,
    };
    let descriptor = FlightDescriptor::new_cmd(text(&json)?);
    let message = FlightData::new().with_descriptor(descriptor);
    Ok(message.with_data_header(to_ipc(&task.schema)))
}

/// The second: the output is to appear.
pub(super) fn commit() -> FlightData {
    FlightData::new()
}

/// The task of an exchange's first message, and its mark.
///
/// # Errors
/// When the message is none, or says what cannot be.
pub(super) fn asked(message: &FlightData) -> Result<(Task, u64)> {
    let descriptor = message.flight_descriptor.as_ref();
    let command = descriptor.map_or(&b""[..], |descriptor| &descriptor.cmd);
    let json: TaskJson = parsed(command)?;
    let schema = from_ipc(&message.data_header)
        .map_err(|error| ToolError::invalid(format!("the task's schema is unreadable: {error}")))?;
    let task = Task {
        input: json.input,
        input_bytes: json.input_bytes,
        output: json.output,
        schema: Arc::new(schema),
        options: Arc::new(to_options(json.options)?),
        work: match json.work {
            WorkJson::Find(columns) => Work::Find(columns.into()),
            WorkJson::Write(ranges) => Work::Write(Arc::new(to_ranges(ranges)?)),
        },
    };
    check(&task)?;
    Ok((task, json.mark))
}

pub(super) fn answer(answer: Answer) -> Result<FlightData> {
    let mut header = Vec::new();
    let json = match answer {
        Answer::Rows(rows) => AnswerJson::Rows(rows),
        Answer::Found(ranges) => AnswerJson::Found(of_ranges(&ranges)),
        Answer::Written(report) => {
            header = to_ipc(&reports::schema(&report));
            AnswerJson::Written(ReportJson::new(&report))
        }
        Answer::There => AnswerJson::There,
        Answer::Failed(why) => AnswerJson::Failed(why),
    };
    let message = FlightData::new().with_app_metadata(text(&json)?);
    Ok(message.with_data_header(header))
}

pub(super) fn answered(message: &FlightData) -> Result<Answer> {
    Ok(match parsed(&message.app_metadata)? {
        AnswerJson::Rows(rows) => Answer::Rows(rows),
        AnswerJson::Found(ranges) => Answer::Found(to_ranges(ranges)?),
        AnswerJson::Written(report) => {
            let schema = from_ipc(&message.data_header).map_err(|error| {
                ToolError::invalid(format!("the report's schema is unreadable: {error}"))
            })?;
            Answer::Written(Box::new(report.with_schema(&schema)?))
        }
        AnswerJson::There => Answer::There,
        AnswerJson::Failed(why) => Answer::Failed(why),
    })
}

fn text(json: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(json)
        .map_err(|error| ToolError::invalid(format!("cannot be sent between machines: {error}")))
}

fn parsed<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|error| ToolError::invalid(format!("a message is unreadable: {error}")))
}

/// A path that means the same from other folders.
fn absolute(path: &Path) -> Result<PathBuf> {
    if is_url(path) {
        return Ok(path.to_owned());
    }
    std::path::absolute(path).map_err(|error| ToolError::io("find", path, error))
}

/// What a worker relies on, and another program might not keep.
fn check(task: &Task) -> Result<()> {
    let columns_fit = match &task.work {
        Work::Find(columns) => floats(&task.schema, columns.iter().copied()),
        Work::Write(ranges) => {
            floats(&task.schema, ranges.columns.iter().map(|range| range.0))
                && floats(&task.schema, ranges.quantiles.iter().map(|range| range.0))
        }
    };
    if !columns_fit {
        return Err(ToolError::invalid(
            "the task names columns that are no floats of its schema",
        ));
    }
    let everywhere = |path: &Path| is_url(path) || path.is_absolute();
    if !everywhere(&task.input) || !everywhere(&task.output) {
        return Err(ToolError::invalid("the task's paths are not absolute"));
    }
    // Whoever may ask is not to replace any other kind of file.
    if task.output.extension().is_none_or(|name| name != "parquet") {
        return Err(ToolError::invalid(
            "workers write files whose names end in .parquet, and no others",
        ));
    }
    Ok(())
}

/// Whether columns ascend, and are floats of the schema.
fn floats(schema: &Schema, mut columns: impl Iterator<Item = usize>) -> bool {
    let mut last = None;
    columns.all(|column| {
        let ascends = last.replace(column).is_none_or(|last| last < column);
        let field = schema.fields().get(column);
        ascends && field.is_some_and(|field| is_float(field.data_type()))
    })
}

fn of_options(options: &CompressOptions) -> OptionsJson {
    let columns = options.columns.iter();
    OptionsJson {
        bound: options.bound.to_string(),
        columns: columns
            .map(|(name, bound)| (name.clone(), bound.to_string()))
            .collect(),
        layout: options.layout,
        effort: options.effort.to_string(),
        max_references: options.max_references,
        block_rows: options.block_rows,
        row_group_rows: options.row_group_rows,
        row_order: options.row_order,
        vector_range: options.vector_range,
        #[cfg(feature = "tune")]
        keep_rows: options.keep_rows,
        #[cfg(not(feature = "tune"))]
        keep_rows: None,
    }
}

fn to_options(json: OptionsJson) -> Result<CompressOptions> {
    let bound = |text: &str| {
        let bound = text.parse::<ErrorBound>();
        bound.map_err(|error| ToolError::invalid(error.to_string()))
    };
    #[cfg(not(feature = "tune"))]
    if json.keep_rows.is_some() {
        return Err(ToolError::invalid(
            "this worker was built without the feature tune, and cannot keep a share of the rows",
        ));
    }
    let columns = json.columns.into_iter();
    Ok(CompressOptions {
        inputs: Vec::new(),
        output: PathBuf::new(),
        bound: bound(&json.bound)?,
        columns: columns
            .map(|(name, text)| Ok((name, bound(&text)?)))
            .collect::<Result<_>>()?,
        layout: json.layout,
        effort: json
            .effort
            .parse::<Effort>()
            .map_err(|error| ToolError::invalid(error.to_string()))?,
        max_references: json.max_references,
        block_rows: json.block_rows,
        row_group_rows: json.row_group_rows,
        row_order: json.row_order,
        vector_range: json.vector_range,
        row_id: None,
        #[cfg(feature = "tune")]
        keep_rows: json.keep_rows,
    })
}

pub(super) fn of_range(range: &ValueRange) -> RangeJson {
    [range.min.to_bits(), range.max.to_bits()]
}

pub(super) fn to_range(bits: RangeJson) -> Result<ValueRange> {
    let [min, max] = bits.map(f64::from_bits);
    let range = ValueRange { min, max };
    let finite = min.is_finite() && max.is_finite() && min <= max;
    match finite || range == ValueRange::EMPTY {
        true => Ok(range),
        false => Err(ToolError::invalid(format!(
            "{min:?} to {max:?} is no range of values"
        ))),
    }
}

fn of_ranges(ranges: &Ranges) -> RangesJson {
    let pairs = |ranges: &[(usize, ValueRange)]| {
        let ranges = ranges.iter();
        ranges.map(|(at, range)| (*at, of_range(range))).collect()
    };
    let leaf = |leaf: &LeafRange| LeafJson {
        name: leaf.name.clone(),
        ranges: leaf.ranges.iter().map(of_range).collect(),
        by_dimension: leaf.by_dimension,
    };
    RangesJson {
        columns: pairs(&ranges.columns),
        quantiles: pairs(&ranges.quantiles),
        leaves: ranges.leaves.iter().map(leaf).collect(),
    }
}

fn to_ranges(json: RangesJson) -> Result<Ranges> {
    let pairs = |ranges: Vec<(usize, RangeJson)>| {
        let ranges = ranges.into_iter();
        ranges
            .map(|(at, bits)| Ok((at, to_range(bits)?)))
            .collect::<Result<Vec<_>>>()
    };
    let leaves = json.leaves.into_iter().map(|leaf| {
        Ok(LeafRange {
            name: leaf.name,
            ranges: leaf
                .ranges
                .into_iter()
                .map(to_range)
                .collect::<Result<_>>()?,
            by_dimension: leaf.by_dimension,
        })
    });
    Ok(Ranges {
        columns: pairs(json.columns)?,
        quantiles: pairs(json.quantiles)?,
        leaves: leaves.collect::<Result<_>>()?,
    })
}
