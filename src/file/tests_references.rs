//! Protects columns that refer to others: whichever columns are read, by whichever way, the values
//! are the same and within the bound; and only what they refer to is read besides.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Float32Type, Schema};
use bytes::Bytes;
use parquet::file::metadata::ParquetMetaDataReader;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::catalog::Catalog;
use super::tests::pack;
use super::*;
use crate::codec::ErrorBound;

const ROWS: usize = 20_000;

/// `x`, columns that follow from it, some with nulls at other rows, and columns apart.
fn table() -> RecordBatch {
    let noise = |i: usize, seed: u64| {
        let mixed = (i as u64 ^ seed << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as f64 / (1u64 << 24) as f64
    };
    let x = |i: usize| noise(i, 1) * 100.0;
    let columns: Vec<(Field, ArrayRef)> = vec![
        (
            Field::new("twice", DataType::Float64, true),
            Arc::new(
                (0..ROWS)
                    .map(|i| (i % 11 != 3).then(|| 2.0 * x(i) + noise(i, 2)))
                    .collect::<Float64Array>(),
            ),
        ),
        (
            Field::new("x", DataType::Float32, true),
            Arc::new(
                (0..ROWS)
                    .map(|i| (i % 7 != 2).then(|| x(i) as f32))
                    .collect::<Float32Array>(),
            ),
        ),
        (
            Field::new("level", DataType::Int16, true),
            Arc::new(
                (0..ROWS)
                    .map(|i| (i % 5 != 1).then(|| (x(i) / 10.0) as i16))
                    .collect::<Int16Array>(),
            ),
        ),
        (
            Field::new("square", DataType::Float32, false),
            Arc::new(Float32Array::from_iter_values((0..ROWS).map(|i| {
                if i % 4000 == 5 {
                    f32::NAN
                } else {
                    (x(i) * x(i)) as f32
                }
            }))),
        ),
        (
            Field::new("apart", DataType::Float32, false),
            Arc::new(Float32Array::from_iter_values(
                (0..ROWS).map(|i| noise(i, 3) as f32),
            )),
        ),
        (
            Field::new("name", DataType::Utf8, false),
            Arc::new(StringArray::from_iter_values(
                (0..ROWS).map(|i| format!("n{}", i % 3)),
            )),
        ),
        (
            Field::new("nulls", DataType::Float32, true),
            Arc::new(Float32Array::new_null(ROWS)),
        ),
    ];
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn read(packed: &Bytes, columns: &[&str]) -> RecordBatch {
    let reader = ReaderBuilder::new(Arc::new(packed.clone())).unwrap();
    let reader = reader.with_columns(columns).unwrap().build().unwrap();
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().unwrap();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn options() -> WriterOptions {
    WriterOptions::new()
        .with_bound(ErrorBound::rel(1e-2).unwrap())
        .with_block_rows(1500)
        .with_row_group_rows(9000)
}

/// Counts the bytes that are read.
struct Counted(Bytes, AtomicU64);

impl ReadAt for Counted {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.1.fetch_add(range.end - range.start, Ordering::Relaxed);
        Ok(self.0.slice(range.start as usize..range.end as usize))
    }
}

#[test]
fn columns_refer_to_others_and_read_alike() {
    let table = table();
    let packed = pack(&table, options()).0;
    let file = VirtualFile::new(Arc::new(packed.clone())).unwrap();
    let references: usize = file
        .layout()
        .index()
        .packed()
        .map(|(_, column)| column.references.iter().flatten().count())
        .sum();
    assert!(references >= 3, "only {references} references were made");
    let schema = table.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let whole = read(&packed, &names);
    for (original, stored) in table.columns().iter().zip(whole.columns()) {
        assert_eq!(original.logical_nulls(), stored.logical_nulls());
    }
    // Each column for itself, and each pair, in an order that is not that of the references.
    for i in 0..table.num_columns() {
        let one = read(&packed, &names[i..=i]);
        assert_eq!(
            one.column(0).to_data(),
            whole.column(i).to_data(),
            "column {i}"
        );
        for j in i + 1..table.num_columns() {
            let two = read(&packed, &[names[i], names[j]]);
            assert_eq!(two.column(0).to_data(), whole.column(i).to_data());
            assert_eq!(two.column(1).to_data(), whole.column(j).to_data());
        }
    }
    // The virtual file byte by byte is the one read in pieces.
    let len = file.len().unwrap();
    let bytes = file.read(0..len).unwrap();
    for start in (0..len).step_by(3001) {
        let end = (start + 3001).min(len);
        assert_eq!(
            VirtualFile::new(Arc::new(packed.clone()))
                .unwrap()
                .read(start..end)
                .unwrap(),
            bytes.slice(start as usize..end as usize)
        );
    }
}

/// A block of nulls alone has nothing to refer to, and keeps no one from referring to the others.
#[test]
fn columns_with_a_block_of_nulls_are_referred_to() {
    let mut random = StdRng::seed_from_u64(1);
    let noise: Vec<f32> = (0..9000).map(|_| random.random()).collect();
    let x = |i: usize| (i / 1500 != 3).then(|| noise[i]);
    let y = |i: usize| (i / 1500 != 1).then(|| 3.0 * noise[i]);
    let columns: [(&str, ArrayRef); 2] = [
        ("x", Arc::new((0..9000).map(x).collect::<Float32Array>())),
        ("y", Arc::new((0..9000).map(y).collect::<Float32Array>())),
    ];
    let table = RecordBatch::try_from_iter(columns).unwrap();
    let packed = pack(&table, options()).0;
    let file = VirtualFile::new(Arc::new(packed.clone())).unwrap();
    let index = file.layout().index();
    let referring = index
        .packed()
        .filter(|(_, column)| !column.references(0).is_empty());
    assert_eq!(referring.count(), 1);
    let stored = read(&packed, &["x", "y"]);
    for (original, stored) in table.columns().iter().zip(stored.columns()) {
        let (original, stored) = (
            original.as_primitive::<Float32Type>(),
            stored.as_primitive::<Float32Type>(),
        );
        assert_eq!(original.nulls(), stored.nulls());
        let pairs = original.iter().flatten().zip(stored.iter().flatten());
        let worst = pairs.map(|(x, y): (f32, f32)| (x - y).abs());
        assert!(worst.reduce(f32::max).unwrap() <= 0.03 * (1 << 24) as f32);
    }
}

#[test]
fn references_are_limited() {
    for most in 0..3 {
        let packed = pack(&table(), options().with_max_references(most)).0;
        let file = VirtualFile::new(Arc::new(packed)).unwrap();
        for (_, column) in file.layout().index().packed() {
            assert!(column.references.iter().all(|all| all.len() <= most));
        }
    }
}

#[test]
fn a_column_reads_only_what_it_refers_to() {
    let packed = pack(&table(), options()).0;
    let source = Arc::new(Counted(packed, AtomicU64::new(0)));
    let file = VirtualFile::new(Arc::clone(&source) as Arc<dyn ReadAt>).unwrap();
    let index = file.layout().index().clone();
    for (column, packed) in index.packed() {
        let mut bytes = 0;
        for row_group in 0..packed.row_groups.len() {
            let mut read = vec![column];
            let mut at = 0;
            while at < read.len() {
                let IndexColumn::Packed(packed) = &index.columns[read[at]] else {
                    panic!("a reference to an ordinary column");
                };
                for reference in packed.references(row_group) {
                    if !read.contains(reference) {
                        read.push(*reference);
                    }
                }
                let blocks = &packed.row_groups[row_group];
                bytes += blocks
                    .iter()
                    .map(|block| block.page_len as u64)
                    .sum::<u64>();
                at += 1;
            }
        }
        let before = source.1.load(Ordering::Relaxed);
        let fresh = VirtualFile::from_layout(
            Arc::clone(&source) as Arc<dyn ReadAt>,
            Arc::clone(file.layout()),
        );
        let metadata = Arc::clone(fresh.layout().metadata());
        for row_group in metadata.row_groups() {
            let chunk = row_group.column(column);
            let (start, len) = chunk.byte_range();
            fresh.read(start..start + len).unwrap();
        }
        let read = source.1.load(Ordering::Relaxed) - before;
        assert_eq!(read, bytes, "column {column}");
    }
}

#[test]
fn columns_that_refer_in_circles_are_refused() {
    let packed = pack(&table(), options()).0;
    let file = VirtualFile::new(Arc::new(packed.clone())).unwrap();
    let mut index = file.layout().index().clone();
    let referring = index
        .packed()
        .find_map(|(i, column)| Some((i, *column.references(0).first()?)));
    let (child, parent) = referring.unwrap();
    if let IndexColumn::Packed(column) = &mut index.columns[parent] {
        column.references = vec![vec![child]];
    }
    let physical = ParquetMetaDataReader::new()
        .parse_and_finish(&packed)
        .unwrap();
    let len = packed.len() as u64;
    let catalog = Catalog::of_footer(&physical, &index).unwrap();
    let error = Layout::new(&catalog, index, len, len).unwrap_err();
    assert!(error.to_string().contains("circle"), "{error}");
}

/// A reference costs a reader a block of memory, and a file next to nothing.
#[test]
fn columns_that_refer_to_many_are_refused() {
    let packed = pack(&table(), options()).0;
    let file = VirtualFile::new(Arc::new(packed.clone())).unwrap();
    let physical = ParquetMetaDataReader::new()
        .parse_and_finish(&packed)
        .unwrap();
    let len = packed.len() as u64;
    let seal = seal::find(&packed).unwrap().unwrap();
    let layout = |references: usize| {
        let mut index = file.layout().index().clone();
        if let IndexColumn::Packed(column) = &mut index.columns[0] {
            column.references = vec![vec![4; references]];
        }
        let bytes = catalog_codec::encode(&physical, &index).unwrap();
        open::by_index(&bytes, seal, len, None).map(|_| ())
    };
    assert!(layout(8).is_ok());
    let error = layout(9).unwrap_err();
    assert!(error.to_string().contains("too many"), "{error}");
}
