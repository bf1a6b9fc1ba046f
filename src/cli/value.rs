//! The values of flags and how people write them. An error is a sentence about what is wanted.

use std::fmt::Display;
use std::num::{IntErrorKind, ParseIntError};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, SubsecRound, Utc};

use crate::clock;
use crate::event::parse_time;

/// A length of time, such as `90s`, `10m`, `36h` or `7d`.
pub fn age(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "an age is wanted, such as 90s, 10m, 36h or 7d".to_owned())
}

/// A whole number within a range.
pub fn whole_number<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr<Err = ParseIntError> + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    let (least, most) = (*range.start(), *range.end());
    move |text| {
        let too_large = || format!("the most is {most}");
        match text.parse() {
            Ok(number) if number > most => Err(too_large()),
            Ok(number) if number >= least => Ok(number),
            Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(too_large()),
            _ => Err(format!("a whole number of at least {least} is wanted")),
        }
    }
}

/// The number of a rejection, or the natural key of an entity.
pub fn id(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| format!("a whole number is wanted, at most {}", i64::MAX))
}

/// A start given by hand, UTC, and not after the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(pub DateTime<Utc>);

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Since, String> {
        let age = || {
            let age = humantime::parse_duration(text).ok()?;
            clock::now().checked_sub_signed(chrono::TimeDelta::from_std(age).ok()?)
        };
        let time = time_by_hand(text)
            .or_else(age)
            .filter(|time| time.year() > 0)
            .ok_or_else(|| {
                "a date (2026-11-23), a time (2026-11-23 20:10, in UTC unless it says otherwise) or an age (90m, 36h, \
                 7d) is wanted"
                    .to_owned()
            })?;
        let now = clock::now();
        if time > now {
            return Err(format!(
                "{time} is still to come: it is {} now",
                now.trunc_subsecs(0)
            ));
        }
        Ok(Since(time))
    }
}

/// Reads a time as people write it and this program prints it: the date alone, the time without
/// seconds, with a zone or without one, which then is UTC.
fn time_by_hand(text: &str) -> Option<DateTime<Utc>> {
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let to_the_minute = "2026-11-23 20:10".len();
    let (minute, zone) = text.split_at_checked(to_the_minute).unwrap_or((text, ""));
    [
        text,
        &format!("{text}Z"),
        &format!("{text} 00:00:00"),
        &format!("{minute}:00{zone}"),
        &format!("{text}:00Z"),
    ]
    .into_iter()
    .find_map(parse_time)
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::{Since, age, id, whole_number};

    #[test]
    fn an_error_says_what_is_wanted() {
        let refused = |result: Result<u32, String>| result.expect_err("out of the range");
        let files = whole_number(1..=100_u32);
        assert_eq!(files("1"), Ok(1));
        assert_eq!(files("100"), Ok(100));
        for text in ["101", "99999999999999999999"] {
            assert_eq!(refused(files(text)), "the most is 100", "{text}");
        }
        for text in ["0", "-1", "1.5", "1e3", "x", ""] {
            let expected = "a whole number of at least 1 is wanted";
            assert_eq!(refused(files(text)), expected, "{text}");
        }
        assert_eq!(id("-42"), Ok(-42));
        for text in ["x", "", "4.2", "9223372036854775808"] {
            let refusal = id(text).expect_err(text);
            assert!(refusal.starts_with("a whole number is wanted"), "{refusal}");
        }
        assert_eq!(age("90m").map(|age| age.as_secs()), Ok(5_400));
        for text in ["", "x", "5", "-1s", "9999999999999999y"] {
            let refusal = age(text).expect_err(text);
            assert!(refusal.starts_with("an age is wanted"), "{refusal}");
        }
    }

    #[test]
    fn a_start_is_read_as_people_write_it() {
        let since = |text: &str| text.parse::<Since>().map(|Since(time)| time.to_rfc3339());
        for (text, expected) in [
            ("2026-01-23", "2026-01-23T00:00:00+00:00"),
            ("2026-01-23 20:10", "2026-01-23T20:10:00+00:00"),
            ("2026-01-23T20:10", "2026-01-23T20:10:00+00:00"),
            ("2026-01-23T20:10Z", "2026-01-23T20:10:00+00:00"),
            ("2026-01-23 20:10+05:30", "2026-01-23T14:40:00+00:00"),
            ("2026-01-23 20:10:23", "2026-01-23T20:10:23+00:00"),
            ("2026-01-23T20:10:23", "2026-01-23T20:10:23+00:00"),
            ("2026-01-23 20:10:23 UTC", "2026-01-23T20:10:23+00:00"),
            (
                "2026-01-23T20:10:23.123456Z",
                "2026-01-23T20:10:23.123456+00:00",
            ),
            (
                "2026-01-23 20:10:23.123456",
                "2026-01-23T20:10:23.123456+00:00",
            ),
            ("2026-01-23T20:10:23-01:00", "2026-01-23T21:10:23+00:00"),
        ] {
            assert_eq!(since(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-01-23 20",
            "2026-01-23Z",
            "2026-01-23 20:1",
            "2026-01-23 20:10:2",
            "2026-01-23 24:00",
            "2026-02-29",
            "2026-01-23 20:10 Z",
            "2026-01-23 20:10:23 CET",
            "2026-01-23 20:1é",
            "0000-01-01",
            "9000y",
        ] {
            let refusal = since(text).expect_err(text);
            assert!(refusal.contains("is wanted"), "{text}: {refusal}");
        }
    }

    #[test]
    fn an_age_counts_from_now_and_what_is_to_come_is_refused() {
        let Since(hour_ago) = "1h".parse().expect("an age");
        assert!((3_600..3_660).contains(&(Utc::now() - hour_ago).num_seconds()));
        assert!("0s".parse::<Since>().is_ok());
        for text in ["9999-01-01", "9999-12-31 23:59", "9999-12-31T23:59:59Z"] {
            let refusal = text.parse::<Since>().expect_err(text);
            assert!(refusal.contains("is still to come: it is "), "{refusal}");
        }
    }
}
