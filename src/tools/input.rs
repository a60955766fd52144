//! Input tables: any mix of Parquet (packed or ordinary), CSV and Arrow IPC files, as one table.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tempfile::TempPath;

use crate::codec::ValueRange;
use crate::file::{ReaderBuilder, open_source};

use super::csv::{self, CsvScan};
use super::error::{Result, ToolError};
use super::infer::Seen;
use super::ipc::{self, IpcReader};
use super::paths::is_url;
use super::row_groups::RowGroups;
use super::{paths, ranges, schema};

/// A table in one or several files, read in the order given; it can be read any number of times.
#[derive(Debug)]
pub struct Input {
    files: Vec<TableFile>,
    schema: SchemaRef,
    known_ranges: Vec<Option<ValueRange>>,
}

/// One file of an input.
#[derive(Debug)]
pub struct TableFile {
    path: PathBuf,
    /// A copy of a remote file that is read as a whole.
    copy: Option<TempPath>,
    kind: Kind,
    rows: Option<u64>,
    row_groups: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Parquet,
    Csv { delimiter: u8 },
    Ipc,
}

impl Input {
    /// Opens files, globs and folders as one table: see [`paths::expand`] for which files that is.
    ///
    /// All files must have the same columns in the same order and of the same types, nullability
    /// aside. A CSV column has the narrowest type that fits its values in all CSV files, or the
    /// type it has in the other files, if all its values fit that.
    ///
    /// # Errors
    /// Names the file and column where a file is damaged, unknown, or differs from the first.
    pub fn open<P: AsRef<Path>>(inputs: &[P]) -> Result<Self> {
        let paths = paths::expand(inputs)?;
        let mut opened = paths
            .iter()
            .map(|path| open_file(path))
            .collect::<Result<Vec<_>>>()?;
        type_csv(&mut opened)?;
        let schema = schema::unify(
            opened
                .iter()
                .map(|file| (file.table.path.as_path(), &file.schema)),
        )?;

        let mut known_ranges = vec![Some(ValueRange::EMPTY); schema.fields().len()];
        for file in &opened {
            for (known, range) in known_ranges.iter_mut().zip(&file.ranges) {
                *known = known.zip(*range).map(|(known, range)| known.union(&range));
            }
        }
        Ok(Self {
            files: opened.into_iter().map(|file| file.table).collect(),
            schema,
            known_ranges,
        })
    }

    /// Opens one file of a dataset whose schema was made out over all of its files.
    ///
    /// # Errors
    /// When the file cannot be read, or its columns are not those of `schema`.
    pub fn open_part(path: &Path, schema: &SchemaRef) -> Result<Self> {
        let dataset = Path::new("the dataset");
        let kind = recognise(path)?;
        let (table, own) = match kind {
            Kind::Csv { .. } => open_csv_as(path, schema)?,
            _ => {
                let file = open_file(path)?;
                (file.table, file.schema)
            }
        };
        let unified = schema::unify([(dataset, schema), (path, &own)])?;
        if unified != *schema {
            return Err(ToolError::bad_file(
                path,
                "its schema is not that of the dataset; it may have changed meanwhile",
            ));
        }
        Ok(Self {
            files: vec![table],
            schema: Arc::clone(schema),
            known_ranges: vec![None; schema.fields().len()],
        })
    }

    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows of all files, if that is known without reading them.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }

    pub fn files(&self) -> &[TableFile] {
        &self.files
    }

    /// For each column, the range of its finite values as far as the files declare it.
    pub fn known_ranges(&self) -> &[Option<ValueRange>] {
        &self.known_ranges
    }

    /// All rows, in file order.
    pub fn batches(&self) -> Batches<'_> {
        Batches {
            input: self,
            columns: None,
            remaining: 0..self.files.len(),
            current: None,
        }
    }

    /// All rows, of `columns` (ascending) only.
    pub fn batches_of(&self, columns: &[usize]) -> Batches<'_> {
        Batches {
            columns: Some(columns.to_vec()),
            ..self.batches()
        }
    }

    /// The rows of one file, or of some of its `row_groups` if it is Parquet.
    pub(super) fn read(
        &self,
        file: usize,
        columns: Option<&[usize]>,
        row_groups: Option<Range<usize>>,
    ) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        let TableFile { path, kind, .. } = &self.files[file];
        let readable = self.files[file].readable();
        let schema = match columns {
            Some(columns) => Arc::new(
                self.schema
                    .project(columns)
                    .map_err(|error| ToolError::bad_file(path, error))?,
            ),
            None => Arc::clone(&self.schema),
        };
        let batches: Box<dyn Iterator<Item = Result<RecordBatch>> + Send> = match kind {
            Kind::Parquet => {
                let builder =
                    ReaderBuilder::open(path).map_err(|error| ToolError::file(path, error))?;
                let row_groups =
                    row_groups.unwrap_or(0..builder.opened().metadata().num_row_groups());
                Box::new(RowGroups::new(builder, path, columns, row_groups)?)
            }
            Kind::Csv { delimiter } => Box::new(csv::read(
                readable,
                *delimiter,
                Arc::clone(&self.schema),
                columns,
            )?),
            Kind::Ipc => Box::new(IpcReader::open(readable, columns)?),
        };
        let path = path.clone();
        Ok(Box::new(
            batches.map(move |batch| schema::conform(&path, batch?, &schema)),
        ))
    }
}

impl TableFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file, or a copy of it, lies on this machine.
    fn readable(&self) -> &Path {
        self.copy.as_deref().unwrap_or(&self.path)
    }

    /// Row groups of a Parquet file; 1 for other files, which can be read as a whole only.
    pub(super) fn row_groups(&self) -> usize {
        self.row_groups
    }
}

/// The batches of an [`Input`]; after an error there is nothing more to read.
pub struct Batches<'a> {
    input: &'a Input,
    columns: Option<Vec<usize>>,
    remaining: Range<usize>,
    current: Option<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>>,
}

impl Batches<'_> {
    /// The next batch and those that were read with it: of one row group, where that is read as a whole.
    pub fn next_together(&mut self) -> Option<Vec<Result<RecordBatch>>> {
        let mut together = vec![self.next()?];
        // What an iterator has at hand is what it is sure to give.
        let at_hand = self.current.as_ref().map_or(0, |it| it.size_hint().0);
        together.extend(self.take(at_hand));
        Some(together)
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(Iterator::next) {
                if batch.is_err() {
                    self.current = None;
                    self.remaining = 0..0;
                }
                return Some(batch);
            }
            let file = self.remaining.next()?;
            match self.input.read(file, self.columns.as_deref(), None) {
                Ok(batches) => self.current = Some(batches),
                Err(error) => {
                    self.remaining = 0..0;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Bytes of a remote file that are copied at a time.
const COPIED: u64 = 8 << 20;

/// Rows of a batch of `columns` columns: some 4 million values, whatever the width.
pub(super) fn batch_rows(columns: usize) -> usize {
    ((4 << 20) / columns.max(1)).clamp(64, 1 << 16)
}

/// A file and what is needed of it to make out the whole input's schema and ranges.
struct OpenedFile {
    table: TableFile,
    /// Of a CSV file: its names, all as text, until `type_csv`.
    schema: SchemaRef,
    ranges: Vec<Option<ValueRange>>,
    seen: Vec<Seen>,
}

fn open_file(path: &Path) -> Result<OpenedFile> {
    let kind = recognise(path)?;
    let copy = match kind {
        Kind::Csv { .. } | Kind::Ipc if is_url(path) => Some(download(path)?),
        _ => None,
    };
    let mut opened = open_as(kind, path, copy.as_deref().unwrap_or(path))?;
    opened.table.copy = copy;
    schema::check(path, &opened.schema)?;
    Ok(opened)
}

/// A CSV file whose columns have the types that `schema` says.
fn open_csv_as(path: &Path, schema: &SchemaRef) -> Result<(TableFile, SchemaRef)> {
    let copy = is_url(path).then(|| download(path)).transpose()?;
    let (delimiter, names) = csv::header(copy.as_deref().unwrap_or(path))?;
    let text = |name| Field::new(name, DataType::Utf8, true);
    let own = Schema::new(names.into_iter().map(text).collect::<Vec<_>>());
    schema::check_names(Path::new("the dataset"), schema, path, &own)?;
    let table = TableFile {
        path: path.to_path_buf(),
        copy,
        kind: Kind::Csv { delimiter },
        rows: None,
        row_groups: 1,
    };
    Ok((table, Arc::clone(schema)))
}

/// A copy of a remote file, which lasts as long as what is returned.
fn download(path: &Path) -> Result<TempPath> {
    let failed = |error| ToolError::io("copy", path, error);
    let from = open_source(path)?;
    let mut to = tempfile::NamedTempFile::new().map_err(failed)?;
    let len = from.len().map_err(failed)?;
    let mut position = 0;
    while position < len {
        let end = (position + COPIED).min(len);
        to.write_all(&from.read_at(position..end).map_err(failed)?)
            .map_err(failed)?;
        position = end;
    }
    Ok(to.into_temp_path())
}

/// Opens the file of `path`, which lies at `readable`.
fn open_as(kind: Kind, path: &Path, readable: &Path) -> Result<OpenedFile> {
    let table = |kind, rows, row_groups| TableFile {
        path: path.to_path_buf(),
        copy: None,
        kind,
        rows,
        row_groups,
    };
    let opened = match kind {
        Kind::Parquet => {
            let builder =
                ReaderBuilder::open(path).map_err(|error| ToolError::file(path, error))?;
            let metadata = builder.opened().metadata();
            OpenedFile {
                table: table(
                    Kind::Parquet,
                    Some(builder.num_rows()),
                    metadata.num_row_groups(),
                ),
                schema: Arc::clone(builder.schema()),
                ranges: ranges::declared(builder.schema(), metadata),
                seen: Vec::new(),
            }
        }
        Kind::Csv { .. } => {
            let CsvScan {
                delimiter,
                names,
                seen,
                rows,
            } = csv::scan(readable)?;
            let text = |name| Field::new(name, DataType::Utf8, true);
            OpenedFile {
                table: table(Kind::Csv { delimiter }, Some(rows), 1),
                schema: Arc::new(Schema::new(names.into_iter().map(text).collect::<Vec<_>>())),
                ranges: vec![None; seen.len()],
                seen,
            }
        }
        Kind::Ipc => {
            let schema = Arc::clone(IpcReader::open(readable, None)?.schema());
            let ranges = vec![None; schema.fields().len()];
            OpenedFile {
                table: table(Kind::Ipc, None, 1),
                schema,
                ranges,
                seen: Vec::new(),
            }
        }
    };
    Ok(opened)
}

/// The kind of the file: by its first bytes, and by its name only where CSV has none.
fn recognise(path: &Path) -> Result<Kind> {
    if !is_url(path) && !path.is_file() {
        return Err(ToolError::bad_file(path, "not an ordinary file"));
    }
    let file = open_source(path)?;
    let failed = |error| ToolError::io("read", path, error);
    let len = file.len().map_err(failed)?;
    let magic = file.read_at(0..len.min(8)).map_err(failed)?;
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    match magic.as_ref() {
        [b'P', b'A', b'R', b'1', ..] => Ok(Kind::Parquet),
        [b'P', b'A', b'R', b'E', ..] => Err(ToolError::bad_file(
            path,
            "encrypted Parquet is not supported",
        )),
        [b'F', b'E', b'A', b'1', ..] => Err(ToolError::bad_file(
            path,
            "Feather version 1 is not supported; write it as version 2",
        )),
        magic if magic.starts_with(ipc::FILE_MAGIC) || magic.starts_with(ipc::STREAM_MARKER) => {
            Ok(Kind::Ipc)
        }
        [] => Err(ToolError::bad_file(path, "an empty file")),
        _ if ["csv", "tsv"]
            .iter()
            .any(|csv| extension.eq_ignore_ascii_case(csv)) =>
        {
            Ok(Kind::Csv { delimiter: b',' })
        }
        _ => Err(ToolError::bad_file(
            path,
            "neither Parquet nor Arrow IPC by its first bytes, nor CSV by its name (.csv, .tsv)",
        )),
    }
}

/// Gives the columns of CSV files their types: those of the other files, or the narrowest that fit.
fn type_csv(files: &mut [OpenedFile]) -> Result<()> {
    let is_csv = |file: &&OpenedFile| matches!(file.table.kind, Kind::Csv { .. });
    let Some(first) = files.iter().find(is_csv) else {
        return Ok(());
    };
    let mut seen = vec![Seen::NOTHING; first.seen.len()];
    for file in files.iter().filter(is_csv) {
        schema::check_names(
            &first.table.path,
            &first.schema,
            &file.table.path,
            &file.schema,
        )?;
        seen.iter_mut()
            .zip(&file.seen)
            .for_each(|(all, one)| *all = all.merge(one));
    }

    let typed = files.iter().find(|file| !is_csv(file));
    if let Some(typed) = typed {
        schema::check_names(
            &typed.table.path,
            &typed.schema,
            &first.table.path,
            &first.schema,
        )?;
    }
    let fields =
        first
            .schema
            .fields()
            .iter()
            .zip(&seen)
            .enumerate()
            .map(|(index, (field, seen))| {
                let wanted = typed
                    .map(|typed| typed.schema.field(index).data_type())
                    .filter(|wanted| seen.fits(wanted));
                Field::new(
                    field.name(),
                    wanted.cloned().unwrap_or_else(|| seen.data_type()),
                    true,
                )
            });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));

    for file in files
        .iter_mut()
        .filter(|file| matches!(file.table.kind, Kind::Csv { .. }))
    {
        let ranges = schema.fields().iter().zip(&file.seen);
        // What was read as Float64 for its type is what a Float64 column will hold.
        file.ranges = ranges
            .map(|(field, seen)| (field.data_type() == &DataType::Float64).then(|| seen.range()))
            .collect();
        file.schema = Arc::clone(&schema);
    }
    Ok(())
}
