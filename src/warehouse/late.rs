//! Late-arriving events: keys that are touched within their history, revised from the events and
//! versions around the touched times. A key with very many new events is revised in the same way.
//!
//! Most keys have few events, and most late-arriving ones are among the latest of their key. So the
//! latest few events and versions of each key are read by one statement. Only for times further back
//! the neighbours of each time are searched for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::iter;

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{Row, Transaction};

use super::error::{Doing, Error};
use super::rows::RowReader;
use super::statement;
use super::versions::{BrokenKeys, stored_version};
use crate::event::Recorded;
use crate::timeline::{EffectiveEvent, Revision, StoredVersion, revise};

/// Latest events of a key, and latest versions, that are read by one statement: more than most keys have,
/// and few enough that a key with a long history costs little more.
const LATEST: usize = 16;

/// The times of a key at which an event was added or moved.
pub(super) type Touched = BTreeMap<i64, BTreeSet<DateTime<Utc>>>;

/// Revises keys that were touched within their history, from the events and versions around the
/// touched times.
pub(super) fn revise_late<E: Recorded>(
    transaction: &mut Transaction<'_>,
    touched: &Touched,
    broken: &mut BrokenKeys,
) -> Result<Vec<(i64, Revision<E>)>, Error> {
    let mut events = read_latest_events::<E>(transaction, touched)?;
    let mut versions = read_latest_versions::<E>(transaction, &mut events)?;
    let further_back: Touched = touched
        .iter()
        .filter(|(entity_id, _)| !events.contains_key(entity_id))
        .map(|(entity_id, times)| (*entity_id, times.clone()))
        .collect();
    if !further_back.is_empty() {
        let around = read_events::<E>(transaction, &further_back)?;
        versions.extend(read_versions::<E>(transaction, &around)?);
        events.extend(around);
    }
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

/// Reads the latest events of each key, and keeps those at and around the touched times. A key whose
/// latest events do not go back that far, or cannot be represented, is left out.
fn read_latest_events<E: Recorded>(
    transaction: &mut Transaction<'_>,
    touched: &Touched,
) -> Result<Events<E>, Error> {
    let keys: Vec<i64> = touched.keys().copied().collect();
    let rows = transaction
        .query_typed(
            &statement::fill(statement::EVENT_LATEST, E::KIND),
            &[(&keys, Type::INT8_ARRAY), (&(LATEST as i64), Type::INT8)],
        )
        .doing("reading the latest events of keys with late-arriving ones")?;
    let mut unreadable: HashSet<i64> = HashSet::new();
    let mut latest: HashMap<i64, Vec<LatestEvent<E>>> = HashMap::new();
    for row in &rows {
        let entity_id = row.get("entity_id");
        match latest_event(row) {
            Ok(event) => latest.entry(entity_id).or_default().push(event),
            Err(_) => {
                unreadable.insert(entity_id);
            }
        }
    }
    let mut events = Events::new();
    for (entity_id, times) in touched {
        let (Some(first), Some(mut latest)) = (times.first(), latest.remove(entity_id)) else {
            continue;
        };
        let is_whole = latest.len() < LATEST;
        // The last one of a time comes first, and is effective.
        latest.sort_by_key(|latest| {
            let LatestEvent {
                file_modified_at,
                event,
            } = latest;
            Reverse((event.at, *file_modified_at, event.event_id))
        });
        let mut effective: Vec<EffectiveEvent<E>> =
            latest.into_iter().map(|latest| latest.event).collect();
        effective.dedup_by_key(|event| event.at);
        effective.reverse();
        let before = effective.partition_point(|event| event.at < *first);
        if unreadable.contains(entity_id) || (before == 0 && !is_whole) {
            continue;
        }
        for event in &mut effective {
            event.touched = times.contains(&event.at);
        }
        let are_touched: Vec<bool> = iter::once(false)
            .chain(effective.iter().map(|event| event.touched))
            .chain(iter::once(false))
            .collect();
        let mut are_around = are_touched.windows(3).map(|three| three.contains(&true));
        effective.retain(|_| are_around.next().unwrap_or(false));
        events.insert(*entity_id, Ok(effective));
    }
    Ok(events)
}

/// One of the latest events of a key.
struct LatestEvent<E> {
    file_modified_at: DateTime<Utc>,
    event: EffectiveEvent<E>,
}

fn latest_event<E: Recorded>(row: &Row) -> Result<LatestEvent<E>, postgres::Error> {
    Ok(LatestEvent {
        file_modified_at: RowReader(row).column("file_modified_at")?,
        event: effective_event(row)?,
    })
}

/// Reads the latest versions of each key with these latest events, and keeps those that overlap their
/// range. A key whose latest versions do not go back that far, or cannot be represented, is left out,
/// and its events with it.
fn read_latest_versions<E: Recorded>(
    transaction: &mut Transaction<'_>,
    events: &mut Events<E>,
) -> Result<Versions<E>, Error> {
    let keys: Vec<i64> = events.keys().copied().collect();
    if keys.is_empty() {
        return Ok(Versions::new());
    }
    let rows = transaction
        .query_typed(
            &statement::fill(statement::VERSION_LATEST, E::KIND),
            &[(&keys, Type::INT8_ARRAY), (&(LATEST as i64), Type::INT8)],
        )
        .doing("reading the latest versions of keys with late-arriving events")?;
    let mut versions = collect_versions::<E>(&rows);
    events.retain(|entity_id, events| {
        let (Some(Ok(versions)), Ok(events)) = (versions.get_mut(entity_id), events) else {
            return false;
        };
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return false;
        };
        versions.sort_by_key(|stored| stored.version.valid_from);
        let is_whole = versions.len() < LATEST;
        let reaches_back = versions
            .first()
            .is_some_and(|oldest| oldest.version.valid_from <= first.at);
        versions.retain(|stored| {
            let version = &stored.version;
            version.valid_from <= last.at && version.valid_to.is_none_or(|end| end > first.at)
        });
        is_whole || reaches_back
    });
    versions.retain(|entity_id, _| events.contains_key(entity_id));
    Ok(versions)
}

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
    Ok(collect_versions(&rows))
}

fn collect_versions<E: Recorded>(rows: &[Row]) -> Versions<E> {
    let mut versions = Versions::new();
    for row in rows {
        let versions = versions
            .entry(row.get("entity_id"))
            .or_insert(Ok(Vec::new()));
        match (stored_version(row), &mut *versions) {
            (Ok(version), Ok(versions)) => versions.push(version),
            (Err(cause), Ok(_)) => *versions = Err(cause),
            (_, Err(_)) => {}
        }
    }
    versions
}
