//! The store of checkpoints: claimed by a run, advanced with each batch, given back at the end.
//!
//! Two runs over one folder are kept apart by a claim on its checkpoint. The claim is a mark in the
//! row that expires, and that a run renews while it reads files; within a batch's transaction the row
//! is locked and the claim compared. So a run that lost its claim, because its machine was suspended
//! say, can load nothing on top of the run that took over, and nothing here hangs on the session.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{GenericClient, Row, Transaction};

use super::error::{Doing, Error};
use super::rows;
use crate::checkpoint::{Checkpoint, InboxName, Progress};
use crate::clock::FileTime;
use crate::source::Source;
use crate::stamp::{FileStamp, FolderIdentity};
use crate::summary::Counts;

/// How long a claim lasts unless it is renewed: many times the pause between two renewals, and short
/// enough that the folder of a killed run does not wait long where the server cannot tell that the
/// run is gone (behind a pooler).
pub const CLAIM_LASTS: Duration = Duration::from_secs(15);

/// Pending files of a folder that are written down one by one; nobody reads more.
const PENDING_FILES: usize = 1_000;

/// What a run has claimed.
#[derive(Debug)]
pub struct Claim {
    /// Number of the run.
    pub run_id: i64,
    /// The highest number that a run had when the claim was made.
    highest_run_id: i64,
    /// The checkpoints.
    pub checkpoints: Vec<Checkpoint>,
}

/// Claims the checkpoints of these sources, those that no other run has; `None` if it is none. A run
/// that has claimed others already gives its number.
///
/// # Errors
///
/// [`Error::NotLoader`] when this user may not, [`Error::Database`] when a statement fails.
pub fn claim(
    client: &mut impl GenericClient,
    inbox: &InboxName,
    sources: &[Source],
    run_id: Option<i64>,
) -> Result<Option<Claim>, Error> {
    let mut rows = try_claim(client, inbox, sources, run_id)?;
    if rows.len() < sources.len() && create(client, inbox, sources)? > 0 {
        let run_id = rows.first().map(|row| row.get("run_id")).or(run_id);
        rows.extend(try_claim(client, inbox, sources, run_id)?);
    }
    Ok(rows.first().map(|first| Claim {
        run_id: first.get("run_id"),
        highest_run_id: first.get("highest_run_id"),
        checkpoints: rows.iter().filter_map(checkpoint).collect(),
    }))
}

fn try_claim(
    client: &mut impl GenericClient,
    inbox: &InboxName,
    sources: &[Source],
    run_id: Option<i64>,
) -> Result<Vec<Row>, Error> {
    client
        .query_typed(
            include_str!("../../sql/checkpoint/claim.sql"),
            &[
                (&Source::names(sources), Type::TEXT_ARRAY),
                (&inbox.as_str(), Type::TEXT),
                (&CLAIM_LASTS.as_secs_f64(), Type::FLOAT8),
                (&run_id, Type::INT8),
            ],
        )
        .map_err(|cause| Error::metadata(cause, "claiming the checkpoints"))
}

/// Reads the checkpoints of these sources without a claim on them: those that there are.
///
/// # Errors
///
/// [`Error::NotLoader`] when this user may not, [`Error::Database`] when the statement fails.
pub fn read(
    client: &mut impl GenericClient,
    inbox: &InboxName,
    sources: &[Source],
) -> Result<Vec<Checkpoint>, Error> {
    let rows = client
        .query_typed(
            include_str!("../../sql/checkpoint/read.sql"),
            &[
                (&Source::names(sources), Type::TEXT_ARRAY),
                (&inbox.as_str(), Type::TEXT),
            ],
        )
        .map_err(|cause| Error::metadata(cause, "reading the checkpoints"))?;
    Ok(rows.iter().filter_map(checkpoint).collect())
}

impl Claim {
    /// Adds what a later attempt has claimed. The run needs a new number then: others may have
    /// loaded and ended meanwhile.
    pub fn extend(&mut self, later: Claim) {
        self.checkpoints.extend(later.checkpoints);
        self.highest_run_id = self.run_id.max(later.highest_run_id);
    }

    /// Makes sure that the run has a higher number than every run before it. A sequence that a
    /// restore has left behind is advanced, and that is logged.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub fn settle_number(&mut self, client: &mut impl GenericClient) -> Result<(), Error> {
        let highest = self.highest_run_id;
        if self.run_id > highest {
            return Ok(());
        }
        self.run_id = draw(client, self.run_id)?;
        if self.run_id > highest {
            return Ok(());
        }
        client
            .query_typed(
                include_str!("../../sql/run/advance_sequence.sql"),
                &[(&highest, Type::INT8)],
            )
            .doing("advancing the sequence of run numbers")?;
        log::warn!(
            "the sequence of etl.run.run_id was behind, at {} where run {highest} exists, as after a restore or a \
             move by replication: it goes on after {highest}",
            self.run_id
        );
        self.run_id = draw(client, self.run_id)?;
        Ok(())
    }
}

/// Adds the checkpoints that there are not yet; returns how many.
fn create(
    client: &mut impl GenericClient,
    inbox: &InboxName,
    sources: &[Source],
) -> Result<u64, Error> {
    client
        .execute_typed(
            include_str!("../../sql/checkpoint/create.sql"),
            &[
                (&Source::names(sources), Type::TEXT_ARRAY),
                (&inbox.as_str(), Type::TEXT),
            ],
        )
        .doing("adding checkpoints")
}

/// Draws another number for a run.
fn draw(client: &mut impl GenericClient, run_id: i64) -> Result<i64, Error> {
    client
        .query_typed_one(
            include_str!("../../sql/checkpoint/renumber.sql"),
            &[(&run_id, Type::INT8)],
        )
        .map(|row| row.get("run_id"))
        .doing("numbering the run")
}

fn checkpoint(row: &Row) -> Option<Checkpoint> {
    let inode: Option<i64> = row.get("folder_inode");
    let born: Option<i64> = row.get("folder_born_ns");
    Some(Checkpoint {
        source: Source::named(row.get("source"))?,
        folder: inode.map(|inode| FolderIdentity {
            inode: inode.cast_unsigned(),
            born: born.map(FileTime::from_nanos),
        }),
        offset: row
            .get::<_, Option<DateTime<Utc>>>("offset_at")
            .map(Into::into),
        pending: row.get("pending"),
        pending_since: row
            .get::<_, Option<DateTime<Utc>>>("pending_since")
            .map(Into::into),
        remaining: row.get("remaining"),
    })
}

/// Renews the claims of a run.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn renew(client: &mut impl GenericClient, run_id: i64) -> Result<(), Error> {
    client
        .execute_typed(
            include_str!("../../sql/checkpoint/renew.sql"),
            &[
                (&run_id, Type::INT8),
                (&CLAIM_LASTS.as_secs_f64(), Type::FLOAT8),
            ],
        )
        .doing("renewing the claim of the run")?;
    Ok(())
}

/// Locks the checkpoints of a run until its transaction ends; says whether it still has the claims
/// on all these sources.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn is_still_claimed(
    transaction: &mut impl GenericClient,
    run_id: i64,
    sources: &[Source],
) -> Result<bool, Error> {
    let rows = transaction
        .query_typed(
            include_str!("../../sql/checkpoint/lock.sql"),
            &[(&run_id, Type::INT8)],
        )
        .doing("locking the checkpoints")?;
    let claimed: Vec<&str> = rows.iter().map(|row| row.get("source")).collect();
    Ok(sources
        .iter()
        .all(|source| claimed.contains(&source.name())))
}

/// Gives the claims of a run back and notes when it scanned which folders.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn finish(
    client: &mut impl GenericClient,
    run_id: i64,
    scanned: &[Source],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    client
        .execute_typed(
            include_str!("../../sql/checkpoint/finish.sql"),
            &[
                (&run_id, Type::INT8),
                (&Source::names(scanned), Type::TEXT_ARRAY),
                (&now, Type::TIMESTAMPTZ),
            ],
        )
        .doing("giving the claim of the run back")?;
    Ok(())
}

/// Writes down why a run failed at these sources.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn fail(
    client: &mut impl GenericClient,
    inbox: &InboxName,
    sources: &[Source],
    now: DateTime<Utc>,
    failure: &str,
) -> Result<(), Error> {
    client
        .execute_typed(
            include_str!("../../sql/checkpoint/fail.sql"),
            &[
                (&Source::names(sources), Type::TEXT_ARRAY),
                (&inbox.as_str(), Type::TEXT),
                (&now, Type::TIMESTAMPTZ),
                (&failure, Type::TEXT),
            ],
        )
        .doing("writing down why the run failed")?;
    Ok(())
}

/// A folder whose checkpoint is advanced.
#[derive(Clone, Copy, Debug)]
pub struct Advance<'a> {
    /// The source.
    pub source: Source,
    /// Name of the inbox.
    pub inbox: &'a InboxName,
    /// Path of the folder.
    pub path: &'a str,
    /// The folder that the offset belongs to from now on.
    pub folder: FolderIdentity,
}

/// Advances a checkpoint in the transaction that loads the data before its offset.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn advance(
    transaction: &mut impl GenericClient,
    advance: Advance<'_>,
    progress: &Progress,
    counts: Counts,
    newest_event_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    let inode = advance.folder.inode.cast_signed();
    let born = advance.folder.born.map(FileTime::nanos);
    let offset: Option<DateTime<Utc>> = progress.offset().map(FileTime::to_utc);
    transaction
        .execute_typed(
            include_str!("../../sql/checkpoint/advance.sql"),
            &[
                (&advance.source.name(), Type::TEXT),
                (&advance.inbox.as_str(), Type::TEXT),
                (&advance.path, Type::TEXT),
                (&inode, Type::INT8),
                (&born, Type::INT8),
                (&offset, Type::TIMESTAMPTZ),
                (&progress.scanned_at().to_utc(), Type::TIMESTAMPTZ),
                (&newest_event_at, Type::TIMESTAMPTZ),
                (&counts.loaded, Type::INT8),
                (&counts.duplicates, Type::INT8),
                (&counts.rejected, Type::INT8),
                (&progress.pending, Type::INT8),
                (&progress.remaining, Type::INT8),
            ],
        )
        .doing("advancing the checkpoint")?;
    Ok(())
}

/// Adds what a run did to the counters of a checkpoint, whose offset stays.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn count(
    transaction: &mut impl GenericClient,
    source: Source,
    inbox: &InboxName,
    counts: Counts,
    newest_event_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    transaction
        .execute_typed(
            include_str!("../../sql/checkpoint/count.sql"),
            &[
                (&source.name(), Type::TEXT),
                (&inbox.as_str(), Type::TEXT),
                (&newest_event_at, Type::TIMESTAMPTZ),
                (&counts.loaded, Type::INT8),
                (&counts.duplicates, Type::INT8),
                (&counts.rejected, Type::INT8),
            ],
        )
        .doing("counting what the run did")?;
    Ok(())
}

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
    client: &mut impl GenericClient,
    source: Source,
    inbox: &InboxName,
    mut take: impl FnMut(&str, FileStamp),
) -> Result<(), Error> {
    let doing = "reading the recently processed files";
    let mut rows = client
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

/// Remembers processed files that a run from the new offset finds again, and forgets those that none
/// will.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub fn remember_files(
    transaction: &mut Transaction<'_>,
    source: Source,
    inbox: &InboxName,
    horizon: FileTime,
    files: &[RecentFile],
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
}

/// Replaces the pending files of a folder, of many the first thousand.
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
    let files = &files[..files.len().min(PENDING_FILES)];
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let reasons: Vec<&str> = files.iter().map(|file| file.reason.as_str()).collect();
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
