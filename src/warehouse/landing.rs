//! The events in landing, compared with those of files.

use chrono::{DateTime, Utc};
use postgres::GenericClient;
use postgres::types::Type;
use serde_json::value::RawValue;

use super::error::{Doing, Error};
use super::rows::{Columns, position};
use super::statement;
use crate::entity::{Kind, for_each_entity};
use crate::event::{AnyEvent, Event, Recorded};

/// An event of landing that has the identity of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedEvent {
    /// Position of the other one.
    pub position: usize,
    /// The time of the other one, which is this one's if both have the same content.
    pub event_at: DateTime<Utc>,
    /// Whether both have the same content.
    pub is_same: bool,
    /// Name of the file that it was loaded from.
    pub file_name: String,
    /// Modification time of that file; `None` if it cannot be represented, since somebody has changed
    /// it.
    pub file_modified_at: Option<DateTime<Utc>>,
}

impl LoadedEvent {
    /// Whether a copy of the event with this modification time is the one that counts: the earliest with a
    /// fraction of a second, or the earliest of all if none has a fraction (section 4 of the contract, and
    /// `sql/event/precede.sql`). If the loaded time cannot be represented, nobody knows, and the database is
    /// to decide.
    pub fn is_preceded_by(&self, modified: DateTime<Utc>) -> bool {
        let rank = |time: DateTime<Utc>| (time.timestamp_subsec_micros() == 0, time);
        self.file_modified_at
            .is_none_or(|loaded| rank(modified) < rank(loaded))
    }
}

/// Finds the events of landing that have the identity of one of these.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub(super) fn compare<E: Recorded>(
    client: &mut impl GenericClient,
    events: &[&Event<E>],
) -> Result<Vec<LoadedEvent>, Error> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let each = || events.iter().copied();
    let mut columns = Columns::default();
    columns.push_each(Type::INT8_ARRAY, each(), |event| event.entity_id);
    columns.push_each(Type::UUID_ARRAY, each(), |event| event.event_id);
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, each(), |event| event.event_at);
    columns.push_each(Type::TEXT_ARRAY, each(), |event| {
        event.extra.as_deref().map(RawValue::get)
    });
    let states: Vec<&E> = each().map(|event| &event.state).collect();
    columns.push_attributes(&states);
    let rows = client
        .query_typed(
            &statement::fill(statement::EVENT_COMPARE, E::KIND),
            &columns.parameters(),
        )
        .doing("comparing events with the loaded ones")?;
    Ok(rows
        .iter()
        .map(|row| LoadedEvent {
            position: position(row),
            event_at: events[position(row)].event_at,
            is_same: row.get("is_duplicate"),
            file_name: row.get("file_name"),
            file_modified_at: row.try_get("file_modified_at").ok(),
        })
        .collect())
}

macro_rules! define_compare_all {
    ($($module:ident::$entity:ident),+) => {
        /// Finds the events of landing that have the identity of one of these, which are about any
        /// entity. Their positions are those in front of the events.
        ///
        /// # Errors
        ///
        /// [`Error::Database`] when a statement fails.
        pub fn compare_all(
            client: &mut impl GenericClient,
            events: Vec<(usize, AnyEvent)>,
        ) -> Result<Vec<LoadedEvent>, Error> {
            let mut loaded = Vec::with_capacity(events.len());
            let mut rest = events;
            $(
                let (of_entity, others): (Vec<_>, Vec<_>) = rest
                    .into_iter()
                    .partition(|(_, event)| event.kind() == Kind::$entity);
                rest = others;
                let (positions, of_entity): (Vec<usize>, Vec<Event<crate::entity::$entity>>) = of_entity
                    .into_iter()
                    .filter_map(|(position, event)| Some((position, Recorded::unwrap(event)?)))
                    .unzip();
                let found = compare(client, &of_entity.iter().collect::<Vec<_>>())?;
                loaded.extend(found.into_iter().map(|event| LoadedEvent {
                    position: positions[event.position],
                    ..event
                }));
            )+
            drop(rest);
            Ok(loaded)
        }
    };
}
for_each_entity!(define_compare_all);
