//! The coordinator's side: gives files to workers, and those of a lost worker to others.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arrow_flight::FlightData;
use arrow_flight::flight_service_client::FlightServiceClient;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt, stream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use url::Url;

use crate::distributed::channels::{Channels, name};
use crate::distributed::{Cluster, settings};
use crate::file::{AtomicFile, is_url, shown};
use crate::tools::compress::{CompressOptions, Progress};
use crate::tools::compress_each::{CompressEachReport, Event, Runner, Task, compress_with};
use crate::tools::{Result as ToolResult, ToolError};

use super::MESSAGE;
use super::wire::{self, Answer};

/// Files that a worker is given at a time: one is read or uploaded while another is coded.
const LANES: usize = 2;

/// Workers that may be lost over one file: it may be what ends them, and is not to end them all.
const TRIES: usize = 3;

/// How often, a second apart, a file that a worker has written is looked for here.
const LOOKS: usize = 5;

impl Cluster {
    /// As [`compress_each`](crate::tools::compress_each::compress_each), each file by a worker that
    /// reads and writes it by itself: all paths and URLs must name the same files there. The files of
    /// a worker that is lost are given to the others. Quantiles are found here.
    ///
    /// Waits until all is done: within asynchronous code, call it from a thread that may.
    ///
    /// # Errors
    /// As [`compress_each`](crate::tools::compress_each::compress_each); and when all workers are lost, or one
    /// refuses.
    pub fn compress_each(
        &self,
        options: &CompressOptions,
        progress: &(dyn Fn(Progress) -> ToolResult<()> + Sync),
    ) -> ToolResult<CompressEachReport> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|source| ToolError::Io {
                what: "cannot start a thread that talks to workers".to_owned(),
                source,
            })?;
        let workers = Workers {
            urls: self.workers(),
            channels: Channels::new(self.access().clone()),
            runtime,
            lost: Mutex::default(),
        };
        compress_with(options, &workers, progress)
    }
}

/// The workers of one dataset.
struct Workers<'a> {
    urls: &'a [Url],
    channels: Channels,
    runtime: Runtime,
    /// Workers that are not asked again, and why.
    lost: Mutex<BTreeMap<usize, String>>,
}

/// Why a task did not come to its end.
enum Failure {
    /// There is no worker, or none that takes tasks any more.
    Absent(String),
    /// The worker has gone or gone wrong with the task in hand: another can do it.
    Lost(String),
    Fatal(ToolError),
}

impl Failure {
    /// That of a worker that did not have the task yet.
    fn before_work(self) -> Self {
        match self {
            Self::Lost(why) => Self::Absent(why),
            other => other,
        }
    }
}

impl From<ToolError> for Failure {
    fn from(error: ToolError) -> Self {
        Self::Fatal(error)
    }
}

type Told<'a> = &'a (dyn Fn(usize, Event) -> ToolResult<()> + Sync);

impl Runner for Workers<'_> {
    fn run(&self, tasks: &[Task], told: Told<'_>) -> ToolResult<()> {
        self.runtime.block_on(self.share(tasks, told))
    }

    fn lost(&self) -> Vec<String> {
        self.known_lost().values().cloned().collect()
    }
}

impl Workers<'_> {
    fn known_lost(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, String>> {
        // What it holds is whole at any time.
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives each task to a worker that has a lane free, until all are done.
    async fn share(&self, tasks: &[Task], told: Told<'_>) -> ToolResult<()> {
        let mut waiting: VecDeque<usize> = (0..tasks.len()).collect();
        let mut lanes: VecDeque<usize> = (0..LANES).flat_map(|_| 0..self.urls.len()).collect();
        let mut running = FuturesUnordered::new();
        let mut lost_over = vec![0; tasks.len()];
        loop {
            lanes.retain(|worker| !self.known_lost().contains_key(worker));
            while let (Some(position), Some(worker)) = (waiting.front(), lanes.front()) {
                let (position, worker) = (*position, *worker);
                running.push(async move {
                    let done = self.attempt(worker, position, &tasks[position], told).await;
                    (worker, position, done)
                });
                waiting.pop_front();
                lanes.pop_front();
            }
            match running.next().await {
                None if waiting.is_empty() => return Ok(()),
                None => return Err(self.all_lost()),
                Some((worker, _, Ok(()))) => lanes.push_back(worker),
                Some((worker, position, Err(Failure::Absent(why)))) => {
                    self.lose(worker, why);
                    waiting.push_front(position);
                }
                Some((worker, position, Err(Failure::Lost(why)))) => {
                    self.lose(worker, why);
                    lost_over[position] += 1;
                    if lost_over[position] == TRIES {
                        return Err(self.given_up(&tasks[position]));
                    }
                    waiting.push_front(position);
                }
                Some((_, _, Err(Failure::Fatal(error)))) => return Err(error),
            }
        }
    }

    fn lose(&self, worker: usize, why: String) {
        tracing::warn!("{why}");
        self.known_lost().entry(worker).or_insert(why);
    }

    fn all_lost(&self) -> ToolError {
        ToolError::invalid(format!("no worker is left: {}", self.lost().join("; ")))
    }

    fn given_up(&self, task: &Task) -> ToolError {
        ToolError::invalid(format!(
            "{}: {TRIES} workers were lost while they worked on it, and it is not given to another; is \
             there enough memory for a row group of it? {}",
            shown(&task.input),
            self.lost().join("; ")
        ))
    }

    /// Has one worker do one task.
    async fn attempt(
        &self,
        worker: usize,
        position: usize,
        task: &Task,
        told: Told<'_>,
    ) -> Result<(), Failure> {
        let mark = RandomState::new().hash_one(position);
        let _scratch = Scratch(AtomicFile::scratch_path(&task.output, mark));
        told(position, Event::Rows(0))?;
        // Hangs up when it goes.
        let (requests, sent) = mpsc::channel(2);
        let hung_up = |_| Failure::Lost(self.of_worker(worker, "hung up"));
        let task_sent = requests.send(wire::ask(task, mark)?).await;
        task_sent.map_err(hung_up)?;
        let answers = self.exchange(worker, sent).await;
        let mut answers = answers.map_err(Failure::before_work)?;
        let mut report = None;
        while let Some(answer) = answers.next().await {
            let answer = answer.map_err(|status| self.failure(worker, &status))?;
            match wire::answered(&answer)? {
                Answer::Rows(rows) => told(position, Event::Rows(rows))?,
                Answer::Found(ranges) => return Ok(told(position, Event::Found(ranges))?),
                Answer::Written(written) => {
                    report = Some(written);
                    told(position, Event::Appearing)?;
                    requests.send(wire::commit()).await.map_err(hung_up)?;
                }
                Answer::There => {
                    let report = report.ok_or_else(|| {
                        ToolError::invalid(self.of_worker(worker, "wrote what was not asked for"))
                    })?;
                    self.look_for(worker, &task.output, report.written.file_bytes)
                        .await?;
                    return Ok(told(position, Event::Written(report))?);
                }
                Answer::Failed(why) => {
                    return Err(ToolError::invalid(self.of_worker(worker, &why)).into());
                }
            }
        }
        Err(Failure::Lost(self.of_worker(
            worker,
            "gave no answer; it may have been stopped",
        )))
    }

    /// Sends a worker what comes from `requests`; its answers.
    async fn exchange(
        &self,
        worker: usize,
        requests: mpsc::Receiver<FlightData>,
    ) -> Result<impl Stream<Item = Result<FlightData, Status>> + use<>, Failure> {
        let channel = self.channels.channel(&self.urls[worker]).await;
        let channel = channel.map_err(Failure::Absent)?;
        let mut client = FlightServiceClient::new(channel)
            .max_decoding_message_size(MESSAGE)
            .max_encoding_message_size(MESSAGE);
        let requests = stream::unfold(requests, |mut requests| async {
            requests.recv().await.map(|request| (request, requests))
        });
        let mut request = Request::new(requests);
        let mut headers = http::HeaderMap::new();
        let signed = self.channels.access().sign(&mut headers);
        signed
            .and_then(|()| settings::put_version(&mut headers))
            .map_err(|error| ToolError::invalid(error.strip_backtrace()))?;
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        let answers = client.do_exchange(request).await;
        let answers = answers.map_err(|status| self.failure(worker, &status))?;
        Ok(answers.into_inner())
    }

    /// A worker that says no would say so again; all else is a worker that has gone.
    fn failure(&self, worker: usize, status: &Status) -> Failure {
        let refusal = match status.code() {
            Code::Unauthenticated | Code::FailedPrecondition | Code::InvalidArgument => {
                status.message().to_owned()
            }
            Code::Unimplemented => {
                "does not compress; run the same version of Tolerant on all machines".to_owned()
            }
            // A message that is too large.
            Code::OutOfRange | Code::ResourceExhausted => self.channels.access().of_status(status),
            _ => {
                return Failure::Lost(
                    self.of_worker(worker, &self.channels.access().of_status(status)),
                );
            }
        };
        Failure::Fatal(ToolError::invalid(self.of_worker(worker, &refusal)))
    }

    fn of_worker(&self, worker: usize, what: &str) -> String {
        format!("worker {}: {what}", name(&self.urls[worker]))
    }

    /// An error where a file that a worker has written is not there for this machine.
    async fn look_for(&self, worker: usize, output: &Path, bytes: u64) -> ToolResult<()> {
        if is_url(output) {
            return Ok(());
        }
        for _ in 0..LOOKS {
            // Opening a folder makes network file systems look anew.
            let _ = output.parent().map(fs::read_dir);
            if fs::metadata(output).is_ok_and(|found| found.len() == bytes) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err(ToolError::invalid(self.of_worker(
            worker,
            &format!(
                "has written {}, which is not there on this machine; paths must name the same files on all machines",
                shown(output)
            ),
        )))
    }
}

/// What a worker that is lost may leave beside the output; gone when dropped.
struct Scratch(Option<PathBuf>);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Mostly it has its own name by now, or was removed by the worker.
            let _ = fs::remove_file(path);
        }
    }
}
