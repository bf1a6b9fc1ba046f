//! Copies of loaded events: other files with the same events, whose modification times may count instead.
//!
//! Of several copies the earliest one counts whose time has a fraction of a second, or the earliest of all if none has.

use chrono::{DateTime, Timelike, Utc};
use postgres::Transaction;
use postgres::types::Type;

use super::error::{Doing, Error};
use super::incoming::Incoming;
use super::late::Touched;
use super::rows::Columns;
use super::statement;
use super::transaction::check_now;
use crate::event::Recorded;

/// Whether the modification time of a copy counts instead of that of the loaded file, which is `None` if it
/// cannot be represented.
pub(super) fn precedes(copy: DateTime<Utc>, loaded: Option<DateTime<Utc>>) -> bool {
    let rank = |time: DateTime<Utc>| (time.nanosecond() == 0, time);
    loaded.is_none_or(|loaded| rank(copy) < rank(loaded))
}

/// A copy, and why the database refuses it if it does.
type Taken<'c, 'f, E> = (&'c Incoming<'f, E>, Option<String>);

/// Gives loaded events the times of these copies, and notes which events have moved. What the database
/// refuses, because of a constraint that somebody has added say, stops no other.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails for another reason.
pub(super) fn take_copies<'c, 'f, E: Recorded>(
    transaction: &mut Transaction<'_>,
    copies: &[&'c Incoming<'f, E>],
    moved: &mut Touched,
) -> Result<Vec<Taken<'c, 'f, E>>, Error> {
    if copies.is_empty() {
        return Ok(Vec::new());
    }
    let doing = "noting earlier copies of loaded events";
    let mut savepoint = transaction.transaction().doing(doing)?;
    let cause = match precede_events(&mut savepoint, copies) {
        Ok(events) => {
            savepoint.commit().doing(doing)?;
            for (entity_id, event_at) in events {
                moved.entry(entity_id).or_default().insert(event_at);
            }
            return Ok(copies.iter().map(|copy| (*copy, None)).collect());
        }
        Err(error) => match error.refusal() {
            Some(cause) => cause,
            None => return Err(error),
        },
    };
    savepoint.rollback().doing("rolling back refused copies")?;
    if let [copy] = copies {
        return Ok(vec![(copy, Some(cause))]);
    }
    let (first, second) = copies.split_at(copies.len() / 2);
    let mut taken = take_copies(transaction, first, moved)?;
    taken.extend(take_copies(transaction, second, moved)?);
    Ok(taken)
}

/// Gives loaded events the file that counts among their copies; returns the key and the time of each
/// event that moved.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
fn precede_events<E: Recorded>(
    transaction: &mut Transaction<'_>,
    copies: &[&Incoming<'_, E>],
) -> Result<Vec<(i64, DateTime<Utc>)>, Error> {
    let doing = "noting earlier copies of loaded events";
    let mut columns = Columns::default();
    columns.push_each(Type::INT8_ARRAY, copies, |copy| copy.event.entity_id);
    columns.push_each(Type::UUID_ARRAY, copies, |copy| copy.event.event_id);
    columns.push_each(Type::TEXT_ARRAY, copies, |copy| copy.file_name);
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, copies, |copy| {
        copy.file_modified_at
    });
    let rows = transaction
        .query_typed(
            &statement::fill(statement::EVENT_PRECEDE, E::KIND),
            &columns.parameters(),
        )
        .doing(doing)?;
    check_now(transaction, doing)?;
    let moved = rows
        .iter()
        .map(|row| (row.get("entity_id"), row.get("event_at")));
    Ok(moved.collect())
}
