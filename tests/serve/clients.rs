//! Clients that others wrote: object_store, curl, pyarrow, pandas, Polars, DuckDB.

use std::process::Command;
use std::sync::Arc;

use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;

use crate::python::python;
use crate::support::{folder, run, serve, virtual_bytes};

#[tokio::test]
async fn object_store_reads_ranges_and_tables() {
    let folder = folder();
    let server = serve(folder.path(), &[]);
    let store = HttpBuilder::new()
        .with_url(format!("http://{}", server.address))
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .build()
        .unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let expected = virtual_bytes(&folder.path().join("a.parquet"));
    let path = Path::from("a.parquet");
    let meta = store.head(&path).await.unwrap();
    assert_eq!(meta.size, expected.len() as u64);
    assert!(meta.e_tag.is_some());
    let ranges = [0..4, 100..5000, meta.size - 8..meta.size];
    let found = store.get_ranges(&path, &ranges).await.unwrap();
    for (range, bytes) in ranges.iter().zip(&found) {
        assert!(bytes == &expected[range.start as usize..range.end as usize]);
    }
    let reader = tolerant::file::ObjectReader::new(store, meta);
    let stream = ParquetRecordBatchStreamBuilder::new(reader)
        .await
        .unwrap()
        .build()
        .unwrap();
    let batches: Vec<_> = futures::TryStreamExt::try_collect(stream).await.unwrap();
    let rows: usize = batches
        .iter()
        .map(|batch: &arrow::array::RecordBatch| batch.num_rows())
        .sum();
    assert_eq!(rows, 50_000);
}

#[test]
fn curl_reads_ranges() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("left out: there is no curl here");
        return;
    }
    let folder = folder();
    let token = folder.path().join("token.txt");
    let server = serve(folder.path(), &["--token-file", token.to_str().unwrap()]);
    let curl = |args: &[&str], path: &str| {
        let output = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--fail",
                "--globoff",
                "--oauth2-bearer",
                "secret",
            ])
            .args(args)
            .arg(server.url(path))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    let expected = virtual_bytes(&folder.path().join("a.parquet"));
    assert!(curl(&[], "a.parquet") == expected);
    assert!(curl(&["--range", "100-20099"], "a.parquet") == expected[100..20_100]);
    assert!(curl(&["--range", "-8"], "a.parquet") == expected[expected.len() - 8..]);
    let two = curl(&["--range", "0-3,10-19"], "a.parquet");
    assert!(two.windows(4).any(|four| four == b"PAR1"));
    // Continued where it was cut off.
    let part = folder.path().join("part");
    std::fs::write(&part, &expected[..1000]).unwrap();
    curl(
        &["--continue-at", "-", "--output", part.to_str().unwrap()],
        "a.parquet",
    );
    assert!(std::fs::read(&part).unwrap() == expected);
    assert!(
        curl(&[], "sub/b%20c.parquet") == virtual_bytes(&folder.path().join("sub/b c.parquet"))
    );
}

#[test]
fn python_reads_tables() {
    let Some(python) = python() else { return };
    let folder = folder();
    let token = folder.path().join("token.txt");
    let open = serve(folder.path(), &[]);
    let closed = serve(folder.path(), &["--token-file", token.to_str().unwrap()]);
    let packed = folder.path().join("a.parquet");
    let expected = folder.path().join(".expected.parquet");
    std::fs::write(&expected, virtual_bytes(&packed)).unwrap();
    run(
        &python,
        "clients.py",
        &[&open.url(""), &closed.url(""), expected.to_str().unwrap()],
    );
}
