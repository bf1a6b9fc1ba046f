//! The document of an event: one JSON object, taken apart field by field.
//!
//! `serde_json` decides what is JSON. A value stays the text it was until a field of some type is
//! asked of it, so that a number keeps all its digits, a field that stands twice is seen, and a
//! complaint can name the field.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::rejection::{Refusal, Rejection, quote, shorten};
use super::time;

/// Levels of brackets that an unknown field may have: far above what people write, far below the
/// several thousand at which PostgreSQL's own JSON parser runs out of stack.
const MAX_DEPTH: usize = 128;

/// Digits before and after the point that a `numeric`, and so a number in a `jsonb`, can hold
/// (PostgreSQL's documentation, "Numeric Types").
const NUMERIC_INTEGER_DIGITS: i64 = 131_072;
const NUMERIC_FRACTION_DIGITS: i64 = 16_383;

/// Characters that the numbers of the unknown fields may need together, beyond those they have in
/// the document, when PostgreSQL writes a `jsonb` as text: it writes no exponent, so that
/// `1e131071` becomes 131,072 digits. It can write no more than 1 GiB, and with one row beyond
/// that the whole table cannot be dumped.
const MAX_GROWTH: usize = 16 << 20;

/// Fields that an object of the services does not exceed: room is made for them, and their names are
/// compared pair by pair.
const FEW: usize = 8;

/// Length of a UUID in its one canonical form, 8-4-4-4-12 hexadecimal digits (RFC 9562).
const UUID_CHARS: usize = 36;

/// Name of the document itself in a sentence.
const WHOLE: &str = "the document";

/// A document that has the shape of an event; its fields have yet to be read.
pub(super) struct Document<'a> {
    pub(super) metadata: Fields<'a>,
    pub(super) payload: Fields<'a>,
    rest: Fields<'a>,
}

impl<'a> Document<'a> {
    /// Finds the two objects of an event in the bytes of a file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Document<'a>, Refusal> {
        let mut rest = Fields::parse("", json(bytes)?)?;
        Ok(Document {
            metadata: Fields::parse("metadata", rest.take("metadata")?)?,
            payload: Fields::parse("payload", rest.take("payload")?)?,
            rest,
        })
    }

    /// The fields that nobody took, in the document's own shape.
    pub(super) fn extra(&mut self) -> Result<Option<Box<RawValue>>, Rejection> {
        let mut growth = MAX_GROWTH;
        let mut object = self.rest.members(&mut growth)?;
        for part in [&self.metadata, &self.payload] {
            let members = part.members(&mut growth)?;
            if !members.is_empty() {
                object.push(format!("\"{}\":{{{}}}", part.path, members.join(",")));
            }
        }
        if object.is_empty() {
            return Ok(None);
        }
        RawValue::from_string(format!("{{{}}}", object.join(",")))
            .map(Some)
            .map_err(|error| Rejection::InvalidJson {
                message: error.to_string(),
            })
    }
}

/// The fields of one object, in the order of the file, less those taken so far.
pub(super) struct Fields<'a> {
    /// Where the object stands: empty for the document, else the name of its field.
    path: &'static str,
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    fn parse(path: &'static str, value: &'a RawValue) -> Result<Fields<'a>, Rejection> {
        let place = || if path.is_empty() { WHOLE } else { path }.to_owned();
        if !value.get().starts_with('{') {
            return Err(Rejection::NotAnObject {
                field: place(),
                found: kind(value.get()),
            });
        }
        // The text is known to be JSON, so all that can be wrong is a name with an escape that is
        // no character.
        let Entries(entries) =
            serde_json::from_str(value.get()).map_err(|_| Rejection::InvalidText {
                field: format!("the name of a field of {}", place()),
                what: UNPAIRED_SURROGATE,
            })?;
        let fields = Fields { path, entries };
        if fields.entries.len() <= FEW {
            let repeated = fields
                .entries
                .iter()
                .enumerate()
                .find(|(index, (name, _))| {
                    fields.entries[..*index]
                        .iter()
                        .any(|(earlier, _)| earlier == name)
                });
            return match repeated {
                Some((_, (name, _))) => Err(Rejection::DuplicateField {
                    field: fields.place(name),
                }),
                None => Ok(fields),
            };
        }
        // Sorted rather than compared pair by pair: a hostile document has a hundred thousand
        // fields.
        let mut names: Vec<&str> = fields
            .entries
            .iter()
            .map(|(name, _)| name.as_ref())
            .collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Rejection::DuplicateField {
                field: fields.place(pair[0]),
            }),
            None => Ok(fields),
        }
    }

    /// What a field of this object is called in a sentence.
    fn place(&self, name: &str) -> String {
        match self.path {
            "" => shorten(name),
            path => format!("{path}.{}", shorten(name)),
        }
    }

    fn take(&mut self, name: &'static str) -> Result<&'a RawValue, Rejection> {
        match self.entries.iter().position(|(entry, _)| entry == name) {
            Some(index) => Ok(self.entries.remove(index).1),
            None => Err(Rejection::MissingField {
                field: self.place(name),
            }),
        }
    }

    /// Takes a text that the database can hold.
    pub(super) fn string(&mut self, name: &'static str) -> Result<Cow<'a, str>, Rejection> {
        let text = self.take(name)?.get();
        if !text.starts_with('"') {
            return Err(self.wrong_type(name, text, "a string"));
        }
        storable(text).map_err(|what| Rejection::InvalidText {
            field: self.place(name),
            what,
        })
    }

    /// Takes a number without fraction or exponent that fits a `bigint`.
    pub(super) fn integer(&mut self, name: &'static str) -> Result<i64, Rejection> {
        let text = self.take(name)?.get();
        if !is_number(text) || text.contains(['.', 'e', 'E']) {
            return Err(self.wrong_type(name, text, "an integer"));
        }
        text.parse().map_err(|_| Rejection::OutOfRange {
            field: self.place(name),
            value: shorten(text),
            limit: "does not fit a bigint",
        })
    }

    /// Takes a number that fits a `double precision`.
    pub(super) fn finite(&mut self, name: &'static str) -> Result<f64, Rejection> {
        let text = self.take(name)?.get();
        if !is_number(text) {
            return Err(self.wrong_type(name, text, "a number"));
        }
        text.parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| Rejection::OutOfRange {
                field: self.place(name),
                value: shorten(text),
                limit: "is not a finite double precision number",
            })
    }

    /// Takes `true` or `false`.
    pub(super) fn boolean(&mut self, name: &'static str) -> Result<bool, Rejection> {
        match self.take(name)?.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            text => Err(self.wrong_type(name, text, "a boolean")),
        }
    }

    /// Takes a time, see [`time::parse`].
    pub(super) fn time(&mut self, name: &'static str) -> Result<DateTime<Utc>, Rejection> {
        let text = self.string(name)?;
        time::parse(&text).ok_or_else(|| Rejection::InvalidTime {
            field: self.place(name),
            value: quote(&text),
        })
    }

    /// Takes a UUID in its canonical form, in either case.
    pub(super) fn uuid(&mut self, name: &'static str) -> Result<Uuid, Rejection> {
        let text = self.string(name)?;
        Uuid::try_parse(&text)
            .ok()
            .filter(|_| text.len() == UUID_CHARS)
            .ok_or_else(|| Rejection::InvalidEventId {
                field: self.place(name),
                value: quote(&text),
            })
    }

    fn wrong_type(&self, name: &str, text: &str, wanted: &'static str) -> Rejection {
        Rejection::WrongType {
            field: self.place(name),
            found: kind(text),
            wanted,
        }
    }

    /// The fields that are left as members of a JSON object, each known to fit a `jsonb`. `growth`
    /// is what is left of [`MAX_GROWTH`].
    fn members(&self, growth: &mut usize) -> Result<Vec<String>, Rejection> {
        self.entries
            .iter()
            .map(|(name, value)| {
                check_storable(value.get(), growth, || self.place(name))?;
                if name.contains('\0') {
                    return Err(Rejection::InvalidText {
                        field: format!("the name of {}", self.place(name)),
                        what: NUL,
                    });
                }
                // A JSON string is Rust's own text with JSON's escapes, which writing it out cannot
                // fail to make.
                Ok(format!(
                    "{}:{}",
                    serde_json::Value::from(name.as_ref()),
                    value.get()
                ))
            })
            .collect()
    }
}

const NUL: &str = "the character NUL";
const UNPAIRED_SURROGATE: &str = "half of a surrogate pair";

/// The one JSON value that the bytes are.
fn json(bytes: &[u8]) -> Result<&RawValue, Refusal> {
    let unfinished = Refusal::Unfinished { size: bytes.len() };
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        // A character that lacks its last bytes is an end too soon where a character beyond ASCII
        // may stand. It is judged by the shortest of those, since `serde_json` counts bytes to tell
        // an escape that ends too soon from one that is wrong.
        Err(error) if error.error_len().is_none() => {
            let whole = &bytes[..error.valid_up_to()];
            let text = String::from_utf8_lossy(whole) + "\u{80}";
            return Err(match serde_json::from_str::<&RawValue>(&text) {
                Err(error) if error.classify() != Category::Eof => invalid_json(&error),
                _ => unfinished,
            });
        }
        Err(error) => {
            return Err(Rejection::NotUtf8 {
                offset: error.valid_up_to(),
            }
            .into());
        }
    };
    serde_json::from_str(text).map_err(|error| {
        if error.classify() == Category::Eof || ends_within_number(text) {
            unfinished
        } else {
            invalid_json(&error)
        }
    })
}

fn invalid_json(error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    Rejection::InvalidJson { message }.into()
}

/// Whether a text that is not JSON is so only because it ends after a sign, a point or an exponent
/// mark, which `serde_json` calls an invalid number and not an end.
fn ends_within_number(text: &str) -> bool {
    text.ends_with(['-', '+', '.', 'e', 'E'])
        && match serde_json::from_str::<&RawValue>(&format!("{text}0")) {
            Ok(_) => true,
            Err(error) => error.classify() == Category::Eof,
        }
}

/// What a JSON value is, in words.
fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ if text.contains(['.', 'e', 'E']) => "a number with a fraction or an exponent",
        _ => "a number",
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// The text that a JSON string spells, if the database can hold it; else what is wrong with it.
fn storable(string: &str) -> Result<Cow<'_, str>, &'static str> {
    // The string is known to be JSON, so all that can be wrong is an escape that is no character.
    let Text(text) = serde_json::from_str(string).map_err(|_| UNPAIRED_SURROGATE)?;
    if text.contains('\0') {
        Err(NUL)
    } else {
        Ok(text)
    }
}

/// Checks that a JSON value fits a `jsonb`: its texts, its numbers and its depth. `growth` is what
/// its numbers may grow by when they are written out.
fn check_storable(
    value: &str,
    growth: &mut usize,
    place: impl Fn() -> String,
) -> Result<(), Rejection> {
    let mut rest = value;
    let mut depth = 0;
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => {
                let length = string_length(rest);
                storable(&rest[..length]).map_err(|what| Rejection::InvalidText {
                    field: place(),
                    what,
                })?;
                length
            }
            b'-' | b'0'..=b'9' => {
                let length = rest
                    .find([',', ']', '}', ' ', '\t', '\n', '\r'])
                    .unwrap_or(rest.len());
                let out_of_range = |limit| Rejection::OutOfRange {
                    field: place(),
                    value: shorten(&rest[..length]),
                    limit,
                };
                let written_out = written_out(&rest[..length])
                    .ok_or_else(|| out_of_range("does not fit a numeric"))?;
                *growth = growth
                    .checked_sub(written_out.saturating_sub(length))
                    .ok_or_else(|| {
                        out_of_range("makes the unknown fields too long when it is written out")
                    })?;
                length
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Rejection::TooDeep {
                        field: place(),
                        limit: MAX_DEPTH,
                    });
                }
                1
            }
            b'}' | b']' => {
                depth -= 1;
                1
            }
            _ => 1,
        };
        rest = &rest[length..];
    }
    Ok(())
}

/// Length in bytes of the JSON string at the start of a JSON text, quotes included.
fn string_length(text: &str) -> usize {
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

/// A JSON string, borrowed from the document where it holds no escape.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of a JSON object in the order of the file, repeated ones included.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(FEW);
                while let Some((Text(name), value)) = map.next_entry()? {
                    entries.push((name, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}
