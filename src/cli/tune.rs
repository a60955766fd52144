//! `tolerant tune`, and what `tolerant compress --config` takes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use indicatif::{ProgressBar, ProgressStyle};

use crate::file::{AtomicFile, FileLayout, RowOrder};
use crate::tools::input::Input;
use crate::tools::{Result, ToolError};
use crate::tune::{
    Config, Progress, Report, TableFormat, Task, TrainCommand, Training, TuneError, TuneOptions,
    Watch, methods, tune,
};

use super::output::Table;
use super::tune_args::{Format, Tune};
use super::{SUCCESS, args, output};

/// How long a search took: not in the report, which is the same from run to run.
const TIMES: &str = "times.json";

pub fn run(args: Tune) -> Result<u8> {
    let start = Instant::now();
    let options = options(&args);
    let table = read(&args)?;
    let training = training(&args, &table, &options)?;
    let words: Vec<&str> = args.methods.split(',').map(str::trim).collect();
    let methods = methods::named(&words)?;
    fs::create_dir_all(&args.output)
        .map_err(|error| ToolError::io("create", &args.output, error))?;
    let stop = stop_on_interrupt()?;
    let bar = super::bar("reading");
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len}, {elapsed}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let watch = Watch {
        stop: &stop,
        progress: &|progress| show(&bar, progress),
    };
    let found = tune(&table, &training, &methods, &options, &watch);
    bar.finish_and_clear();
    let report = match found {
        Err(TuneError::Stopped) => {
            return Err(ToolError::invalid(format!(
                "stopped; what was found is kept in {}, and the same command goes on from there",
                args.output.display()
            )));
        }
        found => found?,
    };
    let name = args.inputs.iter().map(|input| input.to_string_lossy());
    let name = name.collect::<Vec<_>>().join(" ");
    report.write(&args.output, &name)?;
    write_times(&args.output, start.elapsed())?;
    if args.json {
        output::print(&(report.to_json()? + "\n"))?;
    } else {
        output::print(&summary(&report, &args.output))?;
    }
    Ok(SUCCESS)
}

fn options(args: &Tune) -> TuneOptions {
    TuneOptions {
        target: args.target.clone(),
        task: args.task.map(Task::from),
        max_loss: args.max_loss,
        margin: args.margin,
        seeds: args.seeds,
        seed: args.seed,
        budget: args.budget,
        exact_target: args.exact_target,
        sample_rows: args.sample_rows,
        layout: FileLayout::from(args.layout),
        row_order: args.row_order.map(RowOrder::from),
        effort: args.effort.into(),
        jobs: args.jobs,
        folder: Some(args.output.clone()),
    }
}

/// The whole table, in memory.
fn read(args: &Tune) -> Result<RecordBatch> {
    let input = Input::open(&args.inputs)?;
    let batches = input.batches().collect::<Result<Vec<_>>>()?;
    let table = concat_batches(input.schema(), &batches);
    table.map_err(|error| ToolError::invalid(format!("the table cannot be joined: {error}")))
}

fn training(args: &Tune, table: &RecordBatch, options: &TuneOptions) -> Result<Training> {
    if let Some(command) = &args.train_cmd {
        return Ok(Training::Command(TrainCommand {
            command: command.clone(),
            format: match args.train_format {
                Format::Parquet => TableFormat::Parquet,
                Format::Arrow => TableFormat::Arrow,
            },
            timeout: args.train_timeout,
            lower_is_better: args.lower_is_better,
        }));
    }
    Ok(Training::built_in(args.model.as_deref(), table, options)?)
}

/// Set by the first Ctrl-C; the second ends the process as it would have.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    })
    .map_err(|error| ToolError::invalid(format!("Ctrl-C cannot be caught: {error}")))?;
    Ok(stop)
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let best = progress.best.map_or(String::new(), |(ratio, loss)| {
        format!(", best {ratio:.1}x at {:.2} % loss", loss * 100.0)
    });
    bar.set_message(format!("{}{best}", progress.phase.name()));
    if let Some(budget) = progress.budget {
        bar.set_length(budget as u64);
    }
    bar.set_position(progress.tried as u64);
}

fn write_times(folder: &Path, time: Duration) -> Result<()> {
    let path = folder.join(TIMES);
    let times = serde_json::json!({ "seconds": time.as_secs_f64() });
    let mut file = AtomicFile::create(&path)?;
    std::io::Write::write_all(&mut file, format!("{times}\n").as_bytes())
        .map_err(|error| ToolError::io("write", &path, error))?;
    Ok(file.commit()?)
}

fn summary(report: &Report, folder: &Path) -> String {
    let percent = |x: f64| format!("{:.2} %", x * 100.0);
    let mut table = Table::new(2, &["method", "parameter", "ratio", "loss", "on test", "±"]);
    for point in &report.best {
        let test = point.test;
        table.row(vec![
            point.setting.method.clone(),
            point.setting.parameter.clone(),
            format!("{:.1}", point.ratio),
            percent(point.validation.mean),
            test.map_or("failed".into(), |loss| percent(loss.mean)),
            test.map_or(String::new(), |loss| percent(loss.error)),
        ]);
    }
    let mut text = format!(
        "{} {:.4} ± {:.4} on the original's test part\n\n{}\n",
        report.metric,
        report.test.mean,
        report.test.spread,
        table.render()
    );
    text += &match &report.chosen {
        Some(chosen) if chosen.holds_on_test => format!(
            "chosen: the whole table in {}, {:.1} times smaller\n",
            output::bytes(chosen.table_bytes),
            chosen.table_ratio
        ),
        Some(_) => format!(
            "chosen by all other data, but on the test part the loss is more than {}: ask for less loss, or give more rows\n",
            percent(report.max_loss)
        ),
        None => {
            "nothing kept the loss with all seeds: give more --seeds or rows, or another model\n"
                .to_owned()
        }
    };
    text + &format!(
        "report: {}\n",
        folder.join(crate::tune::REPORT_HTML).display()
    )
}

/// Reads the configuration for [`args::Compress`].
pub fn config(path: &Path) -> Result<Config> {
    let text = fs::read_to_string(path).map_err(|error| ToolError::io("read", path, error))?;
    Config::parse(&text).map_err(|error| ToolError::bad_file(path, error))
}

/// What the flags say over what the configuration says.
pub fn configured(args: &mut args::Compress) -> Result<()> {
    let Some(path) = &args.config else {
        return Ok(());
    };
    let config = config(path)?;
    let failed = |error: TuneError| ToolError::bad_file(path, error);
    if [args.rel, args.abs, args.pwrel, args.psnr]
        .iter()
        .all(Option::is_none)
    {
        args.configured_bound = config.bound().map_err(failed)?;
    }
    for (name, bound) in config.columns().map_err(failed)? {
        if !args.columns.iter().any(|(own, _)| *own == name) {
            args.columns.push((name, bound));
        }
    }
    args.layout = args.layout.or(config.layout().map(args::Layout::from));
    args.row_order = args
        .row_order
        .or(config.row_order().map(args::RowOrder::from));
    args.effort = args.effort.or(config.effort().map(args::Effort::from));
    args.keep_rows = config.keep_rows();
    Ok(())
}
