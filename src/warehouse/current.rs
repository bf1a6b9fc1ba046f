//! The current version of a key, as it was before a batch.

use chrono::{DateTime, Utc};
use postgres::Row;

use super::rows::RowReader;
use super::versions::stored_version;
use crate::entity::Listed;
use crate::timeline::{Contradiction, StoredVersion};

/// The current version of a key and the time of its latest event.
#[derive(Debug)]
pub(super) struct CurrentVersion<E> {
    pub(super) version: StoredVersion<E>,
    pub(super) latest_event_at: DateTime<Utc>,
}

/// Reads the current version of a key, if it does not contradict the latest event.
pub(super) fn current_version<E: Listed>(row: &Row) -> Result<CurrentVersion<E>, String> {
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
