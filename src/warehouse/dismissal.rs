//! Dismissals: rejections that a person closes for good, with a reason, and reopens.
//!
//! A dismissed rejection is not open and never becomes so by itself: when its file is rejected again
//! with the same content, it stays dismissed.

use std::fmt;

use chrono::{DateTime, Utc};
use postgres::types::Type;
use serde::Serialize;

use super::Warehouse;
use super::error::Error;
use super::kept_files;
use super::rows::Columns;
use crate::entity::Kind;
use crate::event::Reason;
use crate::source::Source;

/// Most rejections of one transaction: it takes about a second, and a run that wants to change one
/// of them waits no longer.
const BATCH: i64 = 10_000;

/// What is done here, as it continues "failed while".
const DISMISSING: &str = "dismissing rejections";

/// Which rejections are meant: those for which all of this holds.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Rejected for this reason.
    pub reason: Option<Reason>,
    /// From this folder.
    pub source: Option<Source>,
    /// About this user or card.
    pub subject: Option<(Kind, i64)>,
    /// Rejected at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Rejected before this time.
    pub before: Option<DateTime<Utc>>,
}

impl Selection {
    /// The parameters of a statement that selects rejections: its first ones.
    pub(crate) fn parameters(&self) -> Columns<'static> {
        let mut parameters = Columns::default();
        parameters.push(Type::TEXT, self.reason.map(Reason::code));
        parameters.push(Type::TEXT, self.source.map(Source::name));
        parameters.push(Type::TEXT, self.subject.map(|(entity, _)| entity.name()));
        parameters.push(Type::INT8, self.subject.map(|(_, id)| id));
        parameters.push(Type::TIMESTAMPTZ, self.since);
        parameters.push(Type::TIMESTAMPTZ, self.before);
        parameters
    }
}

/// What a dismissal did.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dismissal {
    /// Rejections that it closed.
    pub dismissed: i64,
    /// Open rejections that it left to a run that was changing them.
    pub skipped: i64,
}

impl fmt::Display for Dismissal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "dismissed {}", self.dismissed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => writeln!(
                f,
                "{skipped} were being changed by a run and are as they were: repeat the command"
            ),
        }
    }
}

/// Closes open rejections for good: those that are selected, and of these only those with the
/// numbers `ids` if there are any given. Each batch is a transaction of its own, so what was
/// dismissed before a failure stays so.
///
/// # Errors
///
/// [`Error::UnknownRejections`] when a number is not one of a rejection, and nothing is changed;
/// [`Error::NotLoader`] when the user may not change rejections; [`Error::Database`] when a
/// statement fails.
pub fn dismiss(
    warehouse: &mut Warehouse,
    ids: Option<&[i64]>,
    selection: &Selection,
    note: &str,
) -> Result<Dismissal, Error> {
    warehouse.require_schema()?;
    let client = warehouse.client();
    for closed in kept_files::closed(client, ids.unwrap_or_default())? {
        log::info!("rejection {closed} is closed already");
    }
    let mut dismissal = Dismissal::default();
    let mut last_id = Some(i64::MIN);
    while let Some(after) = last_id {
        let mut columns = selection.parameters();
        columns.push(Type::INT8_ARRAY, ids.map(<[i64]>::to_vec));
        columns.push(Type::INT8, after);
        columns.push(Type::INT8, BATCH);
        columns.push(Type::TEXT, note.to_owned());
        let row = client
            .query_typed_one(
                include_str!("../../sql/rejection/dismiss.sql"),
                &columns.parameters(),
            )
            .map_err(|cause| Error::metadata(cause, DISMISSING))?;
        let (selected, dismissed): (i64, i64) = (row.get("selected"), row.get("dismissed"));
        dismissal.dismissed += dismissed;
        dismissal.skipped += selected - dismissed;
        last_id = row.get("last_id");
    }
    Ok(dismissal)
}

/// What the end of a dismissal did.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Reopening {
    /// Rejections that are open again.
    pub reopened: i64,
}

impl fmt::Display for Reopening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "reopened {}", self.reopened)
    }
}

/// Opens dismissed rejections again. Those that are not dismissed are logged and stay as they are.
///
/// # Errors
///
/// [`Error::UnknownRejections`] when a number is not one of a rejection, and nothing is changed;
/// [`Error::NotLoader`] when the user may not change rejections; [`Error::Database`] when a
/// statement fails.
pub fn undismiss(warehouse: &mut Warehouse, ids: &[i64]) -> Result<Reopening, Error> {
    warehouse.require_schema()?;
    let client = warehouse.client();
    kept_files::closed(client, ids)?;
    let rows = client
        .query_typed(
            include_str!("../../sql/rejection/undismiss.sql"),
            &[(&ids, Type::INT8_ARRAY)],
        )
        .map_err(|cause| Error::metadata(cause, "reopening rejections"))?;
    let reopened: Vec<i64> = rows.iter().map(|row| row.get("rejected_id")).collect();
    for id in ids.iter().filter(|id| !reopened.contains(id)) {
        log::info!("rejection {id} is not dismissed");
    }
    Ok(Reopening {
        reopened: reopened.len() as i64,
    })
}
