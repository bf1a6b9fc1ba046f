//! Incoming events of one entity: written to landing if they are new, compared with the loaded ones if
//! they are not.

use chrono::{DateTime, Utc};
use postgres::Transaction;
use postgres::types::Type;
use uuid::Uuid;

use super::error::{Doing, Error};
use super::landing;
use super::rows;
use super::rows::position;
use super::statement;
use super::transaction::check_now;
use crate::escape::printable;
use crate::event::{Event, Recorded, Rejection};

/// Identity of an event: its key and its event id.
pub(super) type Identity = (i64, Uuid);

/// An incoming event.
pub(super) struct Incoming<'f, E> {
    pub(super) event: Event<E>,
    /// Position of its file in the chunk.
    pub(super) file: usize,
    pub(super) file_name: &'f str,
    /// Modification time of its file, whole microseconds.
    pub(super) file_modified_at: DateTime<Utc>,
}

impl<E> Incoming<'_, E> {
    pub(super) fn identity(&self) -> Identity {
        (self.event.entity_id, self.event.event_id)
    }
}

/// Whether each of these identities is already loaded.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub(super) fn are_loaded<E: Recorded>(
    transaction: &mut Transaction<'_>,
    events: &[Incoming<'_, E>],
) -> Result<Vec<bool>, Error> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let (keys, ids): (Vec<i64>, Vec<Uuid>) = events.iter().map(Incoming::identity).unzip();
    let rows = transaction
        .query_typed(
            &statement::fill(statement::EVENT_KNOWN, E::KIND),
            &[(&keys, Type::INT8_ARRAY), (&ids, Type::UUID_ARRAY)],
        )
        .doing("looking for events that are already loaded")?;
    let mut are_loaded = vec![false; events.len()];
    for row in &rows {
        are_loaded[position(row)] = true;
    }
    Ok(are_loaded)
}

/// Writes events whose identity is new. A deferred constraint is checked at once: later it would be taken
/// for a refusal of whatever versions are written then.
///
/// # Errors
///
/// [`Error::Database`] when the server refuses them.
pub(super) fn copy_events<E: Recorded>(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    events: &[Incoming<'_, E>],
) -> Result<(), Error> {
    let doing = "loading the events";
    rows::copy(
        transaction,
        &statement::fill(statement::EVENT_COPY, E::KIND),
        events,
        |incoming, row| {
            let event = &incoming.event;
            row.integer(event.entity_id);
            row.uuid(event.event_id);
            row.time(event.event_at);
            row.optional(event.extra.as_deref(), |row, extra| row.json(extra));
            row.text(incoming.file_name);
            row.time(incoming.file_modified_at);
            row.integer(run_id);
            row.attributes(&event.state);
        },
        doing,
    )?;
    check_now(transaction, doing)
}

/// What an event is beside the loaded one with its identity.
pub(super) enum Compared {
    /// The same event, from a file with this modification time.
    Copy {
        /// Of the file that counts so far; `None` if it cannot be represented.
        file_modified_at: Option<DateTime<Utc>>,
    },
    /// One with other content.
    Conflict(Rejection),
}

/// Compares events whose identity is already loaded with the loaded ones; each by its position.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub(super) fn compare_events<E: Recorded>(
    transaction: &mut Transaction<'_>,
    repeated: &[Incoming<'_, E>],
) -> Result<Vec<(usize, Compared)>, Error> {
    let events: Vec<&Event<E>> = repeated.iter().map(|incoming| &incoming.event).collect();
    let compared = landing::compare(transaction, &events)?.into_iter();
    let compared = compared.map(|loaded| {
        let (entity_id, event_id) = repeated[loaded.position].identity();
        let beside = match loaded.is_same {
            true => Compared::Copy {
                file_modified_at: loaded.file_modified_at,
            },
            false => Compared::Conflict(Rejection::ConflictingEvent {
                entity: E::KIND,
                entity_id,
                event_id,
                loaded_from: printable(&loaded.file_name, &[]),
            }),
        };
        (loaded.position, beside)
    });
    Ok(compared.collect())
}
