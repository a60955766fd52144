//! A worker's side: reads and writes a file for whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_flight::FlightData;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::SqlInfo;
use arrow_flight::sql::server::FlightSqlService;
use futures::{StreamExt, stream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tonic::{Request, Response, Status, Streaming};

use crate::distributed::settings;
use crate::tools::compress::CompressReport;
use crate::tools::compress_each::{Task, Work};
use crate::tools::{Result as ToolResult, ToolError};

use super::MESSAGE;
use super::wire::{self, Answer};

/// Files that are worked on at a time: each takes all cores, and a row group of memory. More wait.
const TASKS: usize = 4;

/// How long whoever asks may take to send the task.
const FIRST: Duration = Duration::from_secs(60);

/// Answers that wait for whoever asked.
const WAITING: usize = 16;

/// The service, for a worker's server.
pub(in crate::distributed) fn service() -> FlightServiceServer<Compressor> {
    let compressor = Compressor {
        places: Arc::new(Semaphore::new(TASKS)),
    };
    FlightServiceServer::new(compressor)
        .max_decoding_message_size(MESSAGE)
        .max_encoding_message_size(MESSAGE)
}

/// Does one task for each exchange.
pub(in crate::distributed) struct Compressor {
    places: Arc<Semaphore>,
}

/// Of all that Flight has, an exchange of messages; this trait refuses the rest.
#[tonic::async_trait]
impl FlightSqlService for Compressor {
    type FlightService = Self;

    async fn do_exchange_fallback(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<<Self as FlightService>::DoExchangeStream>, Status> {
        let (metadata, _, mut requests) = request.into_parts();
        settings::check_version(&metadata.into_headers()).map_err(Status::failed_precondition)?;
        let refused = |why: String| Status::invalid_argument(why);
        let first = tokio::time::timeout(FIRST, requests.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no task was sent in time"))?;
        let first = first?.ok_or_else(|| refused("no task was sent".to_owned()))?;
        let (task, mark) = wire::asked(&first).map_err(|error| refused(error.to_string()))?;

        let (answers, receiver) = mpsc::channel(WAITING);
        let (commit, committed) = oneshot::channel();
        let gone = Arc::new(AtomicBool::new(false));
        tokio::spawn(heed(requests, commit, Arc::clone(&gone)));
        let caller = Caller {
            answers,
            committed,
            gone,
        };
        tokio::spawn(work(Arc::clone(&self.places), task, mark, caller));
        let answers = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|answer| (answer, receiver))
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}

/// Passes on the word to commit; whoever hangs up before has no more use for the work.
async fn heed(
    mut requests: Streaming<FlightData>,
    commit: oneshot::Sender<()>,
    gone: Arc<AtomicBool>,
) {
    match requests.message().await {
        Ok(Some(_)) => {
            // The work may have failed meanwhile.
            let _ = commit.send(());
        }
        Ok(None) | Err(_) => gone.store(true, Ordering::Relaxed),
    }
}

/// Does the task once there is a place for it, on a thread that may be busy for long.
async fn work(places: Arc<Semaphore>, task: Task, mark: u64, caller: Caller) {
    let answers = caller.answers.clone();
    let place = tokio::select! {
        place = places.acquire_owned() => place,
        () = answers.closed() => return,
    };
    let Ok(place) = place else {
        return;
    };
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        perform(&task, mark, caller)
    });
    let last = match done.await {
        Ok(Ok(last)) => last,
        // Nobody is there to be told.
        Ok(Err(ToolError::Stopped)) => return,
        Ok(Err(error)) => Answer::Failed(error.to_string()),
        Err(_) => Answer::Failed(
            "internal error; a file that is read may be damaged, else please report this"
                .to_owned(),
        ),
    };
    // Whoever has hung up needs no answer.
    let _ = answers.send(message(last)).await;
}

fn perform(task: &Task, mark: u64, caller: Caller) -> ToolResult<Answer> {
    let start = Instant::now();
    let rows = |rows| caller.tell_rows(rows);
    match &task.work {
        Work::Find(columns) => Ok(Answer::Found(task.find(columns, &rows)?)),
        Work::Write(ranges) => {
            let (file, written) = task.write(ranges, Some(mark), &rows)?;
            caller.await_commit(CompressReport {
                written,
                seconds: start.elapsed().as_secs_f64(),
            })?;
            file.commit()
                .map_err(|error| ToolError::file(&task.output, error))?;
            Ok(Answer::There)
        }
    }
}

/// Whoever asked for a task.
struct Caller {
    answers: mpsc::Sender<Result<FlightData, Status>>,
    committed: oneshot::Receiver<()>,
    gone: Arc<AtomicBool>,
}

impl Caller {
    fn tell_rows(&self, rows: u64) -> ToolResult<()> {
        if self.gone.load(Ordering::Relaxed) || self.answers.is_closed() {
            return Err(ToolError::Stopped);
        }
        // Work does not wait for news to be read.
        let _ = self.answers.try_send(message(Answer::Rows(rows)));
        Ok(())
    }

    /// Says what was written, and waits until it is to appear.
    fn await_commit(self, report: CompressReport) -> ToolResult<()> {
        let written = message(Answer::Written(Box::new(report)));
        let sent = self.answers.blocking_send(written);
        sent.map_err(|_| ToolError::Stopped)?;
        self.committed
            .blocking_recv()
            .map_err(|_| ToolError::Stopped)
    }
}

fn message(answer: Answer) -> Result<FlightData, Status> {
    wire::answer(answer).map_err(|error| Status::internal(error.to_string()))
}
