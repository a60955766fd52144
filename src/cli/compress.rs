//! `tolerant compress`: into one file, or into a folder, here or on workers.

use std::path::PathBuf;

use indicatif::ProgressBar;

use crate::codec::{Effort, ErrorBound};
use crate::file::{FileLayout, RowOrder};
use crate::tools::compress::{CompressOptions, Phase, Progress, compress};
use crate::tools::compress_each::compress_each;
use crate::tools::{Result, lossy, outputs};

use super::{SUCCESS, args, bar, each_report, output, reports};

#[cfg_attr(not(feature = "tune"), allow(unused_mut))]
pub fn run(mut args: args::Compress) -> Result<u8> {
    #[cfg(feature = "tune")]
    super::tune::configured(&mut args)?;
    let json = args.json;
    #[cfg(feature = "distributed")]
    let cluster = super::worker::cluster(&args.cluster)?;
    #[cfg(feature = "distributed")]
    if cluster.is_some() && !outputs::is_folder(&args.output) {
        return Err(crate::tools::ToolError::invalid(format!(
            "{}: workers write a file for each input; name a folder, which ends in a slash, or leave out --workers",
            args.output.display()
        )));
    }
    let into_folder = outputs::is_folder(&args.output);
    let options = options(args);
    let bar = bar("compressing");
    let progress = |progress| {
        show(&bar, progress);
        Ok(())
    };
    if !into_folder {
        let report = compress(&options, &progress);
        bar.finish_and_clear();
        let report = report?;
        say_what_to_know(&options.inputs)?;
        return print(
            json,
            || output::print_json(&reports::compress_json(&report)),
            || reports::compress_table(&report),
        );
    }
    #[cfg(feature = "distributed")]
    let report = match cluster {
        Some(cluster) => cluster.compress_each(&options, &progress),
        None => compress_each(&options, &progress),
    };
    #[cfg(not(feature = "distributed"))]
    let report = compress_each(&options, &progress);
    bar.finish_and_clear();
    let report = report?;
    say_what_to_know(&options.inputs)?;
    print(
        json,
        || output::print_json(&each_report::json(&report)),
        || each_report::table(&report),
    )
}

/// What a user may not know of the inputs, on standard error.
fn say_what_to_know(inputs: &[PathBuf]) -> Result<()> {
    super::say_what_is_left_out(inputs);
    let lossy = lossy::lossy_files(inputs)?;
    if !lossy.is_empty() {
        super::note(
            "the errors of these add up with the new ones, for they are lossy copies already",
            &lossy,
        );
    }
    Ok(())
}

fn print(
    as_json: bool,
    json: impl FnOnce() -> Result<()>,
    table: impl FnOnce() -> String,
) -> Result<u8> {
    match as_json {
        true => json()?,
        false => output::print(&table())?,
    }
    Ok(SUCCESS)
}

fn show(bar: &ProgressBar, Progress { phase, rows, total }: Progress) {
    bar.set_message(match phase {
        Phase::Ranges => "reading ranges",
        Phase::Quantiles => "reading quantiles",
        Phase::Compressing | Phase::Finishing => "compressing",
    });
    if let Some(total) = total {
        bar.set_length(total);
    }
    bar.set_position(rows);
}

fn options(args: args::Compress) -> CompressOptions {
    let bound = args.rel.or(args.abs).or(args.pwrel).or(args.psnr);
    #[cfg(feature = "tune")]
    let bound = bound.or(args.configured_bound);
    CompressOptions {
        inputs: args.inputs,
        output: args.output,
        bound: bound.unwrap_or(ErrorBound::DEFAULT),
        columns: args.columns,
        effort: args.effort.map_or(Effort::default(), Effort::from),
        max_references: args.max_references,
        layout: args.layout.map_or(FileLayout::default(), FileLayout::from),
        block_rows: args.block_rows,
        row_group_rows: args.row_group_rows,
        row_order: args.row_order.map_or(RowOrder::default(), RowOrder::from),
        vector_range: args.vector_range.into(),
        row_id: args.row_id,
        #[cfg(feature = "tune")]
        keep_rows: args.keep_rows,
    }
}
