//! Rejected events: kept whole with a reason, and resolved when a good version of the file arrives.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use chrono::{DateTime, Utc};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{GenericClient, Row, Transaction};

use super::rows::{self, Columns};
use crate::error::{Doing, Error};
use crate::event::Rejection;
use crate::inbox::Stamp;
use crate::source::Source;

/// Up to so many files the database is asked of each whether some version of it was rejected. For
/// more, the names of all that were are read first, which takes a seventh of the time a name.
const ASKED_ONE_BY_ONE: usize = 500;

/// A file that is no event.
#[derive(Debug)]
pub struct RejectedFile<'a> {
    /// Its name.
    pub file_name: &'a str,
    /// What the file system said of it.
    pub stamp: Stamp,
    /// Why.
    pub rejection: Rejection,
    /// Its content, `None` if it was not read.
    pub document: Option<&'a [u8]>,
}

/// The files of a source of which some version was rejected before a transaction, resolved or not.
#[derive(Debug)]
pub enum Before {
    /// Those whose names have one of these hashes, and by chance another one, of which the database
    /// is asked in vain: a tenth of a backfill's million names is too much to keep.
    Known(RandomState, HashSet<u64>),
    /// So many that the database is asked of each file, or so few files that it is quicker to.
    Unknown,
}

impl Before {
    /// Reads them, if that is quicker for so many files than to ask of each.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when they cannot be read.
    pub fn read(
        transaction: &mut Transaction<'_>,
        source: Source,
        files: usize,
    ) -> Result<Before, Error> {
        if files <= ASKED_ONE_BY_ONE {
            return Ok(Before::Unknown);
        }
        let doing = "reading which files were rejected before";
        let limit = files as i64 + 1;
        let mut rows = transaction
            .query_typed_raw(
                include_str!("../../sql/rejected_event/names.sql"),
                [
                    (&source.name() as &(dyn ToSql + Sync), Type::TEXT),
                    (&limit, Type::INT8),
                ],
            )
            .doing(doing)?;
        let (hasher, mut known, mut count) = (RandomState::new(), HashSet::new(), 0);
        while let Some(row) = rows.next().doing(doing)? {
            known.insert(hasher.hash_one(row.get::<_, &str>(0)));
            count += 1;
        }
        Ok(match count <= files {
            true => Before::Known(hasher, known),
            false => Before::Unknown,
        })
    }

    /// Of these files, those that may be among them.
    pub fn among<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
        match self {
            Before::Known(hasher, known) => names
                .filter(|name| known.contains(&hasher.hash_one(*name)))
                .collect(),
            Before::Unknown => names.collect(),
        }
    }
}

/// Keeps rejected files of a source, each of another name.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub fn keep(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    source: Source,
    before: &Before,
    files: Vec<RejectedFile<'_>>,
) -> Result<(), Error> {
    let asked = before.among(files.iter().map(|file| file.file_name));
    let known = known_names(transaction, source, &asked)?;
    let (known, new): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|file| known.contains(file.file_name));
    copy_new(transaction, run_id, source, &new)?;
    keep_known(transaction, run_id, source, &known)
}

/// Of these files, those of which some version was rejected before.
fn known_names(
    transaction: &mut Transaction<'_>,
    source: Source,
    names: &[&str],
) -> Result<HashSet<String>, Error> {
    if names.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = transaction
        .query_typed(
            include_str!("../../sql/rejected_event/known_names.sql"),
            &[(&source.name(), Type::TEXT), (&names, Type::TEXT_ARRAY)],
        )
        .doing("looking for files that were rejected before")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Keeps files of which no version was rejected before.
fn copy_new(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    source: Source,
    files: &[RejectedFile<'_>],
) -> Result<(), Error> {
    struct New<'f> {
        file: &'f RejectedFile<'f>,
        modified: DateTime<Utc>,
        changed: DateTime<Utc>,
        size: i64,
        reason: &'static str,
        detail: String,
    }
    let source = source.name();
    let new: Vec<New<'_>> = files
        .iter()
        .map(|file| New {
            file,
            modified: file.stamp.modified.to_utc(),
            changed: file.stamp.changed.to_utc(),
            size: file.stamp.size as i64,
            reason: file.rejection.code(),
            detail: file.rejection.to_string(),
        })
        .collect();
    rows::copy(
        transaction,
        include_str!("../../sql/rejected_event/copy_new.sql"),
        &[
            Type::TEXT,
            Type::TEXT,
            Type::TIMESTAMPTZ,
            Type::TIMESTAMPTZ,
            Type::INT8,
            Type::TEXT,
            Type::TEXT,
            Type::BYTEA,
            Type::INT8,
        ],
        &new,
        |new, row| {
            row.push(&source);
            row.push(&new.file.file_name);
            row.push(&new.modified);
            row.push(&new.changed);
            row.push(&new.size);
            row.push(&new.reason);
            row.push(&new.detail);
            row.push(&new.file.document);
            row.push(&run_id);
        },
        "keeping rejected events",
    )
}

/// Keeps files of which versions were rejected before, perhaps this one.
fn keep_known(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    source: Source,
    files: &[RejectedFile<'_>],
) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::default();
    columns.push(Type::INT8, run_id);
    columns.push(Type::TEXT, source.name());
    columns.push_each(Type::TEXT_ARRAY, files, |file| file.file_name);
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, files, |file| {
        file.stamp.modified.to_utc()
    });
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, files, |file| {
        file.stamp.changed.to_utc()
    });
    columns.push_each(Type::INT8_ARRAY, files, |file| file.stamp.size as i64);
    columns.push_each(Type::TEXT_ARRAY, files, |file| file.rejection.code());
    columns.push_each(Type::TEXT_ARRAY, files, |file| file.rejection.to_string());
    columns.push_each(Type::BYTEA_ARRAY, files, |file| file.document);
    transaction
        .execute_typed(
            include_str!("../../sql/rejected_event/keep.sql"),
            &columns.parameters(),
        )
        .doing("keeping rejected events")?;
    Ok(())
}

/// Marks rejections of these files as resolved: a good version of each has arrived.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn resolve(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    source: Source,
    file_names: &[&str],
) -> Result<(), Error> {
    if file_names.is_empty() {
        return Ok(());
    }
    transaction
        .execute_typed(
            include_str!("../../sql/rejected_event/resolve.sql"),
            &[
                (&run_id, Type::INT8),
                (&source.name(), Type::TEXT),
                (&file_names, Type::TEXT_ARRAY),
            ],
        )
        .doing("resolving rejected events")?;
    Ok(())
}

/// Open rejections of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRejections {
    /// The source.
    pub source: Source,
    /// How many have a document to judge.
    pub with_document: i64,
    /// How many have none, because their file was not read.
    pub without_document: i64,
}

/// Open rejections by source, those with these numbers or all.
///
/// # Errors
///
/// [`Error::Database`] when they cannot be read.
pub fn open(
    client: &mut impl GenericClient,
    ids: Option<&[i64]>,
) -> Result<Vec<OpenRejections>, Error> {
    let rows = client
        .query_typed(
            include_str!("../../sql/rejected_event/open.sql"),
            &[(&ids, Type::INT8_ARRAY)],
        )
        .doing("counting open rejections")?;
    let mut open: Vec<OpenRejections> = rows
        .iter()
        .filter_map(|row| {
            Some(OpenRejections {
                source: Source::named(row.get(0))?,
                with_document: row.get(1),
                without_document: row.get(2),
            })
        })
        .collect();
    open.sort_by_key(|open| open.source);
    Ok(open)
}

/// Of the rejections with these numbers, those that are resolved already.
///
/// # Errors
///
/// [`Error::UnknownRejections`] when some do not exist, [`Error::Database`] when they cannot be
/// read.
pub fn already_resolved(client: &mut impl GenericClient, ids: &[i64]) -> Result<Vec<i64>, Error> {
    let rows = client
        .query_typed(
            include_str!("../../sql/rejected_event/asked.sql"),
            &[(&ids, Type::INT8_ARRAY)],
        )
        .doing("looking up rejections")?;
    let (unknown, resolved): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.get(1));
    let ids = |rows: Vec<&Row>| rows.into_iter().map(|row| row.get(0)).collect();
    match unknown.is_empty() {
        true => Ok(ids(resolved)),
        false => Err(Error::UnknownRejections(ids(unknown))),
    }
}

/// A rejection as the database keeps it, to be judged again.
#[derive(Clone, Copy, Debug)]
pub struct KeptDocument<'a> {
    /// Its number.
    pub rejected_id: i64,
    /// Name of its file.
    pub file_name: &'a str,
    /// Modification time of its file, whole microseconds.
    pub file_modified_at: DateTime<Utc>,
    /// Content of the file.
    pub document: &'a [u8],
}

impl<'a> KeptDocument<'a> {
    /// Reads a row of [`next_documents`].
    pub fn from_row(row: &'a Row) -> KeptDocument<'a> {
        KeptDocument {
            rejected_id: row.get(0),
            file_name: row.get(1),
            file_modified_at: row.get(2),
            document: row.get(3),
        }
    }
}

/// How much of what is kept is read at once.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Most documents.
    pub documents: i64,
    /// Bytes of documents after which no other one is begun.
    pub bytes: i64,
}

/// The open rejections of a source that have a document and a number after `after`, those with
/// these numbers or all, as many as there is room for; in the order in which their files changed.
/// Each row is a [`KeptDocument`].
///
/// # Errors
///
/// [`Error::Database`] when they cannot be read.
pub fn next_documents(
    client: &mut impl GenericClient,
    source: Source,
    ids: Option<&[i64]>,
    after: i64,
    room: Room,
) -> Result<Vec<Row>, Error> {
    client
        .query_typed(
            include_str!("../../sql/rejected_event/next_documents.sql"),
            &[
                (&source.name(), Type::TEXT),
                (&ids, Type::INT8_ARRAY),
                (&after, Type::INT8),
                (&room.documents, Type::INT8),
                (&room.bytes, Type::INT8),
            ],
        )
        .doing("reading rejected documents")
}

/// Marks rejections as resolved because their documents are accepted now, together with those of
/// what the same files held before.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn resolve_accepted(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    rejected_ids: &[i64],
) -> Result<(), Error> {
    if rejected_ids.is_empty() {
        return Ok(());
    }
    transaction
        .execute_typed(
            include_str!("../../sql/rejected_event/resolve_accepted.sql"),
            &[(&run_id, Type::INT8), (&rejected_ids, Type::INT8_ARRAY)],
        )
        .doing("resolving rejected events")?;
    Ok(())
}

/// Gives rejections that stay the reason that they have now.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn rejudge(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    judged: &[(i64, Rejection)],
) -> Result<(), Error> {
    if judged.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::default();
    columns.push(Type::INT8, run_id);
    columns.push_each(Type::INT8_ARRAY, judged, |(id, _)| *id);
    columns.push_each(Type::TEXT_ARRAY, judged, |(_, rejection)| rejection.code());
    columns.push_each(Type::TEXT_ARRAY, judged, |(_, rejection)| {
        rejection.to_string()
    });
    transaction
        .execute_typed(
            include_str!("../../sql/rejected_event/rejudge.sql"),
            &columns.parameters(),
        )
        .doing("judging rejected events again")?;
    Ok(())
}
