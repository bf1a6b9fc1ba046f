//! Rejected events: kept whole with a reason, and resolved when a good version of the file arrives.

use postgres::Transaction;
use postgres::types::Type;

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
