//! Incoming events of one entity: written to landing if they are new, compared with the loaded ones if
//! they are not. An event that the database refuses stops no other.

use chrono::{DateTime, Utc};
use postgres::Transaction;
use postgres::types::Type;
use uuid::Uuid;

use super::error::{Doing, Error};
use super::landing;
use super::rows::position;
use super::rows::{self, Columns};
use super::statement;
use super::transaction::attempt;
use crate::escape::printable;
use crate::event::{Event, Recorded, Rejection};

/// What is done here, as it continues "failed while".
const LOADING: &str = "loading the events";
const PRECEDING: &str = "noting earlier copies of loaded events";

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

/// Writes events whose identity is new, and returns those that the database takes, in the same order. The
/// others are given to `refuse`, each with what the database says.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails for a reason that is not one of the events.
pub(super) fn copy_events<'f, E: Recorded>(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    mut events: Vec<Incoming<'f, E>>,
    refuse: &mut impl FnMut(&Incoming<'f, E>, String),
) -> Result<Vec<Incoming<'f, E>>, Error> {
    if events.is_empty() {
        return Ok(events);
    }
    let cause = match attempt(transaction, LOADING, |savepoint| {
        try_copy(savepoint, run_id, &events)
    })? {
        Ok(()) => return Ok(events),
        Err(cause) => cause,
    };
    if let [event] = events.as_slice() {
        refuse(event, cause);
        return Ok(Vec::new());
    }
    let second = events.split_off(events.len() / 2);
    let mut taken = copy_events(transaction, run_id, events, refuse)?;
    taken.extend(copy_events(transaction, run_id, second, refuse)?);
    Ok(taken)
}

fn try_copy<E: Recorded>(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    events: &[Incoming<'_, E>],
) -> Result<(), Error> {
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
        LOADING,
    )
}

/// What an event is beside the loaded one with its identity.
pub(super) enum Compared {
    /// The same event.
    Copy {
        /// Whether its file counts and not the one that counted so far.
        precedes: bool,
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
                precedes: loaded.is_preceded_by(repeated[loaded.position].file_modified_at),
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

/// Gives loaded events the file that counts among their copies; returns the key and the time of each
/// event that moved. Copies that the database refuses are given to `refuse`, each with what it says.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails for a reason that is not one of the copies.
pub(super) fn precede_events<'f, E: Recorded>(
    transaction: &mut Transaction<'_>,
    copies: &[&Incoming<'f, E>],
    refuse: &mut impl FnMut(&Incoming<'f, E>, String),
) -> Result<Vec<(i64, DateTime<Utc>)>, Error> {
    if copies.is_empty() {
        return Ok(Vec::new());
    }
    let cause = match attempt(transaction, PRECEDING, |savepoint| {
        try_precede(savepoint, copies)
    })? {
        Ok(moved) => return Ok(moved),
        Err(cause) => cause,
    };
    if let [copy] = copies {
        refuse(copy, cause);
        return Ok(Vec::new());
    }
    let (first, second) = copies.split_at(copies.len() / 2);
    let mut moved = precede_events(transaction, first, refuse)?;
    moved.extend(precede_events(transaction, second, refuse)?);
    Ok(moved)
}

fn try_precede<E: Recorded>(
    transaction: &mut Transaction<'_>,
    copies: &[&Incoming<'_, E>],
) -> Result<Vec<(i64, DateTime<Utc>)>, Error> {
    let mut columns = Columns::default();
    columns.push_each(Type::INT8_ARRAY, copies, |copy| copy.event.entity_id);
    columns.push_each(Type::UUID_ARRAY, copies, |copy| copy.event.event_id);
    columns.push_each(Type::TEXT_ARRAY, copies, |copy| copy.file_name);
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, copies, |copy| {
        copy.file_modified_at
    });
    let rows = transaction
        .query_typed(
            &statement::fill(statement::EVENT_PRECEDE, E::KIND),
            &columns.parameters(),
        )
        .doing(PRECEDING)?;
    let moved = rows
        .iter()
        .map(|row| (row.get("entity_id"), row.get("event_at")));
    Ok(moved.collect())
}
