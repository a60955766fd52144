//! Protects against lost rows where one row group holds NaN, and so has no statistics, and another
//! has: the file's extremes are then unknown, not those of the other.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::Float64Type;
use tolerant::ErrorBound;
use tolerant::datafusion::session_context;
use tolerant::file::{Writer, WriterOptions};

async fn column(sql: &str) -> Vec<f64> {
    let batches = session_context()
        .sql(sql)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let columns = batches.iter().flat_map(RecordBatch::columns);
    columns
        .flat_map(|column| column.as_primitive::<Float64Type>().values().to_vec())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn extremes_beyond_those_of_other_row_groups() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let values = vec![1.0, 2.0, 3.0, f64::NAN, -100.0, 100.0];
    let x: ArrayRef = Arc::new(Float64Array::from(values));
    let batch = RecordBatch::try_from_iter([("x", x)]).unwrap();
    let options = WriterOptions::new()
        .with_bound(ErrorBound::Exact)
        .with_row_group_rows(3);
    let file = File::create(&path).unwrap();
    let mut writer = Writer::try_new(file, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let t = path.display();
    assert_eq!(column(&format!("SELECT min(x) FROM '{t}'")).await, [-100.0]);
    assert_eq!(
        column(&format!("SELECT x FROM '{t}' WHERE x < 0")).await,
        [-100.0]
    );
    assert_eq!(
        column(&format!("SELECT x FROM '{t}' WHERE x = 100")).await,
        [100.0]
    );
    assert_eq!(
        column(&format!("SELECT x FROM '{t}' ORDER BY x LIMIT 1")).await,
        [-100.0]
    );
    let largest = column(&format!("SELECT max(x) FROM '{t}'")).await;
    assert!(
        largest[0].is_nan(),
        "engines sort NaN above all numbers: {largest:?}"
    );
}
