//! Files that a run has processed and that the next one finds again, and files that it left pending.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{Client, GenericClient, Transaction};

use super::error::{Doing, Error};
use super::rows;
use super::transaction::begin_bounded;
use crate::clock::FileTime;
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::stamp::FileStamp;

/// Pending files of a folder that are written down one by one beside those that only this finds again.
const PENDING_FILES: usize = 1_000;

/// A file that was processed.
#[derive(Clone, Debug)]
pub struct RecentFile {
    /// Its name as text.
    pub name: String,
    /// Its stamp when it was read.
    pub stamp: FileStamp,
}

/// Hands the recently processed files of a folder to `take`, one by one.
///
/// # Errors
///
/// [`Error::Database`] when they cannot be read.
pub fn each_recent_file(
    client: &mut Client,
    source: Source,
    inbox: &InboxName,
    mut take: impl FnMut(&str, FileStamp),
) -> Result<(), Error> {
    let doing = "reading the recently processed files";
    let mut transaction = begin_bounded(client, doing)?;
    let mut rows = transaction
        .query_typed_raw(
            include_str!("../../sql/checkpoint/recent_files.sql"),
            [
                (&source.name() as &(dyn ToSql + Sync), Type::TEXT),
                (&inbox.as_str(), Type::TEXT),
            ],
        )
        .doing(doing)?;
    while let Some(row) = rows.next().doing(doing)? {
        let number = |column: &str| row.get::<_, i64>(column);
        let stamp = FileStamp {
            inode: number("inode").cast_unsigned(),
            size: number("size").cast_unsigned(),
            modified: FileTime::from_nanos(number("modified_ns")),
            changed: FileTime::from_nanos(number("changed_ns")),
        };
        take(row.get("file_name"), stamp);
    }
    Ok(())
}

/// Forgets processed files that changed before the range that the next run scans again.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn forget_files(
    transaction: &mut Transaction<'_>,
    source: Source,
    inbox: &InboxName,
    horizon: FileTime,
) -> Result<(), Error> {
    transaction
        .execute_typed(
            include_str!("../../sql/checkpoint/forget_files.sql"),
            &[
                (&source.name(), Type::TEXT),
                (&inbox.as_str(), Type::TEXT),
                (&horizon.nanos(), Type::INT8),
            ],
        )
        .doing("forgetting files processed long ago")?;
    Ok(())
}

/// Remembers processed files in the range that the next run scans again.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn remember_files(
    transaction: &mut Transaction<'_>,
    source: Source,
    inbox: &InboxName,
    horizon: FileTime,
    files: &[RecentFile],
) -> Result<(), Error> {
    rows::copy(
        transaction,
        include_str!("../../sql/checkpoint/remember_files.sql"),
        files.iter().filter(|file| file.stamp.changed >= horizon),
        |file, row| {
            row.text(source.name());
            row.text(inbox.as_str());
            row.text(&file.name);
            row.integer(file.stamp.inode.cast_signed());
            row.integer(file.stamp.size.cast_signed());
            row.integer(file.stamp.modified.nanos());
            row.integer(file.stamp.changed.nanos());
        },
        "remembering the processed files",
    )
}

/// A file that was left pending.
#[derive(Clone, Debug)]
pub struct PendingFile {
    /// Its name as text.
    pub name: String,
    /// Why, as a sentence.
    pub reason: String,
    /// Whether it may have changed before the offset that the run went on from, so that the next run finds it
    /// by its name alone.
    pub is_behind: bool,
}

/// Names of the files that the last run left pending: all that are behind the offset, and of many others the
/// first thousand.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn pending_names(
    client: &mut Client,
    source: Source,
    inbox: &InboxName,
) -> Result<HashSet<String>, Error> {
    let doing = "reading the pending files";
    let mut transaction = begin_bounded(client, doing)?;
    let rows = transaction
        .query_typed(
            include_str!("../../sql/checkpoint/pending_files.sql"),
            &[(&source.name(), Type::TEXT), (&inbox.as_str(), Type::TEXT)],
        )
        .doing(doing)?;
    Ok(rows.iter().map(|row| row.get("file_name")).collect())
}

/// Replaces the pending files of a folder: those that are behind the offset, and of the others the first
/// thousand.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn keep_pending(
    transaction: &mut impl GenericClient,
    source: Source,
    inbox: &InboxName,
    now: DateTime<Utc>,
    files: &[PendingFile],
) -> Result<(), Error> {
    let (behind, others): (Vec<&PendingFile>, Vec<_>) =
        files.iter().partition(|file| file.is_behind);
    let files = || behind.iter().chain(others.iter().take(PENDING_FILES));
    let names: Vec<&str> = files().map(|file| file.name.as_str()).collect();
    let reasons: Vec<&str> = files().map(|file| file.reason.as_str()).collect();
    transaction
        .execute_typed(
            include_str!("../../sql/checkpoint/keep_pending.sql"),
            &[
                (&source.name(), Type::TEXT),
                (&inbox.as_str(), Type::TEXT),
                (&now, Type::TIMESTAMPTZ),
                (&names, Type::TEXT_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
            ],
        )
        .doing("writing down the pending files")?;
    Ok(())
}
