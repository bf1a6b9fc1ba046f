//! The schema, as migrations in `sql/migrations`.

use std::error::Error as _;

use postgres::error::SqlState;
use postgres::{Client, Transaction};
use refinery::error::Kind;

use crate::error::{Error, explain, explain_with_advice};

mod embedded {
    refinery::embed_migrations!("sql/migrations");
}

/// Where the applied migrations stand. The schema `etl` is made before the first migration for its
/// sake.
const HISTORY: &str = "etl.schema_history";
///
/// An owner need not have the right to create others, which `if not exists` would ask for.
const CREATE_SCHEMA: &str =
    "do $$ begin if to_regnamespace('etl') is null then create schema etl; end if; end $$";

/// Gives the roles their rights on what the migrations have made.
const GRANT_RIGHTS: &str = "select etl.grant_rights()";

/// Number of the newest migration that this program has. Written down, since asking the migrations
/// themselves costs every run the compilation of refinery's patterns and a hash of all their texts.
const NEWEST: i32 = 13;

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

/// Applies the migrations that are missing, all or none, and gives the roles their rights.
///
/// # Errors
///
/// [`Error::NotOwner`] when this user may not, [`Error::NewerSchema`] when the schema is ahead of
/// this program, else [`Error::Migration`].
pub(super) fn migrate(client: &mut Client) -> Result<(), Error> {
    client.batch_execute(CREATE_SCHEMA).map_err(failed)?;
    let mut runner = embedded::migrations::runner().set_grouped(true);
    runner.set_migration_table_name(HISTORY);
    let report = runner.run(client).map_err(|error| {
        let database = error.source().and_then(|cause| cause.downcast_ref());
        match (error.kind(), database) {
            (_, Some(cause)) => failed_by(cause),
            (Kind::MissingVersion(newer), None) => Error::NewerSchema {
                found: newer.version(),
                known: NEWEST,
            },
            (_, None) => Error::Migration {
                cause: error.to_string(),
            },
        }
    })?;
    let missing_roles = client.query(GRANT_RIGHTS, &[]).map_err(failed)?;
    for migration in report.applied_migrations() {
        log::info!("applied the migration {migration}");
    }
    if report.applied_migrations().is_empty() {
        log::info!("the schema is up to date, at version {NEWEST}");
    }
    for role in &missing_roles {
        let role: &str = role.get(0);
        log::warn!(
            "there is no role {role}, and this user may not make it: have `create role {role}` run by one who may, \
             then run `etl migrate` again, which gives it its rights"
        );
    }
    Ok(())
}

fn failed(error: postgres::Error) -> Error {
    failed_by(&error)
}

/// The error of a migration that the database refused.
fn failed_by(error: &postgres::Error) -> Error {
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::NotOwner {
            cause: explain(error),
        },
        _ => Error::Migration {
            cause: explain_with_advice(error),
        },
    }
}

/// Applies the migrations that are missing within a transaction, for as long as that lasts.
pub(super) fn migrate_for_now(transaction: &mut Transaction<'_>) -> Result<(), Error> {
    transaction.batch_execute(CREATE_SCHEMA).map_err(failed)?;
    transaction
        .batch_execute(&format!(
            "create table if not exists {HISTORY} (version integer, name text, applied_on text, checksum text)"
        )).map_err(failed)?;
    let applied: i32 = transaction
        .query_one(
            &format!("select coalesce(max(version), 0) from {HISTORY}"),
            &[],
        )
        .map_err(failed)?
        .get(0);
    let mut missing = embedded::migrations::runner().get_migrations().clone();
    missing.retain(|migration| migration.version() > applied);
    missing.sort();
    for migration in missing {
        transaction
            .batch_execute(migration.sql().unwrap_or_default())
            .map_err(failed)?;
    }
    transaction
        .batch_execute(&format!(
            "insert into {HISTORY} (version) values ({NEWEST})"
        ))
        .map_err(failed)
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
