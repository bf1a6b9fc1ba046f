//! The schema, as migrations in `sql/migrations`.

use std::error::Error as _;

use postgres::{Client, Transaction};

use crate::error::{Doing, Error, explain};

mod embedded {
    refinery::embed_migrations!("sql/migrations");
}

/// Where the applied migrations stand. The schema `etl` is made before the first migration for its
/// sake.
const HISTORY: &str = "etl.schema_history";
const CREATE_SCHEMA: &str = "create schema if not exists etl";

/// Number of the newest migration that this program has. Written down, since asking the migrations
/// themselves costs every run the compilation of refinery's patterns and a hash of all their texts.
const NEWEST: i32 = 6;

/// Whether a schema at this migration is up to date.
///
/// # Errors
///
/// [`Error::NewerSchema`] when it is ahead of this program.
pub(super) fn is_current(version: Option<i32>) -> Result<bool, Error> {
    match version {
        Some(found) if found > NEWEST => Err(Error::NewerSchema {
            found,
            known: NEWEST,
        }),
        version => Ok(version == Some(NEWEST)),
    }
}

/// Applies the migrations that are missing, all or none.
pub(super) fn migrate(client: &mut Client) -> Result<(), Error> {
    client
        .batch_execute(CREATE_SCHEMA)
        .doing("creating the schema etl")?;
    let mut runner = embedded::migrations::runner().set_grouped(true);
    runner.set_migration_table_name(HISTORY);
    let report = runner.run(client).map_err(|error| Error::Migration {
        cause: match error.source().and_then(|cause| cause.downcast_ref()) {
            Some(cause) => explain(cause),
            None => error.to_string(),
        },
    })?;
    for migration in report.applied_migrations() {
        log::info!("applied the migration {migration}");
    }
    Ok(())
}

/// Applies the migrations that are missing within a transaction, for as long as that lasts.
pub(super) fn migrate_for_now(transaction: &mut Transaction<'_>) -> Result<(), Error> {
    let doing = "trying out the schema";
    transaction.batch_execute(CREATE_SCHEMA).doing(doing)?;
    transaction
        .batch_execute(&format!(
            "create table if not exists {HISTORY} (version integer, name text, applied_on text, checksum text)"
        ))
        .doing(doing)?;
    let applied: i32 = transaction
        .query_one(
            &format!("select coalesce(max(version), 0) from {HISTORY}"),
            &[],
        )
        .doing(doing)?
        .get(0);
    let mut missing = embedded::migrations::runner().get_migrations().clone();
    missing.retain(|migration| migration.version() > applied);
    missing.sort();
    for migration in missing {
        transaction
            .batch_execute(migration.sql().unwrap_or_default())
            .doing(doing)?;
    }
    transaction
        .batch_execute(&format!(
            "insert into {HISTORY} (version) values ({NEWEST})"
        ))
        .doing(doing)
}

#[cfg(test)]
mod tests {
    use super::{NEWEST, embedded};

    #[test]
    fn the_newest_migration_is_the_one_written_down() {
        let runner = embedded::migrations::runner();
        let versions = runner
            .get_migrations()
            .iter()
            .map(|migration| migration.version());
        assert_eq!(versions.max(), Some(NEWEST));
    }
}
