//! The programs in examples/ run.

#[path = "../examples/compress_and_query.rs"]
mod compress_and_query;
#[cfg(feature = "distributed")]
#[path = "../examples/distributed.rs"]
mod distributed;
#[path = "../examples/features.rs"]
mod features;
#[path = "../examples/pipeline.rs"]
mod pipeline;

#[test]
fn compress_and_query() {
    compress_and_query::main().unwrap();
}

#[cfg(feature = "distributed")]
#[test]
fn distributed() {
    distributed::main().unwrap();
}

#[test]
fn features() {
    features::main().unwrap();
}

#[test]
fn pipeline() {
    pipeline::main().unwrap();
}
