//! What is written down of a run: one row in `etl.run` if it found something, else that it looked.

use chrono::{DateTime, Utc};
use postgres::GenericClient;
use postgres::types::Type;

use crate::error::{Doing, Error, books_failed};
use crate::source::Source;
use crate::summary::Counts;

/// Takes a number for the run, `None` where there is no schema yet to take it from. Numbers of runs
/// that find nothing have no row.
///
/// # Errors
///
/// [`Error::Database`] when the connection fails, [`Error::NotLoader`] when this user may not.
pub(super) fn next_id(client: &mut impl GenericClient) -> Result<Option<i64>, Error> {
    client
        .query_typed_one(include_str!("../../sql/run/next_id.sql"), &[])
        .map(|row| row.get(0))
        .map_err(|error| books_failed(&error, "numbering the run"))
}

/// What is written of a run.
pub(super) struct RunRecord<'a> {
    /// Its number.
    pub(super) run_id: i64,
    /// The folders it looks at.
    pub(super) sources: &'a [Source],
    /// The start given with `--since`.
    pub(super) since: Option<DateTime<Utc>>,
    /// When it began.
    pub(super) started_at: DateTime<Utc>,
    /// What it has done so far.
    pub(super) counts: Counts,
}

impl RunRecord<'_> {
    /// Writes the run, or renews what an earlier batch has written of it.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the connection fails.
    pub(super) fn save(
        &self,
        client: &mut impl GenericClient,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let sources = Source::names(self.sources);
        let Counts {
            files,
            loaded,
            duplicates,
            rejected,
            pending,
            versions_opened,
            versions_closed,
        } = self.counts;
        client
            .execute_typed(
                include_str!("../../sql/run/save.sql"),
                &[
                    (&self.run_id, Type::INT8),
                    (&sources, Type::TEXT_ARRAY),
                    (&self.since, Type::TIMESTAMPTZ),
                    (&self.started_at, Type::TIMESTAMPTZ),
                    (&now, Type::TIMESTAMPTZ),
                    (&files, Type::INT8),
                    (&loaded, Type::INT8),
                    (&duplicates, Type::INT8),
                    (&rejected, Type::INT8),
                    (&pending, Type::INT8),
                    (&versions_opened, Type::INT8),
                    (&versions_closed, Type::INT8),
                ],
            )
            .doing("recording the run")?;
        Ok(())
    }
}

/// Records that a run looked and found nothing new: one row is renewed. Says whether there was one.
///
/// # Errors
///
/// [`Error::Database`] when the connection fails.
pub(super) fn record_look(
    client: &mut impl GenericClient,
    sources: &[Source],
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    client
        .execute_typed(
            include_str!("../../sql/run/look.sql"),
            &[
                (&Source::names(sources), Type::TEXT_ARRAY),
                (&now, Type::TIMESTAMPTZ),
            ],
        )
        .map(|renewed| renewed > 0)
        .doing("recording that there was nothing new")
}
