//! What the loader's books say: whether all is well, how far it is, what it holds, and how the last
//! runs went.
//!
//! [`Progress`] is how far each source is, a few rows whatever the size of the warehouse: a health
//! check reads no more. [`Status`] is everything, as a page for people, as JSON, or for
//! Prometheus ([`prometheus`]). [`health`] is what is wrong about it.

mod books;
pub mod health;
mod page;
pub mod prometheus;
pub mod watch;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::summary::Counts;
pub use books::{read, read_progress};
use health::Problem;
pub(crate) use page::{table, write_table};

/// How far each source is.
#[derive(Debug, Serialize)]
pub struct Progress {
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// Each source, users first.
    pub sources: Vec<SourceStatus>,
}

/// The state of the warehouse at one moment.
#[derive(Debug, Serialize)]
pub struct Status {
    /// How far each source is.
    #[serde(flatten)]
    pub progress: Progress,
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What the runs of the last hour did, backfills left out.
    pub last_hour: Hour,
    /// Rejections that are not resolved.
    pub rejections: Vec<RejectionStatus>,
    /// What the dimensions hold.
    pub dimensions: Vec<DimensionStatus>,
    /// The newest runs that found something, newest first.
    pub runs: Vec<RunStatus>,
}

/// How far a source is.
#[derive(Debug, Serialize)]
pub struct SourceStatus {
    /// The source.
    pub source: String,
    /// Every file that changed before this has been dealt with.
    pub offset_at: Option<DateTime<Utc>>,
    /// When the offset last moved.
    pub advanced_at: Option<DateTime<Utc>>,
    /// Time of the newest event that came from the folder, as the service tells it.
    pub newest_event_at: Option<DateTime<Utc>>,
    /// When a run last looked at the folder.
    pub looked_at: Option<DateTime<Utc>>,
    /// Whether a run is at it now.
    pub running: bool,
    /// Files that the last run has found and not come to: it is at work, or was cut off.
    pub waiting: i64,
    /// Files that the last run left for a later one: now.
    pub pending: i64,
    /// When the first of the unbroken series of runs began that have left files.
    pub pending_since: Option<DateTime<Utc>>,
    /// Files whose event was loaded, since the first run.
    pub loaded: i64,
    /// Files whose event was there already, since the first run; a backfill counts a file again.
    pub duplicates: i64,
    /// Files rejected, since the first run; a backfill counts a file again, and one that was mended
    /// stays counted.
    pub rejected: i64,
}

/// What the runs of an hour did.
#[derive(Debug, Default, Serialize)]
pub struct Hour {
    /// Runs that found something.
    pub runs: i64,
    /// Files that they looked at.
    pub files: i64,
    /// Files whose event was loaded.
    pub loaded: i64,
    /// Files whose event was there already.
    pub duplicates: i64,
    /// Files rejected.
    pub rejected: i64,
}

/// How many files of a source are rejected for a reason and not resolved: now.
#[derive(Debug, Serialize)]
pub struct RejectionStatus {
    /// The source.
    pub source: String,
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

/// What a dimension holds.
#[derive(Debug, Serialize)]
pub struct DimensionStatus {
    /// The table.
    pub dimension: String,
    /// Versions.
    pub rows: i64,
    /// Current versions: one for each key.
    pub current_rows: i64,
    /// Whether the table is so large that it was not counted, and the two are the planner's figures.
    pub is_estimate: bool,
}

/// What a run did.
#[derive(Debug, Serialize)]
pub struct RunStatus {
    /// Its number.
    pub run_id: i64,
    /// The folders it looked at.
    pub sources: Vec<String>,
    /// The start it was given, if it was a backfill.
    pub since: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When its last batch was ready to commit.
    pub finished_at: DateTime<Utc>,
    /// Later runs over the same folders that found nothing new.
    pub looks: i64,
    /// When a run last looked at these folders: this one, or one that found nothing new.
    pub looked_at: DateTime<Utc>,
    /// What it did.
    #[serde(flatten)]
    pub counts: Counts,
}

impl Progress {
    /// How long ago that was; nothing if it is still to come.
    fn age(&self, moment: DateTime<Utc>) -> Duration {
        age(self.read_at, moment)
    }
}

impl RunStatus {
    fn took(&self) -> Duration {
        age(self.finished_at, self.started_at)
    }

    /// Files a second; none if it took no time that the clock could tell.
    fn rate(&self) -> Option<f64> {
        let seconds = self.took().as_secs_f64();
        (seconds > 0.0).then(|| self.counts.files as f64 / seconds)
    }
}

/// From `earlier` to `later`; nothing if they are the other way round.
fn age(later: DateTime<Utc>, earlier: DateTime<Utc>) -> Duration {
    (later - earlier).to_std().unwrap_or_default()
}

/// A length of time in its one or two largest units, at most eight characters for ten years.
fn rounded(length: Duration) -> String {
    let (seconds, minutes, hours) = (
        length.as_secs(),
        length.as_secs() / 60,
        length.as_secs() / 3_600,
    );
    let (amount, unit, rest, smaller) = match seconds {
        0 => return format!("{}ms", length.subsec_millis()),
        1..60 => return format!("{seconds}s"),
        60..3_600 => (minutes, 'm', seconds % 60, 's'),
        3_600..86_400 => (hours, 'h', minutes % 60, 'm'),
        _ => (hours / 24, 'd', hours % 24, 'h'),
    };
    match rest {
        0 => format!("{amount}{unit}"),
        rest => format!("{amount}{unit} {rest}{smaller}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::rounded;

    #[test]
    fn a_length_of_time_has_at_most_two_units() {
        for (seconds, text) in [
            (0.0, "0ms"),
            (0.0349, "34ms"),
            (59.9, "59s"),
            (60.0, "1m"),
            (61.0, "1m 1s"),
            (3_600.0, "1h"),
            (5_430.0, "1h 30m"),
            (86_400.0, "1d"),
            (400.0 * 86_400.0 + 7_300.0, "400d 2h"),
        ] {
            assert_eq!(rounded(Duration::from_secs_f64(seconds)), text);
        }
    }
}
