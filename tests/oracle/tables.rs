//! Random tables in folders of packed, portable and ordinary files, and the same folder with every
//! file decompressed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::codec::Effort;
use tolerant::file::{PortableWriter, RowOrder, Writer, WriterOptions};
use tolerant::tools::decompress::decompress;

use crate::chance::Chance;
use crate::columns::Column;

/// A folder of files, and its ordinary copy.
pub struct Table {
    folder: TempDir,
    /// Names of columns that are in folders' names.
    pub partitions: Vec<&'static str>,
    /// Whether every file's rows are in the order of their ids.
    sorted: bool,
    /// How it came to be, for the reader of a failed test.
    pub story: String,
}

impl Table {
    pub fn new(chance: &mut Chance) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let columns: Vec<Column> = (0..1 + chance.below(7))
            .map(|i| Column::new(chance, format!("c{i}")))
            .collect();
        let partitions: Vec<&str> = match chance.below(6) {
            0 => vec!["p"],
            1 => vec!["p", "q"],
            _ => Vec::new(),
        };
        let mut table = Self {
            folder,
            sorted: true,
            story: format!("{columns:#?}\n"),
            partitions,
        };
        let several = !table.partitions.is_empty() || chance.one_in(2);
        let files = if several { 2 + chance.below(4) } else { 1 };
        let evolves = several && chance.one_in(2);
        let mut next_id = 0;
        for i in 0..files {
            let part: String = table
                .partitions
                .iter()
                .map(|name| format!("{name}={}/", chance.pick(&["a", "b", "7", "x y"])))
                .collect();
            let name = format!("{part}part-{i}.parquet");
            // The first file has all columns, later ones some, in any order.
            let mut here: Vec<&Column> = columns.iter().collect();
            // DataFusion refuses to do without a column that some file calls not nullable.
            let nullable = evolves;
            if evolves && i > 0 {
                let n = 1 + chance.below(columns.len());
                here = chance.some(&columns, n);
            }
            table.add_file(chance, &name, &here, nullable, &mut next_id);
        }
        table
    }

    /// Whether the rows are in the order of their ids, file by file in the order of names.
    pub fn is_sorted(&self) -> bool {
        self.sorted && self.partitions.is_empty()
    }

    /// The folder of all files, which stays from now on.
    pub fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// The folder of packed files among others.
    pub fn packed(&self) -> PathBuf {
        self.folder.path().join("packed")
    }

    /// The folder of ordinary files.
    pub fn ordinary(&self) -> PathBuf {
        self.folder.path().join("ordinary")
    }

    fn add_file(
        &mut self,
        chance: &mut Chance,
        name: &str,
        columns: &[&Column],
        nullable: bool,
        id: &mut i64,
    ) {
        let block_rows = *chance.pick(&[8, 32, 100, 512]);
        let group_rows = block_rows * *chance.pick(&[1, 2, 3, 7]);
        let rows = match chance.below(8) {
            0 => chance.below(3),
            1 => block_rows + chance.below(3) - 1,
            2 => group_rows + chance.below(3) - 1,
            3 => 2 * group_rows + chance.below(3) - 1,
            _ => 1 + chance.below(1500),
        };
        let batch = rows_of(chance, columns, rows, nullable, id);
        let layout = match chance.below(10) {
            0..7 => "packed",
            7 => "portable",
            _ => "ordinary",
        };
        let bound = if layout == "portable" {
            simple_bound
        } else {
            bound
        };
        let mut options = WriterOptions::new()
            .with_bound(bound(chance))
            .with_block_rows(block_rows)
            .with_row_group_rows(group_rows)
            .with_effort(*chance.pick(&[
                Effort::Fast,
                Effort::Fast,
                Effort::Balanced,
                Effort::Small,
            ]));
        for column in columns.iter().filter(|column| column.is_float()) {
            if chance.one_in(3) {
                options = options.with_column_bound(&column.name, bound(chance));
            }
        }
        if chance.one_in(2) {
            options = options.with_max_references(chance.below(4));
        }
        if chance.one_in(6) {
            options = options.with_row_order(RowOrder::Any);
            self.sorted = false;
        }
        let path = self.packed().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        self.story += &format!("{name}: {layout}, {rows} rows, {options:?}\n");
        match layout {
            "packed" => pack(&batch, options, &path),
            "portable" => portable(&batch, without_nested(columns, options), &path),
            _ => ordinary(&batch, columns, group_rows, &path),
        }
        let copy = self.ordinary().join(name);
        fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
        decompress(&path, &copy, &|_, _| ()).unwrap_or_else(|e| panic!("{e}\n{}", self.story));
    }
}

/// The portable layout keeps nested columns exactly, and refuses other bounds of them.
fn without_nested(columns: &[&Column], options: WriterOptions) -> WriterOptions {
    let nested = columns.iter().filter(|column| column.is_nested());
    nested.fold(options, |options, column| {
        options.with_column_bound(&column.name, ErrorBound::Exact)
    })
}

fn rows_of(
    chance: &mut Chance,
    columns: &[&Column],
    rows: usize,
    nullable: bool,
    id: &mut i64,
) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(*id..*id + rows as i64));
    *id += rows as i64;
    let mut all = vec![("id".to_owned(), ids, false)];
    for column in columns {
        let values = column.rows(chance, rows);
        // A column that has no nulls may say so, or not.
        let nullable = nullable || values.null_count() > 0 || chance.one_in(2);
        all.push((column.name.clone(), values, nullable));
    }
    let at = chance.below(all.len());
    all.swap(0, at);
    RecordBatch::try_from_iter_with_nullable(all).expect("columns of one length")
}

fn bound(chance: &mut Chance) -> ErrorBound {
    let ratio = *chance.pick(&[1e-1, 1e-2, 1e-3, 1e-6]);
    match chance.below(6) {
        0 => ErrorBound::PointwiseRel(ratio),
        1 => ErrorBound::Psnr(40.0),
        2 => "rel:1e-2@p1..p99".parse().expect("a bound"),
        _ => simple_bound(chance),
    }
}

/// A bound that the portable layout takes too.
fn simple_bound(chance: &mut Chance) -> ErrorBound {
    let ratio = *chance.pick(&[1e-1, 1e-2, 1e-3, 1e-6]);
    match chance.below(5) {
        0 | 1 => ErrorBound::Exact,
        2 => ErrorBound::Abs(ratio),
        _ => ErrorBound::Rel(ratio),
    }
}

fn pack(batch: &RecordBatch, options: WriterOptions, path: &Path) {
    let file = File::create(path).expect("a file");
    let mut writer = Writer::try_new(file, batch.schema(), options).expect("a writer");
    writer.write(batch).expect("rows are written");
    writer.close().expect("a file is closed");
}

fn portable(batch: &RecordBatch, options: WriterOptions, path: &Path) {
    let file = File::create(path).expect("a file");
    let mut writer = PortableWriter::try_new(file, batch.schema(), options).expect("a writer");
    writer.write(batch).expect("rows are written");
    writer.close().expect("a file is closed");
}

/// Without statistics where they would leave NaN out, by which DataFusion loses its rows.
fn ordinary(batch: &RecordBatch, columns: &[&Column], group_rows: usize, path: &Path) {
    let statistics = match columns.iter().any(|column| column.is_special()) {
        true => EnabledStatistics::None,
        false => EnabledStatistics::Page,
    };
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .set_data_page_row_count_limit(64)
        .set_statistics_enabled(statistics)
        .build();
    let file = File::create(path).expect("a file");
    let mut writer =
        ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("rows are written");
    writer.close().expect("a file is closed");
}
