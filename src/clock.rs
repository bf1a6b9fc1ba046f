//! Moments: what the clock says, what a file is stamped with, and how far a source has been read.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Nanoseconds in a microsecond; PostgreSQL keeps the latter.
const NANOS_PER_MICRO: i64 = 1_000;

/// Nanoseconds in a second.
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A moment as the file system stamps it: nanoseconds since 1970-01-01 UTC.
///
/// Reaches from 1677 to 2262; what a file system says beyond that counts as the nearest of the two.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileTime(i64);

impl FileTime {
    /// What `stat` tells: seconds since 1970-01-01 UTC and nanoseconds within the second.
    pub fn from_stat(seconds: i64, nanos: i64) -> FileTime {
        FileTime(
            seconds
                .saturating_mul(NANOS_PER_SECOND)
                .saturating_add(nanos),
        )
    }

    /// The moment as a number of nanoseconds since 1970-01-01 UTC.
    pub fn from_nanos(nanos: i64) -> FileTime {
        FileTime(nanos)
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub fn nanos(self) -> i64 {
        self.0
    }

    /// The moment rounded down to the microsecond, as the database keeps it.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.div_euclid(NANOS_PER_MICRO)).unwrap_or_default()
    }

    /// This moment less a length of time.
    pub fn before(self, length: Duration) -> FileTime {
        FileTime(
            self.0
                .saturating_sub(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// How long before `now` this was; nothing if it was not.
    pub fn age(self, now: FileTime) -> Duration {
        u64::try_from(now.0.saturating_sub(self.0)).map_or(Duration::ZERO, Duration::from_nanos)
    }
}

impl From<DateTime<Utc>> for FileTime {
    fn from(moment: DateTime<Utc>) -> FileTime {
        FileTime(moment.timestamp_micros().saturating_mul(NANOS_PER_MICRO))
    }
}

/// The clock of this machine.
pub fn now() -> DateTime<Utc> {
    displayed(Utc::now().into()).to_utc()
}

/// What the clock of this machine showed at a moment, which is the moment.
#[cfg(not(debug_assertions))]
pub fn displayed(moment: FileTime) -> FileTime {
    moment
}

/// What the clock of this machine showed at a moment. `ETL_CLOCK_CHANGES` makes it a clock that was
/// set: `1764000000.5=3600 1764000060=0` was an hour ahead from the first of these moments on and
/// right again from the second on. Debug builds alone know of it, for the tests.
#[cfg(debug_assertions)]
pub fn displayed(moment: FileTime) -> FileTime {
    let changes = std::env::var("ETL_CLOCK_CHANGES").unwrap_or_default();
    let nanos = |seconds: &str| {
        seconds
            .parse::<f64>()
            .map_or(0, |seconds| (seconds * NANOS_PER_SECOND as f64) as i64)
    };
    let ahead = changes
        .split_whitespace()
        .filter_map(|change| change.split_once('='))
        .rfind(|(since, _)| nanos(since) <= moment.0)
        .map_or(0, |(_, ahead)| nanos(ahead));
    FileTime(moment.0.saturating_add(ahead))
}
