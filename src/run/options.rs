//! What a run is asked to do.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::checkpoint::Start;
use crate::clock::{Clock, FileTime};
use crate::inbox::reading::MAX_FILE_SIZE;
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::warehouse::runs::Command;

/// How long a file whose document has not ended may be pending, unless `--settle` says otherwise.
pub const DEFAULT_SETTLE: &str = "10s";

/// How far before the offset a run scans again, unless `--overlap` says otherwise.
pub const DEFAULT_OVERLAP: &str = "60s";

/// Most files of a transaction, unless `--batch-size` says otherwise.
pub const DEFAULT_BATCH_SIZE: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// Length in bytes over which a file is not read, unless `--max-file-size` says otherwise: 1 MiB.
pub const DEFAULT_MAX_FILE_SIZE: u64 = 1 << 20;

/// How much later than its file an event may be, unless `--max-ahead` says otherwise.
pub const DEFAULT_MAX_AHEAD: &str = "1d";

/// Where a run is asked to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the checkpoint.
    Checkpoint,
    /// At a given time (`--since`).
    Time(DateTime<Utc>),
    /// At the files whose names are in no table (`--reconcile`).
    UnknownNames,
}

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder with a folder for each source.
    pub inbox: PathBuf,
    /// Name of the inbox, by which its checkpoints are found.
    pub inbox_name: InboxName,
    /// The sources to load, in order.
    pub sources: Vec<Source>,
    /// Where to start.
    pub from: From,
    /// Do everything, and then roll it back.
    pub dry_run: bool,
    /// How long a file whose document has not ended may be pending.
    pub settle: Duration,
    /// How far before the offset to scan again.
    pub overlap: Duration,
    /// Most files of a transaction.
    pub batch_size: NonZeroUsize,
    /// Length in bytes over which a file is not read.
    pub max_file_size: u64,
    /// How much later than its file an event may be.
    pub max_ahead: Duration,
    /// The clock.
    pub clock: Clock,
}

impl Options {
    /// How files are read that a run may have processed: as a run would that takes them all, since any
    /// event may have been accepted, and a document that has not ended will not.
    pub(crate) fn for_reading(
        inbox: PathBuf,
        inbox_name: InboxName,
        sources: Vec<Source>,
    ) -> Options {
        Options {
            inbox,
            inbox_name,
            sources,
            from: From::Checkpoint,
            dry_run: true,
            settle: Duration::ZERO,
            overlap: Duration::ZERO,
            batch_size: NonZeroUsize::MIN,
            max_file_size: MAX_FILE_SIZE,
            max_ahead: Duration::MAX,
            clock: Clock::default(),
        }
    }

    /// Where to start, as the scan plan takes it.
    pub(super) fn start(&self) -> Start {
        match self.from {
            From::Checkpoint => Start::Checkpoint,
            From::Time(since) => Start::Since(FileTime::from(since)),
            From::UnknownNames => Start::UnknownNames,
        }
    }

    /// What kind of run it is.
    pub(super) fn command(&self) -> Command {
        match self.from {
            From::Checkpoint => Command::Run,
            From::Time(_) => Command::Backfill,
            From::UnknownNames => Command::Reconcile,
        }
    }

    /// The start given with `--since`.
    pub(super) fn since(&self) -> Option<DateTime<Utc>> {
        match self.from {
            From::Time(since) => Some(since),
            From::Checkpoint | From::UnknownNames => None,
        }
    }

    /// Whether somebody waits for it: not a run that cron starts again in five seconds.
    pub(super) fn is_by_hand(&self) -> bool {
        self.dry_run || self.from != From::Checkpoint
    }
}
