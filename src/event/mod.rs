//! What counts as an event: from the bytes of a file to a typed event, or to the reason why it is
//! none.
//!
//! Everything is checked here, before anything reaches the database; what [`accept`] lets through,
//! PostgreSQL takes. The rules are those of section 2 of the contract: nothing is coerced, nothing
//! unknown is dropped.

mod card;
mod document;
mod rejection;
mod time;
mod user;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

pub use card::Card;
pub use rejection::{Reason, Refusal, Rejection};
pub use time::parse as parse_time;
pub use user::User;

use document::Document;

/// An event: the whole state of one user or card at one moment.
#[derive(Clone, Debug)]
pub struct Event<S> {
    /// The user or card (`payload.id`), the natural key of the dimension.
    pub entity_id: i64,
    /// Identity of the event among those of its entity (`metadata.event_id`).
    pub event_id: Uuid,
    /// When the entity came to be in this state (`metadata.event_at`), UTC, whole microseconds.
    pub event_at: DateTime<Utc>,
    /// The state.
    pub state: S,
    /// Fields that have no column, as a JSON object in the document's own shape; `None` when there
    /// are none.
    pub extra: Option<Box<RawValue>>,
}

/// An accepted event of either kind.
#[derive(Clone, Debug)]
pub enum AcceptedEvent {
    /// `metadata.type` is `user`.
    User(Event<User>),
    /// `metadata.type` is `card`.
    Card(Event<Card>),
}

/// Judges a document.
///
/// # Errors
///
/// [`Refusal::Unfinished`] when the document ends too soon, so that the rest may still come;
/// [`Refusal::Rejected`] when no continuation could make it an event.
pub fn accept(bytes: &[u8]) -> Result<AcceptedEvent, Refusal> {
    let mut document = Document::parse(bytes)?;
    let event = match document.metadata.string("type")?.as_ref() {
        "user" => AcceptedEvent::User(read(&mut document, User::read)?),
        "card" => AcceptedEvent::Card(read(&mut document, Card::read)?),
        other => return Err(Rejection::unknown_type(other).into()),
    };
    Ok(event)
}

/// Reads what both kinds have in common, and the state with `read_state`.
fn read<S>(
    document: &mut Document<'_>,
    read_state: impl FnOnce(&mut document::Fields<'_>) -> Result<S, Rejection>,
) -> Result<Event<S>, Rejection> {
    Ok(Event {
        event_id: document.metadata.uuid("event_id")?,
        event_at: document.metadata.time("event_at")?,
        entity_id: document.payload.integer("id")?,
        state: read_state(&mut document.payload)?,
        extra: document.extra()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Refusal, accept};

    /// Everything in which a document can be cut: numbers with all their parts, escapes, characters
    /// of several bytes.
    const DOCUMENT: &str = r#" {"metadata": {"type": "user", "event_at": "2026-11-23 20:10:23",
        "event_id": "16ffaaa3-2094-4f07-adec-717e9149cc2f"}, "payload": {"id": -7, "name": "Jörg \ud83d\ude00 😀",
        "address": "a\\b\"c", "job": "\u00e9", "score": -1.25e-3, "list": [1E+5, true, null, {}]}}"#;

    #[test]
    fn every_beginning_of_a_document_is_unfinished() {
        assert!(accept(DOCUMENT.as_bytes()).is_ok());
        for end in 0..DOCUMENT.len() {
            let beginning = &DOCUMENT.as_bytes()[..end];
            let refusal = accept(beginning).expect_err("it has not ended");
            assert_eq!(
                refusal,
                Refusal::Unfinished { size: end },
                "{}",
                String::from_utf8_lossy(beginning)
            );
        }
    }

    #[test]
    fn half_a_character_is_unfinished_only_where_a_character_may_stand() {
        let is_rejected = |bytes: &[u8]| matches!(accept(bytes), Err(Refusal::Rejected(_)));
        for beginning in [
            b"{\"J\xc3".as_slice(),
            b"{\"J\xf0\x9f\x98",
            // No escape, but no longer than one that may come right.
            b"{\"\\uT\xc3",
        ] {
            assert!(!is_rejected(beginning), "{beginning:?}");
        }
        for end in [b"{}\xc3".as_slice(), b"{\xc3", b"{\"\\\xc3", b"\xef\xbb"] {
            assert!(is_rejected(end), "{end:?}");
        }
    }
}
