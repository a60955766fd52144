//! `decompress`: an ordinary Parquet file that other programs know nothing special about.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use parquet::basic::Compression;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::support::Folder;
use crate::tables::*;

/// Schema with its metadata, row groups, ZSTD: as an ordinary writer would have written it.
#[test]
fn writes_ordinary_parquet() {
    let folder = Folder::new();
    let table = mixed(0, 5000);
    let metadata = HashMap::from([("author".to_string(), "somebody".to_string())]);
    let schema = table.schema();
    let fields = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "wave" => field
                .as_ref()
                .clone()
                .with_metadata(HashMap::from([("unit".to_string(), "m/s".to_string())])),
            _ => field.as_ref().clone(),
        });
    let schema = Arc::new(Schema::new_with_metadata(
        fields.collect::<Vec<_>>(),
        metadata,
    ));
    let table = RecordBatch::try_new(schema, table.columns().to_vec()).unwrap();
    write_parquet(&folder.path("in.parquet"), &table);
    folder.ok(&[
        "compress",
        "in.parquet",
        "-o",
        "packed.parquet",
        "--row-group-rows",
        "2000",
        "--block-rows",
        "1000",
    ]);
    let said = folder.ok(&["decompress", "packed.parquet", "-o", "out.parquet"]);
    assert!(said.starts_with("5,000 rows"), "{said}");

    let back = read_parquet(&folder.path("out.parquet"));
    assert_eq!(back.schema(), table.schema());
    let reader =
        SerializedFileReader::new(File::open(folder.path("out.parquet")).unwrap()).unwrap();
    let rows: Vec<i64> = reader
        .metadata()
        .row_groups()
        .iter()
        .map(|group| group.num_rows())
        .collect();
    assert_eq!(rows, [2000, 2000, 1000]);
    let chunks = reader
        .metadata()
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    assert!(
        chunks
            .clone()
            .all(|chunk| matches!(chunk.compression(), Compression::ZSTD(_)))
    );
    assert_eq!(
        folder.json(&["inspect", "out.parquet", "--json"])["packed"],
        false
    );
    // What is ordinary already is written anew, with the same content.
    folder.ok(&["decompress", "out.parquet", "-o", "again.parquet"]);
    assert_eq!(read_parquet(&folder.path("again.parquet")), back);
}

/// Every command on the output of the one before.
#[test]
fn the_whole_line_in_a_row() {
    let folder = Folder::new();
    let table = mixed(0, 4000);
    write_csv(&folder.path("in.csv"), &table);
    folder.ok(&["compress", "in.csv", "-o", "packed", "--rel", "1e-3"]);
    assert_eq!(folder.json(&["inspect", "packed", "--json"])["rows"], 4000);
    assert_eq!(
        folder.json(&["verify", "in.csv", "packed", "--json"])["violations"],
        0
    );
    folder.ok(&["decompress", "packed", "-o", "back.parquet"]);
    assert_eq!(
        folder.json(&["verify", "packed", "back.parquet", "--json"])["violations"],
        0
    );
    folder.ok(&["compress", "back.parquet", "-o", "packed2", "--rel", "1e-3"]);
    assert_eq!(
        folder.json(&["verify", "packed", "packed2", "--json"])["violations"],
        0
    );
}

/// Errors name the file and leave nothing.
#[test]
fn errors_leave_nothing_behind() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 2000));
    folder.ok(&["compress", "in.parquet", "-o", "packed"]);
    let whole = std::fs::read(folder.path("packed")).unwrap();
    let mut damaged = whole.clone();
    let middle = whole.len() / 3;
    damaged[middle] ^= 1;
    folder.write("damaged", damaged);
    folder.write("cut", &whole[..whole.len() - 1]);
    folder.fails(
        &["decompress", "damaged", "-o", "out.parquet"],
        &["damaged"],
    );
    folder.fails(&["decompress", "cut", "-o", "out.parquet"], &["cut"]);
    folder.fails(
        &["decompress", "missing", "-o", "out.parquet"],
        &["missing"],
    );
    folder.fails(
        &["decompress", "packed", "-o", "nowhere/out.parquet"],
        &["nowhere"],
    );
}
