//! Why a document is not an event: a sentence for people. [`super::Reason`] is the code for machines.

use std::time::Duration;

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::entity::Kind;

/// How much of a value from a document is quoted in a sentence, in characters: enough to recognise
/// it.
const QUOTED_CHARS: usize = 60;

/// Why a document was not accepted.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    /// It ends too soon, as a file does that is still being written: pending, and `truncated` once
    /// it has settled.
    #[error("the document ends before it is complete ({size} bytes)")]
    Unfinished {
        /// Length so far, in bytes.
        size: usize,
    },
    /// It is not an event, whatever may follow.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// The reason of a rejection. Its text names the field and goes to `landing.rejected_event.detail`.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Rejection {
    /// Empty, or the document ends too soon, and the file has settled.
    #[error("the document ends before it is complete ({size} bytes)")]
    Truncated {
        /// Length in bytes.
        size: usize,
    },
    /// Not UTF-8: another encoding, a compressed file, or a byte that begins no character.
    #[error("the document is not UTF-8: {cause}")]
    NotUtf8 {
        /// The cause, as a clause.
        cause: String,
    },
    /// Not JSON, or more than one document.
    #[error("the document is not JSON: {cause}")]
    InvalidJson {
        /// The cause, as a clause.
        cause: String,
    },
    /// The document, `metadata` or `payload` is something else.
    #[error("{field} is {found}, not an object")]
    NotAnObject {
        /// The field, with its path.
        field: String,
        /// What it is, in words.
        found: &'static str,
    },
    /// An object has a name twice.
    #[error("{field} appears twice, and nothing says which one counts")]
    DuplicateField {
        /// The field, with its path.
        field: String,
    },
    /// A field that an event must have is not there.
    #[error("{field} is missing")]
    MissingField {
        /// The field, with its path.
        field: String,
    },
    /// A field has another JSON type; nothing is coerced.
    #[error("{field} is {found}, not {wanted}")]
    WrongType {
        /// The field, with its path.
        field: String,
        /// What it is, in words.
        found: &'static str,
        /// What it should be, in words.
        wanted: &'static str,
    },
    /// A number that its column cannot hold.
    #[error("{field} is {value}, which {limit}")]
    OutOfRange {
        /// The field, with its path.
        field: String,
        /// The value, shortened.
        value: String,
        /// What it breaks, as it continues "which".
        limit: &'static str,
    },
    /// A time in another form, or one that does not exist.
    #[error(
        "{field} is {value}, which is not a time from year 1 to 9999: expected YYYY-MM-DD HH:MM:SS[.ffffff] or RFC 3339"
    )]
    InvalidTime {
        /// The field, with its path.
        field: String,
        /// The value, shortened.
        value: String,
    },
    /// An event id that is no UUID.
    #[error("{field} is {value}, which is not a UUID")]
    InvalidEventId {
        /// The field, with its path.
        field: String,
        /// The value, shortened.
        value: String,
    },
    /// `metadata.type` is not the name of an entity.
    #[error("{field} is {value}: expected {}", known_types())]
    UnknownType {
        /// The field, with its path.
        field: String,
        /// The value, shortened.
        value: String,
    },
    /// `metadata.event_at` is so far ahead of the file's change time that it would hide every real
    /// event of its key until then.
    #[error(
        "metadata.event_at is {event_at}, more than {} after the file changed (--max-ahead)", spelled_out(*.max_ahead)
    )]
    FromTheFuture {
        /// The time of the event.
        event_at: DateTime<Utc>,
        /// How far ahead it may be.
        max_ahead: Duration,
    },
    /// A string that no text of the database can hold.
    #[error("{field} has {what}, which a text in the database cannot have")]
    InvalidText {
        /// The field, with its path.
        field: String,
        /// What it has.
        what: &'static str,
    },
    /// An unknown field with more levels of brackets than the database is asked to take.
    #[error("{field} is nested more than {limit} levels deep")]
    TooDeep {
        /// The field, with its path.
        field: String,
        /// Most levels.
        limit: usize,
    },
    /// A file over `--max-file-size`.
    #[error(
        "the file has {size} bytes, more than the {limit} of --max-file-size, and was not read"
    )]
    TooLarge {
        /// Length in bytes.
        size: u64,
        /// Most bytes.
        limit: u64,
    },
    /// A file that the loader has no right to read.
    #[error("the file cannot be read: {cause}")]
    Unreadable {
        /// What the system says.
        cause: String,
    },
    /// The identity of a loaded event, with other content.
    #[error(
        "the event {event_id} of {entity} {entity_id} is already loaded from {loaded_from} with other content"
    )]
    ConflictingEvent {
        /// What the event is about.
        entity: Kind,
        /// Its natural key.
        entity_id: i64,
        /// The event.
        event_id: uuid::Uuid,
        /// The file that the loaded event came in, escaped for a terminal.
        loaded_from: String,
    },
    /// The versions of the key cannot be updated.
    #[error("the versions of {entity} {entity_id} cannot be updated: {cause}")]
    BrokenTimeline {
        /// What the event is about.
        entity: Kind,
        /// Its natural key.
        entity_id: i64,
        /// How the versions contradict the events, or what PostgreSQL says.
        cause: String,
    },
}

impl Rejection {
    /// Whether the file was not read, so that the database has no document of it.
    pub fn is_unread(&self) -> bool {
        matches!(
            self,
            Rejection::TooLarge { .. } | Rejection::Unreadable { .. }
        )
    }

    pub(super) fn unknown_type(value: &str) -> Rejection {
        Rejection::UnknownType {
            field: "metadata.type".to_owned(),
            value: quote(value),
        }
    }
}

/// The types that events can have, in words.
fn known_types() -> String {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    names.join(" or ")
}

/// A length of time with blanks between numbers and units: `1 day 12 h`.
fn spelled_out(length: Duration) -> String {
    let mut text = String::new();
    for char in humantime::format_duration(length).to_string().chars() {
        if char.is_alphabetic() && text.ends_with(|last: char| last.is_ascii_digit()) {
            text.push(' ');
        }
        text.push(char);
    }
    text
}

/// A value from a document as a sentence can show it: escaped, in quotes, and not too long.
pub(super) fn quote(value: &str) -> String {
    format!("\"{}\"", shorten(value))
}

/// A number from a document as a sentence can show it: not too long.
pub(super) fn shorten(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(QUOTED_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if value.chars().nth(QUOTED_CHARS).is_some() {
        shown.push('…');
    }
    shown
}
