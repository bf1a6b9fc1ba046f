//! Times as events spell them.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

/// Digits of a fraction of a second that count; the database keeps microseconds.
const FRACTION_DIGITS: usize = 6;

/// Years that a time may be in. Python's datetime, for one, has no others.
const YEARS: RangeInclusive<i32> = 1..=9_999;

/// Reads `YYYY-MM-DD HH:MM:SS[.ffffff]`, taken as UTC, or an RFC 3339 time.
///
/// RFC 3339 allows a space in place of the `T` (section 5.6) and any number of fractional digits;
/// those beyond microseconds are cut off. A leap second (`:60`) is not accepted: neither
/// `timestamptz` nor UTC arithmetic has a place for it. In UTC the year is from 1 to 9999: what many
/// clients of PostgreSQL can represent.
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    literal(&mut rest, b"-")?;
    let month = digits(&mut rest, 2)?;
    literal(&mut rest, b"-")?;
    let day = digits(&mut rest, 2)?;
    let separator = literal(&mut rest, b" Tt")?;
    let hour = digits(&mut rest, 2)?;
    literal(&mut rest, b":")?;
    let minute = digits(&mut rest, 2)?;
    literal(&mut rest, b":")?;
    let second = digits(&mut rest, 2)?;
    let fraction = match literal(&mut rest, b".") {
        Some(_) => Some(fraction(&mut rest)?),
        None => None,
    };
    let east = match rest {
        // Without a zone it is the services' own form, which has a space and no more than
        // microseconds.
        [] if separator == b' ' && fraction.is_none_or(|(_, length)| length <= FRACTION_DIGITS) => {
            TimeDelta::zero()
        }
        _ => offset(rest)?,
    };
    let micros = fraction.map_or(0, |(micros, _)| micros);
    let local = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?
        .and_hms_micro_opt(hour, minute, second, micros)?;
    let utc = local.checked_sub_signed(east)?.and_utc();
    YEARS.contains(&utc.year()).then_some(utc)
}

/// Takes a zone that is all that is left: `Z` or `±HH:MM`, as its distance east of UTC.
fn offset(mut rest: &[u8]) -> Option<TimeDelta> {
    let sign = match literal(&mut rest, b"Zz+-")? {
        b'+' => 1,
        b'-' => -1,
        _ => return rest.is_empty().then(TimeDelta::zero),
    };
    let hours = digits(&mut rest, 2).filter(|hours| *hours < 24)?;
    literal(&mut rest, b":")?;
    let minutes = digits(&mut rest, 2).filter(|minutes| *minutes < 60)?;
    rest.is_empty()
        .then(|| TimeDelta::minutes(sign * i64::from(hours * 60 + minutes)))
}

/// Takes a fraction: its microseconds and its number of digits.
fn fraction(rest: &mut &[u8]) -> Option<(u32, usize)> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, tail) = rest.split_at(length);
    *rest = tail;
    let micros = (0..FRACTION_DIGITS).fold(0, |micros, place| {
        micros * 10
            + fraction
                .get(place)
                .map_or(0, |digit| u32::from(digit - b'0'))
    });
    (length > 0).then_some((micros, length))
}

/// Takes a number of exactly `length` digits.
fn digits(rest: &mut &[u8], length: usize) -> Option<u32> {
    let (number, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    number.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + u32::from(byte - b'0'))
    })
}

/// Takes one byte out of those given.
fn literal(rest: &mut &[u8], allowed: &[u8]) -> Option<u8> {
    let (first, tail) = rest
        .split_first()
        .filter(|(first, _)| allowed.contains(first))?;
    *rest = tail;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn utc(text: &str) -> Option<String> {
        parse(text).map(|time| time.to_rfc3339())
    }

    #[test]
    fn both_forms_are_read() {
        for (text, expected) in [
            ("2026-11-23 20:10:23", "2026-11-23T20:10:23+00:00"),
            ("2026-11-23 20:10:23.5", "2026-11-23T20:10:23.500+00:00"),
            (
                "2026-11-23 20:10:23.123456",
                "2026-11-23T20:10:23.123456+00:00",
            ),
            ("2026-11-23T20:10:23Z", "2026-11-23T20:10:23+00:00"),
            (
                "2026-11-23t20:10:23.123456789z",
                "2026-11-23T20:10:23.123456+00:00",
            ),
            ("2026-11-23 20:10:23+05:30", "2026-11-23T14:40:23+00:00"),
            ("2024-02-29T23:59:59-00:00", "2024-02-29T23:59:59+00:00"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
            (
                "9999-12-31T23:59:59.999999Z",
                "9999-12-31T23:59:59.999999+00:00",
            ),
        ] {
            assert_eq!(utc(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23 20:10",
            "2026-11-23T20:10:23",
            "2026-02-29 00:00:00",
            "2026-13-01 00:00:00",
            "2026-11-23 24:00:00",
            "2026-11-23 23:59:60",
            "2026-11-23 20:10:23.",
            "2026-11-23 20:10:23.1234567",
            "2026-11-23 20:10:23+0530",
            "2026-11-23 20:10:23+24:00",
            "2026-11-23 20:10:23 Z",
            " 2026-11-23 20:10:23",
            "2026-11-23 20:10:23\n",
            "300000-01-01 00:00:00",
            "+2026-11-23 20:10:23",
            "2026-11-2３ 20:10:23",
            "0000-12-31 23:59:59",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "infinity",
            "now",
        ] {
            assert_eq!(utc(text), None, "{text:?}");
        }
    }
}
