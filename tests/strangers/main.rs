//! Protects everyone who does not know Tolerant: pyarrow, Polars and DuckDB open the packed file
//! itself and are not misled, and read the virtual file's bytes as the Parquet that it claims to be.
//!
//! The Python interpreter is the one that `scripts/python_env.sh` prints; `scripts/test.sh` sets it.

mod parquet_rs;
mod portable;
mod python;
mod tables;

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use python::python;
use tolerant::file::{Opened, ReaderBuilder, VectorRange, VirtualFile, Writer, WriterOptions};

/// Runs a script of this folder; fails with all that it printed.
fn run(python: &Path, script: &str, arguments: &[&Path]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/strangers");
    let output = Command::new(python)
        .arg("-B")
        .arg(folder.join(script))
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", python.display()));
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{script}:\n{stdout}{stderr}");
    print!("{script}: {stdout}");
}

fn pack(path: &Path, table: &RecordBatch, options: WriterOptions) {
    let mut writer = Writer::try_new(File::create(path).unwrap(), table.schema(), options).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
}

/// All of the virtual file's bytes; reads of other sizes must give the same.
fn virtual_bytes(packed: &Path) -> Vec<u8> {
    let file = VirtualFile::open(packed).unwrap();
    let len = file.len().unwrap();
    let whole = file.read(0..len).unwrap();
    for size in [997, 65_537] {
        for start in (0..len).step_by(size * 13) {
            let end = (start + size as u64).min(len);
            assert_eq!(
                file.read(start..end).unwrap(),
                whole.slice(start as usize..end as usize)
            );
        }
    }
    whole.to_vec()
}

/// What Tolerant's own reader gives.
fn unpacked(path: &Path) -> RecordBatch {
    let builder = ReaderBuilder::open(path).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().collect::<Result<_, _>>().unwrap();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// What is true of the table, for `packed.py`.
fn spec(table: &RecordBatch, packed: &Path) -> String {
    let opened = ReaderBuilder::open(packed).unwrap();
    let Opened::Packed(layout) = opened.opened() else {
        panic!("not packed")
    };
    let packed: Vec<usize> = layout.index().packed().map(|(i, _)| i).collect();
    let names = |i: usize| table.schema().field(i).name().clone();
    let nulls: serde_json::Map<_, _> = (0..table.num_columns())
        .map(|i| (names(i), table.column(i).logical_null_count().into()))
        .collect();
    let strings: serde_json::Map<_, _> = (0..table.num_columns())
        .filter(|i| *table.column(*i).data_type() == DataType::Utf8)
        .map(|i| {
            (
                names(i),
                table
                    .column(i)
                    .as_string::<i32>()
                    .iter()
                    .collect::<Vec<_>>()
                    .into(),
            )
        })
        .collect();
    serde_json::json!({
        "rows": table.num_rows(),
        "nulls": nulls,
        "packed": packed.into_iter().map(names).collect::<Vec<_>>(),
        "strings": strings,
    })
    .to_string()
}

fn strangers_read(table: &RecordBatch, options: WriterOptions) {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (packed, virtual_file, expected) = (
        file("packed.parquet"),
        file("virtual.parquet"),
        file("expected.parquet"),
    );
    pack(&packed, table, options);

    fs::write(file("spec.json"), spec(table, &packed)).unwrap();
    run(&python, "packed.py", &[&file("spec.json"), &packed]);

    let values = unpacked(&packed);
    let mut writer =
        ArrowWriter::try_new(File::create(&expected).unwrap(), values.schema(), None).unwrap();
    writer.write(&values).unwrap();
    writer.close().unwrap();
    fs::write(&virtual_file, virtual_bytes(&packed)).unwrap();
    let paged = parquet_rs::check(&virtual_file, &values);
    let paged = Path::new(if paged { "paged" } else { "unpaged" });
    run(&python, "virtual.py", &[&virtual_file, &expected, paged]);
}

#[test]
fn every_type_in_many_blocks_and_row_groups() {
    let options = WriterOptions::new()
        .with_block_rows(256)
        .with_row_group_rows(1024);
    strangers_read(&tables::mixed(5000), options);
}

#[test]
fn one_row_group_of_default_blocks() {
    strangers_read(&tables::simple(200_000), WriterOptions::new());
}

#[test]
fn vectors_and_structs() {
    let options = WriterOptions::new()
        .with_block_rows(100)
        .with_row_group_rows(700);
    strangers_read(&tables::vectors(2000), options.clone());
    let by_dimension = options.with_vector_range(VectorRange::Dimension);
    strangers_read(&tables::vectors(2000), by_dimension);
    strangers_read(&tables::vectors(1), WriterOptions::new());
}

#[test]
fn one_row() {
    strangers_read(&tables::mixed(1), WriterOptions::new());
}

#[test]
fn no_rows() {
    strangers_read(&tables::simple(0), WriterOptions::new());
}

#[test]
fn shipped_tables() {
    for name in ["diabetes", "breast_cancer", "digits"] {
        let path = format!("{}/testdata/{name}.parquet", env!("CARGO_MANIFEST_DIR"));
        strangers_read(&unpacked(Path::new(&path)), WriterOptions::new());
    }
}
