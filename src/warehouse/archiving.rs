//! What `etl archive` has done in each folder, as `etl status` shows it.

use chrono::{DateTime, Utc};
use postgres::Client;
use postgres::types::Type;

use super::error::{Doing, Error};
use super::transaction::{begin_bounded, execute_bounded};
use crate::inbox_name::InboxName;
use crate::source::Source;

/// What one `etl archive` has done in a folder.
#[derive(Clone, Copy, Debug)]
pub struct Archived<'a> {
    /// The source.
    pub source: Source,
    /// Name of the inbox.
    pub inbox: &'a InboxName,
    /// Folder of the archives.
    pub folder: &'a str,
    /// Archives that it made.
    pub archives: i64,
    /// Files that it moved into them.
    pub files: i64,
    /// Bytes of the archives.
    pub bytes: i64,
    /// Files that are old enough and stay in the inbox.
    pub kept: i64,
    /// When the oldest of them changed.
    pub kept_since: Option<DateTime<Utc>>,
    /// Whether it went through the whole folder.
    pub ended: bool,
}

/// Checks that this user may record what is archived, before anything is.
///
/// # Errors
///
/// [`Error::NotLoader`] when this user may not, [`Error::Database`] when the statement fails.
pub fn check_right(client: &mut Client) -> Result<(), Error> {
    let doing = "checking the right to record what is archived";
    let mut transaction = begin_bounded(client, doing)?;
    transaction
        .execute_typed(include_str!("../../sql/archiving/check_right.sql"), &[])
        .map_err(|cause| Error::metadata(cause, doing))?;
    transaction.rollback().doing(doing)
}

/// Whether files of a folder were ever archived.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn has_archives(client: &mut Client, source: Source, inbox: &InboxName) -> Result<bool, Error> {
    client
        .query_typed_one(
            include_str!("../../sql/archiving/has_archives.sql"),
            &[(&source.name(), Type::TEXT), (&inbox.as_str(), Type::TEXT)],
        )
        .map(|row| row.get("has_archives"))
        .doing("reading what was archived")
}

/// Records it.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn record(
    client: &mut Client,
    archived: Archived<'_>,
    archived_at: DateTime<Utc>,
) -> Result<(), Error> {
    execute_bounded(
        client,
        "recording what was archived",
        include_str!("../../sql/archiving/record.sql"),
        &[
            (&archived.source.name(), Type::TEXT),
            (&archived.inbox.as_str(), Type::TEXT),
            (&archived.folder, Type::TEXT),
            (&archived_at, Type::TIMESTAMPTZ),
            (&archived.archives, Type::INT8),
            (&archived.files, Type::INT8),
            (&archived.bytes, Type::INT8),
            (&archived.kept, Type::INT8),
            (&archived.kept_since, Type::TIMESTAMPTZ),
            (&archived.ended, Type::BOOL),
        ],
    )
    .map(drop)
}
