//! Rejected files as people see them: a [`list`] of them, and one with its content ([`show`]).

mod list;
mod show;
mod state;

use chrono::{DateTime, Utc};
use postgres::Row;
use serde::Serialize;

use crate::escape::printable;
use crate::inbox_name::InboxName;
use crate::warehouse::error::{Doing, Error};
use crate::warehouse::rows::RowReader;

pub use list::{RejectionList, list};
pub use show::{DocumentContent, RejectionPage, show};
pub use state::State;

/// A rejected file.
#[derive(Debug, Serialize)]
pub struct RejectionEntry {
    /// Number of the rejection.
    pub rejected_id: i64,
    /// The folder it was in.
    pub source: String,
    /// Name of that folder's inbox.
    pub inbox: String,
    /// Its name in the folder, as text that loses nothing (see [`crate::inbox::name_text`]).
    pub file_name: String,
    /// Modification time of the file.
    pub file_modified_at: DateTime<Utc>,
    /// Inode change time of the file.
    pub file_changed_at: DateTime<Utc>,
    /// Size of the file in bytes.
    pub file_size: i64,
    /// The reason code.
    pub reason: String,
    /// The reason as a sentence.
    pub detail: String,
    /// What the document is about, such as `card`; `None` where that cannot be read.
    pub entity: Option<String>,
    /// Its natural key.
    pub entity_id: Option<i64>,
    /// Whether the database has its content.
    pub has_document: bool,
    /// The run that rejected it.
    pub run_id: i64,
    /// When it was rejected.
    pub rejected_at: DateTime<Utc>,
    /// Whether it is open, or how it was closed.
    #[serde(flatten)]
    pub state: State,
}

impl RejectionEntry {
    /// Reads it from a row of `landing.rejected_event`.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a value cannot be represented, such as an infinite time.
    pub(crate) fn from_row(row: &Row) -> Result<RejectionEntry, Error> {
        let read = || {
            let row = RowReader(row);
            Ok(RejectionEntry {
                rejected_id: row.column("rejected_id")?,
                source: row.column("source")?,
                inbox: row.column("inbox")?,
                file_name: row.column("file_name")?,
                file_modified_at: row.column("file_modified_at")?,
                file_changed_at: row.column("file_changed_at")?,
                file_size: row.column("file_size")?,
                reason: row.column("reason")?,
                detail: row.column("detail")?,
                entity: row.column("entity")?,
                entity_id: row.column("entity_id")?,
                has_document: row.column("has_document")?,
                run_id: row.column("run_id")?,
                rejected_at: row.column("rejected_at")?,
                state: State::from_row(&row)?,
            })
        };
        read().doing("reading rejections")
    }

    /// Folder and name, on one line.
    fn path(&self) -> String {
        format!(
            "{}/{}",
            printable(&self.source, &[]),
            printable(&self.file_name, &[])
        )
    }

    /// What it is about, such as "card 42"; `None` where that cannot be read.
    fn subject(&self) -> Option<String> {
        let (entity, id) = (self.entity.as_deref()?, self.entity_id?);
        Some(format!("{} {id}", printable(entity, &[])))
    }

    /// Whether it came from another inbox than the one without a name of its own.
    fn is_of_named_inbox(&self) -> bool {
        self.inbox != InboxName::DEFAULT
    }
}
