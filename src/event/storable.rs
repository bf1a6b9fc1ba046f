//! What PostgreSQL can store: strings in a `text`, unknown fields in a `jsonb`. Whatever passes here,
//! the database takes.

use std::borrow::Cow;

use super::members::{Text, repeated};
use super::rejection::{Rejection, shorten};

/// Levels of brackets that an unknown field may have: far above what people write, far below the
/// several thousand at which PostgreSQL's own JSON parser runs out of stack.
const MAX_DEPTH: usize = 128;

/// Digits before and after the point that a `numeric`, and so a number in a `jsonb`, can hold
/// (PostgreSQL's documentation, "Numeric Types").
const NUMERIC_INTEGER_DIGITS: i64 = 131_072;
const NUMERIC_FRACTION_DIGITS: i64 = 16_383;

pub(super) const NUL: &str = "the character NUL";
pub(super) const UNPAIRED_SURROGATE: &str = "half of a surrogate pair";

/// The text that a JSON string spells, if the database can hold it; else what is wrong with it.
pub(super) fn string(string: &str) -> Result<Cow<'_, str>, &'static str> {
    // The string is known to be JSON, so all that can be wrong is an escape that is no character.
    let Text(text) = serde_json::from_str(string).map_err(|_| UNPAIRED_SURROGATE)?;
    if text.contains('\0') {
        Err(NUL)
    } else {
        Ok(text)
    }
}

/// An object or a list that a value is in.
#[derive(Default)]
struct Level<'a> {
    /// The names of an object so far; a list has none.
    names: Vec<Cow<'a, str>>,
    /// Whether the next string is a name.
    expects_name: bool,
}

/// Checks that a JSON value fits a `jsonb` and loses nothing in it: its strings, its numbers, its
/// depth, and that no object has a name twice. `growth` is how much its numbers may grow when they
/// are written out; `field` is what the value is called in a sentence.
pub(super) fn check_value(value: &str, growth: &mut usize, field: &str) -> Result<(), Rejection> {
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut rest = value;
    while let Some(first) = rest.bytes().next() {
        let mut length = 1;
        match first {
            b'"' => {
                length = string_length(rest);
                let text = string(&rest[..length]).map_err(|what| Rejection::InvalidText {
                    field: field.to_owned(),
                    what,
                })?;
                if let Some(object) = levels.last_mut().filter(|level| level.expects_name) {
                    object.names.push(text);
                    object.expects_name = false;
                }
            }
            b'-' | b'0'..=b'9' => {
                length = rest
                    .find([',', ']', '}', ' ', '\t', '\n', '\r'])
                    .unwrap_or(rest.len());
                check_number(&rest[..length], growth, field)?;
            }
            b'{' | b'[' => {
                if levels.len() == MAX_DEPTH {
                    return Err(Rejection::TooDeep {
                        field: field.to_owned(),
                        limit: MAX_DEPTH,
                    });
                }
                levels.push(Level {
                    names: Vec::new(),
                    expects_name: first == b'{',
                });
            }
            b',' => {
                if let Some(object) = levels.last_mut().filter(|level| !level.names.is_empty()) {
                    object.expects_name = true;
                }
            }
            b'}' | b']' => {
                let ended = levels.pop().unwrap_or_default();
                if let Some(name) = repeated(ended.names.iter().map(AsRef::as_ref)) {
                    return Err(Rejection::DuplicateField {
                        field: path(field, &levels, name),
                    });
                }
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    Ok(())
}

/// What a nested field is called in a sentence: the names of the objects that it is in.
fn path(field: &str, levels: &[Level<'_>], name: &str) -> String {
    let outer = levels.iter().filter_map(|level| level.names.last());
    let names: Vec<String> = outer
        .map(|name| shorten(name))
        .chain([shorten(name)])
        .collect();
    format!("{field}.{}", names.join("."))
}

fn check_number(number: &str, growth: &mut usize, field: &str) -> Result<(), Rejection> {
    let out_of_range = |limit| Rejection::OutOfRange {
        field: field.to_owned(),
        value: shorten(number),
        limit,
    };
    let written_out = written_out(number).ok_or_else(|| out_of_range("does not fit a numeric"))?;
    *growth = growth
        .checked_sub(written_out.saturating_sub(number.len()))
        .ok_or_else(|| {
            out_of_range("makes the document more than twice as long when it is written out")
        })?;
    Ok(())
}

/// Length in bytes of the JSON string at the start of a JSON text, quotes included.
pub(super) fn string_length(text: &str) -> usize {
    let mut escaped = false;
    text.bytes()
        .skip(1)
        .position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        })
        .map_or(text.len(), |index| index + 2)
}

/// Length of a JSON number that is written without exponent, as PostgreSQL does; `None` if it has
/// too many digits on either side of the point to be a `numeric`.
fn written_out(number: &str) -> Option<usize> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count() as i64;
    let exponent = i64::from(exponent.parse::<i32>().ok()?);
    let integer = digits(integer) + exponent;
    let fraction = digits(fraction) - exponent;
    (integer <= NUMERIC_INTEGER_DIGITS && fraction <= NUMERIC_FRACTION_DIGITS)
        .then(|| (integer.max(0) + fraction.max(0)) as usize)
}

#[cfg(test)]
mod tests {
    use super::check_value;

    fn check(value: &str) -> Result<(), String> {
        check_value(value, &mut 1_024, "payload.tags").map_err(|rejection| rejection.to_string())
    }

    #[test]
    fn a_name_is_found_twice_at_any_depth() {
        for value in [
            r#"{"k": 1, "k": 2}"#,
            r#"[{"a": {"k": 1, "l": [], "k": 1}}]"#,
            r#"{"k": {"m": 1}, "\u006b": 2}"#,
        ] {
            let found = check(value).expect_err(value);
            assert!(found.contains("k appears twice"), "{found}");
        }
        for value in [
            r#"{"k": {"k": {"k": ["k", "k"]}}, "l": "k"}"#,
            r#"["k", "k"]"#,
            "{}",
        ] {
            assert_eq!(check(value), Ok(()), "{value}");
        }
    }

    #[test]
    fn a_number_may_not_grow_beyond_the_size_of_the_document() {
        assert_eq!(check("1e300"), Ok(()));
        assert!(check("1e131071").is_err());
        assert!(check("[1e600, 1e600]").is_err());
    }
}
