//! `tune` for Python: how much error a model bears, with the report as JSON.

use std::path::PathBuf;
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tolerant::tools::ToolError;
use tolerant::tools::input::Input;
use tolerant::tune::{
    Budget, TableFormat, Task, TrainCommand, Training, TuneError, TuneOptions, Watch, methods,
};

use super::{data, errors, work};

/// What is to be found, all in the words of the command line.
#[derive(FromPyObject)]
pub struct Options {
    #[pyo3(item)]
    target: Option<String>,
    #[pyo3(item)]
    task: Option<String>,
    #[pyo3(item)]
    model: Option<String>,
    #[pyo3(item)]
    train_cmd: Option<String>,
    #[pyo3(item)]
    train_format: String,
    #[pyo3(item)]
    train_timeout: f64,
    #[pyo3(item)]
    lower_is_better: bool,
    #[pyo3(item)]
    max_loss: f64,
    #[pyo3(item)]
    seeds: usize,
    #[pyo3(item)]
    seed: u64,
    #[pyo3(item)]
    evaluations: usize,
    #[pyo3(item)]
    methods: Vec<String>,
    #[pyo3(item)]
    exact_target: bool,
    #[pyo3(item)]
    sample_rows: bool,
    #[pyo3(item)]
    jobs: Option<usize>,
}

impl Options {
    fn task(&self) -> PyResult<Option<Task>> {
        let tasks = [
            Task::Regression,
            Task::Classification,
            Task::Forecast,
            Task::Clustering,
        ];
        let Some(name) = &self.task else {
            return Ok(None);
        };
        let task = tasks.into_iter().find(|task| task.name() == name);
        task.map(Some).ok_or_else(|| {
            PyValueError::new_err(format!(
                "task={name:?} is not known; give regression, classification, forecast or clustering"
            ))
        })
    }

    fn tune_options(&self, folder: Option<PathBuf>) -> PyResult<TuneOptions> {
        Ok(TuneOptions {
            target: self.target.clone(),
            task: self.task()?,
            max_loss: self.max_loss,
            seeds: self.seeds,
            seed: self.seed,
            budget: Budget::Evaluations(self.evaluations),
            exact_target: self.exact_target,
            sample_rows: self.sample_rows,
            jobs: self.jobs,
            folder,
            ..TuneOptions::default()
        })
    }

    /// The program to train, if one is given.
    fn command(&self) -> PyResult<Option<Training>> {
        let Some(command) = &self.train_cmd else {
            return Ok(None);
        };
        let format = match self.train_format.as_str() {
            "parquet" => TableFormat::Parquet,
            "arrow" => TableFormat::Arrow,
            other => {
                return Err(PyValueError::new_err(format!(
                    "train_format={other:?} is not known; give parquet or arrow"
                )));
            }
        };
        let timeout = Duration::try_from_secs_f64(self.train_timeout)
            .map_err(|error| PyValueError::new_err(format!("train_timeout: {error}")))?;
        Ok(Some(Training::Command(TrainCommand {
            command: command.clone(),
            format,
            timeout,
            lower_is_better: self.lower_is_better,
        })))
    }
}

/// Finds bounds for `paths`, or else the table `data`; the report as JSON, and in the folder `output`.
#[pyfunction]
#[pyo3(signature = (paths, data, output, options, progress=None))]
pub fn tune(
    py: Python<'_>,
    paths: Option<Vec<PathBuf>>,
    data: Option<&Bound<'_, PyAny>>,
    output: Option<PathBuf>,
    options: Options,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let data = data.map(data::batches).transpose()?;
    let (tune_options, command) = (options.tune_options(output.clone())?, options.command()?);
    let methods = methods::named(&options.methods).map_err(failed)?;
    let name = match &paths {
        Some(paths) => paths
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        None => vec!["TABLE".to_owned()],
    };
    let report = work::run(py, progress, move |shared| {
        let table = table(paths, data)?;
        let training = match command {
            Some(command) => command,
            None => Training::built_in(options.model.as_deref(), &table, &tune_options)?,
        };
        if let Some(folder) = &output {
            std::fs::create_dir_all(folder).map_err(|source| ToolError::Io {
                what: format!("cannot create {}", folder.display()),
                source,
            })?;
        }
        let watch = Watch {
            stop: shared.stop(),
            progress: &|progress| {
                let total = progress.budget.map(|budget| budget as u64);
                shared.told((progress.phase.name(), progress.tried as u64, total));
            },
        };
        let report = tolerant::tune::tune(&table, &training, &methods, &tune_options, &watch);
        let report = report?;
        if let Some(folder) = &output {
            report.write(folder, &name.join(" "))?;
        }
        Ok(report)
    })?;
    report.to_json().map_err(failed)
}

fn failed(error: TuneError) -> PyErr {
    errors::tool(error.into())
}

/// The whole table, in memory.
fn table(
    paths: Option<Vec<PathBuf>>,
    data: Option<data::Batches>,
) -> Result<RecordBatch, ToolError> {
    let (schema, batches) = match (data, paths) {
        (Some(data), _) => (data.schema(), data.collect::<Result<Vec<_>, _>>()),
        (None, paths) => {
            let input = Input::open(&paths.unwrap_or_default())?;
            let batches = input.batches().collect::<Result<Vec<_>, _>>()?;
            (input.schema().clone(), Ok(batches))
        }
    };
    let batches = batches.map_err(|error| ToolError::File(error.into()))?;
    concat_batches(&schema, &batches).map_err(|error| ToolError::File(error.into()))
}
