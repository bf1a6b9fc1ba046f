//! The versions of a dimension in the database: reading one from a row, and writing revisions.

use std::collections::HashMap;
use std::ops::AddAssign;

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{Row, Transaction};

use super::cluster::Layout;
use super::error::{Doing, Error};
use super::rows::{self, Columns, RowReader};
use super::statement;
use super::transaction::attempt;
use crate::entity::{Kind, Listed};
use crate::timeline::{FoundVersion, Revision, StoredVersion, Version};

/// Keys whose versions cannot be updated, each with the reason.
pub type BrokenKeys = HashMap<(Kind, i64), String>;

/// What became of the versions of a dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revised {
    /// Versions written.
    pub opened: i64,
    /// Versions that got an end.
    pub closed: i64,
    /// Versions of earlier runs that were rewritten.
    pub changed: i64,
}

impl AddAssign for Revised {
    fn add_assign(&mut self, other: Revised) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.changed += other.changed;
    }
}

/// Why timelines could not be revised.
#[derive(Debug)]
pub enum ReviseError {
    /// Some keys are broken: the transaction has to be rolled back and done again without them.
    Broken(BrokenKeys),
    /// The warehouse failed.
    Failed(Error),
}

impl From<Error> for ReviseError {
    fn from(error: Error) -> ReviseError {
        ReviseError::Failed(error)
    }
}

/// Reads a version from a row; else says why it cannot be represented.
pub(super) fn stored_version<E: Listed>(row: &Row) -> Result<StoredVersion<E>, String> {
    let read = || -> Result<StoredVersion<E>, postgres::Error> {
        let mut reader = RowReader(row);
        Ok(StoredVersion {
            key: reader.column("version_key")?,
            version: Version {
                valid_from: reader.column("valid_from")?,
                valid_to: reader.column("valid_to")?,
                event_id: reader.column("event_id")?,
                state: E::read(&mut reader)?,
            },
        })
    };
    read().map_err(|cause| format!("a version cannot be read: {cause}"))
}

/// Reads a version to which anything may have happened: what cannot be represented is left out. Its
/// surrogate key is taken to be its own.
///
/// # Errors
///
/// When there is no surrogate key.
pub(super) fn found_version<E: Listed>(row: &Row) -> Result<FoundVersion<E>, postgres::Error> {
    let reader = RowReader(row);
    Ok(FoundVersion {
        key: reader.column("version_key")?,
        is_key_taken: false,
        valid_from: reader.column("valid_from").ok(),
        version: stored_version(row).ok().map(|stored| stored.version),
    })
}

/// Writes revisions. Where the database refuses to change the versions of a key, the key is added to
/// the broken ones; the transaction goes on, but cannot be committed then.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails for another reason.
pub(super) fn write<E: Listed>(
    transaction: &mut Transaction<'_>,
    revisions: &[(i64, Revision<E>)],
    layout: Layout,
    broken: &mut BrokenKeys,
) -> Result<Revised, Error> {
    if revisions.is_empty() {
        return Ok(Revised::default());
    }
    let refusal = match attempt(transaction, "writing versions", |savepoint| {
        try_write(savepoint, revisions, layout)
    })? {
        Ok(revised) => return Ok(revised),
        Err(refusal) => refusal,
    };
    if let [(entity_id, _)] = revisions {
        broken.insert((E::KIND, *entity_id), refusal);
        return Ok(Revised::default());
    }
    let (first, second) = revisions.split_at(revisions.len() / 2);
    let mut revised = write(transaction, first, layout, broken)?;
    revised += write(transaction, second, layout, broken)?;
    Ok(revised)
}

/// Writes what is removed first, then what has changed, then what is new, so that at no time two
/// versions of a key have the same start or the same end.
fn try_write<E: Listed>(
    transaction: &mut Transaction<'_>,
    revisions: &[(i64, Revision<E>)],
    layout: Layout,
) -> Result<Revised, Error> {
    delete(transaction, revisions)?;
    update(transaction, revisions)?;
    let opened = open(transaction, revisions)?;
    if layout == Layout::Distributed {
        require_links(transaction, revisions)?;
    }
    Ok(Revised {
        opened,
        closed: revisions.iter().map(|(_, revision)| revision.closed).sum(),
        changed: revisions
            .iter()
            .map(|(_, revision)| revision.rewritten)
            .sum(),
    })
}

/// Checks that each end of a version is the start of another one. The versions of a new key are one
/// chain by construction.
fn require_links<E: Listed>(
    transaction: &mut Transaction<'_>,
    revisions: &[(i64, Revision<E>)],
) -> Result<(), Error> {
    let had_versions =
        |revision: &Revision<E>| !(revision.changed.is_empty() && revision.removed.is_empty());
    let keys: Vec<i64> = revisions
        .iter()
        .filter(|(_, revision)| had_versions(revision))
        .map(|(entity_id, _)| *entity_id)
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    let doing = "checking the versions";
    let unlinked = transaction
        .query_typed_opt(
            &statement::fill(statement::VERSION_UNLINKED, E::KIND),
            &[(&keys, Type::INT8_ARRAY)],
        )
        .doing(doing)?;
    match unlinked {
        Some(row) => Err(Error::Unlinked {
            entity: E::KIND.name(),
            entity_id: row.get("entity_id"),
            valid_to: row.get("valid_to"),
        }),
        None => Ok(()),
    }
}

fn delete<E: Listed>(
    transaction: &mut Transaction<'_>,
    revisions: &[(i64, Revision<E>)],
) -> Result<(), Error> {
    let (keys, removed): (Vec<i64>, Vec<i64>) = revisions
        .iter()
        .flat_map(|(entity_id, revision)| revision.removed.iter().map(|key| (*entity_id, *key)))
        .unzip();
    if removed.is_empty() {
        return Ok(());
    }
    transaction
        .execute_typed(
            &statement::fill(statement::VERSION_DELETE, E::KIND),
            &[(&keys, Type::INT8_ARRAY), (&removed, Type::INT8_ARRAY)],
        )
        .doing("deleting versions")?;
    transaction
        .execute_typed(
            include_str!("../../sql/version/note_removed.sql"),
            &[
                (&E::KIND.name(), Type::TEXT),
                (&removed.iter().max(), Type::INT8),
            ],
        )
        .doing("noting the highest key of the deleted versions")?;
    Ok(())
}

fn update<E: Listed>(
    transaction: &mut Transaction<'_>,
    revisions: &[(i64, Revision<E>)],
) -> Result<(), Error> {
    let changed: Vec<(i64, &StoredVersion<E>)> = revisions
        .iter()
        .flat_map(|(entity_id, revision)| {
            let changed = revision.changed.iter();
            changed.map(|stored| (*entity_id, stored))
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let versions = || changed.iter().map(|(_, stored)| &stored.version);
    let mut columns = Columns::default();
    columns.push_each(Type::INT8_ARRAY, &changed, |(entity_id, _)| *entity_id);
    columns.push_each(Type::INT8_ARRAY, &changed, |(_, stored)| stored.key);
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, versions(), |version| {
        version.valid_from
    });
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, versions(), |version| {
        version.valid_to
    });
    columns.push_each(Type::UUID_ARRAY, versions(), |version| version.event_id);
    let states: Vec<&E> = versions().map(|version| &version.state).collect();
    columns.push_attributes(&states);
    transaction
        .execute_typed(
            &statement::fill(statement::VERSION_UPDATE, E::KIND),
            &columns.parameters(),
        )
        .doing("updating versions")?;
    Ok(())
}

/// Writes new versions; returns how many.
fn open<E: Listed>(
    transaction: &mut Transaction<'_>,
    revisions: &[(i64, Revision<E>)],
) -> Result<i64, Error> {
    let opened: Vec<(i64, &Version<E>)> = revisions
        .iter()
        .flat_map(|(entity_id, revision)| {
            let opened = revision.opened.iter();
            opened.map(|version| (*entity_id, version))
        })
        .collect();
    rows::copy(
        transaction,
        &statement::fill(statement::VERSION_COPY, E::KIND),
        &opened,
        |(entity_id, version), row| {
            row.integer(*entity_id);
            row.time(version.valid_from);
            row.optional(version.valid_to, |row, time: DateTime<Utc>| row.time(time));
            row.uuid(version.event_id);
            row.attributes(&version.state);
        },
        "opening versions",
    )?;
    Ok(opened.len() as i64)
}
