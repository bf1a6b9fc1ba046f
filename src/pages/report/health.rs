//! The part of `etl status` that the page shows.

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::status;
use crate::status::health::STALE_AFTER;
use crate::warehouse::Warehouse;

/// The problems, and the progress of each source.
#[derive(Debug)]
pub struct Health {
    /// The worst first; empty if healthy.
    pub problems: Vec<Problem>,
    /// Users first.
    pub sources: Vec<Source>,
}

/// A problem.
#[derive(Debug)]
pub struct Problem {
    /// The problem as a clause.
    pub text: String,
    /// What to do about it.
    pub advice: String,
}

/// The progress of a source.
#[derive(Debug)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Time of its newest event.
    pub newest_event_at: Option<DateTime<Utc>>,
    /// When a run last scanned its folder.
    pub scanned_at: Option<DateTime<Utc>>,
    /// Every file that changed before this has been processed.
    pub offset_at: Option<DateTime<Utc>>,
    /// Files loaded since the first run.
    pub loaded: i64,
    /// Files whose event was already loaded, since the first run.
    pub duplicates: i64,
    /// Files rejected since the first run.
    pub rejected: i64,
    /// Files that the last run left pending.
    pub pending: i64,
}

impl Health {
    /// Reads both. This is the only function of the report that uses the status.
    ///
    /// # Errors
    ///
    /// [`Error::NoSchema`] before the first run; [`Error::Database`] when it cannot be read.
    pub fn read(warehouse: &mut Warehouse) -> Result<Health, Error> {
        let status = status::read(warehouse, STALE_AFTER)?;
        let problems = status.problems.iter().map(|problem| Problem {
            text: problem.to_string(),
            advice: problem.advice().to_owned(),
        });
        let sources = status.progress.sources.into_iter().map(|source| Source {
            name: source.source,
            newest_event_at: source.newest_event_at,
            scanned_at: source.looked_at,
            offset_at: source.offset_at,
            loaded: source.loaded,
            duplicates: source.duplicates,
            rejected: source.rejected,
            pending: source.pending,
        });
        Ok(Health {
            problems: problems.collect(),
            sources: sources.collect(),
        })
    }
}
