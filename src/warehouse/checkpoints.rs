//! The store of checkpoints: claimed by a run, advanced with each batch, released at the end.
//!
//! Two runs over one folder are kept apart by a claim on its checkpoint. The claim is a mark in the
//! row that expires, and that a run renews while it reads files; within a batch's transaction the row
//! is locked and the claim compared. So a run that lost its claim, because its machine was suspended
//! say, can load nothing on top of the run that took over, and nothing here hangs on the session.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{Client, GenericClient, Row, Transaction};

use super::error::{Doing, Error};
use super::transaction::{begin_bounded, execute_bounded};
use crate::checkpoint::{Checkpoint, Progress};
use crate::clock::FileTime;
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::stamp::FolderIdentity;
use crate::summary::Counts;

/// How long a claim lasts unless it is renewed: several times the pause between two renewals, and
/// short enough that the folder of a killed run does not wait long where the server cannot tell that
/// the run is gone (behind a pooler).
pub const CLAIM_LASTS: Duration = Duration::from_secs(15);

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

impl Claim {
    /// The sources of its checkpoints.
    pub fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        self.checkpoints.iter().map(|checkpoint| checkpoint.source)
    }
}

/// Claims the checkpoints of these sources, those that no other run has; `None` if it is none. A run
/// that has claimed others already gives its number.
///
/// # Errors
///
/// [`Error::NotLoader`] when this user may not, [`Error::Database`] when a statement fails.
pub fn claim(
    client: &mut Client,
    inbox: &InboxName,
    sources: &[Source],
    run_id: Option<i64>,
) -> Result<Option<Claim>, Error> {
    let mut rows = try_claim(client, inbox, sources, run_id)?;
    if rows.len() < sources.len() && create(client, inbox, sources)? > 0 {
        let run_id = rows.first().map(|row| row.get("run_id")).or(run_id);
        rows.extend(try_claim(client, inbox, sources, run_id)?);
    }
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(Claim {
        run_id: first.get("run_id"),
        highest_run_id: first.get("highest_run_id"),
        checkpoints: read_all(&rows).doing("claiming the checkpoints")?,
    }))
}

fn try_claim(
    client: &mut Client,
    inbox: &InboxName,
    sources: &[Source],
    run_id: Option<i64>,
) -> Result<Vec<Row>, Error> {
    let doing = "claiming the checkpoints";
    let mut transaction = begin_bounded(client, doing)?;
    let rows = transaction
        .query_typed(
            include_str!("../../sql/checkpoint/claim.sql"),
            &[
                (&Source::names(sources), Type::TEXT_ARRAY),
                (&inbox.as_str(), Type::TEXT),
                (&CLAIM_LASTS.as_secs_f64(), Type::FLOAT8),
                (&run_id, Type::INT8),
            ],
        )
        .map_err(|cause| Error::metadata(cause, doing))?;
    transaction.commit().doing(doing)?;
    Ok(rows)
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
    read_all(&rows).doing("reading the checkpoints")
}

/// Reads the checkpoints of known sources.
fn read_all(rows: &[Row]) -> Result<Vec<Checkpoint>, postgres::Error> {
    let checkpoints: Result<Vec<Option<Checkpoint>>, _> = rows.iter().map(checkpoint).collect();
    Ok(checkpoints?.into_iter().flatten().collect())
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
fn create(client: &mut Client, inbox: &InboxName, sources: &[Source]) -> Result<u64, Error> {
    execute_bounded(
        client,
        "adding checkpoints",
        include_str!("../../sql/checkpoint/create.sql"),
        &[
            (&Source::names(sources), Type::TEXT_ARRAY),
            (&inbox.as_str(), Type::TEXT),
        ],
    )
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

/// Reads a checkpoint, if it is that of a known source.
fn checkpoint(row: &Row) -> Result<Option<Checkpoint>, postgres::Error> {
    let Some(source) = Source::named(row.get("source")) else {
        return Ok(None);
    };
    let inode: Option<i64> = row.get("folder_inode");
    let born: Option<i64> = row.get("folder_born_ns");
    // Somebody may have set a time that cannot be represented.
    let time = |column: &str| -> Result<Option<FileTime>, postgres::Error> {
        let time: Option<DateTime<Utc>> = row.try_get(column)?;
        Ok(time.map(Into::into))
    };
    Ok(Some(Checkpoint {
        source,
        folder: inode.map(|inode| FolderIdentity {
            inode: inode.cast_unsigned(),
            born: born.map(FileTime::from_nanos),
        }),
        offset: time("offset_at")?,
        pending: row.get("pending"),
        pending_since: time("pending_since")?,
        remaining: row.get("remaining"),
    }))
}

/// Renews the claims of a run, between two batches.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub fn renew(client: &mut Client, run_id: i64) -> Result<(), Error> {
    let doing = "renewing the claim of the run";
    let mut transaction = begin_bounded(client, doing)?;
    renew_within(&mut transaction, run_id)?;
    transaction.commit().doing(doing)
}

/// Renews the claims of a run at the end of a transaction that has locked them: it may have taken
/// longer than a claim lasts.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn renew_within(transaction: &mut Transaction<'_>, run_id: i64) -> Result<(), Error> {
    transaction
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

/// Locks the checkpoints of a run until its transaction ends; returns whether it still has the claims
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
