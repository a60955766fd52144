//! Protects old files: what an earlier release wrote is read to the same bits for ever after.
//!
//! `testdata/golden/vN.parquet` was written once by the first release of format version N and is
//! never rewritten. `vN.original.arrow` is the table it was made from, `vN.decoded.arrow` what it
//! decodes to. From version 5 on `vN.any.parquet` is a file of rows in any order. A new format version adds files: `cargo test --test compatibility -- --ignored`
//! writes those of the current version, and refuses if they are there.

mod table;

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::*;
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use tolerant::ErrorBound;
use tolerant::codec::{PayloadKind, ValueRange, decode};
use tolerant::file::{
    IndexColumn, Opened, ReaderBuilder, RowOrder, VirtualFile, Writer, WriterOptions, check_footer,
};

const VERSION: u32 = 6;

/// Rows of the golden tables, of their blocks and of their row groups.
const ROWS: [usize; 6] = [700, 2600, 2600, 9000, 9000, 9000];
const BLOCK_ROWS: [usize; 6] = [100, 1000, 1000, 8500, 8500, 8500];
const ROW_GROUP_ROWS: [usize; 6] = [300, 2000, 2000, 8500, 8500, 8500];

fn golden(version: u32, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/golden/v{version}.{name}"))
}

fn read_arrow(path: &Path) -> RecordBatch {
    let reader = FileReader::try_new(File::open(path).unwrap(), None).unwrap();
    concat(reader.schema(), reader.map(Result::unwrap).collect())
}

fn write_arrow(path: &Path, batch: &RecordBatch) {
    let mut writer = FileWriter::try_new(File::create_new(path).unwrap(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

fn read_packed(path: &Path) -> RecordBatch {
    let reader = ReaderBuilder::open(path).unwrap().build().unwrap();
    concat(reader.schema(), reader.map(Result::unwrap).collect())
}

fn concat(schema: SchemaRef, batches: Vec<RecordBatch>) -> RecordBatch {
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// By bits: NaN payloads and signed zeros count.
fn assert_identical(a: &RecordBatch, b: &RecordBatch) {
    assert_eq!(a.schema(), b.schema());
    for (field, (x, y)) in a
        .schema()
        .fields()
        .iter()
        .zip(a.columns().iter().zip(b.columns()))
    {
        let nulls = |array: &ArrayRef| {
            array
                .nulls()
                .filter(|nulls| nulls.null_count() > 0)
                .cloned()
        };
        assert_eq!(nulls(x), nulls(y), "nulls of {}", field.name());
        match (
            x.as_primitive_opt::<Float64Type>(),
            y.as_primitive_opt::<Float64Type>(),
        ) {
            (Some(x), Some(y)) => {
                assert!(
                    x.iter()
                        .flatten()
                        .map(f64::to_bits)
                        .eq(y.iter().flatten().map(f64::to_bits)),
                    "{}",
                    field.name()
                )
            }
            _ => assert_eq!(x.to_data(), y.to_data(), "{}", field.name()),
        }
    }
}

#[test]
fn every_version_is_read_to_the_same_bits() {
    for version in 1..=VERSION {
        let path = golden(version, "parquet");
        let decoded = read_packed(&path);
        assert_identical(&decoded, &read_arrow(&golden(version, "decoded.arrow")));
        keeps_its_promises(version, &decoded);
        if version >= 5 {
            let decoded = read_packed(&golden(version, "any.parquet"));
            assert_identical(&decoded, &read_arrow(&golden(version, "any.decoded.arrow")));
        }
    }
}

/// The promise that was made then holds now.
fn keeps_its_promises(version: u32, decoded: &RecordBatch) {
    let original = read_arrow(&golden(version, "original.arrow"));
    let Opened::Packed(layout) = ReaderBuilder::open(&golden(version, "parquet"))
        .unwrap()
        .opened()
        .clone()
    else {
        panic!("the golden file is packed")
    };
    let row_group_rows = ROW_GROUP_ROWS[version as usize - 1];
    let mut lossy = 0;
    for (i, column) in layout.index().packed() {
        // Behind the original's columns there may be the rows' numbers.
        let x = original.columns().get(i);
        let (Some(x), Some(y)) = (
            x.and_then(|x| x.as_primitive_opt::<Float64Type>()),
            decoded.column(i).as_primitive_opt::<Float64Type>(),
        ) else {
            continue;
        };
        for (row, (x, y)) in x.iter().zip(y).enumerate() {
            let (Some(x), Some(y)) = (x, y) else { continue };
            let bound = match column.bound {
                ErrorBound::PointwiseRel(ratio) => ratio * x.abs(),
                _ => column.abs_bound(row / row_group_rows),
            };
            assert!(
                x.to_bits() == y.to_bits() || (x - y).abs() <= bound,
                "version {version}, row {row}: {x} became {y}"
            );
            lossy += usize::from(x != y && !x.is_nan());
        }
    }
    assert!(lossy > 1000, "the golden file should hold lossy values");
}

#[test]
fn every_version_as_a_virtual_file() {
    for version in 1..=VERSION {
        let file = VirtualFile::open(&golden(version, "parquet")).unwrap();
        let bytes = file.read(0..file.len().unwrap()).unwrap();
        let reader =
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        let table = concat(batches[0].schema(), batches);
        assert_eq!(table.num_rows(), ROWS[version as usize - 1]);
        for (a, b) in table
            .columns()
            .iter()
            .zip(read_packed(&golden(version, "parquet")).columns())
        {
            assert_eq!(format!("{a:?}"), format!("{b:?}"));
        }
    }
}

/// The golden file of this version is worth something only if it holds what the version can hold.
#[test]
fn version_2_holds_what_is_new() {
    let Opened::Packed(layout) = ReaderBuilder::open(&golden(2, "parquet"))
        .unwrap()
        .opened()
        .clone()
    else {
        panic!("the golden file is packed")
    };
    let columns: Vec<_> = layout.index().packed().map(|(_, column)| column).collect();
    let kinds: Vec<PayloadKind> = columns
        .iter()
        .flat_map(|c| c.blocks())
        .map(|b| b.kind)
        .collect();
    for kind in [
        PayloadKind::Exact,
        PayloadKind::Quantized64,
        PayloadKind::Grid32,
        PayloadKind::Integers,
        PayloadKind::LogQuantized32,
    ] {
        assert!(kinds.contains(&kind), "no payload of kind {kind:?}");
    }
    let references = columns.iter().flat_map(|c| c.references.iter().flatten());
    assert!(references.count() > 3, "no references");
}

#[test]
fn version_3_holds_what_is_new() {
    let path = golden(3, "parquet");
    let Opened::Packed(layout) = ReaderBuilder::open(&path).unwrap().opened().clone() else {
        panic!("the golden file is packed")
    };
    assert_eq!(layout.index().packed_leaves().count(), 3);
    // Lists and structs keep their bound, and what is null stays so.
    let original = read_arrow(&golden(3, "original.arrow"));
    let decoded = read_packed(&path);
    let leaf = |batch: &RecordBatch, name: &str| -> Float64Array {
        let column = batch.column_by_name(name).unwrap();
        let values = match column.data_type() {
            DataType::FixedSizeList(..) => column.as_fixed_size_list().values(),
            DataType::List(_) => column.as_list::<i32>().values(),
            _ => column.as_struct().column(0),
        };
        arrow::compute::cast(values, &DataType::Float64)
            .unwrap()
            .as_primitive::<Float64Type>()
            .clone()
    };
    for name in ["vector", "list", "struct"] {
        let (x, y) = (leaf(&original, name), leaf(&decoded, name));
        let range = ValueRange::of(x.iter().flatten());
        let bound = 1e-3 * (range.max - range.min);
        let mut lossy = 0;
        for (x, y) in x.iter().zip(&y) {
            let (Some(x), Some(y)) = (x, y) else { continue };
            assert!((x - y).abs() <= bound, "{name}: {x} became {y}");
            lossy += usize::from(x != y);
        }
        assert!(lossy > 500, "{name} should be lossy");
    }
}

/// Its first blocks are of symbols that the encoder puts into many lanes: thousands of bytes of
/// them, and more rows than runs need.
#[test]
fn version_4_holds_what_is_new() {
    let path = golden(4, "parquet");
    let Opened::Packed(layout) = ReaderBuilder::open(&path).unwrap().opened().clone() else {
        panic!("the golden file is packed")
    };
    let column = |name: &str| {
        let field = layout.index().schema.index_of(name).unwrap();
        let mut columns = layout.index().packed();
        columns.find(|(i, _)| *i == field).unwrap().1.clone()
    };
    for name in ["scatter", "spread", "chain"] {
        let block = *column(name).blocks().next().unwrap();
        assert_eq!(block.kind, PayloadKind::Grid32, "{name}");
        assert!(block.payload_len > 2000, "{name}: {}", block.payload_len);
    }
    assert_eq!(column("spread").references[0].len(), 1);
}

/// Rows in any order, or numbered: what the index tells of a file beside its columns.
#[test]
fn version_5_holds_what_is_new() {
    let path = golden(5, "any.parquet");
    let reader = ReaderBuilder::open(&path).unwrap();
    let Opened::Packed(layout) = reader.opened().clone() else {
        panic!("the golden file is packed")
    };
    check_footer(reader.stored().as_ref()).unwrap();
    assert!(layout.row_order().is_some());
    for name in ["parquet", "any.parquet"] {
        let file = VirtualFile::open(&golden(5, name)).unwrap();
        let numbered = (name == "parquet").then_some("row");
        assert_eq!(file.layout().row_id(), numbered, "{name}");
        let index = file.layout().index();
        assert!(index.packed_leaves().count() > 0, "{name}: nested columns");
        let ordinary = |column: &IndexColumn| matches!(column, IndexColumn::Ordinary(_));
        assert!(
            index.columns.iter().any(ordinary),
            "{name}: ordinary columns"
        );
    }
}

/// A column of peaks far apart is coded by a model whose tables are offsets, of leading bits when the file
/// was written.
#[test]
fn version_6_holds_what_is_new() {
    let path = golden(6, "parquet");
    let bytes = std::fs::read(&path).unwrap();
    let file = VirtualFile::open(&path).unwrap();
    let field = file.layout().index().schema.index_of("peaks").unwrap();
    let mut columns = file.layout().index().packed();
    let (_, column) = columns.find(|(i, _)| *i == field).unwrap();
    let block = *column.blocks().next().unwrap();
    let decoded = read_packed(&path);
    let values = &decoded.column(field).as_primitive::<Float64Type>().values()[..BLOCK_ROWS[5]];
    let payload = bytes.windows(block.payload_len).find(|payload| {
        let mut decoded = vec![0.0; values.len()];
        payload[..2] == [2, 0x42] && decode(payload, &mut decoded).is_ok() && decoded == values
    });
    // Behind version and kind, step, phase and the number of outliers.
    let tag = payload.unwrap()[8];
    assert_eq!(tag, 0x50, "no transform, coder 5");
}

#[test]
#[ignore = "writes the golden files of a new format version: see the module's documentation"]
fn write_golden_files() {
    let original = table::table();
    let options = WriterOptions::new()
        .with_bound("rel:1e-3".parse().unwrap())
        .with_column_bound("absolute", "abs:0.05".parse().unwrap())
        .with_column_bound("lossless", "exact".parse().unwrap())
        .with_column_bound("fine", "rel:1e-11".parse().unwrap())
        .with_column_range(
            "declared",
            ValueRange {
                min: -40.0,
                max: 40.0,
            },
        )
        .with_column_bound("pointwise", "pwrel:0.01".parse().unwrap())
        .with_column_bound("noisy", "psnr:40".parse().unwrap())
        .with_column_bound("robust", "rel:1e-2@p1..p99".parse().unwrap())
        .with_column_bound("loose", "rel:0.1".parse().unwrap())
        .with_column_bound("chain", "rel:0.01".parse().unwrap())
        .with_row_id("row")
        .with_block_rows(BLOCK_ROWS[VERSION as usize - 1])
        .with_row_group_rows(ROW_GROUP_ROWS[VERSION as usize - 1]);
    let path = golden(VERSION, "parquet");
    let mut writer =
        Writer::try_new(File::create_new(&path).unwrap(), original.schema(), options).unwrap();
    writer.write(&original).unwrap();
    writer.close().unwrap();
    write_arrow(&golden(VERSION, "original.arrow"), &original);
    write_arrow(&golden(VERSION, "decoded.arrow"), &read_packed(&path));
    write_golden_file_of_any_order(&original);
}

fn write_golden_file_of_any_order(table: &RecordBatch) {
    let column = |name| table.schema().index_of(name).unwrap();
    // Most of it is noise, which is best sorted.
    let names = ["loose", "scatter", "spread", "name", "vector"];
    let table = table.project(&names.map(column)).unwrap().slice(0, 2000);
    let options = WriterOptions::new()
        .with_bound("rel:0.1".parse().unwrap())
        .with_column_bound("vector", "rel:0.5".parse().unwrap())
        .with_row_group_rows(1500)
        .with_row_order(RowOrder::Any);
    let path = golden(VERSION, "any.parquet");
    let file = File::create_new(&path).unwrap();
    let mut writer = Writer::try_new(file, table.schema(), options).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    write_arrow(&golden(VERSION, "any.decoded.arrow"), &read_packed(&path));
}
