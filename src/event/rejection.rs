//! Why a document is not an event: a code for machines and a sentence for people.

use thiserror::Error;

/// How much of a value from a document stands in a sentence, in characters: enough to recognise it.
const QUOTED_CHARS: usize = 60;

/// Why a document was not accepted.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    /// It ends too soon, as a file does that is still being written: `truncated` once it has had its time.
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
    #[error("the document ends before it is complete ({size} bytes)")]
    Truncated { size: usize },
    #[error("the document is not UTF-8: byte {offset} begins no character")]
    NotUtf8 { offset: usize },
    #[error("the document is not JSON: {message}")]
    InvalidJson { message: String },
    #[error("{field} is {found}, not an object")]
    NotAnObject { field: String, found: &'static str },
    #[error("{field} stands twice, and nothing says which one counts")]
    DuplicateField { field: String },
    #[error("{field} is missing")]
    MissingField { field: String },
    #[error("{field} is {found}, not {wanted}")]
    WrongType {
        field: String,
        found: &'static str,
        wanted: &'static str,
    },
    #[error("{field} is {value}, which {limit}")]
    OutOfRange {
        field: String,
        value: String,
        limit: &'static str,
    },
    #[error("{field} is {value}, which is no time: YYYY-MM-DD HH:MM:SS[.ffffff] or RFC 3339 is")]
    InvalidTime { field: String, value: String },
    #[error("{field} is {value}, which is no UUID")]
    InvalidEventId { field: String, value: String },
    #[error("{field} is {value}: user and card are known")]
    UnknownType { field: String, value: String },
    #[error("{field} holds {what}, which a text in the database cannot")]
    InvalidText { field: String, what: &'static str },
    #[error("{field} is nested more than {limit} levels deep")]
    TooDeep { field: String, limit: usize },
    #[error(
        "the file has {size} bytes, more than the {limit} of --max-file-size, and was not read"
    )]
    TooLarge { size: u64, limit: u64 },
    #[error("the file cannot be read: {message}")]
    Unreadable { message: String },
    #[error("the event {event_id} of {entity} {entity_id} is there already with other content")]
    ConflictingEvent {
        entity: &'static str,
        entity_id: i64,
        event_id: uuid::Uuid,
    },
}

impl Rejection {
    /// The reason code, as it stands in `landing.rejected_event.reason`. Codes never change their meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::Truncated { .. } => "truncated",
            Rejection::NotUtf8 { .. } => "not_utf8",
            Rejection::InvalidJson { .. } => "invalid_json",
            Rejection::NotAnObject { .. } => "not_an_object",
            Rejection::DuplicateField { .. } => "duplicate_field",
            Rejection::MissingField { .. } => "missing_field",
            Rejection::WrongType { .. } => "wrong_type",
            Rejection::OutOfRange { .. } => "out_of_range",
            Rejection::InvalidTime { .. } => "invalid_time",
            Rejection::InvalidEventId { .. } => "invalid_event_id",
            Rejection::UnknownType { .. } => "unknown_type",
            Rejection::InvalidText { .. } => "invalid_text",
            Rejection::TooDeep { .. } => "too_deep",
            Rejection::TooLarge { .. } => "too_large",
            Rejection::Unreadable { .. } => "unreadable",
            Rejection::ConflictingEvent { .. } => "conflicting_event",
        }
    }

    pub(super) fn unknown_type(value: &str) -> Rejection {
        Rejection::UnknownType {
            field: "metadata.type".to_owned(),
            value: quote(value),
        }
    }
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
