//! Protects the process: footers that parquet-rs would follow into the ground are refused before, and
//! those of honest writers are not.

use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch};
use arrow::datatypes::{
    DataType, Field, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode,
};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;

use super::seal::{self, Seal};
use super::tests::{pack, table};
use super::virtual_file::open_source;
use super::*;

/// A file of no data with this footer.
fn ordinary(footer: &[u8]) -> Bytes {
    let len = (footer.len() as u32).to_le_bytes();
    [b"PAR1", footer, &len, b"PAR1"].concat().into()
}

/// The same as a packed file of an empty index, which nobody finds damaged, of the last version that
/// is opened by its footer.
fn packed(footer: &[u8]) -> Bytes {
    let new = Seal {
        version: 4,
        index_offset: 4,
        index_len: 0,
    };
    let entry = [b"\x18\x34".as_slice(), Seal::BLANK.blank().as_bytes()].concat();
    let mut bytes = ordinary(&[footer, &entry].concat()).to_vec();
    seal::close(&mut bytes[4..], new).unwrap();
    bytes.into()
}

fn opens(bytes: &Bytes) -> Result<()> {
    let file = VirtualFile::new(Arc::new(bytes.clone())).map(|_| ());
    let read = ReaderBuilder::new(Arc::new(bytes.clone())).map(|_| ());
    // One of the two takes packed files only.
    file.or(read)
}

/// A footer: version, a schema of one column, no rows.
const HEAD: &[u8] = &[
    0x15, 2, 0x19, 0x2c, 0x48, 1, b'r', 0x15, 2, 0, 0x15, 2, 0x25, 0, 0x18, 1, b'a', 0, 0x16, 0,
];

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[test]
fn row_groups_that_are_not_there() {
    opens(&ordinary(&[HEAD, &[0x19, 0x0c, 0]].concat())).unwrap();
    for count in [100, i32::MAX as u64, u64::MAX] {
        let footer = [HEAD, &[0x19, 0xfc], &varint(count), &[0]].concat();
        for bytes in [ordinary(&footer), packed(&footer)] {
            let error = opens(&bytes).unwrap_err().to_string();
            assert!(error.contains("makes no sense"), "{error}");
        }
    }
}

#[test]
fn columns_in_columns_without_end() {
    let nested = |depth: usize| {
        let group = [0x35, 0, 0x18, 1, b'g', 0x15, 2, 0];
        let leaf = [0x15, 2, 0x25, 0, 0x18, 1, b'a', 0];
        let head = [0x15, 2, 0x19, 0xfc];
        let end = [0x16, 0, 0x19, 0x0c, 0];
        [
            &head[..],
            &varint(depth as u64 + 1),
            &group.repeat(depth),
            &leaf,
            &end,
        ]
        .concat()
    };
    opens(&ordinary(&nested(100))).unwrap();
    for depth in [300, 20_000, 300_000] {
        for bytes in [ordinary(&nested(depth)), packed(&nested(depth))] {
            let error = opens(&bytes).unwrap_err().to_string();
            assert!(error.contains("deep"), "{error}");
        }
    }
}

/// Children of columns, names, and row groups that ask for much more memory than there are bytes.
#[test]
fn what_takes_memory() {
    let refused = |footer: &[u8], what: &str| {
        for bytes in [ordinary(footer), packed(footer)] {
            let error = opens(&bytes).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    };
    let end = [0x16, 0, 0x19, 0x0c, 0];
    let leaf = [0x15, 2, 0x25, 0, 0x18, 1, b'a', 0];
    for (children, what) in [
        (i64::from(i32::MAX), "not there"),
        (2, "not there"),
        (-1, "negative"),
    ] {
        let zigzag = ((children << 1) ^ (children >> 63)) as u64;
        let root = [&[0x48, 1, b'r', 0x15][..], &varint(zigzag), &[0]].concat();
        let footer = [&[0x15, 2, 0x19, 0x2c], root.as_slice(), &leaf, &end].concat();
        refused(&footer, what);
    }
    // A group with a long name, and many columns in it.
    let (name, columns) = (vec![b'n'; 50_000], 50_000);
    let group = [&[0x35, 0, 0x18], varint(50_000).as_slice(), &name, &[0x15]].concat();
    let group = [&group, varint(2 * columns as u64).as_slice(), &[0]].concat();
    let head = [
        &[0x15, 2, 0x19, 0xfc],
        varint(columns as u64 + 2).as_slice(),
    ]
    .concat();
    let root = [0x48, 1, b'r', 0x15, 2, 0];
    let footer = [&head[..], &root, &group, &leaf.repeat(columns), &end].concat();
    refused(&footer, "names of columns");
    let groups = [HEAD, &[0x19, 0xfc], &varint(40_000), &vec![0; 50_000]].concat();
    refused(&groups, "more row groups");
}

/// fastparquet writes 64 bits where the format has 32.
#[test]
fn numbers_of_another_width() {
    let widened = |byte: &u8| byte + u8::from([0x15, 0x25].contains(byte));
    let wide: Vec<u8> = HEAD.iter().map(widened).collect();
    opens(&ordinary(&[wide.as_slice(), &[0x19, 0x0c, 0]].concat())).unwrap();
}

fn metadata(bytes: &Bytes) -> Arc<ParquetMetaData> {
    Arc::clone(open_source(bytes).unwrap().metadata())
}

/// Page indexes that cannot be trusted are not read; the rest of the file is.
#[test]
fn page_indexes() {
    let bytes = &honest()[5];
    let footer = footer_of(bytes);
    let opened = |bytes: Vec<u8>| {
        let bytes = Bytes::from(bytes);
        let metadata = metadata(&bytes);
        let chunk = metadata.row_group(0).column(0);
        let indexes = metadata.offset_index().is_some();
        assert_eq!(chunk.offset_index_offset().is_some(), indexes);
        let reader = ReaderBuilder::new(Arc::new(bytes)).unwrap();
        let rows = reader
            .build()
            .unwrap()
            .map(|batch| batch.unwrap().num_rows());
        assert_eq!(rows.sum::<usize>(), 250);
        indexes
    };
    assert!(opened(bytes.to_vec()));
    let chunk = metadata(bytes).row_group(0).column(0).clone();
    let start = chunk.offset_index_offset().unwrap() as usize;
    let mut damaged = bytes.to_vec();
    assert!(start < footer.start);
    damaged[start + 1..start + 7].copy_from_slice(&[0xfc, 0xff, 0xff, 0xff, 0xff, 7]);
    assert!(!opened(damaged));
}

/// What says to be text, and would be read as a number and fields behind it.
#[test]
fn fields_of_another_type() {
    let evil = [HEAD, &[0x19, 0xfc], &varint(i32::MAX as u64)].concat();
    let hidden = [
        &[0x18][..],
        &varint(evil.len() as u64),
        &evil,
        &HEAD[2..],
        &[0x19, 0x0c, 0],
    ];
    let error = opens(&ordinary(&hidden.concat())).unwrap_err().to_string();
    assert!(error.contains("another type"), "{error}");
    // Booleans of a list, which have a byte each or none.
    let booleans = [0x19, 0x0c, 0xf9, 0x21, 1, 1, 0];
    let error = opens(&ordinary(&[HEAD, &booleans].concat())).unwrap_err();
    assert!(error.to_string().contains("booleans"), "{error}");
}

/// Files of parquet-rs with all that it can write into a footer.
fn honest() -> Vec<Bytes> {
    let times = [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Nanosecond,
    ];
    let leaf = |name: &str, of: DataType| Field::new(name, of, true);
    let list = |of: DataType| DataType::new_list(of, true);
    let mut fields = vec![
        leaf("i8", DataType::Int8),
        leaf("u64", DataType::UInt64),
        leaf("f16", DataType::Float16),
        leaf("decimal", DataType::Decimal128(20, 3)),
        leaf("date", DataType::Date32),
        leaf("text", DataType::Utf8),
        leaf("flag", DataType::Boolean),
        leaf("fixed", DataType::FixedSizeBinary(3)),
        leaf("interval", DataType::Interval(IntervalUnit::DayTime)),
        leaf("list", list(list(DataType::Float32))),
        leaf(
            "struct",
            DataType::Struct(Fields::from(vec![leaf("x", DataType::Float64)])),
        ),
    ];
    for (i, unit) in times.into_iter().enumerate() {
        fields.push(leaf(
            &format!("t{i}"),
            DataType::Timestamp(unit, Some("UTC".into())),
        ));
    }
    let schema = Arc::new(Schema::new(fields));
    let columns = schema.fields().iter();
    let nulls = columns.map(|field| arrow::array::new_null_array(field.data_type(), 100));
    let all = RecordBatch::try_new(Arc::clone(&schema), nulls.collect()).unwrap();
    let numbers: Int32Array = (0..100).map(Some).collect();
    let numbers = RecordBatch::try_from_iter([("n", Arc::new(numbers) as _)]).unwrap();
    let mut files = Vec::new();
    for batch in [&all, &numbers, &table(250)] {
        for statistics in [EnabledStatistics::None, EnabledStatistics::Page] {
            let properties = WriterProperties::builder()
                .set_statistics_enabled(statistics)
                .set_max_row_group_row_count(Some(40))
                .set_bloom_filter_enabled(true)
                .set_key_value_metadata(Some(vec![KeyValue::new("k".to_owned(), None)]))
                .set_sorting_columns(Some(vec![SortingColumn {
                    column_idx: 0,
                    descending: true,
                    nulls_first: false,
                }]))
                .build();
            let mut bytes = Vec::new();
            let mut writer =
                ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
            writer.write(batch).unwrap();
            writer.close().unwrap();
            files.push(bytes.into());
        }
    }
    files
}

#[test]
fn honest_footers_are_not_refused() {
    for bytes in honest() {
        opens(&bytes).unwrap();
    }
}

/// The footer of a file, and where it starts.
fn footer_of(bytes: &[u8]) -> std::ops::Range<usize> {
    let end = bytes.len() - 8;
    let len = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap());
    end - len as usize..end
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Bytes of footers and page indexes changed: an error, or not, but an answer.
    #[test]
    fn damaged_footers(
        which in 0..6usize,
        changes in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 1..4),
        beyond in 0..400usize,
    ) {
        thread_local! {
            static HONEST: Vec<Bytes> = honest();
        }
        let bytes = HONEST.with(|honest| honest[which].clone());
        let footer = footer_of(&bytes);
        let start = footer.start.saturating_sub(beyond).max(4);
        let mut damaged = bytes.to_vec();
        for (at, byte) in changes {
            damaged[start + (at * (footer.end - start) as f64) as usize] = byte;
        }
        let _ = opens(&damaged.into());
    }
}

/// Types that Parquet does not give back, wherever they are.
#[test]
fn types_that_cannot_be_written() {
    let field = Field::new("a", DataType::Int32, false);
    let union = UnionFields::try_new(vec![0], vec![field]).unwrap();
    for data_type in [
        DataType::Union(union, UnionMode::Sparse),
        DataType::FixedSizeBinary(0),
        DataType::Interval(IntervalUnit::MonthDayNano),
    ] {
        let inner = Field::new("u", data_type.clone(), true);
        let within = DataType::Struct(Fields::from(vec![inner.clone()]));
        let listed = DataType::new_list(data_type, true);
        for field in [
            inner,
            Field::new("s", within, true),
            Field::new("l", listed, true),
        ] {
            let schema = Arc::new(Schema::new(vec![field]));
            let packed = Writer::try_new(Vec::new(), Arc::clone(&schema), WriterOptions::new());
            let portable = PortableWriter::try_new(Vec::new(), schema, WriterOptions::new());
            for error in [packed.err(), portable.err()] {
                let error = error.expect("it is refused").to_string();
                assert!(error.contains("does not give back"), "{error}");
            }
        }
    }
}

#[test]
fn batches_of_no_rows() {
    let (bytes, _) = pack(&table(10), WriterOptions::new());
    let reader = ReaderBuilder::new(Arc::new(bytes)).unwrap();
    let error = reader.with_batch_size(0).build().err().unwrap();
    assert!(error.to_string().contains("at least one row"), "{error}");
}
