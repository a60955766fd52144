//! Workers that do not do what they are given.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Float32Array, RecordBatch};
use arrow_flight::FlightData;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::SqlInfo;
use arrow_flight::sql::server::FlightSqlService;
use futures::{StreamExt, stream};
use parquet::arrow::ArrowWriter;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use crate::codec::{Effort, ErrorBound};
use crate::distributed::{Access, Cluster, Worker, WorkerOptions};
use crate::file::{FileLayout, RowOrder, VectorRange};
use crate::tools::Result as ToolResult;
use crate::tools::compress::CompressOptions;
use crate::tools::compress_each::CompressEachReport;

/// Takes any task, and breaks off.
#[derive(Clone, Default)]
struct BreaksOff(Arc<AtomicUsize>);

#[tonic::async_trait]
impl FlightSqlService for BreaksOff {
    type FlightService = Self;

    async fn do_exchange_fallback(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<<Self as FlightService>::DoExchangeStream>, Status> {
        request.into_inner().message().await?;
        self.0.fetch_add(1, Ordering::Relaxed);
        let end = stream::iter([Err(Status::unavailable("gone"))]);
        Ok(Response::new(end.boxed()))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}

impl BreaksOff {
    /// Listens at an address of its own.
    fn start(&self, runtime: &Runtime) -> String {
        let _guard = runtime.enter();
        let incoming = TcpIncoming::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = incoming.local_addr().unwrap().to_string();
        let service = FlightServiceServer::new(self.clone());
        let server = Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(incoming));
        address
    }
}

fn worker(runtime: &Runtime) -> String {
    let options = WorkerOptions {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        token: None,
        tls: None,
    };
    let worker = runtime.block_on(Worker::bind(&options)).unwrap();
    let address = worker.address().unwrap().to_string();
    runtime.spawn(worker.run(std::future::pending()));
    address
}

/// Compresses a dataset of one file over these.
fn compress(folder: &Path, workers: &[String]) -> ToolResult<CompressEachReport> {
    let input = folder.join("in.parquet");
    let column: Float32Array = (0..1000).map(|i| Some(i as f32)).collect();
    let batch = RecordBatch::try_from_iter([("x", Arc::new(column) as _)]).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(&input).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let options = CompressOptions {
        inputs: vec![input],
        output: folder.join("out/"),
        bound: ErrorBound::rel(0.01).unwrap(),
        columns: Vec::new(),
        layout: FileLayout::Packed,
        effort: Effort::Balanced,
        max_references: None,
        block_rows: None,
        row_group_rows: None,
        row_order: RowOrder::Keep,
        vector_range: VectorRange::default(),
        row_id: None,
        #[cfg(feature = "tune")]
        keep_rows: None,
    };
    let cluster = Cluster::new(workers, Access::default()).unwrap();
    cluster.compress_each(&options, &|_| Ok(()))
}

/// A file that may be what ends workers does not end them all.
#[test]
fn a_file_over_which_workers_are_lost() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let breaks_off = BreaksOff::default();
    let workers: Vec<String> = (0..5).map(|_| breaks_off.start(&runtime)).collect();
    let error = compress(folder.path(), &workers).unwrap_err().to_string();
    assert_eq!(breaks_off.0.load(Ordering::Relaxed), 3, "{error}");
    assert!(error.contains("in.parquet"), "{error}");
    let named = workers.iter().filter(|worker| error.contains(*worker));
    assert_eq!(named.count(), 3, "{error}");
    // Two are no sign.
    let workers = [&workers[..2], &[worker(&runtime)]].concat();
    let report = compress(folder.path(), &workers).unwrap();
    assert_eq!(report.lost.len(), 2);
}

/// Whoever is not there had nothing in hand.
#[test]
fn absent_workers_say_nothing_of_a_file() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Ports that no other test is given.
    let nobody = [1, 2, 7, 8, 9].map(|port| format!("127.0.0.1:{port}"));
    let mut workers = nobody.to_vec();
    workers.push(worker(&runtime));
    let report = compress(folder.path(), &workers).unwrap();
    assert_eq!(report.lost.len(), 5);
}
