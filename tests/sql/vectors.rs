//! SQL on lists and structs of floats: as on the decompressed file, whatever the settings.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::prelude::SessionContext;
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::datafusion::session_context_with_config;

use crate::common::{answer, config, decompress, noise, oracle, pack};

const QUERIES: &[&str] = &[
    "SELECT * FROM t",
    "SELECT emb FROM t WHERE id < 100",
    "SELECT id, emb[1], emb[8] FROM t",
    "SELECT id, s['x'] FROM t",
    "SELECT id, s.x FROM t WHERE s.x > 0.5",
    "SELECT id FROM t WHERE s.x IS NULL",
    "SELECT id FROM t WHERE s IS NULL",
    "SELECT id, s.name FROM t WHERE s.x BETWEEN -0.25 AND 0.25",
    "SELECT count(*), count(s), count(s.x), min(s.x), max(s.x) FROM t",
    "SELECT s.name, count(*), max(s.x) FROM t GROUP BY s.name",
    "SELECT id, array_length(list) FROM t",
    "SELECT id, unnest(list) FROM t WHERE id > 2900",
    "SELECT count(*), min(v), max(v) FROM (SELECT unnest(emb) AS v FROM t)",
    "SELECT id FROM t WHERE emb[3] > 0.9",
    "SELECT id FROM t WHERE list IS NULL",
    "SELECT id, s.x FROM t ORDER BY s.x DESC NULLS LAST, id LIMIT 20",
];

fn table(rows: usize) -> RecordBatch {
    let unit = |seed, i| (noise(seed, i) >> 40) as f32 / (1 << 23) as f32 - 1.0;
    let field = |data_type| Arc::new(Field::new("item", data_type, true));
    let items = Float32Array::from_iter((0..8 * rows).map(|i| (i % 17 > 0).then(|| unit(1, i))));
    let nulls = NullBuffer::from_iter((0..rows).map(|i| i % 11 != 4));
    let emb = FixedSizeListArray::new(field(DataType::Float32), 8, Arc::new(items), Some(nulls));

    let lengths: Vec<usize> = (0..rows).map(|i| i % 5).collect();
    let total = lengths.iter().sum();
    let items = Float64Array::from_iter_values((0..total).map(|i| unit(2, i).into()));
    let nulls = NullBuffer::from_iter((0..rows).map(|i| i % 7 != 2));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let list = ListArray::new(
        field(DataType::Float64),
        offsets,
        Arc::new(items),
        Some(nulls),
    );

    let fields = Fields::from(vec![
        Field::new("x", DataType::Float32, true),
        Field::new("name", DataType::Utf8, true),
    ]);
    let names = (0..rows).map(|i| (i % 6 > 0).then(|| format!("n{}", i % 4)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float32Array::from_iter(
            (0..rows).map(|i| (i % 9 != 1).then(|| unit(3, i))),
        )),
        Arc::new(StringArray::from_iter(names)),
    ];
    let nulls = NullBuffer::from_iter((0..rows).map(|i| i % 13 != 5));
    let s = StructArray::new(fields, columns, Some(nulls));
    let id = Int64Array::from_iter_values(0..rows as i64);
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(id) as ArrayRef, false),
        ("emb", Arc::new(emb), true),
        ("list", Arc::new(list), true),
        ("s", Arc::new(s), true),
    ])
    .unwrap()
}

/// All settings that change how a scan of nested columns works.
fn sessions() -> Vec<(String, SessionContext)> {
    let mut sessions = Vec::new();
    for partitions in [1, 4] {
        for (pruning, pushdown) in [(true, true), (true, false), (false, false)] {
            let mut config = config(partitions).with_collect_statistics(pruning);
            let parquet = &mut config.options_mut().execution.parquet;
            parquet.pruning = pruning;
            parquet.enable_page_index = pruning;
            parquet.pushdown_filters = pushdown;
            let name = format!("partitions {partitions}, pruning {pruning}, pushdown {pushdown}");
            sessions.push((name, session_context_with_config(config)));
        }
    }
    sessions
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_and_structs_answer_as_their_decompressed_copy() {
    for bound in [ErrorBound::Exact, ErrorBound::Rel(1e-2)] {
        let dir = TempDir::new().unwrap();
        let file = |name: &str| dir.path().join(name);
        let (packed, ordinary) = (file("packed.parquet"), file("ordinary.parquet"));
        pack(&table(3000), bound, &packed);
        decompress(&packed, &ordinary);
        let oracle = oracle();
        oracle
            .register_parquet("t", ordinary.to_str().unwrap(), Default::default())
            .await
            .unwrap();
        let sessions = sessions();
        for (_, ctx) in &sessions {
            let sql = format!(
                "CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION '{}'",
                packed.display()
            );
            ctx.sql(&sql).await.unwrap();
        }
        for sql in QUERIES {
            let expected = answer(&oracle, sql).await;
            assert!(expected.len() > 0, "{sql} tells nothing");
            for (name, ctx) in &sessions {
                assert_eq!(answer(ctx, sql).await, expected, "{sql} with {name}");
            }
        }
    }
}
