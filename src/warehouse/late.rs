//! Late-arriving events: keys that are touched within their history, revised from the events and
//! versions around the touched times.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{Row, Transaction};

use super::error::{Doing, Error};
use super::rows::RowReader;
use super::statement;
use super::versions::{BrokenKeys, stored_version};
use crate::event::Recorded;
use crate::timeline::{EffectiveEvent, Revision, StoredVersion, revise};

/// The times of a key at which an event was added or moved.
pub(super) type Touched = BTreeMap<i64, BTreeSet<DateTime<Utc>>>;

/// Revises keys that were touched within their history, from the events and versions around the
/// touched times.
pub(super) fn revise_late<E: Recorded>(
    transaction: &mut Transaction<'_>,
    touched: &Touched,
    broken: &mut BrokenKeys,
) -> Result<Vec<(i64, Revision<E>)>, Error> {
    if touched.is_empty() {
        return Ok(Vec::new());
    }
    let mut events = read_events::<E>(transaction, touched)?;
    let mut versions = read_versions::<E>(transaction, &events)?;
    let mut revisions = Vec::with_capacity(touched.len());
    for entity_id in touched.keys() {
        let stored = versions.remove(entity_id).unwrap_or(Ok(Vec::new()));
        let revised = events
            .remove(entity_id)
            .unwrap_or(Ok(Vec::new()))
            .and_then(|events| {
                revise(stored?, events).map_err(|contradiction| contradiction.to_string())
            });
        match revised {
            Ok(revision) => revisions.push((*entity_id, revision)),
            Err(cause) => {
                broken.insert((E::KIND, *entity_id), cause);
            }
        }
    }
    Ok(revisions)
}

/// The events of each key at and around the touched times; a key with one that cannot be represented
/// has the reason instead.
type Events<E> = BTreeMap<i64, Result<Vec<EffectiveEvent<E>>, String>>;

fn read_events<E: Recorded>(
    transaction: &mut Transaction<'_>,
    touched: &Touched,
) -> Result<Events<E>, Error> {
    let (keys, times): (Vec<i64>, Vec<DateTime<Utc>>) = touched
        .iter()
        .flat_map(|(entity_id, times)| times.iter().map(|at| (*entity_id, *at)))
        .unzip();
    let rows = transaction
        .query_typed(
            &statement::fill(statement::EVENT_EFFECTIVE, E::KIND),
            &[(&keys, Type::INT8_ARRAY), (&times, Type::TIMESTAMPTZ_ARRAY)],
        )
        .doing("reading the events around late-arriving ones")?;
    let mut events = Events::new();
    for row in &rows {
        let entity_id = row.get("entity_id");
        let is_touched = |at| {
            touched
                .get(&entity_id)
                .is_some_and(|times| times.contains(at))
        };
        let events = events.entry(entity_id).or_insert(Ok(Vec::new()));
        match (effective_event(row), &mut *events) {
            (Ok(mut event), Ok(events)) => {
                event.touched = is_touched(&event.at);
                events.push(event);
            }
            (Err(cause), Ok(_)) => *events = Err(format!("an event cannot be read: {cause}")),
            (_, Err(_)) => {}
        }
    }
    Ok(events)
}

/// Reads an effective event, as one that is not touched.
pub(super) fn effective_event<E: Recorded>(
    row: &Row,
) -> Result<EffectiveEvent<E>, postgres::Error> {
    let mut reader = RowReader(row);
    Ok(EffectiveEvent {
        at: reader.column("event_at")?,
        event_id: reader.column("event_id")?,
        state: E::read(&mut reader)?,
        touched: false,
    })
}

/// The versions of each key around the touched events; a key whose versions cannot be represented
/// has the reason instead.
type Versions<E> = BTreeMap<i64, Result<Vec<StoredVersion<E>>, String>>;

fn read_versions<E: Recorded>(
    transaction: &mut Transaction<'_>,
    events: &Events<E>,
) -> Result<Versions<E>, Error> {
    let (mut keys, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let readable = events
        .iter()
        .filter_map(|(entity_id, events)| Some((entity_id, events.as_ref().ok()?)));
    for (entity_id, events) in readable {
        for (index, event) in events.iter().enumerate().filter(|(_, event)| event.touched) {
            keys.push(*entity_id);
            starts.push(events[index.saturating_sub(1)].at);
            ends.push(events.get(index + 1).unwrap_or(event).at);
        }
    }
    let rows = transaction
        .query_typed(
            &statement::fill(statement::VERSION_BETWEEN, E::KIND),
            &[
                (&keys, Type::INT8_ARRAY),
                (&starts, Type::TIMESTAMPTZ_ARRAY),
                (&ends, Type::TIMESTAMPTZ_ARRAY),
            ],
        )
        .doing("reading the versions around late-arriving events")?;
    let mut versions = Versions::new();
    for row in &rows {
        let versions = versions
            .entry(row.get("entity_id"))
            .or_insert(Ok(Vec::new()));
        match (stored_version(row), &mut *versions) {
            (Ok(version), Ok(versions)) => versions.push(version),
            (Err(cause), Ok(_)) => *versions = Err(cause),
            (_, Err(_)) => {}
        }
    }
    Ok(versions)
}
