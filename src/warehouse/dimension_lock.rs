//! The lock of a dimension, and the sequence of its surrogate keys.

use postgres::Transaction;
use postgres::types::Type;

use super::cluster::{self, Layout};
use super::error::{Doing, Error};
use super::statement;
use super::transaction::{DIMENSION_LOCKS, LOCK_CLASS};
use crate::entity::Kind;

/// A dimension that is locked.
#[derive(Debug)]
pub struct LockedDimension {
    /// Where its tables are.
    pub layout: Layout,
    /// What is to be logged when the transaction has ended.
    pub note: Option<String>,
}

/// Makes the writers of one dimension take turns, even if they load different folders: what one
/// reads of a timeline must still hold when it writes. Whoever needs several dimensions takes them in
/// the order of [`Kind::ALL`].
///
/// A sequence of surrogate keys that a restore has left behind is advanced. On a cluster the
/// transaction is prepared for its workers.
///
/// # Errors
///
/// [`Error::Database`] when another session holds the lock for too long; on a cluster also
/// [`Error::InDoubt`] and [`Error::WorkerSilent`].
pub fn lock_dimension(
    transaction: &mut Transaction<'_>,
    kind: Kind,
) -> Result<LockedDimension, Error> {
    let number = DIMENSION_LOCKS + kind as i32;
    let row = transaction
        .query_typed_one(
            include_str!("../../sql/version/lock.sql"),
            &[
                (&LOCK_CLASS, Type::INT4),
                (&number, Type::INT4),
                (&kind.name(), Type::TEXT),
            ],
        )
        .doing("waiting for the dimension's lock")?;
    let layout = cluster::layout(transaction, row.get("has_extension"))?;
    if layout == Layout::Distributed {
        cluster::enter(transaction, kind)?;
    }
    Ok(LockedDimension {
        layout,
        note: advance_key_sequence(transaction, kind, row.get("removed_key"))?,
    })
}

/// Advances a sequence that is behind; returns what is to be logged about it.
///
/// `removed_key`: the highest surrogate key whose version was removed. It is not given again either.
fn advance_key_sequence(
    transaction: &mut Transaction<'_>,
    kind: Kind,
    removed_key: Option<i64>,
) -> Result<Option<String>, Error> {
    let behind = transaction
        .query_typed_opt(
            &statement::fill(statement::VERSION_KEY_SEQUENCE, kind),
            &[(&removed_key, Type::INT8)],
        )
        .doing("comparing surrogate keys with their sequence")?;
    let Some(row) = behind else {
        return Ok(None);
    };
    let (highest, last_given): (i64, i64) = (row.get("highest"), row.get("last_given"));
    let was_given = match removed_key == Some(highest) {
        true => "was given",
        false => "exists",
    };
    transaction
        .query_typed(
            &statement::fill(statement::VERSION_ADVANCE_KEY_SEQUENCE, kind),
            &[(&highest, Type::INT8)],
        )
        .doing("advancing the sequence of surrogate keys")?;
    Ok(Some(format!(
        "the sequence of warehouse.dim_{kind}.{kind}_key was behind, at {last_given} where {highest} {was_given}, as after \
         a restore or a move by replication: it goes on after {highest}"
    )))
}
