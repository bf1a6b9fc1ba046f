//! The current version of a key, as it was before a batch.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{Row, Transaction};
use uuid::Uuid;

use super::error::{Doing, Error};
use super::incoming::Identity;
use super::rows::RowReader;
use super::statement;
use super::versions::stored_version;
use crate::entity::Listed;
use crate::timeline::{Contradiction, StoredVersion};

/// The current version of a key, and the time of its latest event apart from those of the batch.
#[derive(Debug)]
pub(super) struct CurrentVersion<E> {
    pub(super) version: StoredVersion<E>,
    pub(super) latest_event_at: DateTime<Utc>,
}

/// Reads the current versions of the keys of these new events: every event that the batch has of each key.
/// Keys that contradict their other events have the reason instead; those that have neither a
/// version nor another event are left out.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub(super) fn current_versions<E: Listed>(
    transaction: &mut Transaction<'_>,
    new_events: impl Iterator<Item = Identity>,
) -> Result<HashMap<i64, Result<CurrentVersion<E>, String>>, Error> {
    let (keys, ids): (Vec<i64>, Vec<Uuid>) = new_events.unzip();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = transaction
        .query_typed(
            &statement::fill(statement::VERSION_CURRENT, E::KIND),
            &[(&keys, Type::INT8_ARRAY), (&ids, Type::UUID_ARRAY)],
        )
        .doing("reading the current versions")?;
    let mut current: HashMap<i64, Result<CurrentVersion<E>, String>> =
        HashMap::with_capacity(rows.len());
    for row in &rows {
        let of_key = current.entry(row.get("entity_id"));
        // A damaged key may have several current versions; one that contradicts is enough.
        match current_version(row) {
            Ok(version) => of_key.or_insert(Ok(version)),
            Err(cause) => of_key.insert_entry(Err(cause)).into_mut(),
        };
    }
    let (keys, ids): (Vec<i64>, Vec<Uuid>) = keys
        .into_iter()
        .zip(ids)
        .filter(|(entity_id, _)| !current.contains_key(entity_id))
        .unzip();
    if keys.is_empty() {
        return Ok(current);
    }
    let rows = transaction
        .query_typed(
            &statement::fill(statement::EVENT_KEYS, E::KIND),
            &[(&keys, Type::INT8_ARRAY), (&ids, Type::UUID_ARRAY)],
        )
        .doing("looking for events of keys without a version")?;
    for row in &rows {
        let cause = Contradiction::NoCurrentVersion.to_string();
        current.insert(row.get("entity_id"), Err(cause));
    }
    Ok(current)
}

/// Reads the current version of a key, if it does not contradict the latest event.
fn current_version<E: Listed>(row: &Row) -> Result<CurrentVersion<E>, String> {
    let version: StoredVersion<E> = stored_version(row)?;
    let valid_from = version.version.valid_from;
    let latest_event_at: Option<DateTime<Utc>> = RowReader(row)
        .column("latest_event_at")
        .map_err(|cause| format!("the time of its latest event cannot be read: {cause}"))?;
    match latest_event_at {
        None => Err(Contradiction::NoEvent {
            valid_from,
            event_id: version.version.event_id,
        }
        .to_string()),
        Some(latest) if latest < valid_from || !row.get::<_, bool>("agrees_with_latest_event") => {
            Err(Contradiction::Current { valid_from }.to_string())
        }
        Some(latest_event_at) => Ok(CurrentVersion {
            version,
            latest_event_at,
        }),
    }
}
