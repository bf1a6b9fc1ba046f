//! Where the batches of a run go: to the warehouse, or to a transaction that is rolled back.

use postgres::{Client, Transaction};

use super::error::Error;
use crate::warehouse::error::Doing;
use crate::warehouse::{self, checkpoints};

/// Where batches are written to.
pub(super) enum Target<'c> {
    /// The warehouse; each batch is committed.
    Kept(&'c mut Client),
    /// A transaction that will be rolled back, as a dry run does.
    Tried(Transaction<'c>),
}

/// Does work on the warehouse; in a dry run, in a transaction that is rolled back.
///
/// # Errors
///
/// Those of the work, and when the connection fails.
pub(super) fn with_target(
    client: &mut Client,
    dry_run: bool,
    work: impl FnOnce(&mut Target<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    if !dry_run {
        return work(&mut Target::Kept(client));
    }
    let mut trial = Target::Tried(warehouse::begin(client)?);
    work(&mut trial)?;
    if let Target::Tried(trial) = trial {
        trial.rollback().doing("rolling back a dry run")?;
    }
    Ok(())
}

impl Target<'_> {
    /// Begins a batch.
    ///
    /// # Errors
    ///
    /// When the connection fails.
    pub(super) fn begin(&mut self) -> Result<Transaction<'_>, warehouse::error::Error> {
        match self {
            Target::Kept(client) => warehouse::begin(client),
            Target::Tried(trial) => trial.transaction().doing("beginning a batch"),
        }
    }

    /// Renews the claim of the run. A trial has locked it.
    pub(super) fn renew(&mut self, run_id: i64) -> Result<(), warehouse::error::Error> {
        match self {
            Target::Kept(client) => checkpoints::renew(client, run_id),
            Target::Tried(_) => Ok(()),
        }
    }
}
