//! Rejected events: kept whole with a reason, and resolved when a good version of the file arrives.

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{GenericClient, Row, Transaction};

use super::rows::Columns;
use crate::error::{Doing, Error};
use crate::event::Rejection;
use crate::inbox::Stamp;
use crate::source::Source;

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

/// Keeps rejected files of a source.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn keep(
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
