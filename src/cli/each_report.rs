//! What `compress` into a folder wrote, as a table for people and JSON for scripts.

use serde::Serialize;

use crate::file::shown;
use crate::tools::compress_each::{CompressEachReport, FileReport};

use super::output::{Table, bytes, count, one_line, ratio};
use super::reports::{CompressJson, compress_json};

/// Files of the table that people get to see; JSON has them all.
const SHOWN_FILES: usize = 40;

/// The JSON of `compress` into a folder: its keys are a contract.
#[derive(Serialize)]
pub struct CompressEachJson<'a> {
    rows: u64,
    raw_bytes: u64,
    file_bytes: u64,
    ratio: f64,
    seconds: f64,
    /// Workers that were lost, and why; the files are complete without them.
    lost_workers: &'a [String],
    files: Vec<FileJson<'a>>,
}

#[derive(Serialize)]
struct FileJson<'a> {
    input: String,
    output: String,
    #[serde(flatten)]
    report: CompressJson<'a>,
}

/// Rows, and bytes before and after.
fn sums(report: &CompressEachReport) -> (u64, u64, u64) {
    let written = report.files.iter().map(|file| &file.report.written);
    written.fold((0, 0, 0), |(rows, raw, stored), written| {
        (
            rows + written.rows,
            raw + written.raw_bytes,
            stored + written.file_bytes,
        )
    })
}

pub fn json<'a>(report: &'a CompressEachReport) -> CompressEachJson<'a> {
    let (rows, raw_bytes, file_bytes) = sums(report);
    let file = |file: &'a FileReport| FileJson {
        input: shown(&file.input),
        output: shown(&file.output),
        report: compress_json(&file.report),
    };
    CompressEachJson {
        rows,
        raw_bytes,
        file_bytes,
        ratio: raw_bytes as f64 / file_bytes.max(1) as f64,
        seconds: report.seconds,
        lost_workers: &report.lost,
        files: report.files.iter().map(file).collect(),
    }
}

pub fn table(report: &CompressEachReport) -> String {
    let header = ["file", "rows", "before", "after", "ratio", "seconds"];
    let mut table = Table::new(1, &header);
    for file in report.files.iter().take(SHOWN_FILES) {
        let written = &file.report.written;
        table.row(vec![
            one_line(&shown(&file.output)),
            count(written.rows),
            bytes(written.raw_bytes),
            bytes(written.file_bytes),
            ratio(written.raw_bytes, written.file_bytes),
            format!("{:.2}", file.report.seconds),
        ]);
    }
    let mut text = table.render();
    match report.files.len().saturating_sub(SHOWN_FILES) {
        0 => {}
        more => {
            text += &format!(
                "... and {} more files; --json has them all\n",
                count(more as u64)
            );
        }
    }
    let (rows, raw, stored) = sums(report);
    text += &format!(
        "{} files, {} rows, {} -> {} (ratio {}) in {:.2} s, {:.0} MB/s\n",
        count(report.files.len() as u64),
        count(rows),
        bytes(raw),
        bytes(stored),
        ratio(raw, stored),
        report.seconds,
        raw as f64 / 1e6 / report.seconds.max(1e-9),
    );
    for lost in &report.lost {
        text += &format!("lost on the way, others did its work: {}\n", one_line(lost));
    }
    text
}
