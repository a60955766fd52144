//! Bytes are really those of all columns, and tables are what a reader of them would get.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float64Array, RecordBatch, StringArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;

use crate::file::{finite_range, raw_bytes};

use super::super::method::{Family, Reduced, Reduction};
use super::{TARGET, all, parquet_file, pco, precision, smallest_parquet};

/// x and y may change; target and names may not.
const LOSSY: [usize; 2] = [0, 1];

fn table(rows: usize) -> RecordBatch {
    let mut rng = fastrand::Rng::with_seed(1);
    let x: Float32Array = (0..rows)
        .map(|i| (i % 11 != 3).then(|| rng.f32() * 8.0 - 4.0))
        .collect();
    // Of few digits: differences of others cannot be told exactly, and are stored exactly.
    let digits = |x: f64| (x.powi(3) * 1e6).round() / 1024.0;
    let y = Float64Array::from_iter_values((0..rows).map(|_| digits(rng.f64())));
    let target = Float32Array::from_iter_values((0..rows).map(|_| rng.f32()));
    let name = StringArray::from_iter_values((0..rows).map(|i| ["a", "b", "c"][i % 3]));
    let schema = Schema::new(vec![
        Field::new("x", DataType::Float32, true),
        Field::new("y", DataType::Float64, false),
        Field::new("target", DataType::Float32, false),
        Field::new("name", DataType::Utf8, false),
    ]);
    let columns: Vec<ArrayRef> = vec![Arc::new(x), Arc::new(y), Arc::new(target), Arc::new(name)];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn raw(table: &RecordBatch) -> u64 {
    table.columns().iter().map(raw_bytes).sum()
}

fn reduce(name: &str, table: &RecordBatch, parameter: &str) -> Reduced {
    let methods = all();
    let method = methods.iter().find(|method| method.name() == name).unwrap();
    method.reduce(table, &LOSSY, parameter, 3).unwrap()
}

fn every() -> impl Iterator<Item = (Box<dyn Reduction>, String)> {
    all().into_iter().flat_map(|method| {
        let name = method.name().to_owned();
        let parameters = method.parameters().into_iter();
        parameters.map(move |p| (all().into_iter().find(|m| m.name() == name).unwrap(), p))
    })
}

#[test]
fn there_are_seventeen_of_all_families_and_names_are_unique() {
    let methods = all();
    let names: BTreeSet<&str> = methods.iter().map(|method| method.name()).collect();
    assert_eq!(names.len(), methods.len());
    assert!(methods.len() >= 17, "{names:?}");
    for family in [
        Family::None,
        Family::Lossless,
        Family::Sampling,
        Family::ReducedPrecision,
        Family::ErrorBounded,
    ] {
        assert!(methods.iter().any(|method| method.family() == family));
    }
}

#[test]
fn only_lossy_columns_change_and_nulls_stay() {
    let table = table(1500);
    for (method, parameter) in every() {
        let reduced = method.reduce(&table, &LOSSY, &parameter, 5).unwrap();
        let what = format!("{} {parameter}", method.name());
        assert_eq!(reduced.table.schema(), table.schema(), "{what}");
        assert!(reduced.bytes > 0, "{what}");
        let lossless = matches!(method.family(), Family::None | Family::Lossless);
        if lossless {
            assert_eq!(reduced.table, table, "{what}");
        } else if method.family() == Family::Sampling {
            assert!(reduced.table.num_rows() < table.num_rows(), "{what}");
        } else if !method.name().ends_with("-any") {
            assert_eq!(reduced.table.column(2), table.column(2), "{what}");
            assert_eq!(reduced.table.column(3), table.column(3), "{what}");
            let nulls = |t: &RecordBatch| t.column(0).nulls().cloned();
            assert_eq!(nulls(&reduced.table), nulls(&table), "{what}");
        }
        let again = method.reduce(&table, &LOSSY, &parameter, 5).unwrap();
        assert_eq!(again.table, reduced.table, "{what}");
        assert_eq!(again.bytes, reduced.bytes, "{what}");
    }
}

#[test]
fn sweeps_start_with_the_most_careful() {
    let table = table(3000);
    for method in all() {
        let sizes: Vec<u64> = method
            .parameters()
            .iter()
            .map(|p| method.reduce(&table, &LOSSY, p, 1).unwrap().bytes)
            .collect();
        assert!(
            sizes.is_sorted_by(|a, b| a >= b),
            "{} {sizes:?}",
            method.name()
        );
        assert!(
            method.name() == "none" || sizes[0] < raw(&table),
            "{}",
            method.name()
        );
    }
}

/// A file as another program reads it, in the types of the table.
fn read(file: Vec<u8>, table: &RecordBatch) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(|b| b.unwrap()).collect();
    let read = concat_batches(&batches[0].schema(), &batches).unwrap();
    let fields = table.schema().fields().clone();
    let columns = read.columns().iter().zip(&fields);
    let columns = columns.map(|(c, field)| cast(c, field.data_type()).unwrap());
    RecordBatch::try_new(table.schema(), columns.collect()).unwrap()
}

#[test]
fn files_hold_what_is_charged_for() {
    let table = table(2000);
    let file = smallest_parquet(&table).unwrap();
    let zstd = reduce("zstd", &table, "").bytes;
    let split = reduce("byte-stream-split-zstd", &table, "").bytes;
    assert_eq!(split, file.len() as u64);
    assert!(split < zstd);
    assert_eq!(read(file, &table), table);
    let lz4 = parquet_file::parquet(&table, Compression::LZ4_RAW).unwrap();
    assert_eq!(lz4.len() as u64, reduce("lz4", &table, "").bytes);
    assert_eq!(read(lz4, &table), table);
    assert_eq!(reduce("none", &table, "").bytes, raw(&table));

    let coded = pco::coded(table.column(0)).unwrap().unwrap();
    let values: Vec<f32> = ::pco::standalone::simple_decompress(&coded).unwrap();
    let original = table.column(0).as_primitive::<Float32Type>();
    assert_eq!(values, original.iter().flatten().collect::<Vec<_>>());
    assert!(pco::validity(table.column(0)).unwrap() > 0);
    assert_eq!(pco::validity(table.column(1)).unwrap(), 0);
}

#[test]
fn reduced_precision_is_what_its_bits_say() {
    assert_eq!(precision::round_f32(1.0 + 1.0 / 16.0, 3), 1.0);
    assert_eq!(precision::round_f32(1.0 + 3.0 / 16.0, 3), 1.25);
    assert_eq!(precision::round_f32(-1.96875, 3), -2.0);
    assert_eq!(precision::round_f64(1.0 + 3.0 / 16.0, 3), 1.25);
    assert!(precision::round_f32(f32::NAN, 3).is_nan());
    assert_eq!(precision::round_f64(f64::INFINITY, 1), f64::INFINITY);

    let table = table(2000);
    let y = |t: &RecordBatch| t.column(1).as_primitive::<Float64Type>().values().to_vec();
    let range = finite_range(table.column(1));
    for bits in [16, 8, 3] {
        let reduced = reduce("integers", &table, &format!("bits={bits}"));
        let step = (range.max - range.min) / f64::from((1 << bits) - 1);
        let mut distinct: Vec<u64> = y(&reduced.table).iter().map(|x| x.to_bits()).collect();
        for (a, b) in y(&table).iter().zip(y(&reduced.table)) {
            assert!((a - b).abs() <= step * 0.500001, "{bits} bits: {a} {b}");
        }
        distinct.sort();
        distinct.dedup();
        assert!(distinct.len() <= 1 << bits);
    }
    let brain = reduce("bfloat16", &table, "");
    for (a, b) in y(&table).iter().zip(y(&brain.table)) {
        assert!((a - b).abs() <= a.abs() / 256.0, "{a} {b}");
    }
    let bits = |t: &RecordBatch| t.column(0).as_primitive::<Float32Type>().clone();
    let rounded = reduce("bitround", &table, "bits=7");
    assert_eq!(bits(&rounded.table), bits(&brain.table));
}

#[test]
fn hostile_numbers_are_borne() {
    let values = [
        Some(f32::NAN),
        Some(f32::INFINITY),
        Some(f32::NEG_INFINITY),
        Some(f32::MAX),
        Some(f32::MIN),
        Some(-0.0),
        Some(1e-45),
        None,
    ];
    let column = |values: Vec<Option<f32>>| -> ArrayRef { Arc::new(Float32Array::from(values)) };
    for values in [
        values.to_vec(),
        vec![None; 8],
        vec![Some(f32::NAN); 8],
        vec![Some(2.5); 8],
    ] {
        let table = RecordBatch::try_from_iter_with_nullable([
            ("x", column(values.clone()), true),
            ("y", column(values), true),
        ])
        .unwrap();
        for (method, parameter) in every() {
            let reduced = method.reduce(&table, &LOSSY, &parameter, 1);
            let reduced = reduced.unwrap_or_else(|e| panic!("{} {parameter}: {e}", method.name()));
            assert_eq!(reduced.table.num_columns(), 2);
        }
    }
}

#[test]
fn strata_have_their_shares() {
    let table = table(3000);
    let part = |table: &RecordBatch| {
        let target = table.column(2).as_primitive::<Float32Type>();
        let low = target.values().iter().filter(|&&x| x < 0.25).count();
        low as f64 / table.num_rows() as f64
    };
    let sampled = reduce("sample-stratified", &table, "n=0.02").table;
    // The last column that may not change is the name.
    assert_eq!(sampled.num_rows(), 60);
    let names = sampled.column(3).as_string::<i32>();
    assert_eq!(names.iter().flatten().filter(|&n| n == "b").count(), 20);

    let metadata = [(TARGET.to_owned(), "target".to_owned())].into();
    let schema = Schema::clone(&table.schema()).with_metadata(metadata);
    let named = RecordBatch::try_new(Arc::new(schema), table.columns().to_vec()).unwrap();
    let sampled = reduce("sample-stratified", &named, "n=0.05").table;
    assert!((part(&sampled) - part(&table)).abs() < 0.01);
    let first = reduce("sample-first", &table, "n=0.1").table;
    assert_eq!(first, table.slice(0, 300));
    let with = reduce("sample-replacement", &table, "n=0.5").table;
    assert_eq!(with.num_rows(), 1500);
}

#[test]
fn tolerant_keeps_its_bounds() {
    let table = table(2000);
    let range = finite_range(table.column(1));
    for name in ["tolerant-packed", "tolerant-portable"] {
        let reduced = reduce(name, &table, "rel:0.01");
        let y = |t: &RecordBatch| t.column(1).as_primitive::<Float64Type>().values().to_vec();
        for (a, b) in y(&table).iter().zip(y(&reduced.table)) {
            assert!((a - b).abs() <= 0.01 * (range.max - range.min));
        }
    }
    let any = reduce("tolerant-packed-any", &table, "rel:0.1");
    assert!(any.bytes <= reduce("tolerant-packed", &table, "rel:0.1").bytes);
}

#[test]
fn parameters_that_are_none_are_refused() {
    let table = table(10);
    for method in all()
        .iter()
        .filter(|method| !method.parameters()[0].is_empty())
    {
        let said = method
            .reduce(&table, &LOSSY, "nonsense", 1)
            .unwrap_err()
            .to_string();
        assert!(said.starts_with(method.name()), "{said}");
    }
    let sample = all()
        .into_iter()
        .find(|m| m.name() == "sample-first")
        .unwrap();
    for parameter in ["n=0", "n=2", "n=nan"] {
        assert!(sample.reduce(&table, &LOSSY, parameter, 1).is_err());
    }
}
