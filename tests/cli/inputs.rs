//! Inputs: any mix of kinds, globs and folders is one table, in order.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, RecordBatch, StringArray};
use arrow::datatypes::{Field, Int32Type, Schema};
use arrow::ipc::CompressionType;
use parquet::file::properties::WriterProperties;

use crate::support::Folder;
use crate::tables::*;

/// Compresses exactly and decompresses: what the inputs are as one table.
fn joined(folder: &Folder, inputs: &[&str]) -> RecordBatch {
    let exact = ["wave=exact", "noisy=exact", "half=exact"]
        .map(|column| ["--column", column])
        .concat();
    folder.ok(&[&["compress"], inputs, &["-o", ".out"], &exact[..]].concat());
    folder.ok(&["decompress", ".out", "-o", ".back"]);
    let table = read_parquet(&folder.path(".back"));
    fs::remove_file(folder.path(".out")).unwrap();
    fs::remove_file(folder.path(".back")).unwrap();
    table
}

/// Parquet, Arrow files (plain, LZ4 as Feather is by default, ZSTD) and streams, and packed files,
/// whatever they are called.
#[test]
fn kinds_are_recognised_by_content() {
    let folder = Folder::new();
    let parts: Vec<RecordBatch> = (0..6).map(|i| mixed(i * 1000, 1000)).collect();
    write_parquet(&folder.path("a.csv"), &parts[0]);
    write_ipc(
        &folder.path("b.parquet"),
        &[parts[1].slice(0, 300), parts[1].slice(300, 700)],
        None,
    );
    write_ipc(
        &folder.path("c.feather"),
        &parts[2..3],
        Some(CompressionType::LZ4_FRAME),
    );
    write_ipc(&folder.path("d"), &parts[3..4], Some(CompressionType::ZSTD));
    write_ipc_stream(
        &folder.path("e.arrows"),
        &[parts[4].slice(0, 999), parts[4].slice(999, 1)],
    );
    write_parquet(&folder.path(".f"), &parts[5]);
    let exact = ["wave=exact", "noisy=exact", "half=exact"]
        .map(|column| ["--column", column])
        .concat();
    folder.ok(&[&["compress", ".f", "-o", "f.tolerant"], &exact[..]].concat());
    let table = joined(
        &folder,
        &[
            "a.csv",
            "b.parquet",
            "c.feather",
            "d",
            "e.arrows",
            "f.tolerant",
        ],
    );
    assert_eq!(table, concat(&parts));
}

/// Folders are read to the bottom in order of names; hidden files are not; globs are sorted too.
#[test]
fn folders_and_globs() {
    let folder = Folder::new();
    for (i, name) in [
        "data/b/1.parquet",
        "data/a.parquet",
        "data/b/2.parquet",
        "more[1].parquet",
    ]
    .iter()
    .enumerate()
    {
        write_parquet(&folder.path(name), &mixed(i * 10, 10));
    }
    folder.write("data/.hidden", "no table");
    folder.write("data/b/_SUCCESS", "");
    let part = |i: usize| mixed(i * 10, 10);
    assert_eq!(
        joined(&folder, &["data"]),
        concat(&[part(1), part(0), part(2)])
    );
    assert_eq!(
        joined(&folder, &["data/b/*.parquet"]),
        concat(&[part(0), part(2)])
    );
    assert_eq!(
        joined(&folder, &["data/*"]),
        concat(&[part(1), part(0), part(2)])
    );
    assert_eq!(
        joined(&folder, &["**/2.parquet", "more[1].parquet"]),
        concat(&[part(2), part(3)])
    );
    assert_eq!(
        joined(&folder, &["data/a.parquet", "data/a.parquet"]),
        concat(&[part(1), part(1)])
    );
}

/// The values in the names of partition folders are not dropped in silence.
#[test]
fn partitions_are_not_lost() {
    let folder = Folder::new();
    write_parquet(&folder.path("data/year=2024/a.parquet"), &mixed(0, 10));
    let args = ["compress", "data", "-o", "out"];
    folder.fails(&args, &["year=2024", "would be lost", "glob"]);
    assert_eq!(joined(&folder, &["data/**/*.parquet"]), mixed(0, 10));
    assert_eq!(joined(&folder, &["data/year=2024"]), mixed(0, 10));
}

/// A row group too large to be read as a whole.
#[test]
fn large_row_groups_are_streamed() {
    let folder = Folder::new();
    let rows = 17 << 20;
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(rows))
        .build();
    let values = (0..rows).map(|i| (i / 100_000) as f64);
    write_parquet_with(&folder.path("in.parquet"), &floats("x", values), properties);
    let report = folder.json(&[
        "compress",
        "in.parquet",
        "-o",
        "out",
        "--abs",
        "0.25",
        "--json",
    ]);
    assert_eq!(report["rows"], rows);
    assert_eq!(
        folder.json(&["verify", "in.parquet", "out", "--json"])["violations"],
        0
    );
}

/// Nothing to read, or something that is no table, is an error that names it.
#[test]
fn unknown_inputs_are_errors() {
    let folder = Folder::new();
    write_parquet(&folder.path("a.parquet"), &mixed(0, 10));
    fs::create_dir(folder.path("empty")).unwrap();
    folder.write("data/notes.txt", "hello");
    folder.write("nothing.parquet", "");
    folder.write("old.feather", "FEA1 and so on");
    folder.write("locked.parquet", "PARE and so on");
    let fails = |input: &str, parts: &[&str]| {
        folder.fails(&["compress", "a.parquet", input, "-o", "out"], parts)
    };
    fails("missing.parquet", &["missing.parquet", "No such file"]);
    fails("*.orc", &["*.orc", "no file matches"]);
    fails("[.orc", &["[.orc", "not a glob"]);
    fails("empty", &["empty", "no files"]);
    fails("data", &["notes.txt", "neither Parquet nor Arrow IPC"]);
    fails("nothing.parquet", &["nothing.parquet", "an empty file"]);
    fails("old.feather", &["Feather version 1"]);
    fails("locked.parquet", &["encrypted"]);
    fails("/dev/null", &["/dev/null", "not an ordinary file"]);
}

/// Files of different schemas: the error names both files and the first column that differs.
#[test]
fn schemas_must_agree() {
    let folder = Folder::new();
    let table = mixed(0, 10);
    write_parquet(&folder.path("a.parquet"), &table);
    let write = |name: &str, columns: &[usize]| {
        write_parquet(&folder.path(name), &table.project(columns).unwrap())
    };
    write("short.parquet", &[0, 1, 2, 3, 4, 5, 6, 7]);
    write("order.parquet", &[0, 2, 1, 3, 4, 5, 6, 7, 8]);
    let fields = table
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect::<Vec<_>>();
    let renamed = fields.iter().map(|field| match field.name().as_str() {
        "half" => field.clone().with_name("hälfte"),
        _ => field.clone(),
    });
    let renamed = Arc::new(Schema::new(renamed.collect::<Vec<_>>()));
    let renamed = RecordBatch::try_new(renamed, table.columns().to_vec()).unwrap();
    write_ipc(&folder.path("renamed.arrow"), &[renamed], None);
    let mut columns = table.columns().to_vec();
    columns[1] = arrow::compute::cast(&columns[1], &arrow::datatypes::DataType::Float64).unwrap();
    let mut retyped = fields.clone();
    retyped[1] = Field::new("wave", arrow::datatypes::DataType::Float64, false);
    write_ipc_stream(
        &folder.path("retyped.arrows"),
        &[RecordBatch::try_new(Arc::new(Schema::new(retyped)), columns).unwrap()],
    );

    let fails = |other: &str, parts: &[&str]| {
        let parts = [&["a.parquet", other], parts].concat();
        folder.fails(&["compress", "a.parquet", other, "-o", "out"], &parts)
    };
    fails("short.parquet", &["has no column \"at\""]);
    fails("order.parquet", &["column 2 is \"noisy\", but \"wave\""]);
    fails("renamed.arrow", &["half"]);
    fails("retyped.arrows", &["\"wave\"", "Float64", "Float32"]);
    folder.fails(
        &["compress", "short.parquet", "a.parquet", "-o", "out"],
        &["a.parquet: has a column \"at\""],
    );
}

/// A column that may be null in one file may be null in all.
#[test]
fn nullability_is_joined() {
    let folder = Folder::new();
    write_parquet(&folder.path("a.parquet"), &mixed(0, 100));
    write_ipc(&folder.path("b.arrow"), &[nullable(&mixed(100, 100))], None);
    for files in [["a.parquet", "b.arrow"], ["b.arrow", "a.parquet"]] {
        let table = joined(&folder, &files);
        assert!(
            table
                .schema()
                .fields()
                .iter()
                .all(|field| field.is_nullable())
        );
        assert_eq!(table.num_rows(), 200);
    }
}

/// Columns that are neither lossy nor packed: dictionaries, lists and structs come back as they were.
#[test]
fn ordinary_columns_survive() {
    let folder = Folder::new();
    let words: DictionaryArray<Int32Type> = ["a", "b", "a", "c"]
        .iter()
        .map(|word| Some(*word))
        .collect();
    let lists: ArrayRef = Arc::new(arrow::array::ListArray::from_iter_primitive::<
        arrow::datatypes::Float32Type,
        _,
        _,
    >([
        Some(vec![Some(1.0), None]),
        None,
        Some(vec![]),
        Some(vec![Some(2.5)]),
    ]));
    let nested: ArrayRef = Arc::new(arrow::array::StructArray::from(vec![(
        Arc::new(Field::new("inner", arrow::datatypes::DataType::Utf8, true)),
        Arc::new(StringArray::from(vec![
            Some("x"),
            None,
            Some(""),
            Some("y"),
        ])) as ArrayRef,
    )]));
    let table = RecordBatch::try_from_iter([
        ("words", Arc::new(words) as ArrayRef),
        ("lists", lists),
        ("nested", nested),
    ])
    .unwrap();
    write_parquet(&folder.path("in.parquet"), &table);
    write_ipc(&folder.path("in.arrow"), std::slice::from_ref(&table), None);
    write_ipc_stream(&folder.path("in.arrows"), std::slice::from_ref(&table));
    for input in ["in.parquet", "in.arrow", "in.arrows"] {
        folder.ok(&["compress", input, "-o", "out.parquet"]);
        folder.ok(&["verify", input, "out.parquet"]);
        folder.ok(&["decompress", "out.parquet", "-o", "back.parquet"]);
        let back = read_parquet(&folder.path("back.parquet"));
        for (before, after) in table.columns().iter().zip(back.columns()) {
            assert_eq!(before.to_data(), after.to_data(), "{input}");
        }
    }
}
