//! Files whose names are in no table: how files are found that no offset leads to.

use std::collections::HashSet;

use postgres::types::Type;
use postgres::Client;

use super::error::{Doing, Error};
use super::{begin_bounded, rows, statement};
use crate::checkpoint::InboxName;
use crate::entity::Kind;
use crate::source::Source;

/// Of these names of files in a folder, those that are in no table: neither was an event loaded from
/// such a file, nor was it rejected in this folder.
///
/// The names go to the database in one stream and are compared there, each table in one pass.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub fn unknown_names(
    client: &mut Client,
    source: Source,
    inbox: &InboxName,
    names: &[String],
) -> Result<HashSet<String>, Error> {
    let doing = "looking for files that are in no table";
    let mut transaction = begin_bounded(client, doing)?;
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
    transaction.commit().doing(doing)?;
    Ok(unknown)
}
