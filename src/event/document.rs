//! The document of an event: one JSON object, taken apart field by field.
//!
//! `serde_json` decides what is JSON. A value stays the text it was until a field of some type is
//! asked of it, so that a number keeps all its digits, a field that stands twice is seen, and a
//! complaint can name the field.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::members::{Entries, repeated};
use super::rejection::{Refusal, Rejection, quote, shorten};
use super::storable::{NUL, UNPAIRED_SURROGATE, check_value, string};
use super::{syntax, time};
use crate::entity::Reader;

/// Bytes by which the numbers of the unknown fields may grow in any case when PostgreSQL writes them
/// out. It writes no exponent, so `1e131071` becomes 131,072 digits in every dump. A document may
/// double in size at most; a small one may have one number such as `1e300` all the same.
const LEAST_GROWTH: usize = 1_024;

/// Length of a UUID in its one canonical form, 8-4-4-4-12 hexadecimal digits (RFC 9562).
const UUID_CHARS: usize = 36;

/// Name of the document itself in a sentence.
const WHOLE: &str = "the document";

/// A document that has the shape of an event; its fields are not read yet.
pub(super) struct Document<'a> {
    pub(super) metadata: Fields<'a>,
    pub(super) payload: Fields<'a>,
    rest: Fields<'a>,
    size: usize,
}

impl<'a> Document<'a> {
    /// Finds the two objects of an event in the bytes of a file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Document<'a>, Refusal> {
        // If that fails, the document is parsed as one JSON value, which finds the reason.
        let mut rest = match serde_json::from_str(syntax::text(bytes)?) {
            Ok(Entries(entries)) => Fields::of("", entries)?,
            Err(_) => Fields::parse("", syntax::json(bytes)?)?,
        };
        Ok(Document {
            metadata: Fields::parse("metadata", rest.take("metadata")?)?,
            payload: Fields::parse("payload", rest.take("payload")?)?,
            rest,
            size: bytes.len(),
        })
    }

    /// The fields that nobody took, in the document's own shape.
    pub(super) fn extra(&mut self) -> Result<Option<Box<RawValue>>, Rejection> {
        let mut growth = self.size.max(LEAST_GROWTH);
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
                cause: error.to_string(),
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
        Fields::of(path, entries)
    }

    fn of(
        path: &'static str,
        entries: Vec<(Cow<'a, str>, &'a RawValue)>,
    ) -> Result<Fields<'a>, Rejection> {
        let fields = Fields { path, entries };
        let names = fields.entries.iter().map(|(name, _)| name.as_ref());
        match repeated(names) {
            Some(name) => Err(Rejection::DuplicateField {
                field: fields.place(name),
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
        string(text).map_err(|what| Rejection::InvalidText {
            field: self.place(name),
            what,
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
    /// is how much their numbers may still grow.
    fn members(&self, growth: &mut usize) -> Result<Vec<String>, Rejection> {
        self.entries
            .iter()
            .map(|(name, value)| {
                check_value(value.get(), growth, &self.place(name))?;
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

impl Reader for Fields<'_> {
    type Error = Rejection;

    /// Whether a field is there and is not null. A null is taken: it is what a missing field is.
    fn has(&mut self, name: &'static str) -> bool {
        match self.entries.iter().position(|(entry, _)| entry == name) {
            Some(index) if self.entries[index].1.get() == "null" => {
                self.entries.remove(index);
                false
            }
            found => found.is_some(),
        }
    }

    /// Takes a number without fraction or exponent that fits a `bigint`.
    fn integer(&mut self, name: &'static str) -> Result<i64, Rejection> {
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
    fn number(&mut self, name: &'static str) -> Result<f64, Rejection> {
        let text = self.take(name)?.get();
        if !is_number(text) {
            return Err(self.wrong_type(name, text, "a number"));
        }
        text.parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            // Zero has one form: 0.0 and -0.0 are equal, and copies of an event must be the same.
            .map(|number| number + 0.0)
            .ok_or_else(|| Rejection::OutOfRange {
                field: self.place(name),
                value: shorten(text),
                limit: "is not a finite double precision number",
            })
    }

    /// Takes `true` or `false`.
    fn boolean(&mut self, name: &'static str) -> Result<bool, Rejection> {
        match self.take(name)?.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            text => Err(self.wrong_type(name, text, "a boolean")),
        }
    }

    fn text(&mut self, name: &'static str) -> Result<String, Rejection> {
        self.string(name).map(Cow::into_owned)
    }

    /// Takes a time, see [`time::parse`].
    fn time(&mut self, name: &'static str) -> Result<DateTime<Utc>, Rejection> {
        let text = self.string(name)?;
        time::parse(&text).ok_or_else(|| Rejection::InvalidTime {
            field: self.place(name),
            value: quote(&text),
        })
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
