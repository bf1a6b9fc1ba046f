//! How far each folder has been loaded.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::escape::printable;
use crate::pages::age::Age;

/// How far each folder has been loaded.
#[derive(Debug, Serialize)]
pub struct Progress {
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// Each folder, in the order of the sources.
    pub sources: Vec<FolderStatus>,
}

/// A folder: the source in an inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// The source.
    pub source: String,
    /// Name of the inbox.
    pub inbox: String,
    /// Whether the name of the inbox has to be shown: there are others than `main`.
    #[serde(skip)]
    pub shows_inbox: bool,
}

/// How far a folder has been loaded.
#[derive(Debug, Serialize)]
pub struct FolderStatus {
    /// The folder.
    #[serde(flatten)]
    pub folder: Folder,
    /// Its path, as the last run was given it.
    pub folder_path: Option<String>,
    /// Every file that changed before this has been processed.
    pub offset_at: Option<DateTime<Utc>>,
    /// When the offset last moved.
    pub advanced_at: Option<DateTime<Utc>>,
    /// Time of the newest event that came from the folder, as the service reports it.
    pub newest_event_at: Option<DateTime<Utc>>,
    /// When a run last scanned the folder.
    pub last_scanned_at: Option<DateTime<Utc>>,
    /// Whether a run is working on it now.
    pub running: bool,
    /// Files that the last run found and has not read yet: it is still running, or was interrupted.
    pub remaining: i64,
    /// Files that the last run left pending.
    pub pending: i64,
    /// Since when the oldest of them has been pending.
    pub pending_since: Option<DateTime<Utc>>,
    /// Files whose event was loaded, since the first run.
    pub loaded: i64,
    /// Files whose event was already loaded, since the first run; a backfill counts a file again.
    pub duplicates: i64,
    /// Files rejected, since the first run; a backfill counts a file again, and one that was fixed
    /// stays counted.
    pub rejected: i64,
    /// When the first of the latest unbroken series of failed runs failed; `None` if the last run
    /// did not fail.
    pub failing_since: Option<DateTime<Utc>>,
    /// When a run last failed.
    pub last_failed_at: Option<DateTime<Utc>>,
    /// Why it failed.
    pub last_failure: Option<String>,
    /// Event files that the last scan found in the folder.
    pub listed: Option<i64>,
    /// How long that scan took, in milliseconds.
    pub scan_ms: Option<i64>,
    /// Those of the files that changed more than an hour before the scan, and could be in an archive.
    pub archivable: Option<i64>,
    /// When the oldest of them changed.
    pub archivable_since: Option<DateTime<Utc>>,
    /// When `etl archive` last came to its end here.
    pub last_archived_at: Option<DateTime<Utc>>,
    /// Folder of its archives.
    pub archive_path: Option<String>,
    /// Files that it has moved into archives, since the first call.
    pub archived: i64,
    /// The file that has been pending longest.
    #[serde(skip)]
    pub oldest_pending: Option<PendingFile>,
}

/// A file that runs have left pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingFile {
    /// Its name in the folder.
    pub name: String,
    /// Why, as a sentence.
    pub reason: String,
    /// When a run first left it pending.
    pub since: DateTime<Utc>,
}

impl Folder {
    /// The inbox as it continues the name of a source or a file; empty where it need not be shown.
    pub(super) fn of_inbox(&self) -> String {
        match self.shows_inbox {
            true => format!(" in inbox {}", printable(&self.inbox, &[])),
            false => String::new(),
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", printable(&self.source, &[]), self.of_inbox())
    }
}

impl FolderStatus {
    /// When a run last showed that it works: it scanned the folder or, while it loads what it has
    /// found, committed a batch.
    pub(super) fn last_sign_at(&self) -> Option<DateTime<Utc>> {
        let committed_at = self.advanced_at.filter(|_| self.running);
        self.last_scanned_at.max(committed_at)
    }
}

impl Progress {
    pub(super) fn age(&self, time: DateTime<Utc>) -> Age {
        Age::of(time, self.read_at)
    }

    /// Whether the names of inboxes have to be shown.
    pub fn shows_inboxes(&self) -> bool {
        self.sources.iter().any(|status| status.folder.shows_inbox)
    }
}
