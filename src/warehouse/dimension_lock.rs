//! The lock of a dimension, and the sequence of its surrogate keys.

use postgres::Transaction;
use postgres::types::Type;

use super::error::{Doing, Error};
use super::statement;
use super::transaction::{DIMENSION_LOCKS, lock};
use crate::entity::Kind;

/// Makes the writers of one dimension take turns, even if they load different folders: what one
/// reads of a timeline must still hold when it writes. Whoever needs several dimensions takes them in
/// the order of [`Kind::ALL`].
///
/// A sequence of surrogate keys that a restore has left behind is advanced; what is to be logged about
/// it is returned, for the time when the transaction has ended.
///
/// # Errors
///
/// [`Error::Database`] when another session holds the lock for too long.
pub fn lock_dimension(
    transaction: &mut Transaction<'_>,
    kind: Kind,
) -> Result<Option<String>, Error> {
    let number = DIMENSION_LOCKS + kind as i32;
    lock(transaction, number, "waiting for the dimension's lock")?;
    let behind = transaction
        .query_typed_opt(&statement::fill(statement::VERSION_KEY_SEQUENCE, kind), &[])
        .doing("comparing surrogate keys with their sequence")?;
    let Some(row) = behind else {
        return Ok(None);
    };
    let (highest, last_given): (i64, i64) = (row.get("highest"), row.get("last_given"));
    transaction
        .query_typed(
            &statement::fill(statement::VERSION_ADVANCE_KEY_SEQUENCE, kind),
            &[(&highest, Type::INT8)],
        )
        .doing("advancing the sequence of surrogate keys")?;
    Ok(Some(format!(
        "the sequence of warehouse.dim_{kind}.{kind}_key was behind, at {last_given} where {highest} exists, as after \
         a restore or a move by replication: it goes on after {highest}"
    )))
}
