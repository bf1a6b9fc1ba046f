//! A time axis: buckets of a round width, and marks at round times.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// Where buckets are counted from, in seconds since 1970: the first day of a millennium, and a
/// Monday, so that weeks begin on one.
const ORIGIN: i64 = 978_307_200;

/// Widths of a bucket that people find round, in seconds.
pub(super) const WIDTHS: [i64; 23] = [
    1,
    2,
    5,
    10,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    WEEK,
    4 * WEEK,
    52 * WEEK,
    520 * WEEK,
    WIDEST,
];

/// The widest, in seconds: a hundred of them cover all times that PostgreSQL and chrono know.
const WIDEST: i64 = 10_400 * WEEK;

/// Most buckets of a chart: three points of a phone's screen each.
const MOST_BUCKETS: i64 = 100;

/// Most marks on an axis of time; every other one is left out on a phone.
const MOST_MARKS: i64 = 9;

/// Months between marks that are further apart than weeks.
const MONTH_STEPS: [u32; 8] = [1, 2, 3, 6, 12, 24, 60, 120];

/// A time range in buckets of one round width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeAxis {
    /// Start of the first bucket.
    pub start: DateTime<Utc>,
    /// Width of a bucket in seconds.
    pub width: i64,
    /// How many there are, at least one.
    pub buckets: usize,
}

/// A mark on an axis of time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeMark {
    /// Where it is, from 0 at the start to 1 at the end.
    pub at: f64,
    /// Its text.
    pub label: String,
    /// Whether a day begins there, so that the label is a date.
    pub is_midnight: bool,
}

impl TimeAxis {
    /// The axis over both times, with the narrowest buckets that are not too many.
    pub fn over(first: DateTime<Utc>, last: DateTime<Utc>) -> TimeAxis {
        let number = |width: i64| bucket(last, width) - bucket(first, width) + 1;
        let width = WIDTHS
            .into_iter()
            .find(|width| number(*width) <= MOST_BUCKETS)
            .unwrap_or(WIDEST);
        TimeAxis {
            start: since_origin(bucket(first, width) * width),
            width,
            buckets: usize::try_from(number(width)).unwrap_or(1).max(1),
        }
    }

    /// End of the last bucket.
    pub fn end(&self) -> DateTime<Utc> {
        self.start_of(self.buckets)
    }

    /// Start of a bucket.
    pub fn start_of(&self, bucket: usize) -> DateTime<Utc> {
        self.start + TimeDelta::seconds(self.width * bucket as i64)
    }

    /// Middle of a bucket, from 0 at the start of the axis to 1 at its end.
    pub fn middle(&self, bucket: usize) -> f64 {
        (bucket as f64 + 0.5) / self.buckets as f64
    }

    /// The bucket that starts at a time or holds it.
    pub fn bucket(&self, time: DateTime<Utc>) -> Option<usize> {
        let seconds = time.timestamp() - self.start.timestamp();
        usize::try_from(seconds.div_euclid(self.width))
            .ok()
            .filter(|bucket| *bucket < self.buckets)
    }

    /// Width of a bucket in words, as they follow "per".
    pub fn width_in_words(&self) -> String {
        match self.width {
            1 => "second".to_owned(),
            MINUTE => "minute".to_owned(),
            HOUR => "hour".to_owned(),
            DAY => "day".to_owned(),
            WEEK => "week".to_owned(),
            width if width % WEEK == 0 => format!("{} weeks", width / WEEK),
            width if width % HOUR == 0 => format!("{} hours", width / HOUR),
            width if width % MINUTE == 0 => format!("{} minutes", width / MINUTE),
            width => format!("{width} seconds"),
        }
    }

    /// The range in words: its days, in UTC.
    pub fn in_words(&self) -> String {
        // No line break within a date.
        let day = |time: DateTime<Utc>| time.format("%-d\u{a0}%b\u{a0}%Y").to_string();
        let (first, last) = (day(self.start), day(self.end() - TimeDelta::seconds(1)));
        match first == last {
            true => format!("{first}\u{a0}UTC"),
            false => format!("{first} to {last}\u{a0}UTC"),
        }
    }

    /// The start of a bucket as text in a table.
    pub fn label(&self, time: DateTime<Utc>) -> String {
        let form = match self.width {
            ..MINUTE => "%Y-%m-%d %H:%M:%S",
            MINUTE..DAY => "%Y-%m-%d %H:%M",
            _ => "%Y-%m-%d",
        };
        time.format(form).to_string()
    }

    /// Marks at round times.
    pub fn marks(&self) -> Vec<TimeMark> {
        let span = self.width * self.buckets as i64;
        let step = WIDTHS
            .into_iter()
            .find(|step| *step <= WEEK && span / step < MOST_MARKS);
        let times = match step {
            Some(step) => self.every(step),
            None => self.every_months(span),
        };
        let is_months = step.is_none();
        let is_years = is_months && times.iter().all(|time| time.month() == 1);
        times
            .into_iter()
            .map(|time| TimeMark {
                at: (time - self.start).num_seconds() as f64 / span as f64,
                is_midnight: is_midnight(time),
                label: time
                    .format(match step {
                        _ if is_years => "%Y",
                        None => "%b %Y",
                        Some(..MINUTE) => "%H:%M:%S",
                        // Midnight is labelled with the new day.
                        Some(MINUTE..DAY) if !is_midnight(time) => "%H:%M",
                        Some(_) => "%-d %b",
                    })
                    .to_string(),
            })
            .collect()
    }

    fn every(&self, step: i64) -> Vec<DateTime<Utc>> {
        let first = -(ORIGIN - self.start.timestamp()).div_euclid(step);
        (first..)
            .map(|number| since_origin(number * step))
            .take_while(|time| *time <= self.end())
            .collect()
    }

    fn every_months(&self, span: i64) -> Vec<DateTime<Utc>> {
        // Beyond the longest step in the list there are decades, centuries and millennia.
        let steps = MONTH_STEPS.into_iter().chain([1_200, 12_000]);
        let step = steps
            .clone()
            .find(|months| span / (i64::from(*months) * 30 * DAY) < MOST_MARKS)
            .unwrap_or(12_000);
        let whole_years = (step / 12).max(1) as i32;
        let first_year = self.start.year().div_euclid(whole_years) * whole_years;
        let first = NaiveDate::from_ymd_opt(first_year, 1, 1).unwrap_or(NaiveDate::MIN);
        std::iter::successors(Some(first), |date| {
            date.checked_add_months(Months::new(step))
        })
        .map(|date| date.and_time(Default::default()).and_utc())
        .take_while(|time| *time <= self.end())
        .filter(|time| *time >= self.start)
        .collect()
    }
}

fn is_midnight(time: DateTime<Utc>) -> bool {
    time.timestamp().rem_euclid(DAY) == 0
}

fn since_origin(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(ORIGIN + seconds, 0).unwrap_or_default()
}

fn bucket(time: DateTime<Utc>, width: i64) -> i64 {
    (time.timestamp() - ORIGIN).div_euclid(width)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::TimeAxis;

    fn axis(first: &str, last: &str) -> TimeAxis {
        let time = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        TimeAxis::over(time(first), time(last))
    }

    #[test]
    fn a_range_in_words_names_its_zone() {
        let minutes = axis("2026-11-23T20:10:20Z", "2026-11-23T20:17:19Z");
        assert_eq!(minutes.in_words(), "23\u{a0}Nov\u{a0}2026\u{a0}UTC");
        let days = axis("2026-11-23T20:10:20Z", "2026-11-25T00:00:00Z");
        assert_eq!(
            days.in_words(),
            "23\u{a0}Nov\u{a0}2026 to 25\u{a0}Nov\u{a0}2026\u{a0}UTC"
        );
    }

    fn marks(axis: &TimeAxis) -> Vec<String> {
        axis.marks().into_iter().map(|mark| mark.label).collect()
    }

    #[test]
    fn buckets_are_round_and_hold_every_time() {
        for (first, last, width) in [
            ("2026-11-23T20:10:20Z", "2026-11-23T20:10:20Z", 1),
            ("2026-11-23T20:10:20Z", "2026-11-23T20:17:19.9Z", 5),
            ("2026-11-23T20:10:20Z", "2026-11-24T20:10:20Z", 900),
            ("2026-10-14T00:00:00Z", "2026-11-23T23:59:59Z", 43_200),
            (
                "0001-01-01T00:00:00Z",
                "9999-12-31T23:59:59Z",
                10_400 * 604_800,
            ),
        ] {
            let axis = axis(first, last);
            let (first, last) = (
                first.parse().expect("a time"),
                last.parse().expect("a time"),
            );
            assert_eq!(axis.width, width, "{first} {last}");
            assert!(axis.buckets <= 100);
            assert_eq!(axis.bucket(first), Some(0), "{axis:?}");
            assert_eq!(axis.bucket(last), Some(axis.buckets - 1), "{axis:?}");
            assert_eq!(axis.bucket(axis.end()), None);
            assert!(!axis.marks().is_empty() || axis.buckets == 1, "{axis:?}");
            assert!(
                axis.marks()
                    .iter()
                    .all(|mark| (0.0..=1.0).contains(&mark.at))
            );
        }
    }

    #[test]
    fn marks_are_at_round_times() {
        let minutes = axis("2026-11-23T20:10:20Z", "2026-11-23T20:17:19Z");
        assert_eq!(
            marks(&minutes),
            [
                "20:11", "20:12", "20:13", "20:14", "20:15", "20:16", "20:17"
            ]
        );
        let midnight = axis("2026-11-23T20:00:00Z", "2026-11-24T03:59:00Z");
        assert_eq!(
            marks(&midnight),
            [
                "20:00", "21:00", "22:00", "23:00", "24 Nov", "01:00", "02:00", "03:00", "04:00"
            ]
        );
        let years = axis("2020-03-01T00:00:00Z", "2026-11-24T03:59:00Z");
        assert_eq!(
            marks(&years),
            ["2021", "2022", "2023", "2024", "2025", "2026"]
        );
    }
}
