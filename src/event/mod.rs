//! What counts as an event: from the bytes of a file to a typed event, or to the reason why it is none.
//!
//! Everything is checked here, before anything reaches the database; what [`accept`] lets through, PostgreSQL takes.
//! The rules are those of section 2 of the contract: nothing is coerced, nothing unknown is dropped.

mod card;
mod document;
mod rejection;
mod time;
mod user;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use card::Card;
pub use rejection::{Refusal, Rejection};
pub use time::parse as parse_time;
pub use user::User;

use document::Document;

/// An event: the whole state of one user or card at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<S> {
    /// The user or card (`payload.id`), the natural key of the dimension.
    pub entity_id: i64,
    /// Identity of the event among those of its entity (`metadata.event_id`).
    pub event_id: Uuid,
    /// When the entity came to be in this state (`metadata.event_at`), UTC, whole microseconds.
    pub event_at: DateTime<Utc>,
    /// The state.
    pub state: S,
    /// Fields that have no column, as a JSON object in the document's own shape; `None` when there are none.
    pub extra: Option<String>,
}

/// An accepted event of either kind. Texts are borrowed from the document where it spells them plainly.
#[derive(Clone, Debug, PartialEq)]
pub enum AcceptedEvent<'a> {
    /// `metadata.type` is `user`.
    User(Event<User<'a>>),
    /// `metadata.type` is `card`.
    Card(Event<Card<'a>>),
}

/// Judges a document.
///
/// # Errors
///
/// [`Refusal::Unfinished`] when the document ends too soon, so that the rest may still come;
/// [`Refusal::Rejected`] when no continuation could make it an event.
pub fn accept(bytes: &[u8]) -> Result<AcceptedEvent<'_>, Refusal> {
    let mut document = Document::parse(bytes)?;
    let event = match document.metadata.string("type")?.as_ref() {
        "user" => AcceptedEvent::User(read(&mut document, User::read)?),
        "card" => AcceptedEvent::Card(read(&mut document, Card::read)?),
        other => return Err(Rejection::unknown_type(other).into()),
    };
    Ok(event)
}

/// Reads what both kinds have in common, and the state with `read_state`.
fn read<'a, S>(
    document: &mut Document<'a>,
    read_state: impl FnOnce(&mut document::Fields<'a>) -> Result<S, Rejection>,
) -> Result<Event<S>, Rejection> {
    Ok(Event {
        event_id: document.metadata.uuid("event_id")?,
        event_at: document.metadata.time("event_at")?,
        entity_id: document.payload.integer("id")?,
        state: read_state(&mut document.payload)?,
        extra: document.extra()?,
    })
}
