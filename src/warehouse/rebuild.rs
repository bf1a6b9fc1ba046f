//! Rebuilding the versions of keys from their events in landing, some keys a transaction.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::AddAssign;

use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{GenericClient, Transaction};
use serde::Serialize;
use uuid::Uuid;

use super::cluster::Layout;
use super::error::{Doing, Error};
use super::late::effective_event;
use super::statement;
use super::versions::{self, BrokenKeys, found_version};
use crate::entity::{Kind, for_each_entity};
use crate::event::Recorded;
use crate::timeline::{self, FoundVersion, Revision, Version};

/// Events, or versions, of the keys that are rebuilt in one transaction: enough that a round trip
/// costs nothing beside them, few enough that a run waits no longer than a second for the
/// dimension's lock and that they take little memory. A key with more of them is rebuilt alone.
const CHUNK: i64 = 20_000;

/// First key of all.
pub const FIRST_KEY: i64 = i64::MIN;

/// What was done to keys and their versions, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RebuildCounts {
    /// Keys that have events or versions.
    pub keys: i64,
    /// Keys whose versions were not those that their events make.
    pub keys_changed: i64,
    /// Keys that could not be rebuilt.
    pub keys_failed: i64,
    /// Versions written.
    pub versions_opened: i64,
    /// Versions that kept their surrogate key and got other content.
    pub versions_changed: i64,
    /// Versions deleted.
    pub versions_removed: i64,
}

impl AddAssign for RebuildCounts {
    fn add_assign(&mut self, other: RebuildCounts) {
        self.keys += other.keys;
        self.keys_changed += other.keys_changed;
        self.keys_failed += other.keys_failed;
        self.versions_opened += other.versions_opened;
        self.versions_changed += other.versions_changed;
        self.versions_removed += other.versions_removed;
    }
}

/// What became of some keys.
#[derive(Debug, Default)]
pub struct RebuiltKeys {
    /// The numbers.
    pub counts: RebuildCounts,
    /// Keys that could not be rebuilt, each with the reason.
    pub failed: BTreeMap<i64, String>,
    /// Keys that have neither events nor versions.
    pub unknown: Vec<i64>,
}

/// The keys from `first` on that come next, in order: those of one transaction. There are none after
/// the last one.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn next_keys(
    client: &mut impl GenericClient,
    kind: Kind,
    first: i64,
) -> Result<Vec<i64>, Error> {
    let rows = client
        .query_typed(
            &statement::fill(statement::REBUILD_NEXT_KEYS, kind),
            &[(&first, Type::INT8), (&CHUNK, Type::INT8)],
        )
        .doing("looking for the next keys to rebuild")?;
    Ok(rows.iter().map(|row| row.get("entity_id")).collect())
}

macro_rules! define_rebuild {
    ($($module:ident::$entity:ident),+) => {
        /// Rebuilds the versions of these keys; the dimension is locked by the transaction. A key that
        /// cannot be rebuilt stays as it is, and the others are rebuilt.
        ///
        /// # Errors
        ///
        /// [`Error::Database`] when a statement fails for another reason than the data.
        pub fn rebuild(
            transaction: &mut Transaction<'_>,
            kind: Kind,
            layout: Layout,
            keys: &[i64],
        ) -> Result<RebuiltKeys, Error> {
            match kind {
                $(Kind::$entity => rebuild_keys::<crate::entity::$entity>(transaction, layout, keys),)+
            }
        }
    };
}
for_each_entity!(define_rebuild);

fn rebuild_keys<E: Recorded>(
    transaction: &mut Transaction<'_>,
    layout: Layout,
    keys: &[i64],
) -> Result<RebuiltKeys, Error> {
    let mut expected = expected_versions::<E>(transaction, keys)?;
    let mut found = found_versions::<E>(transaction, keys)?;
    let known: BTreeSet<i64> = expected.keys().chain(found.keys()).copied().collect();
    let mut rebuilt = RebuiltKeys {
        unknown: keys
            .iter()
            .copied()
            .filter(|entity_id| !known.contains(entity_id))
            .collect(),
        ..RebuiltKeys::default()
    };
    rebuilt.counts.keys = known.len() as i64;
    let mut revisions: Vec<(i64, Revision<E>)> = Vec::new();
    for entity_id in known {
        let found = found.remove(&entity_id).unwrap_or_default();
        match expected.remove(&entity_id).unwrap_or(Ok(Vec::new())) {
            Ok(versions) => {
                let revision = timeline::rebuild(found, versions);
                if !revision.is_empty() {
                    revisions.push((entity_id, revision));
                }
            }
            Err(cause) => {
                rebuilt.failed.insert(entity_id, cause);
            }
        }
    }
    let mut refused = BrokenKeys::new();
    versions::write(transaction, &revisions, layout, &mut refused)?;
    let refused = refused.into_iter();
    rebuilt
        .failed
        .extend(refused.map(|((_, entity_id), cause)| (entity_id, cause)));
    for (_, revision) in revisions
        .iter()
        .filter(|(entity_id, _)| !rebuilt.failed.contains_key(entity_id))
    {
        rebuilt.counts.keys_changed += 1;
        rebuilt.counts.versions_opened += revision.opened.len() as i64;
        rebuilt.counts.versions_changed += revision.changed.len() as i64;
        rebuilt.counts.versions_removed += revision.removed.len() as i64;
    }
    rebuilt.counts.keys_failed = rebuilt.failed.len() as i64;
    Ok(rebuilt)
}

/// The versions that the events of each key make; of a key with an event that cannot be represented
/// the reason instead.
type Expected<E> = BTreeMap<i64, Result<Vec<Version<E>>, String>>;

/// Reads the events one by one: a key can have more of them than should be in memory.
fn expected_versions<E: Recorded>(
    transaction: &mut Transaction<'_>,
    keys: &[i64],
) -> Result<Expected<E>, Error> {
    let doing = "reading the events of the keys";
    let mut rows = transaction
        .query_typed_raw(
            &statement::fill(statement::REBUILD_EVENTS, E::KIND),
            [(&keys as &(dyn ToSql + Sync), Type::INT8_ARRAY)],
        )
        .doing(doing)?;
    let mut expected = Expected::<E>::new();
    while let Some(row) = rows.next().doing(doing)? {
        let versions = expected
            .entry(row.get("entity_id"))
            .or_insert(Ok(Vec::new()));
        match (&mut *versions, effective_event(&row)) {
            (Ok(versions), Ok(event)) => timeline::extend(versions, event),
            (Ok(_), Err(cause)) => {
                let event_id: Uuid = row.get("event_id");
                *versions = Err(format!("its event {event_id} cannot be read: {cause}"));
            }
            (Err(_), _) => {}
        }
    }
    Ok(expected)
}

fn found_versions<E: Recorded>(
    transaction: &mut Transaction<'_>,
    keys: &[i64],
) -> Result<BTreeMap<i64, Vec<FoundVersion<E>>>, Error> {
    let doing = "reading the versions of the keys";
    let mut rows = transaction
        .query_typed_raw(
            &statement::fill(statement::REBUILD_VERSIONS, E::KIND),
            [(&keys as &(dyn ToSql + Sync), Type::INT8_ARRAY)],
        )
        .doing(doing)?;
    let mut found: BTreeMap<i64, Vec<FoundVersion<E>>> = BTreeMap::new();
    while let Some(row) = rows.next().doing(doing)? {
        let versions = found.entry(row.get("entity_id")).or_default();
        versions.push(found_version(&row).doing(doing)?);
    }
    drop(rows);
    let surrogate_keys: Vec<i64> = found.values().flatten().map(|found| found.key).collect();
    let taken = taken_keys(transaction, E::KIND, &surrogate_keys)?;
    if !taken.is_empty() {
        for (entity_id, versions) in &mut found {
            for version in versions {
                version.is_key_taken = taken.contains(&(*entity_id, version.key));
            }
        }
    }
    Ok(found)
}

/// Of these surrogate keys, those that were given twice: each with the natural key whose version has
/// to give it up.
fn taken_keys(
    transaction: &mut Transaction<'_>,
    kind: Kind,
    surrogate_keys: &[i64],
) -> Result<HashSet<(i64, i64)>, Error> {
    let rows = transaction
        .query_typed(
            &statement::fill(statement::REBUILD_TAKEN_KEYS, kind),
            &[(&surrogate_keys, Type::INT8_ARRAY)],
        )
        .doing("looking for surrogate keys that were given twice")?;
    Ok(rows
        .iter()
        .map(|row| (row.get("entity_id"), row.get("version_key")))
        .collect())
}

/// Notes how many of its events each run has lost: they were deleted from landing, which a rebuild
/// takes as it is. Returns how many more that are than were noted before.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub fn note_lost(transaction: &mut Transaction<'_>) -> Result<i64, Error> {
    let doing = "counting the events that landing has of each run";
    // It joins whole tables.
    transaction
        .batch_execute("set local enable_hashjoin = on")
        .doing(doing)?;
    let sql = include_str!("../../sql/rebuild/note_lost.sql")
        .replace("{landed}", &statement::union(statement::VERIFY_LANDED));
    let row = transaction.query_typed_one(&sql, &[]).doing(doing)?;
    Ok(row.get("events"))
}

/// The dimensions that a migration asked to rebuild.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn requested(client: &mut impl GenericClient) -> Result<Vec<Kind>, Error> {
    let rows = client
        .query_typed(include_str!("../../sql/rebuild/requested.sql"), &[])
        .doing("looking for requested rebuilds")?;
    Ok(rows
        .iter()
        .filter_map(|row| Kind::named(row.get("entity")))
        .collect())
}

/// The key from which a requested rebuild goes on; `None` once it is done.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn next_requested_key(
    client: &mut impl GenericClient,
    kind: Kind,
) -> Result<Option<i64>, Error> {
    let row = client
        .query_typed_opt(
            include_str!("../../sql/rebuild/next_id.sql"),
            &[(&kind.name(), Type::TEXT)],
        )
        .doing("reading how far a requested rebuild has come")?;
    Ok(row.map(|row| row.get("next_id")))
}

/// Notes how far a requested rebuild has come, in the transaction that has rebuilt the keys from
/// `before` on: to before `next`, or to the end.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn advance_requested(
    client: &mut impl GenericClient,
    kind: Kind,
    before: i64,
    next: Option<i64>,
) -> Result<(), Error> {
    let (entity, doing) = (kind.name(), "noting how far a requested rebuild has come");
    match next {
        Some(next) => client.execute_typed(
            include_str!("../../sql/rebuild/advance.sql"),
            &[
                (&entity, Type::TEXT),
                (&before, Type::INT8),
                (&next, Type::INT8),
            ],
        ),
        None => client.execute_typed(
            include_str!("../../sql/rebuild/finish.sql"),
            &[(&entity, Type::TEXT), (&before, Type::INT8)],
        ),
    }
    .doing(doing)?;
    Ok(())
}
