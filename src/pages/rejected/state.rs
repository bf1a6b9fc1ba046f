//! Whether a rejection is open, or how it was closed.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::escape::printable;
use crate::pages::terminal::with_fraction;
use crate::warehouse::rows::RowReader;

/// Whether a rejection is open, or how it was closed.
#[derive(Debug, Serialize)]
pub struct State {
    /// When it was closed; `None` while it is open.
    pub resolved_at: Option<DateTime<Utc>>,
    /// How: `accepted`, `superseded` or `dismissed`.
    pub resolution: Option<String>,
    /// The run that closed it; `None` if somebody dismissed it.
    pub resolved_run_id: Option<i64>,
    /// Database user who dismissed it.
    pub dismissed_by: Option<String>,
    /// Why it was dismissed.
    pub note: Option<String>,
}

impl State {
    pub(super) fn from_row(row: &RowReader<'_>) -> Result<State, postgres::Error> {
        Ok(State {
            resolved_at: row.column("resolved_at")?,
            resolution: row.column("resolution")?,
            resolved_run_id: row.column("resolved_run_id")?,
            dismissed_by: row.column("dismissed_by")?,
            note: row.column("note")?,
        })
    }

    /// Whether nobody has closed it.
    pub fn is_open(&self) -> bool {
        self.resolved_at.is_none()
    }

    /// In one word.
    pub(super) fn word(&self) -> &str {
        self.resolution.as_deref().unwrap_or("open")
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.word(), &[]))?;
        if let Some(at) = self.resolved_at {
            write!(f, " {}", with_fraction(at))?;
        }
        if let Some(run_id) = self.resolved_run_id {
            write!(f, " by run {run_id}")?;
        }
        if let Some(user) = &self.dismissed_by {
            write!(f, " by {}", printable(user, &[]))?;
            if let Some(note) = &self.note {
                write!(f, ": {}", printable(note, &[]))?;
            }
        }
        Ok(())
    }
}
