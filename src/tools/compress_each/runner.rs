//! Who does the work: this process, file by file, or others.

use std::time::Instant;

use crate::tools::compress::CompressReport;
use crate::tools::error::{Result, ToolError};
use crate::tools::relative::Ranges;

use super::{Task, Work};

/// What a task is told to have come to.
#[derive(Debug)]
pub(crate) enum Event {
    /// Rows that were read so far.
    Rows(u64),
    /// The end of [`Work::Find`].
    Found(Ranges),
    /// The output is written, and another process is to make it appear under its name.
    #[cfg_attr(not(feature = "distributed"), allow(dead_code))]
    Appearing,
    /// The end of [`Work::Write`].
    Written(Box<CompressReport>),
}

/// Does all of some tasks.
pub(crate) trait Runner {
    /// Returns when all tasks have come to their end. `told` hears of each, by its position, and stops
    /// the work by an error.
    ///
    /// # Errors
    /// That of `told`, or of the first task that cannot be done; others may be under way then, and
    /// are given up.
    fn run(&self, tasks: &[Task], told: &(dyn Fn(usize, Event) -> Result<()> + Sync))
    -> Result<()>;

    /// Who was to do work and was lost, and why.
    fn lost(&self) -> Vec<String> {
        Vec::new()
    }
}

/// This process, one task at a time: each takes all cores.
pub(super) struct Here;

impl Runner for Here {
    fn run(
        &self,
        tasks: &[Task],
        told: &(dyn Fn(usize, Event) -> Result<()> + Sync),
    ) -> Result<()> {
        for (position, task) in tasks.iter().enumerate() {
            let start = Instant::now();
            let rows = |rows| told(position, Event::Rows(rows));
            match &task.work {
                Work::Find(columns) => {
                    told(position, Event::Found(task.find(columns, &rows)?))?;
                }
                Work::Write(ranges) => {
                    let (file, written) = task.write(ranges, None, &rows)?;
                    file.commit()
                        .map_err(|error| ToolError::file(&task.output, error))?;
                    let report = Box::new(CompressReport {
                        written,
                        seconds: start.elapsed().as_secs_f64(),
                    });
                    told(position, Event::Written(report))?;
                }
            }
        }
        Ok(())
    }
}
