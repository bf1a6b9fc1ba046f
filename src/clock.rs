//! Times: what the clock shows, and what the file system stamps a file with.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Nanoseconds in a microsecond; PostgreSQL keeps the latter.
const NANOS_PER_MICRO: i64 = 1_000;

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A time as the file system stamps it: nanoseconds since 1970-01-01 UTC.
///
/// It reaches from 1677 to 2262; a time beyond that counts as the nearest whole second within.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileTime(i64);

impl FileTime {
    /// From `stat`: seconds since 1970-01-01 UTC and nanoseconds within the second.
    pub fn from_stat(seconds: i64, nanos: i64) -> FileTime {
        let time = seconds
            .checked_mul(NANOS_PER_SECOND)
            .and_then(|time| time.checked_add(nanos));
        // The fraction of a limit would be one that the file does not have, and fractions order events.
        let nearest = || match seconds {
            0.. => i64::MAX - i64::MAX % NANOS_PER_SECOND,
            _ => i64::MIN - i64::MIN % NANOS_PER_SECOND,
        };
        FileTime(time.unwrap_or_else(nearest))
    }

    /// From nanoseconds since 1970-01-01 UTC.
    pub fn from_nanos(nanos: i64) -> FileTime {
        FileTime(nanos)
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub fn nanos(self) -> i64 {
        self.0
    }

    /// The time rounded down to the microsecond, as the database keeps it.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.div_euclid(NANOS_PER_MICRO)).unwrap_or_default()
    }

    /// This time less a length of time.
    pub fn before(self, length: Duration) -> FileTime {
        FileTime(
            self.0
                .saturating_sub(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// How long before `now` this was; zero if it was not before.
    pub fn age(self, now: FileTime) -> Duration {
        u64::try_from(now.0.saturating_sub(self.0)).map_or(Duration::ZERO, Duration::from_nanos)
    }
}

impl From<DateTime<Utc>> for FileTime {
    fn from(time: DateTime<Utc>) -> FileTime {
        FileTime(time.timestamp_micros().saturating_mul(NANOS_PER_MICRO))
    }
}

/// The clock of this machine, which also stamps the files.
///
/// A clock that is set back and forth is what the offset has to survive, so tests can give one that
/// is wrong from some time on.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// From each of these times on, how far the clock is ahead, in nanoseconds; in order.
    pub changes: Vec<(FileTime, i64)>,
}

impl Clock {
    /// The time, in whole microseconds.
    pub fn now(&self) -> DateTime<Utc> {
        self.shown(Utc::now().into()).to_utc()
    }

    /// What the clock shows, or stamps a file with, at a time.
    pub fn shown(&self, time: FileTime) -> FileTime {
        let change = self.changes.iter().rfind(|(since, _)| *since <= time);
        FileTime(time.0.saturating_add(change.map_or(0, |(_, ahead)| *ahead)))
    }
}

/// The time by the clock of this machine, in whole microseconds.
pub fn now() -> DateTime<Utc> {
    Clock::default().now()
}

#[cfg(test)]
mod tests {
    use super::{FileTime, NANOS_PER_SECOND};

    #[test]
    fn a_time_that_is_too_far_away_has_no_fraction_of_a_second() {
        for seconds in [10_413_792_000, i64::MAX, -10_413_792_000, i64::MIN] {
            let time = FileTime::from_stat(seconds, 999_999_999).nanos();
            assert_eq!(time % NANOS_PER_SECOND, 0);
            assert_eq!(time.signum(), seconds.signum());
            assert!(time.unsigned_abs() > 292 * 365 * 86_400 * 1_000_000_000);
        }
        assert_eq!(FileTime::from_stat(1, 5).nanos(), 1_000_000_005);
        assert_eq!(FileTime::from_stat(-1, 5).nanos(), -999_999_995);
    }
}
