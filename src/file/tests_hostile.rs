//! Protects against small files that would take much memory, and against files to which another program has
//! added: version 5 opens by the block index alone, whatever the footer says.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type as PhysicalType};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader,
    ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::schema::types::{SchemaDescriptor, Type};

use super::catalog_codec;
use super::footer::{FOOTER_END, footer_of};
use super::index_arrays::Arrays;
use super::levels::write_varint;
use super::schema_codec;
use super::seal::Seal;
use super::tests::pack;
use super::virtual_file::open_source;
use super::*;

/// Why an index is refused that begins so.
fn refused(begin: impl FnOnce(&mut Arrays)) -> String {
    let mut out = Arrays::default();
    begin(&mut out);
    let mut bytes = zstd::bulk::compress(&out.into_bytes(), 1).unwrap();
    let checksum = catalog_codec::checksum(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    let seal = Seal {
        index_offset: 4,
        ..Seal::BLANK
    };
    let decoded = catalog_codec::decode(&bytes, seal, 1000);
    decoded.unwrap_err().to_string()
}

/// A column index of a thousand pages, and `chunks` chunks that all have it.
fn shared_column_index(chunks: usize) -> Vec<u8> {
    const PAGES: usize = 1000;
    let mut bytes = vec![0x19, 0xf2];
    write_varint(PAGES as u64, &mut bytes);
    bytes.extend([2; PAGES]);
    for _ in 0..2 {
        bytes.extend([0x19, 0xf8]);
        write_varint(PAGES as u64, &mut bytes);
        bytes.extend([0; PAGES]);
    }
    bytes.extend([0x15, 0, 0]);
    let field = |i: usize| {
        let name = i.to_string();
        let field = Type::primitive_type_builder(&name, PhysicalType::BYTE_ARRAY);
        Arc::new(field.build().unwrap())
    };
    let root = Type::group_type_builder("r").with_fields((0..chunks).map(field).collect());
    let schema = Arc::new(SchemaDescriptor::new(Arc::new(root.build().unwrap())));
    let columns = (0..chunks).map(|i| {
        ColumnChunkMetaData::builder(schema.column(i))
            .set_encodings(vec![Encoding::PLAIN])
            .set_compression(Compression::UNCOMPRESSED)
            .set_data_page_offset(4)
            .set_column_index_offset(Some(0))
            .set_column_index_length(Some(bytes.len() as i32))
            .build()
            .unwrap()
    });
    let row_group = RowGroupMetaData::builder(Arc::clone(&schema))
        .set_num_rows(1)
        .set_column_metadata(columns.collect())
        .build()
        .unwrap();
    let file = FileMetaData::new(1, 1, None, None, schema, None);
    let metadata = ParquetMetaDataBuilder::new(file)
        .set_row_groups(vec![row_group])
        .build();
    ParquetMetaDataWriter::new(&mut bytes, &metadata)
        .finish()
        .unwrap();
    bytes
}

#[test]
fn chunks_share_no_column_index() {
    let error = refused(|out| {
        // No row groups, columns or entries.
        out.varints([0, 0, 1, 0, 0, 0]);
        out.bytes(shared_column_index(1000));
    });
    assert!(error.contains("page indexes"), "{error}");
}

#[test]
fn columns_without_leaves() {
    let field = |i: usize| Field::new(i.to_string(), DataType::Struct(Fields::empty()), true);
    let schema = schema_codec::to_ipc(&Schema::new((0..10).map(field).collect::<Vec<_>>()));
    let error = refused(|out| {
        out.varints([1, 1, schema.len(), 1]);
        out.bytes(schema);
        out.varints([0]);
    });
    assert!(error.contains("does not fit"), "{error}");
}

/// Blocks of nulls alone, whose pages take no bytes of the file, or more than it has.
#[test]
fn pages_of_no_bytes() {
    for len in [0, 1, 11, 1001] {
        let error = refused(|out| {
            out.varints([1, 1, 0, 1, 1]);
            out.texts(["x"].into_iter());
            out.varints([0]);
            out.bytes([129, 0]);
            out.words([0; 1].into_iter());
            out.bytes([0; 24]);
            // Bounds; kind; payload, rest of the page, nulls, NaN, outliers; checksum; references; the
            // largest error; entries.
            out.varints([0, 0, 0, len, 1, 0, 0]);
            out.bytes([0; 8]);
            out.varints([0, 0]);
        });
        assert!(error.contains("does not fit"), "{len}: {error}");
    }
}

fn floats() -> Bytes {
    let x = Float32Array::from_iter_values((0..1000).map(|i| i as f32));
    let x: ArrayRef = Arc::new(x);
    let batch = RecordBatch::try_from_iter([("x", x)]).unwrap();
    pack(&batch, WriterOptions::new()).0
}

fn refused_file(bytes: Vec<u8>) {
    let error = open_source(&Bytes::from(bytes)).unwrap_err().to_string();
    assert!(error.contains("another program"), "{error}");
}

/// The second seal leads into the first file.
#[test]
fn two_files_in_one() {
    let bytes = floats();
    refused_file([bytes.as_ref(), bytes.as_ref()].concat());
}

/// Over the old footer, all of whose entries are kept: what fastparquet does.
#[test]
fn rows_that_another_program_appended() {
    let bytes = floats();
    let mut reader = ParquetMetaDataReader::new();
    reader.try_parse(&bytes).unwrap();
    let metadata = reader.finish().unwrap();
    let mut out = bytes[..bytes.len() - FOOTER_END - footer_of(&bytes).len()].to_vec();
    let row_group = metadata.row_group(0).clone();
    let (start, len) = row_group.column(0).byte_range();
    let at = out.len() as i64;
    out.extend_from_slice(&bytes[start as usize..(start + len) as usize]);
    let chunk = row_group.column(0).clone().into_builder();
    let chunk = chunk.set_data_page_offset(at).build().unwrap();
    let appended = row_group.into_builder().set_column_metadata(vec![chunk]);
    let file = metadata.file_metadata();
    let entries = file.key_value_metadata().cloned();
    let file = FileMetaData::new(1, 2000, None, entries, file.schema_descr_ptr(), None);
    let metadata = ParquetMetaDataBuilder::new(file)
        .add_row_group(metadata.row_group(0).clone())
        .add_row_group(appended.build().unwrap())
        .build();
    ParquetMetaDataWriter::new(&mut out, &metadata)
        .finish()
        .unwrap();
    refused_file(out);
}

/// A file's data and index with the footer of another would have a seal that matches, if the index's
/// own checksum were a plain CRC.
#[test]
fn the_seal_depends_on_the_index() {
    let seal_of = |fill: u8| {
        let mut index = vec![fill; 100];
        let checksum = catalog_codec::checksum(&index);
        index.extend_from_slice(&checksum.to_le_bytes());
        let seal = Seal {
            index_offset: 4,
            index_len: 104,
            ..Seal::BLANK
        };
        let mut tail = [index.as_slice(), Seal::BLANK.blank().as_bytes()].concat();
        seal::close(&mut tail, seal).unwrap();
        tail[104..].to_vec()
    };
    assert_ne!(seal_of(1), seal_of(2));
}
