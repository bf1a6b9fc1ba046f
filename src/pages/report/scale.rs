//! Axes: which buckets time falls into, and which round values and moments stand beside a chart.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// Where buckets are counted from, in seconds since 1970: the first day of a millennium, and a
/// Monday, so that weeks begin on one.
const ORIGIN: i64 = 978_307_200;

/// Widths of a bucket, in seconds, round to a person.
const WIDTHS: [i64; 23] = [
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

/// The widest, in seconds: a hundred of them are all the time that there is.
const WIDEST: i64 = 10_400 * WEEK;

/// Most buckets of a chart: three points of a phone's screen each.
const MOST_BUCKETS: i64 = 100;

/// Most marks on an axis of time; every other one is left out on a phone.
const MOST_MARKS: i64 = 9;

/// Months between marks that are further apart than weeks.
const MONTH_STEPS: [u32; 8] = [1, 2, 3, 6, 12, 24, 60, 120];

/// Marks wanted on an axis of values.
const VALUE_MARKS: f64 = 4.0;

/// A stretch of time in buckets of one round width.
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
    /// What is written there.
    pub label: String,
}

impl TimeAxis {
    /// The axis that holds both moments, with as narrow buckets as are not too many.
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
        self.moment(self.buckets)
    }

    /// Start of a bucket.
    pub fn moment(&self, bucket: usize) -> DateTime<Utc> {
        self.start + TimeDelta::seconds(self.width * bucket as i64)
    }

    /// The bucket that starts at a moment or holds it.
    pub fn bucket(&self, moment: DateTime<Utc>) -> Option<usize> {
        let seconds = moment.timestamp() - self.start.timestamp();
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

    /// The stretch in words; a day alone if it is within one.
    pub fn in_words(&self) -> String {
        // No line ends within a day.
        let day = |moment: DateTime<Utc>| moment.format("%-d\u{a0}%b\u{a0}%Y").to_string();
        let (first, last) = (day(self.start), day(self.end() - TimeDelta::seconds(1)));
        match first == last {
            true => first,
            false => format!("{first} to {last}"),
        }
    }

    /// A moment as the start of a bucket is written in a table.
    pub fn label(&self, moment: DateTime<Utc>) -> String {
        let form = match self.width {
            ..MINUTE => "%Y-%m-%d %H:%M:%S",
            MINUTE..DAY => "%Y-%m-%d %H:%M",
            _ => "%Y-%m-%d",
        };
        moment.format(form).to_string()
    }

    /// Marks at round moments.
    pub fn marks(&self) -> Vec<TimeMark> {
        let span = self.width * self.buckets as i64;
        let step = WIDTHS
            .into_iter()
            .find(|step| *step <= WEEK && span / step < MOST_MARKS);
        let moments = match step {
            Some(step) => self.every(step),
            None => self.every_months(span),
        };
        let is_months = step.is_none();
        let is_years = is_months && moments.iter().all(|moment| moment.month() == 1);
        moments
            .into_iter()
            .map(|moment| TimeMark {
                at: (moment - self.start).num_seconds() as f64 / span as f64,
                label: moment
                    .format(match step {
                        _ if is_years => "%Y",
                        None => "%b %Y",
                        Some(..MINUTE) => "%H:%M:%S",
                        // Midnight is where the day changes.
                        Some(MINUTE..DAY) if moment.timestamp().rem_euclid(DAY) != 0 => "%H:%M",
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
            .take_while(|moment| *moment <= self.end())
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
        .take_while(|moment| *moment <= self.end())
        .filter(|moment| *moment >= self.start)
        .collect()
    }
}

fn since_origin(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(ORIGIN + seconds, 0).unwrap_or_default()
}

fn bucket(moment: DateTime<Utc>, width: i64) -> i64 {
    (moment.timestamp() - ORIGIN).div_euclid(width)
}

/// What the values of an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things, which come whole.
    Things,
    /// Seconds.
    Seconds,
}

/// An axis of values from zero to a round one.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueAxis {
    /// The marks, zero first.
    pub marks: Vec<f64>,
    unit: Unit,
}

impl ValueAxis {
    /// The axis for values up to `most`.
    pub fn to(most: f64, unit: Unit) -> ValueAxis {
        let least_step = (most / VALUE_MARKS).max(f64::MIN_POSITIVE);
        let decimal = |least: f64| {
            let power = 10_f64.powf(least.log10().floor());
            [1.0, 2.0, 5.0, 10.0]
                .into_iter()
                .map(|digit| digit * power)
                .find(|step| *step >= least * (1.0 - f64::EPSILON))
                .unwrap_or(10.0 * power)
        };
        let step = match unit {
            Unit::Things => decimal(least_step.max(1.0)),
            Unit::Seconds => WIDTHS
                .into_iter()
                .map(|width| width as f64)
                .find(|width| *width >= least_step && *width <= DAY as f64)
                .unwrap_or_else(|| DAY as f64 * decimal(least_step / DAY as f64)),
        };
        let steps = (most / step).ceil().max(1.0) as u32;
        ValueAxis {
            marks: (0..=steps).map(|number| f64::from(number) * step).collect(),
            unit,
        }
    }

    /// Where a value is, from 0 at zero to 1 at the last mark; values outside are put at the ends.
    pub fn place(&self, value: f64) -> f64 {
        (value / self.marks.last().copied().unwrap_or(1.0)).clamp(0.0, 1.0)
    }

    /// A value as it is written beside the axis.
    pub fn label(&self, value: f64) -> String {
        match self.unit {
            Unit::Things => short_count(value),
            Unit::Seconds => duration(value),
        }
    }
}

/// A count in few characters.
fn short_count(value: f64) -> String {
    match value {
        ..10_000.0 => grouped(value as i64),
        10_000.0..1_000_000.0 => format!("{}k", value / 1_000.0),
        _ => format!("{}M", value / 1_000_000.0),
    }
}

/// A count with its digits in groups of three.
pub fn grouped(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut grouped = if value < 0 { "−" } else { "" }.to_owned();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A length of time in the largest unit that it fills, with one decimal if it does not fill ten.
pub fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        0.0 => (0.0, "s"),
        ..1.0 => (seconds * 1_000.0, "ms"),
        1.0..60.0 => (seconds, "s"),
        60.0..3_600.0 => (seconds / 60.0, "min"),
        3_600.0..86_400.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    let rounded = (value * 10.0).round() / 10.0;
    match rounded.abs() < 10.0 && rounded.fract() != 0.0 {
        true => format!("{rounded:.1} {unit}"),
        false => format!("{rounded:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{TimeAxis, Unit, ValueAxis, duration, grouped};

    fn axis(first: &str, last: &str) -> TimeAxis {
        let moment = |text: &str| text.parse::<DateTime<Utc>>().expect("a moment");
        TimeAxis::over(moment(first), moment(last))
    }

    fn marks(axis: &TimeAxis) -> Vec<String> {
        axis.marks().into_iter().map(|mark| mark.label).collect()
    }

    #[test]
    fn buckets_are_round_and_hold_every_moment() {
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
                first.parse().expect("a moment"),
                last.parse().expect("a moment"),
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
    fn marks_of_time_stand_at_round_moments() {
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

    #[test]
    fn marks_of_values_are_round_and_begin_at_zero() {
        let marks = |most, unit| -> Vec<String> {
            let axis = ValueAxis::to(most, unit);
            axis.marks.iter().map(|mark| axis.label(*mark)).collect()
        };
        assert_eq!(marks(0.0, Unit::Things), ["0", "1"]);
        assert_eq!(marks(1.0, Unit::Things), ["0", "1"]);
        assert_eq!(marks(7.0, Unit::Things), ["0", "2", "4", "6", "8"]);
        assert_eq!(marks(1_000.0, Unit::Things), ["0", "500", "1,000"]);
        assert_eq!(
            marks(61_000.0, Unit::Things),
            ["0", "20k", "40k", "60k", "80k"]
        );
        assert_eq!(marks(9.0, Unit::Seconds), ["0 s", "5 s", "10 s"]);
        assert_eq!(
            marks(7_000.0, Unit::Seconds),
            ["0 s", "30 min", "1 h", "1.5 h", "2 h"]
        );
        assert_eq!(
            marks(1e9, Unit::Seconds),
            ["0 s", "5000 d", "10000 d", "15000 d"]
        );
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567, -1_000].map(grouped),
            ["0", "999", "1,000", "1,234,567", "−1,000"]
        );
        assert_eq!(
            [0.0, 0.25, 1.5, 90.0, 40_000.0, 1e6].map(duration),
            ["0 s", "250 ms", "1.5 s", "1.5 min", "11 h", "12 d"]
        );
    }
}
