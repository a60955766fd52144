//! The files of a report.

use std::io::Write;
use std::path::Path;

use super::super::error::{Result, TuneError};
use super::Report;
use crate::file::AtomicFile;

/// What a person reads.
pub const REPORT_HTML: &str = "report.html";
/// The same for programs.
pub const REPORT_JSON: &str = "report.json";
/// What `tolerant compress --config` takes.
pub const CONFIG: &str = "config.toml";
/// What a search that was interrupted goes on from.
pub const JOURNAL: &str = "journal.jsonl";

impl Report {
    /// Writes the report's files to `folder`, each of them complete or not at all. `table` is what the
    /// command to apply the configuration names.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path, table: &str) -> Result<()> {
        write(folder, REPORT_JSON, &(self.to_json()? + "\n"))?;
        write(folder, REPORT_HTML, &self.to_html(folder, table)?)?;
        if let Some(chosen) = &self.chosen {
            let header = format!(
                "# Found by tolerant tune: {} is to lose no more than {:.2} % of its {} on new data.\n\
                 # Apply it with: tolerant compress {} --config {}\n",
                self.model.replace('\n', " "),
                self.max_loss * 100.0,
                self.metric.replace('\n', " "),
                table.replace('\n', " "),
                folder.join(CONFIG).display()
            );
            write(folder, CONFIG, &(header + &chosen.config.to_toml()?))?;
        }
        Ok(())
    }

    /// As JSON.
    ///
    /// # Errors
    /// None that is known of: all numbers are finite.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|error| TuneError::BadFile(error.to_string()))
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    let mut file = AtomicFile::create(&path)?;
    file.write_all(text.as_bytes())
        .map_err(|error| TuneError::io("write", &path, error))?;
    file.commit()?;
    Ok(())
}
