//! Reads a history from one snapshot of the warehouse.

use chrono::{DateTime, Utc};
use postgres::types::{FromSql, Type};
use postgres::{Row, Transaction};
use serde_json::{Value, json};

use super::{Change, Effect, EventEntry, History, VersionEntry, owner};
use crate::clock;
use crate::entity::{AttributeKind, Kind};
use crate::pages::error::Error;
use crate::pages::rejected::RejectionEntry;
use crate::warehouse::error::{Doing, Error as WarehouseError};
use crate::warehouse::rows::RowReader;
use crate::warehouse::{Warehouse, statement};

/// What is done here, as it continues "failed while".
const READING: &str = "reading the history";

/// Reads the history of an entity.
///
/// # Errors
///
/// [`Error::UnknownEntity`] when nothing is known of it; [`Error::Warehouse`] when it cannot be
/// read.
pub fn read(warehouse: &mut Warehouse, entity: Kind, id: i64) -> Result<History, Error> {
    warehouse.require_schema()?;
    let mut snapshot = warehouse.snapshot(READING)?;
    let mut versions = versions(&mut snapshot, entity, id)?;
    if entity
        .attributes()
        .iter()
        .any(|attribute| owner::is_owner(entity, attribute.name))
    {
        owner::add_names(&mut snapshot, &mut versions)?;
    }
    add_changes(entity, &mut versions);
    let events = events(&mut snapshot, entity, id)?;
    let events_without_version = add_events(&mut versions, events);
    let history = History {
        entity,
        id,
        versions,
        events_without_version,
        rejected: rejected(&mut snapshot, entity, id)?,
        read_at: clock::now(),
    };
    if history.versions.is_empty()
        && history.events_without_version.is_empty()
        && history.rejected.is_empty()
    {
        return Err(Error::UnknownEntity { entity, id });
    }
    Ok(history)
}

/// The rows of a statement about one entity.
fn rows(
    snapshot: &mut Transaction<'_>,
    template: &str,
    entity: Kind,
    id: i64,
) -> Result<Vec<Row>, WarehouseError> {
    let sql = statement::fill(template, entity);
    snapshot
        .query_typed(&sql, &[(&id, Type::INT8)])
        .doing(READING)
}

fn versions(
    snapshot: &mut Transaction<'_>,
    entity: Kind,
    id: i64,
) -> Result<Vec<VersionEntry>, WarehouseError> {
    let rows = rows(snapshot, statement::HISTORY_VERSIONS, entity, id)?;
    rows.iter().map(|row| version(entity, row)).collect()
}

fn version(entity: Kind, row: &Row) -> Result<VersionEntry, WarehouseError> {
    let reader = RowReader(row);
    let attributes = entity.attributes().iter();
    let state = attributes.map(|attribute| {
        let name = attribute.name;
        Ok((name.to_owned(), value(&reader, name, attribute.kind)?))
    });
    Ok(VersionEntry {
        version_key: column(&reader, "version_key")?,
        valid_from: column(&reader, "valid_from")?,
        valid_to: column(&reader, "valid_to")?,
        event_id: column(&reader, "event_id")?,
        state: state.collect::<Result<_, WarehouseError>>()?,
        changes: Vec::new(),
        events: Vec::new(),
    })
}

fn value(reader: &RowReader<'_>, name: &str, kind: AttributeKind) -> Result<Value, WarehouseError> {
    Ok(match kind {
        AttributeKind::Integer => json!(column::<Option<i64>>(reader, name)?),
        AttributeKind::Number => json!(column::<Option<f64>>(reader, name)?),
        AttributeKind::Boolean => json!(column::<Option<bool>>(reader, name)?),
        AttributeKind::Text => json!(column::<Option<String>>(reader, name)?),
        AttributeKind::Time => json!(column::<Option<DateTime<Utc>>>(reader, name)?),
    })
}

fn column<'r, T: FromSql<'r>>(reader: &'r RowReader<'_>, name: &str) -> Result<T, WarehouseError> {
    reader.column(name).doing(READING)
}

/// Compares each version with the one before.
fn add_changes(entity: Kind, versions: &mut [VersionEntry]) {
    for later in 1..versions.len() {
        let (before, version) = (&versions[later - 1].state, &versions[later].state);
        versions[later].changes = entity
            .tracked()
            .map(|attribute| attribute.name)
            .filter(|field| before[*field] != version[*field])
            .map(|field| Change {
                field,
                old: before[field].clone(),
                new: version[field].clone(),
            })
            .collect();
    }
}

fn events(
    snapshot: &mut Transaction<'_>,
    entity: Kind,
    id: i64,
) -> Result<Vec<EventEntry>, WarehouseError> {
    let rows = rows(snapshot, statement::HISTORY_EVENTS, entity, id)?;
    rows.iter()
        .map(|row| {
            let reader = RowReader(row);
            Ok(EventEntry {
                event_id: column(&reader, "event_id")?,
                event_at: column(&reader, "event_at")?,
                file_name: column(&reader, "file_name")?,
                file_modified_at: column(&reader, "file_modified_at")?,
                run_id: column(&reader, "run_id")?,
                loaded_at: column(&reader, "loaded_at")?,
                late: column(&reader, "is_late")?,
                effect: match column(&reader, "is_overruled")? {
                    true => Effect::Overruled,
                    false => Effect::NoChange,
                },
            })
        })
        .collect()
}

/// Puts each event, in order, into the version whose period it is in, and returns those that are in none.
fn add_events(versions: &mut [VersionEntry], events: Vec<EventEntry>) -> Vec<EventEntry> {
    let mut current = 0;
    let mut rest = Vec::new();
    for mut event in events {
        while versions
            .get(current)
            .and_then(|version| version.valid_to)
            .is_some_and(|end| end <= event.event_at)
        {
            current += 1;
        }
        let version = versions
            .get_mut(current)
            .filter(|version| version.valid_from <= event.event_at);
        let Some(version) = version else {
            rest.push(event);
            continue;
        };
        if version.event_id == event.event_id {
            event.effect = Effect::Opened;
        }
        version.events.push(event);
    }
    rest
}

fn rejected(
    snapshot: &mut Transaction<'_>,
    entity: Kind,
    id: i64,
) -> Result<Vec<RejectionEntry>, WarehouseError> {
    let rows = snapshot
        .query_typed(
            include_str!("../../../sql/history/rejected.sql"),
            &[(&entity.name(), Type::TEXT), (&id, Type::INT8)],
        )
        .doing(READING)?;
    rows.iter().map(RejectionEntry::from_row).collect()
}
