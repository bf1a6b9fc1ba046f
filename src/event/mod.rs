//! What counts as an event: from the bytes of a file to a typed event, or to the reason why it is
//! none.
//!
//! Everything is checked here, before anything reaches the database; what [`accept`] lets through,
//! PostgreSQL takes. The rules are those of section 2 of the contract: nothing is coerced, nothing
//! unknown is dropped.

mod document;
mod members;
mod reason;
mod rejection;
mod storable;
mod subject;
mod syntax;
mod time;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::entity::{Kind, Listed, Reader, for_each_entity};
pub use reason::Reason;
pub use rejection::{Refusal, Rejection};
pub use subject::subject;
pub use time::parse as parse_time;

use document::Document;

/// An event: the whole state of one entity at one time.
#[derive(Clone, Debug)]
pub struct Event<E> {
    /// The entity (`payload.id`), the natural key of the dimension.
    pub entity_id: i64,
    /// Identity of the event among those of its entity (`metadata.event_id`).
    pub event_id: Uuid,
    /// When the entity changed to this state (`metadata.event_at`), UTC, whole microseconds.
    pub event_at: DateTime<Utc>,
    /// The state.
    pub state: E,
    /// Fields that have no column, as a JSON object in the document's own shape; `None` when there
    /// are none.
    pub extra: Option<Box<RawValue>>,
}

/// How much later than its file an event may be, unless somebody says otherwise with `--max-ahead`. One
/// further ahead would hide the real events of its user or card until then.
pub const MAX_AHEAD: Duration = Duration::from_secs(86_400);

/// How far the time of an event may be ahead.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// When the file changed.
    pub changed_at: DateTime<Utc>,
    /// How much later than that the event may be (`--max-ahead`).
    pub max_ahead: Duration,
}

macro_rules! define_any_event {
    ($($module:ident::$entity:ident),+) => {
        /// An accepted event of any entity.
        #[derive(Clone, Debug)]
        pub enum AnyEvent {
            $(
                #[doc = concat!("Of a [`", stringify!($entity), "`](crate::entity::", stringify!($entity), ").")]
                $entity(Event<crate::entity::$entity>),
            )+
        }

        impl AnyEvent {
            /// What it is about.
            pub fn kind(&self) -> Kind {
                match self {
                    $(AnyEvent::$entity(_) => Kind::$entity,)+
                }
            }

            /// The natural key of what it is about.
            pub fn entity_id(&self) -> i64 {
                match self {
                    $(AnyEvent::$entity(event) => event.entity_id,)+
                }
            }

            /// Its identity among the events of its entity.
            pub fn event_id(&self) -> Uuid {
                match self {
                    $(AnyEvent::$entity(event) => event.event_id,)+
                }
            }

            /// When the entity changed to this state.
            pub fn event_at(&self) -> DateTime<Utc> {
                match self {
                    $(AnyEvent::$entity(event) => event.event_at,)+
                }
            }
        }

        $(
            impl Recorded for crate::entity::$entity {
                fn wrap(event: Event<Self>) -> AnyEvent {
                    AnyEvent::$entity(event)
                }

                #[allow(irrefutable_let_patterns, reason = "there may be one entity alone")]
                fn unwrap(event: AnyEvent) -> Option<Event<Self>> {
                    match event {
                        AnyEvent::$entity(event) => Some(event),
                        #[allow(unreachable_patterns, reason = "there may be one entity alone")]
                        _ => None,
                    }
                }
            }
        )+

        fn read_state(kind: Kind, document: &mut Document<'_>) -> Result<AnyEvent, Rejection> {
            match kind {
                $(Kind::$entity => read::<crate::entity::$entity>(document),)+
            }
        }
    };
}
for_each_entity!(define_any_event);

/// An entity of which there are events.
pub trait Recorded: Listed {
    /// The event as one of any entity.
    fn wrap(event: Event<Self>) -> AnyEvent;

    /// The event, if it is about this entity.
    fn unwrap(event: AnyEvent) -> Option<Event<Self>>;
}

/// Validates a document.
///
/// # Errors
///
/// [`Refusal::Unfinished`] when the document ends too soon, so that the rest may still come;
/// [`Refusal::Rejected`] when no continuation could make it an event.
pub fn accept(bytes: &[u8], ahead: Ahead) -> Result<AnyEvent, Refusal> {
    let mut document = Document::parse(bytes)?;
    let name = document.metadata.string("type")?;
    let kind = Kind::named(&name).ok_or_else(|| Rejection::unknown_type(&name))?;
    let event = read_state(kind, &mut document)?;
    let (event_at, max_ahead) = (event.event_at(), ahead.max_ahead);
    let is_ahead =
        (event_at - ahead.changed_at) > TimeDelta::from_std(max_ahead).unwrap_or(TimeDelta::MAX);
    match is_ahead {
        true => Err(Rejection::FromTheFuture {
            event_at,
            max_ahead,
        }
        .into()),
        false => Ok(event),
    }
}

/// Reads what all events have in common, and the state of the entity.
fn read<E: Recorded>(document: &mut Document<'_>) -> Result<AnyEvent, Rejection> {
    Ok(E::wrap(Event {
        event_id: document.metadata.uuid("event_id")?,
        event_at: document.metadata.time("event_at")?,
        entity_id: document.payload.integer("id")?,
        state: E::read(&mut document.payload)?,
        extra: document.extra()?,
    }))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Ahead, AnyEvent, Refusal};

    /// Validates a document of a file that changed at the end of 2026.
    fn accept(bytes: &[u8]) -> Result<AnyEvent, Refusal> {
        let changed_at: DateTime<Utc> = "2026-12-31T00:00:00Z".parse().expect("a time");
        super::accept(
            bytes,
            Ahead {
                changed_at,
                max_ahead: super::MAX_AHEAD,
            },
        )
    }

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
        for end in [b"{}\xc3".as_slice(), b"{\xc3", b"{\"\\\xc3"] {
            assert!(is_rejected(end), "{end:?}");
        }
    }

    #[test]
    fn an_event_is_at_most_max_ahead_of_its_file() {
        let at = |event_at: &str| {
            let document = DOCUMENT.replace("2026-11-23 20:10:23", event_at);
            accept(document.as_bytes()).map_err(|refusal| refusal.to_string())
        };
        assert!(at("2027-01-01 00:00:00").is_ok());
        let refusal = at("2027-01-01 00:00:00.000001").expect_err("it is a day ahead");
        assert!(refusal.contains("more than 1 day after"), "{refusal}");
    }
}
