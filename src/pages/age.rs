//! How long ago something was, or how far ahead it is.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How long ago a time was. What is still to come has a negative age and is shown as such: services
/// and clocks can be wrong, and a wrong time must not look like the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(TimeDelta);

impl Age {
    /// The age of `time` at `now`.
    pub fn of(time: DateTime<Utc>, now: DateTime<Utc>) -> Age {
        Age(now - time)
    }

    /// The length of time without its direction.
    pub fn length(self) -> Duration {
        self.0.abs().to_std().unwrap_or_default()
    }

    /// Whether the time was longer ago than this.
    pub fn is_over(self, limit: Duration) -> bool {
        self.0 > TimeDelta::zero() && self.length() > limit
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = rounded(self.length());
        match self.0 < TimeDelta::zero() {
            true => write!(f, "in {length}"),
            false => write!(f, "{length} ago"),
        }
    }
}

/// A length of time in its one or two largest units, at most eight characters for ten years.
pub fn rounded(length: Duration) -> String {
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

    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Age, rounded};

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

    #[test]
    fn what_is_still_to_come_is_not_shown_as_the_present() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let age = |seconds| Age::of(now - TimeDelta::seconds(seconds), now);
        assert_eq!(age(61).to_string(), "1m 1s ago");
        assert_eq!(age(0).to_string(), "0ms ago");
        assert_eq!(age(-3 * 3_600).to_string(), "in 3h");
        let over = [61, 60, -61].map(|seconds| age(seconds).is_over(Duration::from_secs(60)));
        assert_eq!(over, [true, false, false]);
    }
}
