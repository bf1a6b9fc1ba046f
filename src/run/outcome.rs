//! The outcome of a run, and the line in the log that reports it.

use std::ops::AddAssign;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use log::Level;

use super::error::Error;
use super::interruption::Signal;
use super::options::{
    DEFAULT_BATCH_SIZE, DEFAULT_MAX_AHEAD, DEFAULT_MAX_FILE_SIZE, DEFAULT_OVERLAP, DEFAULT_SETTLE,
    From, Options,
};
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::summary::{Counts, Summary};
use crate::warehouse::error::Error as WarehouseError;

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// It has processed everything that it found.
    Done,
    /// It has done so and rolled it back: a dry run.
    RolledBack,
    /// It has left everything to other runs, which are at work.
    Busy,
    /// It was asked to end before it was done.
    Interrupted(Signal),
    /// Something went wrong.
    Failed(Error),
}

/// What a run has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Files and versions.
    pub counts: Counts,
    /// Transactions with data.
    pub batches: u64,
    /// Bytes of documents that were read.
    pub bytes: u64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.counts += other.counts;
        self.batches += other.batches;
        self.bytes += other.bytes;
    }
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What it did, rolled back batches included.
    pub summary: Summary,
    /// Folders that it could not scan; the others are done.
    pub failures: Vec<Error>,
    /// How it ended.
    pub ending: Ending,
    /// What it leaves behind, or would have left.
    pub(super) work: Work,
    /// The sources that it scanned.
    pub(super) sources: Vec<Source>,
    pub(super) since: Option<DateTime<Utc>>,
    /// Whether somebody waited for it.
    pub(super) is_by_hand: bool,
    /// The command that does the rest, if the run is interrupted or fails; `None` if the next run from
    /// cron does.
    pub(super) resume: Option<String>,
    /// Whether it was a dry run.
    pub(super) dry_run: bool,
    /// How long it took to scan the folders.
    pub(super) scan: Duration,
}

impl Outcome {
    /// Logs what the run did: one line with what a graph would want, at the debug level when nothing
    /// was new.
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
            Ending::Done | Ending::RolledBack if !self.failures.is_empty() => {
                let outcome = match self.sources.is_empty() {
                    true => "failed",
                    false => "partial",
                };
                let failures = self.failures.len();
                let folders = self.sources.len() + failures;
                (
                    Level::Warn,
                    outcome,
                    format!("{failures} of {folders} folders could not be scanned"),
                )
            }
            Ending::Done if counts.files > counts.pending => {
                (Level::Info, "done", "done".to_owned())
            }
            Ending::Done => (Level::Debug, "done", "nothing new".to_owned()),
            Ending::RolledBack => (
                Level::Info,
                "rolled_back",
                "dry run, rolled back".to_owned(),
            ),
            Ending::Busy => {
                let level = match self.is_by_hand {
                    true => Level::Info,
                    false => Level::Debug,
                };
                let message = match &self.resume {
                    Some(command) if !self.dry_run => format!(
                        "left to other runs; `{command}` loads the files once they have ended"
                    ),
                    _ => "left to other runs".to_owned(),
                };
                (level, "busy", message)
            }
            Ending::Interrupted(signal) => (
                Level::Warn,
                "interrupted",
                format!("ended by {signal}: {}", self.durable()),
            ),
            Ending::Failed(error) => {
                let rest = match error {
                    Error::Warehouse(WarehouseError::Commit { .. }) => {
                        self.durable_besides("checks and loads what is missing")
                    }
                    Error::Warehouse(WarehouseError::CommitInDoubt { .. }) => {
                        self.durable_besides("does the rest")
                    }
                    _ => self.durable(),
                };
                (Level::Error, "failed", format!("{error}; {rest}"))
            }
        };
        log::log!(
            level,
            outcome,
            sources = (!self.sources.is_empty()).then(|| Source::names(&self.sources).join(",")),
            since = self.since.map(as_argument),
            files = counts.files,
            loaded = counts.loaded,
            duplicates = counts.duplicates,
            rejected = counts.rejected,
            pending = counts.pending,
            versions_opened = counts.versions_opened,
            versions_closed = counts.versions_closed,
            versions_changed = counts.versions_changed,
            batches,
            bytes,
            scan_ms = self.scan.as_millis() as u64,
            elapsed_ms = self.summary.total.elapsed.as_millis() as u64;
            "{message}"
        );
    }

    /// What is durable of a run that was interrupted or failed, and how to go on.
    fn durable(&self) -> String {
        if self.dry_run {
            return "it was a dry run, and nothing of it is kept".to_owned();
        }
        let kept = match self.work.batches {
            0 => "nothing was committed".to_owned(),
            _ => self.committed(),
        };
        let next = match &self.resume {
            Some(command) => {
                format!("`{command}` does the rest, and skips loaded events as duplicates")
            }
            None => "the next run does the rest".to_owned(),
        };
        format!("{kept}, and {next}")
    }

    /// How to go on after a commit that failed in part or may have failed: what the next run does. And what is
    /// durable besides.
    fn durable_besides(&self, does: &str) -> String {
        let next = match &self.resume {
            Some(command) => format!("`{command}`"),
            None => "the next run".to_owned(),
        };
        let kept = match self.work.batches {
            0 => String::new(),
            _ => format!("; before that commit, {}", self.committed()),
        };
        format!("{next} {does}{kept}")
    }

    /// The batches that are committed, of which there is at least one.
    fn committed(&self) -> String {
        let files = self.work.counts.files - self.work.counts.pending;
        match self.work.batches {
            1 => format!("one batch of {files} files is committed"),
            batches => format!("{batches} batches of {files} files together are committed"),
        }
    }
}

/// The command that does the rest of a run that was started by hand and did not finish.
pub(super) fn resume(options: &Options) -> Option<String> {
    match options.from {
        From::Checkpoint => None,
        From::Time(_) | From::UnknownNames => Some(as_command(options) + &settings(options)),
    }
}

/// The settings of a run that are not the default ones, as flags: without them, the rest might be
/// rejected.
fn settings(options: &Options) -> String {
    let mut flags = String::new();
    for (flag, age, default) in [
        ("--settle", options.settle, DEFAULT_SETTLE),
        ("--overlap", options.overlap, DEFAULT_OVERLAP),
        ("--max-ahead", options.max_ahead, DEFAULT_MAX_AHEAD),
    ] {
        if humantime::parse_duration(default) != Ok(age) {
            let age = humantime::format_duration(age).to_string();
            flags.push_str(&format!(" {flag} {}", age.replace(' ', "")));
        }
    }
    if options.batch_size != DEFAULT_BATCH_SIZE {
        flags.push_str(&format!(" --batch-size {}", options.batch_size));
    }
    if options.max_file_size != DEFAULT_MAX_FILE_SIZE {
        flags.push_str(&format!(" --max-file-size {}", options.max_file_size));
    }
    flags
}

/// The command of a run with the default settings, such that it can be pasted into a shell anywhere.
pub(crate) fn as_command(options: &Options) -> String {
    let mut command = "etl run".to_owned();
    match options.from {
        From::Checkpoint => {}
        // Of an age, such as 7d, the same command would leave out the beginning.
        From::Time(since) => command.push_str(&format!(" --since {}", as_argument(since))),
        From::UnknownNames => command.push_str(" --reconcile"),
    }
    command.push_str(&format!(
        " --inbox {}",
        quoted(&options.inbox.display().to_string())
    ));
    if options.inbox_name.as_str() != InboxName::DEFAULT {
        command.push_str(&format!(" --inbox-name {}", options.inbox_name));
    }
    if options.sources.len() < Source::ALL.len() {
        for source in &options.sources {
            command.push_str(&format!(" --source {source}"));
        }
    }
    command
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "/._-+:@%".contains(char);
    match !path.is_empty() && path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// A time as `--since` takes it.
fn as_argument(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("/old/inbox-1"), "/old/inbox-1");
        assert_eq!(quoted("/old inbox/it's"), r"'/old inbox/it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
