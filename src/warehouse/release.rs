//! The end of a run in its checkpoints: the claims are released, and what the run has scanned or why it
//! failed is recorded.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::Client;
use postgres::types::Type;

use super::error::Error;
use super::rows::Columns;
use super::transaction::execute_bounded;
use crate::clock::FileTime;
use crate::inbox::listing::Census;
use crate::inbox_name::InboxName;
use crate::source::Source;

/// A folder that a run has scanned.
#[derive(Clone, Copy, Debug)]
pub struct ScannedFolder {
    /// The source.
    pub source: Source,
    /// The files in the folder.
    pub census: Census,
    /// How long the scan took.
    pub took: Duration,
}

/// Releases the claims of a run and records when it scanned which folders, and what that found.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn finish(
    client: &mut Client,
    run_id: i64,
    scanned: &[ScannedFolder],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let sources: Vec<&str> = scanned.iter().map(|folder| folder.source.name()).collect();
    let mut columns = Columns::default();
    columns.push(Type::INT8, run_id);
    columns.push(Type::TEXT_ARRAY, sources);
    columns.push(Type::TIMESTAMPTZ, now);
    columns.push_each(Type::INT8_ARRAY, scanned, |folder| {
        folder.census.files.cast_signed()
    });
    columns.push_each(Type::INT8_ARRAY, scanned, |folder| {
        folder.took.as_millis() as i64
    });
    columns.push_each(Type::INT8_ARRAY, scanned, |folder| {
        folder.census.old.cast_signed()
    });
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, scanned, |folder| {
        folder.census.oldest.map(FileTime::to_utc)
    });
    execute_bounded(
        client,
        "releasing the claim of the run",
        include_str!("../../sql/checkpoint/finish.sql"),
        &columns.parameters(),
    )
    .map(drop)
}

/// Records why a run failed at these sources.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn fail(
    client: &mut Client,
    inbox: &InboxName,
    sources: &[Source],
    now: DateTime<Utc>,
    failure: &str,
) -> Result<(), Error> {
    execute_bounded(
        client,
        "recording why the run failed",
        include_str!("../../sql/checkpoint/fail.sql"),
        &[
            (&Source::names(sources), Type::TEXT_ARRAY),
            (&inbox.as_str(), Type::TEXT),
            (&now, Type::TIMESTAMPTZ),
            (&failure, Type::TEXT),
        ],
    )
    .map(drop)
}
