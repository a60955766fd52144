//! Protects opening by the block index: it tells what the footer tells, in fewer bytes; whatever the
//! first read holds, the same file is found; and an index that lies is refused.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use proptest::prelude::*;

use super::catalog_codec;
use super::index_arrays::Arrays;
use super::layout::Layout;
use super::open::FIRST_READ;
use super::seal::{self, Seal};
use super::tests::{pack, table};
use super::virtual_file::open_source;
use super::*;
use crate::codec::ErrorBound;

/// A source that remembers what was read, and reads so much at first.
struct Counted {
    bytes: Bytes,
    first_read: u64,
    reads: Mutex<Vec<Range<u64>>>,
}

impl Counted {
    fn new(bytes: &Bytes, first_read: u64) -> Self {
        Self {
            bytes: bytes.clone(),
            first_read,
            reads: Mutex::default(),
        }
    }

    fn reads(&self) -> Vec<Range<u64>> {
        self.reads.lock().unwrap().clone()
    }
}

impl ReadAt for Counted {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.bytes)
    }

    fn first_read(&self) -> u64 {
        self.first_read
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.reads.lock().unwrap().push(range.clone());
        self.bytes.read_at(range)
    }
}

const WIDE_ROWS: usize = 50;

fn float_column(seed: usize) -> ArrayRef {
    let values = (0..WIDE_ROWS).map(|row| ((seed * 7919 + row * 104_729) % 1000) as f32);
    Arc::new(Float32Array::from_iter_values(values))
}

/// A file of so many columns of floats, and perhaps one of names.
fn wide(columns: usize, names: bool) -> Bytes {
    let column = |i: usize| (format!("column {i}"), float_column(i));
    let text = (0..WIDE_ROWS).map(|row| Some(format!("name {row}")));
    let text: ArrayRef = Arc::new(text.collect::<StringArray>());
    let text = names.then(|| ("name".to_owned(), text));
    let columns = (0..columns).map(column).chain(text);
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = WriterOptions::new()
        .with_bound(ErrorBound::rel(1e-2).unwrap())
        .with_max_references(0);
    pack(&batch, options).0
}

/// Files of all kinds of columns, of several row groups, and of rows in any order.
fn files() -> Vec<Bytes> {
    let small = || {
        WriterOptions::new()
            .with_block_rows(64)
            .with_row_group_rows(128)
    };
    let nested = super::nested::tests::table(250);
    let any = small().with_row_order(RowOrder::Any).with_row_id("row");
    vec![
        pack(&table(250), small()).0,
        pack(&table(0), small()).0,
        pack(&table(250), any.clone()).0,
        pack(&nested, small()).0,
        pack(&nested, any).0,
        wide(20, false),
        wide(20, true),
    ]
}

fn seal_of(bytes: &Bytes) -> Seal {
    seal::find(bytes).unwrap().unwrap()
}

fn index_of(bytes: &Bytes) -> Bytes {
    let seal = seal_of(bytes);
    bytes.slice(seal.index_offset as usize..(seal.index_offset + seal.index_len) as usize)
}

fn footer_of(bytes: &Bytes) -> ParquetMetaData {
    let mut reader = ParquetMetaDataReader::new()
        .with_column_index_policy(PageIndexPolicy::Optional)
        .with_offset_index_policy(PageIndexPolicy::Skip);
    reader.try_parse(bytes).unwrap();
    reader.finish().unwrap()
}

fn layout_of(opened: Opened) -> Arc<Layout> {
    match opened {
        Opened::Packed(layout) => layout,
        Opened::Ordinary(_) => panic!("the file is packed"),
    }
}

/// An index of these bytes, with a checksum that fits.
fn closed(raw: &[u8]) -> Vec<u8> {
    let mut bytes = zstd::bulk::compress(raw, 1).unwrap();
    let checksum = catalog_codec::checksum(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// What the index tells is what the footer tells, and makes the same index again.
fn check_catalog(bytes: &Bytes) {
    let (seal, footer) = (seal_of(bytes), footer_of(bytes));
    let len = bytes.len() as u64;
    let (index, catalog) = catalog_codec::decode(&index_of(bytes), seal, len).unwrap();
    catalog.check_footer(&footer, &index).unwrap();
    let again = catalog_codec::encode(&footer, &index).unwrap();
    assert_eq!(again, index_of(bytes));
    check_footer(bytes).unwrap();
}

#[test]
fn footer_and_index_tell_the_same() {
    for bytes in files() {
        check_catalog(&bytes);
    }
}

/// Metadata of schemas, of which only that of fields takes an IPC message.
#[test]
fn schemas_come_back() {
    let batch = RecordBatch::try_from_iter([("x", float_column(0))]).unwrap();
    let text = |text: &str| (text.to_owned(), format!("of {text}"));
    let metadata: HashMap<String, String> = ["b", "a", "", "c"].into_iter().map(text).collect();
    let plain = batch.schema().as_ref().clone();
    let of_schema = plain.clone().with_metadata(metadata.clone());
    let field = plain.field(0).clone().with_metadata(metadata.clone());
    let of_field = Schema::new_with_metadata(vec![field], metadata);
    for schema in [plain, of_schema, of_field] {
        let batch = batch.clone().with_schema(Arc::new(schema.clone())).unwrap();
        let bytes = pack(&batch, WriterOptions::new()).0;
        assert_eq!(
            layout_of(open_source(&bytes).unwrap()).schema().as_ref(),
            &schema
        );
        check_catalog(&bytes);
    }
}

/// Columns that are all packed have no orders, which other tools need for statistics alone.
#[test]
fn orders_of_columns_are_left_out_where_they_say_nothing() {
    for names in [false, true] {
        let bytes = wide(1000, names);
        let footer = footer_of(&bytes);
        let orders = footer.file_metadata().column_orders().cloned();
        assert_eq!(orders.map(|orders| orders.len()), names.then_some(1001));
        let end = &bytes[bytes.len() - 128..];
        assert_eq!(seal::find(end).unwrap().is_some(), !names);
    }
}

#[test]
fn the_footer_of_a_local_file_is_not_read() {
    let first_read = std::fs::File::open(std::env::current_exe().unwrap())
        .map(|file| file.first_read())
        .unwrap();
    for names in [false, true] {
        let bytes = wide(129, names);
        let source = Counted::new(&bytes, first_read);
        open_source(&source).unwrap();
        let seal = seal_of(&bytes);
        let index = seal.index_offset..seal.index_offset + seal.index_len;
        let len = bytes.len() as u64;
        let end = len - first_read..len;
        let footer_len = bytes.last_chunk::<8>().and_then(|end| end.first_chunk());
        let footer_len = u64::from(u32::from_le_bytes(*footer_len.unwrap()));
        // The seal stands before the orders of columns, if there are any.
        let more = len - first_read - footer_len / 12..len - first_read;
        let expected = match names {
            false => vec![end, index],
            true => vec![end, more, index],
        };
        assert_eq!(source.reads(), expected);
    }
}

#[tokio::test]
async fn of_a_remote_file_what_the_first_read_holds_is_enough() {
    let bytes = wide(129, true);
    let source = Counted::new(&bytes, FIRST_READ);
    open_source(&source).unwrap();
    assert_eq!(source.reads().len(), 1);
    // A footer of more than that.
    let bytes = wide(1200, true);
    let source = Counted::new(&bytes, FIRST_READ);
    open_source(&source).unwrap();
    let seal = seal_of(&bytes);
    let (len, index_end) = (bytes.len() as u64, seal.index_offset + seal.index_len);
    assert!(index_end < len - FIRST_READ);
    assert_eq!(
        source.reads(),
        [len - FIRST_READ..len, seal.index_offset..index_end]
    );
    let (store, path) = (InMemory::new(), ObjectPath::from("t.parquet"));
    store.put(&path, bytes.clone().into()).await.unwrap();
    let object = store.head(&path).await.unwrap();
    let opened = ObjectReader::open(&store, &object).await.unwrap();
    let local = layout_of(open_source(&bytes).unwrap());
    assert_eq!(layout_of(opened).metadata(), local.metadata());
}

/// Nothing, a part of the seal, of the footer, of the index; all; and more than the file.
#[test]
fn any_first_read_will_do() {
    for bytes in files() {
        let whole = layout_of(open_source(&bytes).unwrap());
        let len = bytes.len() as u64;
        let seal = seal_of(&bytes);
        let marks = [seal.index_offset, seal.index_offset + seal.index_len];
        let near_marks = marks.into_iter().flat_map(|at| len - at - 1..=len - at + 1);
        for first_read in (8..200).chain(near_marks).chain([len, len + 1, u64::MAX]) {
            let source = Counted::new(&bytes, first_read);
            let layout = layout_of(open_source(&source).unwrap());
            assert_eq!(layout.index(), whole.index());
            assert_eq!(layout.metadata(), whole.metadata());
            assert_eq!(layout.row_order(), whole.row_order());
            assert_eq!(layout.row_id(), whole.row_id());
            let read: u64 = source
                .reads()
                .iter()
                .map(|read| read.end - read.start)
                .sum();
            assert!(read <= len, "{first_read}");
        }
    }
}

#[test]
fn ordinary_files_are_found_to_be_so() {
    let batch = table(250);
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let bytes = Bytes::from(bytes);
    for first_read in [8, 100, 1000, 1 << 20] {
        let source = Counted::new(&bytes, first_read);
        let opened = open_source(&source).unwrap();
        assert!(matches!(opened, Opened::Ordinary(_)));
    }
    check_footer(&bytes).unwrap();
}

/// A footer that tells other programs of another table opens, and `verify` does not let it pass.
#[test]
fn footers_of_another_table() {
    let bytes = wide(20, true);
    let seal = seal_of(&bytes);
    let name = b"column 7";
    let start = seal.index_offset as usize;
    let mut tail = bytes[start..].to_vec();
    // In the schema; the index is compressed.
    let at = tail.windows(name.len()).position(|window| window == name);
    tail[at.unwrap()] ^= 1;
    let forged = |tail: &mut Vec<u8>| {
        let text = seal.blank();
        let prefix = &text.as_bytes()[..44];
        let at = tail.windows(44).rposition(|window| window == prefix);
        let at = at.unwrap();
        tail[at..at + 52].copy_from_slice(Seal::BLANK.blank().as_bytes());
        seal::close(tail, seal).unwrap();
        Bytes::from([&bytes[..start], tail.as_slice()].concat())
    };
    let forged = forged(&mut tail);
    open_source(&forged).unwrap();
    let error = check_footer(&forged).unwrap_err().to_string();
    assert!(error.contains("contradict"), "{error}");
}

/// An index that begins so, and has nothing else.
fn refused(begin: impl FnOnce(&mut Arrays)) -> String {
    let mut out = Arrays::default();
    begin(&mut out);
    let seal = Seal {
        index_offset: 4,
        ..Seal::BLANK
    };
    let decoded = catalog_codec::decode(&closed(&out.into_bytes()), seal, 1000);
    decoded.unwrap_err().to_string()
}

/// Numbers that nothing bears out: none makes room for as much.
#[test]
fn what_takes_memory() {
    let huge = usize::MAX >> 1;
    for error in [
        refused(|out| out.varints([huge])),
        refused(|out| out.varints([1, huge, 0, 1, huge])),
        refused(|out| out.varints([1, huge, 0, 1, 1, huge])),
        refused(|out| out.varints([1, huge, huge, 1])),
    ] {
        assert!(error.contains("block index"), "{error}");
    }
    let error = refused(|out| out.varints([2, huge, huge]));
    assert!(error.contains("more rows"), "{error}");
    let error = refused(|out| {
        out.varints([40_000]);
        out.varints(vec![1; 40_000]);
    });
    assert!(error.contains("row groups"), "{error}");
    // Many columns in many row groups, and not a block.
    let (groups, columns) = (30_000, 30_000);
    let error = refused(|out| {
        out.varints([groups]);
        out.varints(vec![1; groups]);
        out.varints([0, 1, columns]);
        out.varints(vec![0; columns]);
        out.bytes(vec![1; columns]);
    });
    assert!(error.contains("does not fit"), "{error}");
}

/// Metadata of other columns that parquet-rs must not be given.
#[test]
fn metadata_that_makes_no_sense() {
    let bytes = wide(1, true);
    let raw = zstd::stream::decode_all(&index_of(&bytes)[..seal_of(&bytes).index_len as usize - 4]);
    let raw = raw.unwrap();
    let decode = |raw: &[u8]| {
        let decoded = catalog_codec::decode(&closed(raw), seal_of(&bytes), bytes.len() as u64);
        decoded.map(|_| ())
    };
    decode(&raw).unwrap();
    // Its schema is a list of three elements.
    let schema = [0x15, 2, 0x19, 0x2c];
    let at = raw.windows(4).rposition(|window| window == schema).unwrap();
    let mut endless = raw.clone();
    endless.splice(at + 3..at + 4, [0xfc, 0xff, 0xff, 0xff, 0xff, 0x07]);
    let error = decode(&endless).unwrap_err().to_string();
    assert!(error.contains("makes no sense"), "{error}");
    // None at all, and half of it.
    assert!(decode(&raw[..at]).is_err());
    assert!(decode(&raw[..at + (raw.len() - at) / 2]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn catalogs_come_back(
        rows in 0..200usize,
        blocks in 1..5usize,
        block_rows in 1..70usize,
        nested: bool,
        order: bool,
        number: bool,
    ) {
        let batch = if nested { super::nested::tests::table(rows) } else { table(rows) };
        let mut options = WriterOptions::new()
            .with_block_rows(block_rows)
            .with_row_group_rows(blocks * block_rows);
        if order {
            options = options.with_row_order(RowOrder::Any);
        }
        if number {
            options = options.with_row_id("row");
        }
        check_catalog(&pack(&batch, options).0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any bytes are an index or an error.
    #[test]
    fn any_index(raw in prop::collection::vec(0..8u8, 0..300), noise in prop::collection::vec(any::<u8>(), 0..40)) {
        let raw = [raw, noise].concat();
        for bytes in [closed(&raw), raw] {
            let seal = Seal { index_offset: 4, index_len: bytes.len() as u64, ..Seal::BLANK };
            let _ = open::by_index(&bytes, seal, 10_000, None).map(layout_of);
        }
    }

    /// Any bytes in the place of one or more of an index: an index or an error.
    #[test]
    fn damaged_indexes(
        which in 0..7usize,
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        whole: bool,
    ) {
        thread_local! {
            static FILES: Vec<Bytes> = files();
        }
        let bytes = FILES.with(|files| files[which].clone());
        let index = index_of(&bytes);
        let mut raw = zstd::stream::decode_all(&index[..index.len() - 4]).unwrap();
        for (at, byte) in damages {
            let at = at.index(raw.len());
            raw[at] = byte;
        }
        if !whole {
            raw.truncate(cut.index(raw.len()));
        }
        let len = bytes.len() as u64;
        let opened = open::unpanicked(|| open::by_index(&closed(&raw), seal_of(&bytes), len, None));
        let _ = opened.map(layout_of);
    }
}
