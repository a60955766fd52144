//! Every example of docs/functions.md runs, and answers with rows.

use std::fs::{self, File};
use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tolerant::file::{Writer, WriterOptions};

#[tokio::test]
async fn examples_of_the_functions_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let original = root.join("testdata/diabetes.parquet");
    let directory = tempfile::tempdir().unwrap();
    let packed = directory.path().join("t.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&original).unwrap()).unwrap();
    let options = WriterOptions::new().with_bound("rel:0.01".parse().unwrap());
    let file = File::create(&packed).unwrap();
    let mut writer = Writer::try_new(file, reader.schema().clone(), options).unwrap();
    for batch in reader.build().unwrap() {
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.close().unwrap();

    let ctx = tolerant::datafusion::session_context();
    tolerant_udfs::register_all(&ctx);
    for (name, path) in [("t", &packed), ("o", &original)] {
        let path = path.display();
        let create = format!("CREATE EXTERNAL TABLE {name} STORED AS TOLERANT LOCATION '{path}'");
        ctx.sql(&create).await.unwrap();
    }
    let page = fs::read_to_string(root.join("docs/functions.md")).unwrap();
    let examples: Vec<&str> = page
        .split("```sql\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(examples.len() >= 7);
    for example in examples {
        let plan = ctx.sql(example).await;
        let batches = match plan {
            Ok(plan) => plan.collect().await,
            Err(error) => Err(error),
        };
        let batches = batches.unwrap_or_else(|error| panic!("{example}: {error}"));
        assert!(
            batches.iter().any(|batch| batch.num_rows() > 0),
            "{example}"
        );
    }
}
