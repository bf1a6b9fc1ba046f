//! What runs did: one row in `etl.run` for each run that processed something.

use chrono::{DateTime, Utc};
use postgres::GenericClient;
use postgres::types::{ToSql, Type};

use super::error::{Doing, Error};
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::summary::Counts;

/// What kind of run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `etl run` from the checkpoint.
    Run,
    /// `etl run --since`.
    Backfill,
    /// `etl run --reconcile`.
    Reconcile,
    /// `etl rejected retry`.
    Retry,
}

impl Command {
    /// Its name in `etl.run.command`.
    pub fn name(self) -> &'static str {
        match self {
            Command::Run => "run",
            Command::Backfill => "backfill",
            Command::Reconcile => "reconcile",
            Command::Retry => "retry",
        }
    }
}

/// The row of a run.
#[derive(Clone, Debug)]
pub struct RunRecord<'a> {
    /// Its number.
    pub run_id: i64,
    /// What kind of run it is.
    pub command: Command,
    /// Name of the inbox.
    pub inbox: &'a InboxName,
    /// The folders that it scans.
    pub sources: &'a [Source],
    /// The start given with `--since`.
    pub since: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// What it has done so far.
    pub counts: Counts,
    /// Whether an earlier batch has written the row.
    pub is_written: bool,
}

impl RunRecord<'_> {
    /// Writes the row, or renews what an earlier batch has written.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the statement fails.
    pub fn save(&self, client: &mut impl GenericClient, now: DateTime<Utc>) -> Result<(), Error> {
        let sources = Source::names(self.sources);
        let (command, inbox) = (self.command.name(), self.inbox.as_str());
        let Counts {
            files,
            loaded,
            duplicates,
            rejected,
            pending,
            versions_opened,
            versions_closed,
            versions_changed,
        } = &self.counts;
        let counts = [
            files,
            loaded,
            duplicates,
            rejected,
            pending,
            versions_opened,
            versions_closed,
            versions_changed,
        ]
        .map(|count| (count as &(dyn ToSql + Sync), Type::INT8));
        let (sql, beginning): (&str, &[(&(dyn ToSql + Sync), Type)]) = match self.is_written {
            true => (
                include_str!("../../sql/run/update.sql"),
                &[(&self.run_id, Type::INT8), (&now, Type::TIMESTAMPTZ)],
            ),
            false => (
                include_str!("../../sql/run/insert.sql"),
                &[
                    (&self.run_id, Type::INT8),
                    (&command, Type::TEXT),
                    (&inbox, Type::TEXT),
                    (&sources, Type::TEXT_ARRAY),
                    (&self.since, Type::TIMESTAMPTZ),
                    (&self.started_at, Type::TIMESTAMPTZ),
                    (&now, Type::TIMESTAMPTZ),
                ],
            ),
        };
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            beginning.iter().cloned().chain(counts).collect();
        client
            .execute_typed(sql, &parameters)
            .doing("recording the run")?;
        Ok(())
    }
}
