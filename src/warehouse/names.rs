//! Files whose names are in no table: how files are found that no offset leads to.

use std::collections::HashSet;

use postgres::Client;
use postgres::types::Type;

use super::error::{Doing, Error};
use super::transaction::begin_bounded;
use super::{checkpoints, rows, statement};
use crate::entity::Kind;
use crate::inbox_name::InboxName;
use crate::source::Source;

/// Of these names of files in a folder, those that are in no table: neither was an event loaded from
/// such a file, nor was it rejected in this folder.
///
/// The names go to the database in one stream and are compared there, each table in one pass. With
/// large tables that takes longer than a claim lasts, so the claim of the run is locked meanwhile;
/// `None` if another run has taken over.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub fn unknown_names(
    client: &mut Client,
    run_id: i64,
    source: Source,
    inbox: &InboxName,
    names: &[String],
) -> Result<Option<HashSet<String>>, Error> {
    let doing = "looking for files that are in no table";
    let mut transaction = begin_bounded(client, doing)?;
    if !checkpoints::is_still_claimed(&mut transaction, run_id, &[source])? {
        return Ok(None);
    }
    transaction
        .batch_execute(include_str!("../../sql/reconcile/create_names.sql"))
        .doing(doing)?;
    rows::copy(
        &mut transaction,
        include_str!("../../sql/reconcile/copy_names.sql"),
        names,
        |name, row| row.text(name),
        doing,
    )?;
    // Nobody else counts the rows of a temporary table for the planner.
    transaction
        .batch_execute("analyze pg_temp.inbox_file")
        .doing(doing)?;
    for kind in Kind::ALL {
        let sql = statement::fill(statement::RECONCILE_DELETE_LOADED, *kind);
        transaction.execute_typed(&sql, &[]).doing(doing)?;
    }
    transaction
        .execute_typed(
            include_str!("../../sql/reconcile/delete_rejected.sql"),
            &[(&source.name(), Type::TEXT), (&inbox.as_str(), Type::TEXT)],
        )
        .doing(doing)?;
    let rows = transaction
        .query_typed(include_str!("../../sql/reconcile/unknown_names.sql"), &[])
        .doing(doing)?;
    let unknown = rows.iter().map(|row| row.get("file_name")).collect();
    checkpoints::renew_within(&mut transaction, run_id)?;
    transaction.commit().doing(doing)?;
    Ok(Some(unknown))
}
