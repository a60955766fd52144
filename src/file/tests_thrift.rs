//! Protects the process: footers that parquet-rs would follow into the ground are refused before, and
//! those of honest writers are not.

use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch};
use arrow::datatypes::{
    DataType, Field, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode,
};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;

use super::seal::{self, Seal};
use super::tests::{pack, table};
use super::*;

/// A file of no data with this footer.
fn ordinary(footer: &[u8]) -> Bytes {
    let len = (footer.len() as u32).to_le_bytes();
    [b"PAR1", footer, &len, b"PAR1"].concat().into()
}

/// The same as a packed file of an empty index, which nobody finds damaged.
fn packed(footer: &[u8]) -> Bytes {
    let new = Seal {
        version: seal::VERSION,
        index_offset: 4,
        index_len: 0,
    };
    let entry = [b"\x18\x34".as_slice(), new.blank().as_bytes()].concat();
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
    let reader = ReaderBuilder::new(Arc::new(Bytes::from(bytes))).unwrap();
    let error = reader.with_batch_size(0).build().err().unwrap();
    assert!(error.to_string().contains("at least one row"), "{error}");
}
