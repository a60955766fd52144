//! Protects what is asked of vectors: bounds of every kind, by dimension or over all, and names.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Float32Type, Schema};

use super::tests::{abs, pack, read, table};
use crate::codec::{Effort, ErrorBound, ValueRange};
use crate::file::*;

/// Vectors of `size`, dimension d of scale 2^d.
fn vectors(rows: usize, size: usize) -> RecordBatch {
    let noise = |i: usize| {
        let x = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let value = |i: usize| noise(i) * ((i % size) as f32).exp2();
    let items = Float32Array::from_iter_values((0..rows * size).map(value));
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let array = FixedSizeListArray::new(item, size as i32, Arc::new(items), None);
    let field = Field::new("emb", array.data_type().clone(), false);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(array)]).unwrap()
}

fn values(batch: &RecordBatch) -> Vec<f32> {
    let list = batch.column(0).as_fixed_size_list();
    list.values()
        .as_primitive::<Float32Type>()
        .values()
        .to_vec()
}

/// The largest error of each dimension.
fn errors(batch: &RecordBatch, back: &RecordBatch, size: usize) -> Vec<f64> {
    let mut errors = vec![0.0; size];
    for (i, (x, y)) in values(batch).iter().zip(values(back)).enumerate() {
        let error: &mut f64 = &mut errors[i % size];
        *error = error.max((f64::from(*x) - f64::from(y)).abs());
    }
    errors
}

fn ranges(batch: &RecordBatch, size: usize) -> Vec<ValueRange> {
    let mut ranges = vec![ValueRange::EMPTY; size];
    for (i, x) in values(batch).iter().enumerate() {
        let range = &mut ranges[i % size];
        *range = range.union(&ValueRange::of([f64::from(*x)]));
    }
    ranges
}

/// Each dimension has a payload with a head of its own, which takes more than the value in it.
#[test]
fn a_single_vector_of_very_many_dimensions() {
    let size = 70_000;
    let bits = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2;
    let items = Float64Array::from_iter_values((0..size).map(|i| f64::from_bits(bits(i))));
    let item = Arc::new(Field::new("item", DataType::Float64, false));
    let array = FixedSizeListArray::new(item, size as i32, Arc::new(items), None);
    let field = Field::new("emb", array.data_type().clone(), false);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(array)]).unwrap();
    let options = WriterOptions::new().with_vector_range(VectorRange::Dimension);
    let (bytes, _) = pack(&batch, options);
    // Of a single value the range is nothing: all are kept as they are.
    assert!(read(&bytes) == batch);
}

/// Vectors that are null take no bytes in a file, but memory when they are read.
#[test]
fn long_vectors_are_read_in_small_batches() {
    let (size, rows) = (1 << 23, 9);
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let data_type = DataType::FixedSizeList(Arc::clone(&item), size);
    let vectors = new_null_array(&data_type, 1);
    let schema = Arc::new(Schema::new(vec![Field::new("emb", data_type, true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![vectors]).unwrap();
    let mut writer = Writer::try_new(Vec::new(), schema, WriterOptions::new()).unwrap();
    (0..rows).for_each(|_| writer.write(&batch).unwrap());
    let (bytes, _) = writer.close().unwrap();
    let reader = ReaderBuilder::new(Arc::new(bytes::Bytes::from(bytes))).unwrap();
    let rows_of = reader.build().unwrap().map(|batch| {
        let batch = batch.unwrap();
        assert_eq!(batch.column(0).null_count(), batch.num_rows());
        batch.num_rows()
    });
    assert_eq!(rows_of.collect::<Vec<_>>(), [4, 4, 1]);
}

#[test]
fn ranges_by_dimension() {
    let batch = vectors(3000, 6);
    let options = WriterOptions::new().with_bound(ErrorBound::rel(0.01).unwrap());
    let (over_all, _) = pack(&batch, options.clone());
    let (by_dimension, report) = pack(
        &batch,
        options.clone().with_vector_range(VectorRange::Dimension),
    );
    let ranges = ranges(&batch, 6);
    let allowed = |range: &ValueRange| (range.max - range.min) * 0.01;
    for (error, range) in errors(&batch, &read(&by_dimension), 6).iter().zip(&ranges) {
        assert!(*error <= allowed(range) && *error > 0.5 * allowed(range));
    }
    let loose = errors(&batch, &read(&over_all), 6);
    assert!(loose[0] > allowed(&ranges[0]) && loose[0] <= allowed(&ranges[5]));
    assert!(over_all.len() < by_dimension.len());
    assert_eq!(report.columns[0].dimensions, 6);

    // What the file says of it, declared or not.
    let declared = options
        .with_vector_range(VectorRange::Dimension)
        .with_dimension_ranges("emb", ranges.clone());
    for (bytes, is_declared) in [(by_dimension, false), (pack(&batch, declared).0, true)] {
        let file = VirtualFile::new(Arc::new(bytes)).unwrap();
        let index = file.layout().index();
        let (_, leaf) = index.packed_leaves().next().unwrap();
        assert_eq!(leaf.column.range_declared, is_declared);
        for (dimension, range) in leaf.dimensions.iter().zip(&ranges) {
            assert_eq!(dimension.range, *range);
            assert!(dimension.abs_bound(0) <= allowed(range));
            assert!(dimension.abs_bound(0) > 0.999 * allowed(range));
        }
    }
}

#[test]
fn row_groups_of_their_own_ranges() {
    let batch = vectors(1000, 4);
    let options = WriterOptions::new()
        .with_bound(ErrorBound::rel(0.01).unwrap())
        .with_vector_range(VectorRange::Dimension)
        .with_block_rows(100)
        .with_row_group_rows(300);
    let (bytes, _) = pack(&batch, options);
    let back = read(&bytes);
    let file = VirtualFile::new(Arc::new(bytes)).unwrap();
    let index = file.layout().index();
    let (_, leaf) = index.packed_leaves().next().unwrap();
    assert_eq!(leaf.shapes.len(), 4);
    for (group, first) in (0..1000).step_by(300).enumerate() {
        let rows = 300.min(1000 - first);
        let part = (batch.slice(first, rows), back.slice(first, rows));
        let own = ranges(&part.0, 4);
        for (d, error) in errors(&part.0, &part.1, 4).iter().enumerate() {
            let bound = leaf.dimensions[d].abs_bound(group);
            assert!(*error <= bound && bound <= (own[d].max - own[d].min) * 0.01);
        }
    }
}

#[test]
fn every_kind_of_bound() {
    let batch = vectors(2000, 5);
    let x = values(&batch);
    for vector_range in [VectorRange::All, VectorRange::Dimension] {
        for bound in [
            "exact",
            "abs:0.01",
            "rel:1e-3",
            "rel:1e-2@p1..p99",
            "pwrel:0.01",
        ] {
            let options = WriterOptions::new()
                .with_bound(bound.parse().unwrap())
                .with_vector_range(vector_range);
            let (bytes, report) = pack(&batch, options);
            let y = values(&read(&bytes));
            let report = &report.columns[0];
            let near = |(x, y): (&f32, &f32)| {
                let error = (f64::from(*x) - f64::from(*y)).abs();
                match bound {
                    "pwrel:0.01" => error <= 0.01 * f64::from(x.abs()),
                    _ => error <= report.abs_bound.unwrap_or(0.0),
                }
            };
            assert!(x.iter().zip(&y).all(near), "{bound}");
            assert!((bound == "exact") == (x == y), "{bound}");
        }
    }
    let psnr = WriterOptions::new().with_bound("psnr:60".parse().unwrap());
    let (bytes, _) = pack(&batch, psnr.clone());
    let y = values(&read(&bytes));
    let squares = x.iter().zip(&y).map(|(x, y)| f64::from(x - y).powi(2));
    let mean = squares.sum::<f64>() / x.len() as f64;
    let range = ValueRange::of(x.iter().map(|x| f64::from(*x)));
    let found = 10.0 * ((range.max - range.min).powi(2) / mean).log10();
    assert!((60.0..61.0).contains(&found), "{found}");
    let by_dimension = psnr.with_vector_range(VectorRange::Dimension);
    let error = Writer::try_new(Vec::new(), batch.schema(), by_dimension).map(|_| ());
    assert!(error.unwrap_err().to_string().contains("emb"));
}

#[test]
fn names_with_dots() {
    let batch = table(200);
    let bound = |b: f64| ErrorBound::abs(b).unwrap();
    let options = WriterOptions::new()
        .with_bound(ErrorBound::Exact)
        .with_column_bound("s", bound(1.0))
        .with_column_bound("s.x", bound(0.25))
        .with_column_bound("emb", bound(0.5));
    let (_, report) = pack(&batch, options);
    let bounds: Vec<(&str, Option<f64>)> = report
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.abs_bound))
        .collect();
    assert_eq!(
        bounds,
        [
            ("emb", Some(0.5)),
            ("s.x", Some(0.25)),
            ("s.v", Some(1.0)),
            ("s", None),
            ("deep", None),
            ("flat", None)
        ]
    );
    let refused = |name: &str, bound: ErrorBound| {
        let options = WriterOptions::new().with_column_bound(name, bound);
        let writer = Writer::try_new(Vec::new(), batch.schema(), options);
        writer.map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused("s.y", bound(1.0)).contains("s.y"));
    assert!(refused("s.name", bound(1.0)).contains("takes no error bound"));

    // A column of that very name comes first.
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("s.x", DataType::Float32, false)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::clone(batch.column(3)));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let options = WriterOptions::new()
        .with_bound(ErrorBound::Exact)
        .with_column_bound("s.x", bound(0.25));
    let (_, report) = pack(&batch, options);
    let bounded = report.columns.iter().filter(|c| c.abs_bound.is_some());
    let bounded: Vec<usize> = bounded.map(|column| column.column).collect();
    assert_eq!(bounded, [4]);
}

#[test]
fn what_has_no_dimensions_is_said() {
    let batch = table(10).project(&[2]).unwrap();
    let options = abs(0.1).with_vector_range(VectorRange::Dimension);
    let error = Writer::try_new(Vec::new(), batch.schema(), options).map(|_| ());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("FixedSizeList"), "{error}");
    let batch = vectors(10, 2);
    let options = WriterOptions::new().with_column_bound("emb", ErrorBound::abs(0.1).unwrap());
    let error = PortableWriter::try_new(Vec::new(), batch.schema(), options).map(|_| ());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("portable") && error.contains("emb"),
        "{error}"
    );
}

#[test]
fn rows_move_as_a_whole() {
    let rows = 3000;
    let size = 3;
    let numbers: Vec<i32> = (0..rows).map(|i| (i * 7919) % 50).collect();
    let x: Vec<f32> = numbers.iter().map(|i| *i as f32).collect();
    let items = Float32Array::from_iter_values(
        numbers
            .iter()
            .flat_map(|i| (0..size).map(move |d| (*i * 10 + d) as f32)),
    );
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let emb = FixedSizeListArray::new(item, size, Arc::new(items), None);
    let columns: [(&str, ArrayRef); 2] = [
        ("x", Arc::new(Float32Array::from(x))),
        ("emb", Arc::new(emb)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = abs(0.01).with_row_order(RowOrder::Any);
    let (bytes, report) = pack(&batch, options);
    assert!(report.row_order.is_some());
    let back = read(&bytes);
    let x = back.column(0).as_primitive::<Float32Type>();
    let emb = back.column(1).as_fixed_size_list();
    for row in 0..rows as usize {
        let vector = emb.value(row);
        let vector = vector.as_primitive::<Float32Type>();
        for d in 0..size as usize {
            assert!((vector.value(d) - (x.value(row) * 10.0 + d as f32)).abs() < 0.2);
        }
    }
    assert_ne!(back.column(0).to_data(), batch.column(0).to_data());
}

#[test]
fn rows_larger_than_a_payload() {
    let size = (1 << 20) + 1000;
    let x = |i: usize| (i as f32 / 1000.0).sin();
    let items = Float32Array::from_iter_values((0..3 * size).map(x));
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let emb = FixedSizeListArray::new(item, size as i32, Arc::new(items), None);
    let batch = RecordBatch::try_from_iter([("emb", Arc::new(emb) as ArrayRef)]).unwrap();
    let (bytes, _) = pack(&batch, abs(0.01).with_effort(Effort::Fast));
    let back = read(&bytes);
    let near = values(&batch).into_iter().zip(values(&back));
    assert!(near.into_iter().all(|(x, y)| (x - y).abs() <= 0.01));
    let file = VirtualFile::new(Arc::new(bytes)).unwrap();
    let (_, leaf) = file.layout().index().packed_leaves().next().unwrap();
    assert_eq!(leaf.shapes[0].len(), 3);
}

/// Dimensions that tell of one another, or of which each has its own scale, take less than runs.
#[test]
fn dimensions_are_told_apart() {
    let batch = vectors(4000, 8);
    let options = WriterOptions::new().with_bound(ErrorBound::rel(1e-3).unwrap());
    let (small, _) = pack(&batch, options.clone());
    let (fast, _) = pack(&batch, options.with_effort(Effort::Fast));
    assert!(
        small.len() * 10 < fast.len() * 9,
        "{} {}",
        small.len(),
        fast.len()
    );
}
