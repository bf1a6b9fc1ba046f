//! The state of the loader: whether all is well, how far each folder has been loaded, what the
//! warehouse holds, and what the last runs did.
//!
//! [`Progress`] is how far each folder has been loaded, a few rows whatever the size of the
//! warehouse. [`Health`] adds what is wrong, and [`Status`] everything else: as a page for people
//! ([`watch`] shows it again and again), as JSON, or for Prometheus ([`prometheus`]).

mod cluster;
mod health;
mod page;
mod problems;
mod progress;
pub mod prometheus;
mod reading;
pub mod watch;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::summary::Counts;
pub use cluster::{ClusterStatus, NodeStatus};
pub use health::{Activity, Health, LastHour, Problem, STALE_AFTER};
pub(super) use problems::PROBLEMS;
pub use progress::{Folder, FolderStatus, PendingFile, Progress};
pub use reading::{read, read_health, read_progress};

/// The state of the loader and of the warehouse at one time.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Whether all is well.
    #[serde(flatten)]
    pub health: Health,
    /// Open rejections, the most frequent first.
    pub rejections: Vec<RejectionStatus>,
    /// What `etl archive` has done in each folder.
    pub archives: Vec<ArchiveStatus>,
    /// What the dimensions hold.
    pub dimensions: Vec<DimensionStatus>,
    /// The newest runs that processed something, newest first.
    pub runs: Vec<RunStatus>,
}

/// How many files of a folder are rejected for a reason and not resolved: now.
#[derive(Debug, Serialize)]
pub struct RejectionStatus {
    /// The source.
    pub source: String,
    /// Name of the inbox.
    pub inbox: String,
    /// The reason code.
    pub reason: String,
    /// How many.
    pub files: i64,
    /// The newest of them.
    pub newest: Example,
}

/// A rejected file.
#[derive(Debug, Serialize)]
pub struct Example {
    /// Number of the rejection.
    pub rejected_id: i64,
    /// When it was rejected.
    pub rejected_at: DateTime<Utc>,
    /// The file's name in the folder.
    pub file_name: String,
    /// The reason as a sentence.
    pub detail: String,
}

/// What `etl archive` has done in a folder.
#[derive(Debug, Serialize)]
pub struct ArchiveStatus {
    /// The source.
    pub source: String,
    /// Name of the inbox.
    pub inbox: String,
    /// Folder of the archives.
    pub archive_path: String,
    /// When the last call came to its end.
    pub last_archived_at: DateTime<Utc>,
    /// Archives that were made, since the first call.
    pub archives: i64,
    /// Files that were moved into them.
    pub files: i64,
    /// Bytes of the archives.
    pub bytes: i64,
    /// Files that were old enough at the last call and stayed.
    pub kept: i64,
    /// When the oldest of them changed.
    pub kept_since: Option<DateTime<Utc>>,
}

/// What a dimension holds.
#[derive(Debug, Serialize)]
pub struct DimensionStatus {
    /// The table.
    pub dimension: String,
    /// Versions.
    pub rows: i64,
    /// Current versions: one for each key.
    pub current_rows: i64,
    /// Whether the table is too large to be counted, and the two are the planner's figures.
    pub is_estimate: bool,
}

/// What a run did.
#[derive(Debug, Serialize)]
pub struct RunStatus {
    /// Its number.
    pub run_id: i64,
    /// What kind of run it was: `run`, `backfill`, `reconcile` or `retry`.
    pub command: String,
    /// Name of the inbox.
    pub inbox: String,
    /// The sources that it scanned.
    pub sources: Vec<String>,
    /// The start it was given, if it was a backfill.
    pub since: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When its last batch was ready to commit.
    pub finished_at: DateTime<Utc>,
    /// What it did.
    #[serde(flatten)]
    pub counts: Counts,
}

impl RunStatus {
    /// How long it took; `None` if the clock was set back meanwhile.
    fn took(&self) -> Option<Duration> {
        (self.finished_at - self.started_at).to_std().ok()
    }

    /// Files a second; `None` if it took no measurable time.
    fn rate(&self) -> Option<f64> {
        let seconds = self.took()?.as_secs_f64();
        (seconds > 0.0).then(|| self.counts.files as f64 / seconds)
    }
}
