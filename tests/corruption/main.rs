//! Protects against damage: whatever happens to the bytes of a packed file, a reader reports an
//! error or yields identical data. It never panics, and never returns other numbers. What a reader does
//! not look at, the footer, is checked by `verify`, which reports all damage.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int32Array, ListArray,
    RecordBatch, RecordBatchReader, StringArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use bytes::Bytes;
use rayon::prelude::*;
use tolerant::ErrorBound;
use tolerant::file::{ReaderBuilder, VirtualFile, Writer, WriterOptions, check_footer};

/// A small file with every kind of page: nulls, outliers, integers, a dictionary, several blocks
/// and row groups.
fn small_file() -> Vec<u8> {
    let rows = 0..60;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "x",
            Arc::new(
                rows.clone()
                    .map(|i| (i % 9 != 0).then_some((i as f32).sin()))
                    .collect::<Float32Array>(),
            ),
        ),
        (
            "y",
            Arc::new(Float64Array::from_iter_values(rows.clone().map(
                |i| match i {
                    7 => f64::NAN,
                    11 => f64::INFINITY,
                    13 => -0.0,
                    i => f64::from(i) * 0.1,
                },
            ))),
        ),
        (
            "n",
            Arc::new(Int32Array::from_iter_values(rows.clone().map(|i| i * i))),
        ),
        (
            "s",
            Arc::new(
                rows.clone()
                    .map(|i| (i % 5 != 0).then(|| format!("name {}", i % 4)))
                    .collect::<StringArray>(),
            ),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = WriterOptions::new()
        .with_bound(ErrorBound::rel(1e-2).unwrap())
        .with_block_rows(16)
        .with_row_group_rows(32);
    let mut writer = Writer::try_new(Vec::new(), batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap().0
}

/// A file whose columns refer to one another.
fn referring_file() -> Vec<u8> {
    let x = |i: i32| {
        let mixed = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 54) as f64
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "x",
            Arc::new(Float64Array::from_iter_values((0..2000).map(x))),
        ),
        (
            "double",
            Arc::new(
                (0..2000)
                    .map(|i| (i % 9 != 0).then_some((2.0 * x(i)) as f32))
                    .collect::<Float32Array>(),
            ),
        ),
        (
            "level",
            Arc::new(Int32Array::from_iter_values(
                (0..2000).map(|i| x(i) as i32 / 100),
            )),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = WriterOptions::new().with_bound(ErrorBound::rel(1e-2).unwrap());
    let mut writer = Writer::try_new(Vec::new(), batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    let file = writer.close().unwrap().0;
    let opened = VirtualFile::new(Arc::new(Bytes::from(file.clone()))).unwrap();
    let columns = opened.layout().index().packed();
    assert!(
        columns
            .flat_map(|(_, c)| c.references.iter().flatten())
            .count()
            > 0
    );
    file
}

/// A file of vectors, lists and structs, with nulls.
fn nested_file() -> Vec<u8> {
    let rows = 120;
    let x = |i: usize| (i as f32 / 9.0).sin();
    let item = || Arc::new(Field::new("item", DataType::Float32, true));
    let items = (0..4 * rows).map(|i| (i % 7 > 0).then(|| x(i)));
    let items = Arc::new(items.collect::<Float32Array>());
    let nulls = NullBuffer::from_iter((0..rows).map(|i| i % 5 != 3));
    let vectors = FixedSizeListArray::new(item(), 4, items, Some(nulls));
    let lengths: Vec<usize> = (0..rows).map(|i| i % 3).collect();
    let items = Float32Array::from_iter_values((0..lengths.iter().sum()).map(x));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let lists = ListArray::new(item(), offsets, Arc::new(items), None);
    let names = (0..rows).map(|i| (i % 4 > 0).then(|| format!("name {}", i % 3)));
    let fields: Vec<(Arc<Field>, ArrayRef)> = vec![
        (
            Arc::new(Field::new("name", DataType::Utf8, true)),
            Arc::new(names.collect::<StringArray>()),
        ),
        (
            Arc::new(Field::new("v", lists.data_type().clone(), false)),
            Arc::new(lists),
        ),
    ];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("emb", Arc::new(vectors)),
        ("s", Arc::new(StructArray::from(fields))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = WriterOptions::new()
        .with_bound(ErrorBound::rel(1e-2).unwrap())
        .with_block_rows(50)
        .with_row_group_rows(100);
    let mut writer = Writer::try_new(Vec::new(), batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap().0
}

fn read(bytes: Bytes) -> Result<RecordBatch, String> {
    let reader = ReaderBuilder::new(Arc::new(bytes))
        .and_then(ReaderBuilder::build)
        .map_err(|e| e.to_string())?;
    let schema = reader.schema();
    let batches = reader
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    arrow::compute::concat_batches(&schema, &batches).map_err(|e| e.to_string())
}

/// Where pages and block index end, by the seal.
fn index_end(file: &[u8]) -> usize {
    let marker = b"TOLERANT6 ";
    let at = file.windows(10).rposition(|window| window == marker);
    let at = at.unwrap() + marker.len();
    let number = |at: usize| {
        let digits = std::str::from_utf8(&file[at..at + 16]).unwrap();
        usize::from_str_radix(digits, 16).unwrap()
    };
    number(at) + number(at + 17)
}

/// NaN must compare equal to itself here, and -0.0 differ from 0.0: by bits.
fn same(a: &RecordBatch, b: &RecordBatch) -> bool {
    a.schema() == b.schema()
        && a.columns()
            .iter()
            .zip(b.columns())
            .all(|(a, b)| a.to_data() == b.to_data())
}

#[derive(Debug, PartialEq)]
enum Outcome {
    /// No reader takes the file.
    Error,
    /// Readers find the same table, and `verify` the damage.
    Verified,
    Unnoticed,
    Silent,
    Panic,
}

fn outcome(damaged: Vec<u8>, original: &RecordBatch) -> Outcome {
    let damaged = Bytes::from(damaged);
    let read = catch_unwind(AssertUnwindSafe(|| {
        (read(damaged.clone()), check_footer(&damaged))
    }));
    match read {
        Err(_) => Outcome::Panic,
        Ok((Err(_), _)) => Outcome::Error,
        Ok((Ok(batch), _)) if !same(&batch, original) => Outcome::Silent,
        Ok((Ok(_), Err(_))) => Outcome::Verified,
        Ok((Ok(_), Ok(()))) => Outcome::Unnoticed,
    }
}

/// Whether readers take no damaged file for another table, and `verify` takes none at all.
fn check(what: &str, cases: Vec<(String, Vec<u8>)>, original: &RecordBatch) {
    let total = cases.len();
    let outcomes: Vec<(String, Outcome)> = cases
        .into_par_iter()
        .map(|(name, bytes)| (name, outcome(bytes, original)))
        .collect();
    let count = |kind: Outcome| {
        outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == kind)
            .count()
    };
    println!(
        "{what}: {total} damages, {} errors, {} for verify to find",
        count(Outcome::Error),
        count(Outcome::Verified)
    );
    let bad: Vec<_> = outcomes
        .iter()
        .filter(|(_, o)| !matches!(o, Outcome::Error | Outcome::Verified))
        .take(5)
        .collect();
    assert!(
        bad.is_empty(),
        "{what}: {} silent, {} panics, {} unnoticed, for instance {bad:?}",
        count(Outcome::Silent),
        count(Outcome::Panic),
        count(Outcome::Unnoticed)
    );
}

#[test]
fn every_byte() {
    let file = small_file();
    let original = read(Bytes::from(file.clone())).unwrap();
    assert_eq!(original.num_rows(), 60);
    let mut cases = Vec::new();
    for at in 0..file.len() {
        let old = file[at];
        let values = [0x00, 0xff]
            .into_iter()
            .chain((0..8).map(|bit| old ^ (1 << bit)));
        for value in values.filter(|value| *value != old) {
            let mut damaged = file.clone();
            damaged[at] = value;
            cases.push((format!("byte {at}: {old:#04x} to {value:#04x}"), damaged));
        }
    }
    check("one byte", cases, &original);
}

#[test]
fn every_byte_where_columns_refer_to_one_another() {
    let file = referring_file();
    let original = read(Bytes::from(file.clone())).unwrap();
    let cases = (0..file.len()).map(|at| {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << (at % 8);
        (format!("byte {at}"), damaged)
    });
    check("one bit of references", cases.collect(), &original);
}

#[test]
fn every_byte_of_vectors_and_structs() {
    let file = nested_file();
    let original = read(Bytes::from(file.clone())).unwrap();
    let cases = (0..file.len()).flat_map(|at| {
        let damages = [1 << (at % 8), 0xff, 0x03];
        damages.into_iter().map(move |bits: u8| (at, bits))
    });
    let cases = cases.map(|(at, bits)| {
        let mut damaged = file.clone();
        damaged[at] ^= bits;
        (format!("byte {at} by {bits:#x}"), damaged)
    });
    check("vectors", cases.collect(), &original);
}

#[test]
fn every_truncation() {
    let file = small_file();
    let original = read(Bytes::from(file.clone())).unwrap();
    let front = (0..file.len()).map(|len| (format!("first {len} bytes"), file[..len].to_vec()));
    let back = (1..file.len()).map(|from| (format!("from byte {from}"), file[from..].to_vec()));
    check("truncation", front.chain(back).collect(), &original);
}

#[test]
fn blocks_of_zeros_and_moved_pages() {
    let file = small_file();
    let original = read(Bytes::from(file.clone())).unwrap();
    let mut cases = Vec::new();
    for at in (0..file.len().saturating_sub(64)).step_by(7) {
        let mut zeroed = file.clone();
        zeroed[at..at + 64].fill(0);
        cases.push((format!("64 zeros at {at}"), zeroed));
        let mut moved = file.clone();
        moved.copy_within(at..at + 32, at + 32);
        cases.push((format!("32 bytes of {at} again behind them"), moved));
        let mut grown = file.clone();
        grown.insert(at, 0x5a);
        cases.push((format!("a byte too many at {at}"), grown));
    }
    let cases = cases
        .into_iter()
        .filter(|(_, bytes)| *bytes != file)
        .collect();
    check("blocks", cases, &original);
}

/// What a stranger reads through the virtual file is checked as well: pages in any piece.
#[test]
fn virtual_reads_of_damaged_pages_fail() {
    let file = small_file();
    let whole = |bytes: Vec<u8>| {
        let file = VirtualFile::new(Arc::new(Bytes::from(bytes)))?;
        file.read(0..file.len()?)
    };
    let intact = whole(file.clone()).unwrap();
    let index_end = index_end(&file);
    for at in 4..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        let seen = check_footer(&Bytes::from(damaged.clone()));
        if let Ok(bytes) = whole(damaged) {
            // The virtual file starts with the physical bytes, of which no reader is told.
            assert_eq!(bytes[file.len()..], intact[file.len()..], "byte {at}");
            assert!(at >= index_end && seen.is_err(), "byte {at}");
        }
    }
}

#[test]
fn errors_say_where() {
    let file = small_file();
    let mut damaged = file.clone();
    damaged[40] ^= 1;
    let error = read(Bytes::from(damaged)).unwrap_err();
    assert!(
        error.contains("column \"x\"") && error.contains("checksum"),
        "{error}"
    );
    let error = read(Bytes::from(file[..file.len() - 20].to_vec())).unwrap_err();
    assert!(error.contains("PAR1"), "{error}");
}
