//! Scores and times of the built-in models: `cargo bench --bench models --no-default-features --features
//! tune -- TABLE.parquet... [--task classification] [--model NAME]`
//!
//! The column `target` of each table is predicted from its other numbers; every fifth row is holdout,
//! of a forecast the last fifth.

#[path = "common/arguments.rs"]
mod arguments;

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arguments::Arguments;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use tolerant::file::ReaderBuilder;
use tolerant::tune::models::{Model, score};
use tolerant::tune::{Frame, Task};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::of_process();
    let option = |name: &str| arguments.option(name);
    let task = match option("--task").as_deref() {
        None | Some("regression") => Task::Regression,
        Some("classification") => Task::Classification,
        Some("forecast") => Task::Forecast,
        Some("clustering") => Task::Clustering,
        Some(other) => return Err(format!("there is no task {other}").into()),
    };
    let tables = arguments.0.iter().filter(|a| a.ends_with(".parquet"));
    for path in tables {
        let frame = read(Path::new(path))?;
        let rows = 0..frame.len();
        let (holdout, train): (Vec<usize>, Vec<usize>) = match task {
            Task::Forecast => rows.partition(|row| row * 5 >= frame.len() * 4),
            _ => rows.partition(|row| row % 5 == 0),
        };
        let (train, holdout) = (frame.take(&train), frame.take(&holdout));
        for name in Model::names() {
            let model = Model::parse(name)?;
            let wanted = option("--model").is_none_or(|wanted| wanted == name);
            if !wanted || !model.does(task) {
                continue;
            }
            for seed in [1, 2] {
                let start = Instant::now();
                let found = score(&model, task, &train, &holdout, seed)?;
                println!(
                    "{path} {} x {} {name} seed {seed}: {} {:.4}, {:.2} s",
                    frame.len(),
                    frame.columns.len(),
                    found.metric,
                    found.value,
                    start.elapsed().as_secs_f64()
                );
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Frame, Box<dyn Error>> {
    let reader = ReaderBuilder::new(Arc::new(File::open(path)?))?.build()?;
    let batches = reader.collect::<Result<Vec<RecordBatch>, _>>()?;
    let mut frame = Frame::default();
    let schema = batches.first().ok_or("no rows")?.schema();
    for (i, field) in schema.fields().iter().enumerate() {
        if !field.data_type().is_numeric() {
            continue;
        }
        let mut values = Vec::new();
        for batch in &batches {
            let column = cast(batch.column(i), &DataType::Float64)?;
            let column = column.as_primitive::<Float64Type>();
            values.extend((0..column.len()).map(|row| match column.is_null(row) {
                true => f64::NAN,
                false => column.value(row),
            }));
        }
        if field.name() == "target" {
            frame.target = values;
        } else {
            frame.names.push(field.name().clone());
            frame.columns.push(values);
        }
    }
    Ok(frame)
}
