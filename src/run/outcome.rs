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
        let (level, outcome, message) = match &self.ending {
            Ending::Done => {
                let outcome = match self.failures.is_empty() {
                    true => "done",
                    false => "partial",
                };
                match counts.files > counts.pending {
                    true => (Level::Info, outcome, "done".to_owned()),
                    false => (Level::Debug, outcome, "nothing new".to_owned()),
                }
            }
            Ending::Undone => (Level::Info, "undone", "dry run, undone".to_owned()),
            Ending::Interrupted(signal) => (
                Level::Warn,
                "interrupted",
                format!("ended by {signal}: {}", self.durable()),
            ),
            Ending::Failed(error) => (Level::Error, "failed", error.to_string()),
        };
        let since = self
            .since
            .map(|since| since.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        log::log!(
            level,
            outcome,
            sources = Source::names(&self.sources).join(","),
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
        let files = self.work.counts.files;
        let kept = match self.work.batches {
            0 => "nothing was committed".to_owned(),
            1 => format!("one batch of {files} files is durable"),
            batches => format!("{batches} batches of {files} files together are durable"),
        };
        let next = match self.since {
            Some(_) => "the same command does the rest, and recognises what is loaded",
            None => "the next run does the rest",
        };
        format!("{kept}, and {next}")
    }
}
