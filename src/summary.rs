//! What a run did, in numbers that add up.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::source::Source;

/// Counts of files and versions. Every file that a run reads is exactly one of loaded, duplicate,
/// rejected and pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Files read.
    pub files: i64,
    /// Files whose event was loaded.
    pub loaded: i64,
    /// Files whose event was already loaded.
    pub duplicates: i64,
    /// Files kept in `landing.rejected_event`.
    pub rejected: i64,
    /// Files left to a later run: their document has not ended, or they cannot be read.
    pub pending: i64,
    /// Versions written to the dimensions.
    pub versions_opened: i64,
    /// Versions that got an end: new or current before, and ended now.
    pub versions_closed: i64,
    /// Versions of earlier runs that were rewritten: they got other content or another period, or a
    /// longer version replaced them. Those that only got an end are not among them.
    pub versions_changed: i64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.files += other.files;
        self.loaded += other.loaded;
        self.duplicates += other.duplicates;
        self.rejected += other.rejected;
        self.pending += other.pending;
        self.versions_opened += other.versions_opened;
        self.versions_closed += other.versions_closed;
        self.versions_changed += other.versions_changed;
    }
}

/// Counts and the time they took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Tally {
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// The time, printed in whole milliseconds.
    #[serde(rename = "elapsed_ms", serialize_with = "as_millis")]
    pub elapsed: Duration,
}

impl Tally {
    /// Adds work that took this long.
    pub fn add(&mut self, counts: Counts, elapsed: Duration) {
        self.counts += counts;
        self.elapsed += elapsed;
    }
}

fn as_millis<S: Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(elapsed.as_millis())
}

/// What a run did, in all and by source: the object that `etl run --json` prints.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// All sources together; the time is that of the whole run.
    #[serde(flatten)]
    pub total: Tally,
    /// By source; the time is that of loading its files.
    pub sources: BTreeMap<&'static str, Tally>,
}

impl Summary {
    /// An empty summary of these sources.
    pub fn of(sources: &[Source]) -> Summary {
        Summary {
            total: Tally::default(),
            sources: sources
                .iter()
                .map(|source| (source.name(), Tally::default()))
                .collect(),
        }
    }
}
