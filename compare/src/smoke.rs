//! The whole comparison on a small generated table with two peers.

use std::fs;

use parquet::arrow::ArrowWriter;

use crate::comparison::Comparison;
use crate::data::{Cell, Table};
use crate::tolerant_variants::FAMILY;
use crate::{peers, report, synthetic, with_tolerant, write};

/// A table of two columns, one of them constant.
fn small_table() -> Table {
    let mut table = synthetic::sines(5000);
    let mut walk = synthetic::random_walk(5000).columns.remove(0);
    walk.name = "walk".to_string();
    table.columns.push(walk);
    table.columns.push(crate::data::Column {
        name: "constant".to_string(),
        values: vec![7.5; 5000],
    });
    table
}

#[test]
fn two_peers_on_a_small_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("small.parquet");
    let batch = Cell::new(&small_table(), 0.1).unwrap().batch;
    let mut writer =
        ArrowWriter::try_new(fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let table = Table::read(&path).unwrap();
    assert_eq!((table.rows(), table.columns.len()), (5000, 3));
    let only = ["ZFP".to_string(), "LC".to_string()];
    let methods = with_tolerant(peers::all(), &only).unwrap();
    let mut comparison = Comparison::new("test".to_string());
    comparison.add(&table, &[1e-2], false, &methods).unwrap();

    assert!(comparison.failures.is_empty(), "{:?}", comparison.failures);
    for m in comparison
        .of_cell("small", 1e-2)
        .filter(|m| m.family == FAMILY)
    {
        assert!(m.keeps_bound() && m.ratio > 4.0, "{m:?}");
    }
    let best = comparison.best_peer("small", 1e-2).unwrap();
    assert_eq!(best.family, "LC");
    assert!(
        best.worst.is_some_and(|worst| worst > 0.5 && worst <= 1.0),
        "{best:?}"
    );
    assert!(report::summary(&comparison).contains("geometric mean"));

    write(&comparison, dir.path()).unwrap();
    let svg = fs::read_to_string(dir.path().join("comparison.svg")).unwrap();
    assert!(svg.contains("ZFP"));
    let json = fs::read_to_string(dir.path().join("comparison.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let count = json["measurements"].as_array().unwrap().len();
    assert_eq!(count, comparison.measurements.len());

    let mut again = Comparison::new("test".to_string());
    again.reuse(&dir.path().join("comparison.json")).unwrap();
    again.add(&table, &[1e-2], false, &methods).unwrap();
    let peers = |of: &Comparison| -> Vec<(String, usize, u64)> {
        let peers = of.measurements.iter().filter(|m| m.family != FAMILY);
        peers
            .map(|m| (m.name(), m.bytes, m.decode_mb_s as u64))
            .collect()
    };
    assert_eq!(peers(&again), peers(&comparison));
}

#[test]
fn every_method_gives_back_what_it_was_given() {
    let table = small_table();
    let mut methods = with_tolerant(peers::all(), &[]).unwrap();
    // All but those of SZ3 that need a Python with pysz, unless there is one.
    if std::env::var(peers::PYTHON).is_err() {
        methods.retain(|method| !method.runs_elsewhere());
    }
    let mut comparison = Comparison::new("test".to_string());
    comparison.add(&table, &[1e-3], false, &methods).unwrap();
    assert!(comparison.failures.is_empty(), "{:?}", comparison.failures);
    // Float16 has 11 significant bits; rounding breaks no bound by more than a few times.
    for m in &comparison.measurements {
        assert!(m.worst.is_some_and(|worst| worst < 10.0), "{m:?}");
    }
}
