//! What came of a run, and the line in the log that tells it.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use log::Level;

use crate::error::Error;
use crate::interruption::Signal;
use crate::source::Source;
use crate::summary::{Counts, Summary};

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// It has dealt with everything that it could look at.
    Done,
    /// It has done so and undone it: a dry run.
    Undone,
    /// It has left everything to other runs, which are at it.
    Busy,
    /// It was asked to end before it was done.
    Interrupted(Signal),
    /// Something went wrong.
    Failed(Error),
}

/// Work that is done or lost as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub(super) counts: Counts,
    /// Transactions that hold data.
    pub(super) batches: u64,
    /// Bytes of documents that were read.
    pub(super) bytes: u64,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What it did, unfinished batches included.
    pub summary: Summary,
    /// Sources that it could not look at; the others are done.
    pub failures: Vec<Error>,
    /// How it ended.
    pub ending: Ending,
    /// The sources that it was at.
    pub(super) sources: Vec<Source>,
    /// Whether it was a dry run.
    pub(super) dry_run: bool,
    pub(super) since: Option<DateTime<Utc>>,
    /// What it leaves behind, or would have left.
    pub(super) work: Work,
    /// How long it took to look through the folders.
    pub(super) scan: Duration,
}

impl Outcome {
    /// Says in the log what the run did: one line with what a graph would want, at the debug level
    /// when nothing was new.
    pub fn log(&self) {
        for failure in &self.failures {
            log::error!("{failure}");
        }
        let Work {
            counts,
            batches,
            bytes,
        } = self.work;
        let is_by_hand = self.since.is_some() || self.dry_run;
        let (level, outcome, message) = match &self.ending {
            Ending::Done | Ending::Undone if !self.failures.is_empty() => {
                let outcome = match self.sources.is_empty() {
                    true => "failed",
                    false => "partial",
                };
                let failures = self.failures.len();
                let folders = self.sources.len() + failures;
                (
                    Level::Warn,
                    outcome,
                    format!("{failures} of {folders} folders could not be looked at"),
                )
            }
            Ending::Done if counts.files > counts.pending => {
                (Level::Info, "done", "done".to_owned())
            }
            Ending::Done => (Level::Debug, "done", "nothing new".to_owned()),
            Ending::Undone => (Level::Info, "undone", "dry run, undone".to_owned()),
            Ending::Busy if is_by_hand => (Level::Info, "busy", "left to other runs".to_owned()),
            Ending::Busy => (Level::Debug, "busy", "left to other runs".to_owned()),
            Ending::Interrupted(signal) => (
                Level::Warn,
                "interrupted",
                format!("ended by {signal}: {}", self.durable()),
            ),
            Ending::Failed(error) => (Level::Error, "failed", error.to_string()),
        };
        let since = self.since.map(shown);
        log::log!(
            level,
            outcome,
            sources = (!self.sources.is_empty()).then(|| Source::names(&self.sources).join(",")),
            since,
            files = counts.files,
            loaded = counts.loaded,
            duplicates = counts.duplicates,
            rejected = counts.rejected,
            pending = counts.pending,
            versions_opened = counts.versions_opened,
            versions_closed = counts.versions_closed,
            batches,
            bytes,
            scan_ms = self.scan.as_millis() as u64,
            elapsed_ms = self.summary.total.elapsed.as_millis() as u64;
            "{message}"
        );
    }

    /// What is durable of a run that was interrupted, and how to go on.
    fn durable(&self) -> String {
        if self.dry_run {
            return "it was a dry run, and nothing is kept of it".to_owned();
        }
        let files = self.work.counts.files;
        let kept = match self.work.batches {
            0 => "nothing was committed".to_owned(),
            1 => format!("one batch of {files} files is durable"),
            batches => format!("{batches} batches of {files} files together are durable"),
        };
        let next = match self.since {
            // Of an age, such as 7d, the same command would leave out the beginning.
            Some(since) => format!(
                "`etl run --since {}` does the rest, and recognises what is loaded",
                shown(since)
            ),
            None => "the next run does the rest".to_owned(),
        };
        format!("{kept}, and {next}")
    }
}

/// A moment as it can be given to `--since` again.
fn shown(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
