//! The checkpoint of a source: how far its folder has been loaded, and which files near that point have been seen.
//!
//! The offset is a position in the order in which files changed in the folder (inode change time). It is saved in the
//! transaction that loads the files before it, it never passes a file that was left for later, and it never passes
//! the clock.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{GenericClient, Transaction};

use crate::clock::FileTime;
use crate::error::{Doing, Error};
use crate::source::Source;
use crate::summary::Counts;

/// How far a source has been loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The source.
    pub source: Source,
    /// Every file that changed before this has been dealt with; `None` before the first run.
    pub offset: Option<FileTime>,
    /// Files that the last run left for a later one.
    pub pending: i64,
}

/// What a run has come past in one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Change time of the last file that was dealt with, in the order of change.
    pub dealt_with: Option<FileTime>,
    /// Change time of the first file that was left for later.
    pub left: Option<FileTime>,
}

impl Reach {
    /// Notes a file that was dealt with.
    pub fn deal_with(&mut self, changed: FileTime) {
        self.dealt_with = self.dealt_with.max(Some(changed));
    }

    /// Notes a file that was left for later.
    pub fn leave(&mut self, changed: FileTime) {
        self.left = Some(self.left.map_or(changed, |left| left.min(changed)));
    }
}

impl Checkpoint {
    /// From where a run looks at files: the offset less the overlap, or the start it was given.
    ///
    /// An offset ahead of the clock is a clock that was set back; files that have changed since bear its new time.
    pub fn start(
        &self,
        since: Option<FileTime>,
        overlap: Duration,
        now: FileTime,
    ) -> Option<FileTime> {
        since.or_else(|| self.offset.map(|offset| offset.min(now).before(overlap)))
    }

    /// Whether a run from `since` leaves no gap after the offset, so that the offset may follow it.
    pub fn is_reached_by(&self, since: Option<FileTime>) -> bool {
        match (since, self.offset) {
            (None, _) => true,
            (Some(since), Some(offset)) => since <= offset,
            (Some(_), None) => false,
        }
    }

    /// The offset after a run that left no gap has come this far.
    pub fn advanced(&self, reach: Reach, now: FileTime) -> Option<FileTime> {
        let limit = reach.left.map_or(now, |left| left.min(now));
        let reached = reach.dealt_with.map(|changed| changed.min(limit));
        self.offset.max(reached).map(|offset| offset.min(now))
    }

    /// Saves the offset and what was counted, in the transaction that loads the data.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub fn save(&self, transaction: &mut Transaction<'_>, counts: Counts) -> Result<(), Error> {
        let offset: Option<DateTime<Utc>> = self.offset.map(FileTime::to_utc);
        transaction
            .execute_typed(
                include_str!("../sql/checkpoint/advance.sql"),
                &[
                    (&self.source.name(), Type::TEXT),
                    (&offset, Type::TIMESTAMPTZ),
                    (&counts.loaded, Type::INT8),
                    (&counts.duplicates, Type::INT8),
                    (&counts.rejected, Type::INT8),
                    (&self.pending, Type::INT8),
                ],
            )
            .doing("saving the checkpoint")?;
        Ok(())
    }

    /// Remembers files that were dealt with and will be met again, and forgets those that will not.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub fn remember(
        &self,
        transaction: &mut Transaction<'_>,
        overlap: Duration,
        files: &[(&str, FileTime)],
    ) -> Result<(), Error> {
        let Some(offset) = self.offset else {
            return Ok(());
        };
        let horizon = offset.before(overlap);
        let source = self.source.name();
        transaction
            .execute_typed(
                include_str!("../sql/checkpoint/forget.sql"),
                &[(&source, Type::TEXT), (&horizon.nanos(), Type::INT8)],
            )
            .doing("forgetting files seen long ago")?;
        let (names, changed): (Vec<&str>, Vec<i64>) = files
            .iter()
            .filter(|(_, changed)| *changed >= horizon)
            .map(|(name, changed)| (*name, changed.nanos()))
            .unzip();
        if !names.is_empty() {
            transaction
                .execute_typed(
                    include_str!("../sql/checkpoint/remember.sql"),
                    &[
                        (&source, Type::TEXT),
                        (&names, Type::TEXT_ARRAY),
                        (&changed, Type::INT8_ARRAY),
                    ],
                )
                .doing("remembering the files seen")?;
        }
        Ok(())
    }
}

/// The files of a source that were dealt with and that a run from its offset meets again, with their change times.
///
/// # Errors
///
/// [`Error::Database`] when they cannot be read.
pub fn recent_files(
    client: &mut impl GenericClient,
    source: Source,
) -> Result<HashMap<String, FileTime>, Error> {
    let rows = client
        .query_typed(
            include_str!("../sql/checkpoint/recent_files.sql"),
            &[(&source.name(), Type::TEXT)],
        )
        .doing("reading the files seen lately")?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), FileTime::from_nanos(row.get(1))))
        .collect())
}
