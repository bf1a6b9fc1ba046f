//! `etl run`.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;

use super::inbox::InboxArguments;
use super::value::{Since, age, whole_number};
use crate::clock::Clock;
use crate::inbox::reading::MAX_FILE_SIZE;
use crate::run::options::{
    DEFAULT_BATCH_SIZE, DEFAULT_MAX_AHEAD, DEFAULT_MAX_FILE_SIZE, DEFAULT_OVERLAP, DEFAULT_SETTLE,
    From, Options,
};
use crate::source::Source;

/// Arguments of `etl run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl run
  etl run --since 2026-11-01 --dry-run
  etl run --since 36h --source cards --json
  etl run --reconcile         by night: read every file whose name is in no table
  etl run --inbox /backup --since 2000-01-01
                              a folder once, such as a backup

A backfill (--since) skips loaded events as duplicates, and the offset never moves back. That of
another folder leaves the checkpoint alone.

Several inboxes, on two hosts say, each need a name (--inbox-name berlin), and so have checkpoints
and lines in `etl status` of their own. Under one name the result is the same, only slower: a folder
that is not recognised is read as a whole.

Through a connection pooler in transaction mode everything works: a claim in etl.checkpoint keeps
runs apart, not the session. There the claim of a killed run lasts up to 15 seconds; else it ends
with its server process.

The line that ends a run has, besides its counts: since, the start given by hand; versions_changed,
the versions of earlier runs that a late-arriving event or a copy rewrote; batches, the transactions
with data; bytes, those of the documents; and scan_ms, how long it took to scan the folders.")]
pub struct RunArguments {
    /// The inbox.
    #[command(flatten)]
    inbox: InboxArguments,

    /// Start here and not at the checkpoint: a date or a time, UTC unless it says otherwise
    /// (2026-11-23, 2026-11-23 20:10), or an age such as 90m, 36h or 7d
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,

    /// Read every file whose name is in no table, whatever its times: files that a wrong clock or a
    /// file system without real change times has hidden. The checkpoint stays
    #[arg(long, conflicts_with = "since")]
    reconcile: bool,

    /// Load this source alone; may be repeated
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<Source>,

    /// Do everything, report it, and roll it back
    #[arg(long)]
    dry_run: bool,

    /// Print the summary as one JSON object
    #[arg(long)]
    pub json: bool,

    /// How long a file whose document has not ended is pending before it is rejected
    #[arg(long, default_value = DEFAULT_SETTLE, value_parser = age, value_name = "AGE")]
    settle: Duration,

    /// How far before the offset to scan again, for files that became visible late
    #[arg(long, default_value = DEFAULT_OVERLAP, value_parser = age, value_name = "AGE")]
    overlap: Duration,

    /// Most files of one transaction
    #[arg(long, default_value_t = DEFAULT_BATCH_SIZE, value_name = "FILES",
          value_parser = whole_number(NonZeroUsize::MIN..=NonZeroUsize::MAX))]
    batch_size: NonZeroUsize,

    /// Size over which a file is rejected unread, at most 16 MiB
    #[arg(long, default_value_t = DEFAULT_MAX_FILE_SIZE, value_parser = whole_number(1..=MAX_FILE_SIZE),
          value_name = "BYTES")]
    max_file_size: u64,

    /// How much later than its file an event may be; one further ahead is rejected
    #[arg(long, default_value = DEFAULT_MAX_AHEAD, value_parser = age, value_name = "AGE")]
    max_ahead: Duration,
}

impl RunArguments {
    /// What the run is asked to do.
    pub fn options(&self) -> Options {
        Options {
            inbox: self.inbox.inbox.clone(),
            inbox_name: self.inbox.inbox_name.clone(),
            sources: Source::selected(&self.sources),
            from: match self.since {
                Some(Since(time)) => From::Time(time),
                None if self.reconcile => From::UnknownNames,
                None => From::Checkpoint,
            },
            dry_run: self.dry_run,
            settle: self.settle,
            overlap: self.overlap,
            batch_size: self.batch_size,
            max_file_size: self.max_file_size,
            max_ahead: self.max_ahead,
            clock: Clock::default(),
        }
    }
}
