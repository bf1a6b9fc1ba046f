//! Numbers as people read them: counts, shares, durations and times.

use chrono::{DateTime, Utc};

use crate::pages::terminal::whole_seconds;

/// The unit of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole things.
    Things,
    /// Seconds.
    Seconds,
    /// A share, from 0 to 1.
    Share,
}

impl Unit {
    /// A value in full.
    pub fn text(self, value: f64) -> String {
        match self {
            Unit::Things => grouped(value.round() as i64),
            Unit::Seconds => duration(value),
            Unit::Share => share(value),
        }
    }

    /// A round value in few characters, for an axis.
    pub fn mark(self, value: f64) -> String {
        match self {
            Unit::Things => match value {
                ..10_000.0 => grouped(value as i64),
                10_000.0..1_000_000.0 => format!("{}k", value / 1_000.0),
                _ => format!("{}M", value / 1_000_000.0),
            },
            Unit::Seconds | Unit::Share => self.text(value),
        }
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

/// A number of things, in words: "1 file", "2,000 files".
pub fn counted(number: i64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// A duration in the largest unit of which it has at least one, with one decimal below ten.
pub fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        0.0 => (0.0, "s"),
        ..1.0 => (seconds * 1_000.0, "ms"),
        1.0..60.0 => (seconds, "s"),
        60.0..3_600.0 => (seconds / 60.0, "min"),
        3_600.0..86_400.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    format!("{} {unit}", decimal(value))
}

/// A share in per cent. Only zero is rounded to 0%, and only the whole to 100%.
pub fn share(part: f64) -> String {
    match part * 100.0 {
        0.0 => "0%".to_owned(),
        ..0.05 => "<0.1%".to_owned(),
        99.5..100.0 => ">99%".to_owned(),
        percent => format!("{}%", decimal(percent)),
    }
}

/// A number with one decimal if it is below ten, else without.
fn decimal(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    match rounded.abs() < 10.0 && rounded.fract() != 0.0 {
        true => format!("{rounded:.1}"),
        false => format!("{rounded:.0}"),
    }
}

/// A time to the second, with its zone.
pub fn zoned_time(time: DateTime<Utc>) -> String {
    format!("{} UTC", whole_seconds(time))
}

#[cfg(test)]
mod tests {
    use super::{Unit, counted, duration, grouped, share};

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567, -1_000].map(grouped),
            ["0", "999", "1,000", "1,234,567", "−1,000"]
        );
        assert_eq!(
            [0, 1, 2_000].map(|number| counted(number, "file")),
            ["0 files", "1 file", "2,000 files"]
        );
        assert_eq!(
            [0.0, 0.25, 1.5, 90.0, 40_000.0, 1e6].map(duration),
            ["0 s", "250 ms", "1.5 s", "1.5 min", "11 h", "12 d"]
        );
        assert_eq!(
            [0.0, 0.0001, 0.0123, 0.5, 0.9951, 1.0].map(share),
            ["0%", "<0.1%", "1.2%", "50%", ">99%", "100%"]
        );
        assert_eq!(
            [0.0, 9_000.0, 20_000.0, 1_500_000.0].map(|value| Unit::Things.mark(value)),
            ["0", "9,000", "20k", "1.5M"]
        );
    }
}
