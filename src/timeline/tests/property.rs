//! However events are split into batches, the versions are those of all events together.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{EffectiveEvent, Revision, StoredVersion, Version, append, revise};
use super::{Lamp, at, id};

/// An event of the property: its files arrive in batches, each with a modification time.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    minute: i64,
    level: i64,
    arrivals: Vec<(usize, u8)>,
}

/// Batches of the property.
pub(super) const BATCHES: usize = 5;

pub(super) fn planned() -> impl Strategy<Value = Vec<Planned>> {
    let arrivals = prop::collection::vec((0..BATCHES, 0..4u8), 1..3);
    let event = (0..12i64, 0..3i64, arrivals).prop_map(|(minute, level, mut arrivals)| {
        arrivals.sort_unstable();
        Planned {
            minute,
            level,
            arrivals,
        }
    });
    prop::collection::vec(event, 1..25)
}

/// A loaded event: its minute, the modification time that counts, its number and its level. The order
/// of these is the order of the events.
pub(super) type Loaded = (i64, u8, i64, i64);

/// The effective events of a key: of the events of one minute the last.
pub(super) fn effective(loaded: &[Loaded]) -> Vec<EffectiveEvent<Lamp>> {
    let mut loaded = loaded.to_vec();
    loaded.sort_unstable();
    let mut last_of_minute = BTreeMap::new();
    for (minute, _, number, level) in loaded {
        last_of_minute.insert(minute, (number, level));
    }
    let events = last_of_minute.into_iter();
    events
        .map(|(minute, (number, level))| EffectiveEvent {
            at: at(minute),
            event_id: id(number),
            state: Lamp {
                level,
                seen: number,
            },
            touched: false,
        })
        .collect()
}

/// The versions that these events make, one after the other.
fn naive(events: &[EffectiveEvent<Lamp>]) -> Vec<Version<Lamp>> {
    let mut versions: Vec<Version<Lamp>> = Vec::new();
    for event in events {
        if let Some(last) = versions.last_mut() {
            if last.state.level == event.state.level {
                last.state.seen = event.state.seen;
                continue;
            }
            last.valid_to = Some(event.at);
        }
        versions.push(Version {
            valid_from: event.at,
            valid_to: None,
            state: event.state.clone(),
            event_id: event.event_id,
        });
    }
    versions
}

/// A dimension table with one key.
#[derive(Clone, Default)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<i64, Version<Lamp>>,
    last_key: i64,
}

impl Table {
    /// The versions by their start.
    pub(super) fn stored(&self) -> Vec<StoredVersion<Lamp>> {
        let rows = self.rows.iter();
        let mut stored: Vec<StoredVersion<Lamp>> = rows
            .map(|(key, version)| StoredVersion {
                key: *key,
                version: version.clone(),
            })
            .collect();
        stored.sort_by_key(|stored| stored.version.valid_from);
        stored
    }

    pub(super) fn versions(&self) -> Vec<Version<Lamp>> {
        let stored = self.stored().into_iter();
        stored.map(|stored| stored.version).collect()
    }

    /// Does a revision row by row, as the database does, which checks starts and ends after each.
    pub(super) fn apply(&mut self, revision: Revision<Lamp>) -> Result<(), TestCaseError> {
        for key in revision.removed {
            prop_assert!(self.rows.remove(&key).is_some(), "{} is removed twice", key);
        }
        for StoredVersion { key, version } in revision.changed {
            prop_assert!(
                self.rows.insert(key, version).is_some(),
                "{} is not there",
                key
            );
            self.check_unique()?;
        }
        for version in revision.opened {
            self.last_key += 1;
            self.rows.insert(self.last_key, version);
            self.check_unique()?;
        }
        Ok(())
    }

    fn check_unique(&self) -> Result<(), TestCaseError> {
        let count = self.rows.len();
        let mut starts: Vec<_> = self.rows.values().map(|row| row.valid_from).collect();
        let mut ends: Vec<_> = self.rows.values().map(|row| row.valid_to).collect();
        starts.sort_unstable();
        starts.dedup();
        ends.sort_unstable();
        ends.dedup();
        prop_assert_eq!(
            (starts.len(), ends.len()),
            (count, count),
            "{:?}",
            self.rows
        );
        Ok(())
    }
}

/// The events to read for the touched ones: these and those at their sides.
fn around(events: &[EffectiveEvent<Lamp>], touched: &[i64]) -> Vec<EffectiveEvent<Lamp>> {
    let is_touched =
        |event: &EffectiveEvent<Lamp>| touched.iter().any(|time| event.at == at(*time));
    let mut read = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let is_neighbour = (index > 0 && is_touched(&events[index - 1]))
            || events.get(index + 1).is_some_and(is_touched);
        if is_touched(event) || is_neighbour {
            read.push(EffectiveEvent {
                touched: is_touched(event),
                ..event.clone()
            });
        }
    }
    read
}

/// The versions to read for these events: those over the range from the event before a touched one to
/// the event after it.
fn overlapping(
    stored: &[StoredVersion<Lamp>],
    read: &[EffectiveEvent<Lamp>],
) -> Vec<StoredVersion<Lamp>> {
    let ranges: Vec<_> = read
        .iter()
        .enumerate()
        .filter(|(_, event)| event.touched)
        .map(|(index, event)| {
            let start = read[index.saturating_sub(1)].at;
            (start, read.get(index + 1).unwrap_or(event).at)
        })
        .collect();
    let overlaps = |version: &Version<Lamp>| {
        ranges.iter().any(|(start, end)| {
            version.valid_from <= *end && version.valid_to.is_none_or(|to| to > *start)
        })
    };
    let stored = stored.iter();
    stored
        .filter(|stored| overlaps(&stored.version))
        .cloned()
        .collect()
}

/// Loads the files of one batch.
pub(super) fn load(
    table: &mut Table,
    loaded: &mut BTreeMap<i64, Loaded>,
    planned: &[Planned],
    batch: usize,
) -> Result<(), TestCaseError> {
    let latest = loaded.values().map(|(minute, ..)| *minute).max();
    let mut touched = Vec::new();
    let mut moved = false;
    for (number, event) in (0i64..).zip(planned) {
        let arrivals = event.arrivals.iter();
        let earliest = arrivals
            .filter(|(arrives, _)| *arrives == batch)
            .map(|(_, modified)| *modified)
            .min();
        let Some(modified) = earliest else {
            continue;
        };
        let known = loaded.get(&number).copied();
        if known.is_none_or(|(_, known, ..)| modified < known) {
            loaded.insert(number, (event.minute, modified, number, event.level));
            touched.push(event.minute);
            moved |= known.is_some();
        }
    }
    if touched.is_empty() {
        return Ok(());
    }
    let events = effective(&loaded.values().copied().collect::<Vec<_>>());
    let read = around(&events, &touched);
    let stored = table.stored();
    let appends = latest.is_none_or(|latest| touched.iter().all(|minute| *minute > latest));
    let revision = if appends && !moved {
        let new = read.iter().filter(|event| event.touched).cloned().collect();
        append(
            stored
                .into_iter()
                .find(|stored| stored.version.valid_to.is_none()),
            new,
        )
    } else {
        revise(overlapping(&stored, &read), read)
            .map_err(|contradiction| TestCaseError::fail(contradiction.to_string()))?
    };
    let before = table.clone();
    let (opened, closed) = (revision.opened.len(), revision.closed);
    table.apply(revision)?;
    let expected = naive(&events);
    prop_assert_eq!(table.versions(), expected);
    // A version that is as it was keeps its surrogate key.
    for (key, version) in &before.rows {
        if table.rows.values().any(|row| row == version) {
            prop_assert_eq!(table.rows.get(key), Some(version));
        }
    }
    let is_open =
        |table: &Table, key: &i64| table.rows.get(key).is_none_or(|row| row.valid_to.is_none());
    let ended = table
        .rows
        .keys()
        .filter(|key| is_open(&before, key) && !is_open(table, key));
    prop_assert_eq!(ended.count() as i64, closed);
    let keys = table
        .rows
        .keys()
        .filter(|key| !before.rows.contains_key(key));
    prop_assert_eq!(keys.count(), opened);
    Ok(())
}

proptest! {
    #[test]
    fn however_the_events_are_split_the_versions_are_those_of_all_events(planned in planned()) {
        let (mut table, mut loaded) = (Table::default(), BTreeMap::new());
        for batch in 0..BATCHES {
            load(&mut table, &mut loaded, &planned, batch)?;
        }
    }
}
