//! The schema, as migrations in `sql/migrations`.

use std::collections::HashMap;

use postgres::error::SqlState;
use postgres::types::Type;
use postgres::{Client, GenericClient, Row, Transaction};
use refinery::Migration;

use super::error::{Doing, Error};
use super::explain::explain_with_advice;
use super::transaction::{SCHEMA_LOCK, begin_bounded, lock};

mod embedded {
    refinery::embed_migrations!("sql/migrations");
}

/// Gives the roles their rights on what the migrations have created, and returns what is missing.
const GRANT_RIGHTS: &str = "select missing from etl.grant_rights()";

/// Number of the newest migration that this program has. The build counts them, since asking the
/// migrations themselves costs every run the compilation of refinery's patterns and a hash of all
/// their texts.
const NEWEST: i32 = number(env!("ETL_NEWEST_MIGRATION"));

const fn number(digits: &str) -> i32 {
    let (mut number, mut index) = (0, 0);
    while index < digits.len() {
        number = number * 10 + (digits.as_bytes()[index] - b'0') as i32;
        index += 1;
    }
    number
}

/// Name of the first migration. Programs from before the first release had another one.
const FIRST: &str = "metadata";

/// Whether there is a history; `to_regclass` fails where this user may not use the schema.
const HAS_HISTORY: &str = "select exists (
    select from pg_class where relname = 'schema_history' and relnamespace = to_regnamespace('etl')
  )";

/// Reads the newest migration and the name of the first one. A step of its own, so that the server
/// does not log a failed statement to say that there is no schema.
const READ_HISTORY: &str =
    "select max(version), min(name) filter (where version = 1) from etl.schema_history";

/// The same, whether a migration has requested to rebuild a dimension, and whether the database has
/// Citus, in one round trip.
const READ_STATE: &str = "select max(version), min(name) filter (where version = 1),
                                 exists (select from etl.rebuild),
                                 exists (select from pg_extension where extname = 'citus')
                          from etl.schema_history";

/// Whether the database has Citus.
const HAS_EXTENSION: &str = "select exists (select from pg_extension where extname = 'citus')";

/// What reading them is called where it fails.
const READING: &str = "reading the version of the schema";

/// The state of a schema.
pub(super) struct State {
    /// Whether it is at the newest version.
    pub(super) is_current: bool,
    /// Whether a migration has requested to rebuild a dimension.
    pub(super) requests_rebuild: bool,
    /// Whether the database has Citus.
    pub(super) has_extension: bool,
}

/// Whether there is a schema at all.
///
/// # Errors
///
/// When the connection fails.
pub(super) fn has_history(client: &mut impl GenericClient) -> Result<bool, postgres::Error> {
    Ok(client.query_typed_one(HAS_HISTORY, &[])?.get(0))
}

/// Whether the database has Citus.
///
/// # Errors
///
/// [`Error::Database`] when the connection fails.
pub(super) fn has_extension(client: &mut impl GenericClient) -> Result<bool, Error> {
    let row = client
        .query_typed_one(HAS_EXTENSION, &[])
        .doing("looking for Citus")?;
    Ok(row.get(0))
}

/// The state of the schema, which there is.
///
/// # Errors
///
/// As [`is_current`].
pub(super) fn state(client: &mut Client) -> Result<State, Error> {
    match client.query_typed_one(READ_STATE, &[]) {
        Ok(row) => Ok(State {
            is_current: is_newest(&row)?,
            requests_rebuild: row.get(2),
            has_extension: row.get(3),
        }),
        // From before the first release.
        Err(cause) if cause.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(State {
            is_current: is_current(client)?,
            requests_rebuild: false,
            has_extension: false,
        }),
        Err(cause) => Err(Error::metadata(cause, READING)),
    }
}

/// Whether the schema, which there is, is at the newest version.
///
/// # Errors
///
/// [`Error::NewerSchema`] when it is ahead of this program, [`Error::OldLine`] when it is from before
/// the first release, [`Error::NotLoader`] when this user may not read it.
fn is_current(client: &mut impl GenericClient) -> Result<bool, Error> {
    let row = client.query_typed_one(READ_HISTORY, &[]);
    is_newest(&row.map_err(|cause| Error::metadata(cause, READING))?)
}

/// Whether a row of [`READ_HISTORY`] or [`READ_STATE`] says that the schema is at the newest version.
fn is_newest(row: &Row) -> Result<bool, Error> {
    let (version, first): (Option<i32>, Option<String>) = (row.get(0), row.get(1));
    if first.is_some_and(|first| first != FIRST) {
        return Err(Error::OldLine);
    }
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
/// All of it is one transaction, in which nothing is waited for without a limit: several programs
/// can do it at once, and through a connection pooler too.
///
/// # Errors
///
/// [`Error::NotOwner`] when this user may not, [`Error::NewerSchema`] when the schema is ahead of
/// this program, [`Error::OldLine`] when it is from before the first release, [`Error::Database`]
/// when another program holds the lock for too long, else [`Error::Migration`].
pub(super) fn migrate(client: &mut Client) -> Result<(), Error> {
    let mut transaction = begin_bounded(client, "beginning to migrate the schema")?;
    lock(
        &mut transaction,
        SCHEMA_LOCK,
        "waiting for another migration",
    )?;
    let applied = apply(&mut transaction)?;
    let missing = transaction.query_typed(GRANT_RIGHTS, &[]).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    if applied.is_empty() {
        log::info!("the schema is up to date, at version {NEWEST}");
    }
    for migration in applied {
        log::info!("applied the migration {migration}");
    }
    for row in &missing {
        let missing: &str = row.get("missing");
        log::warn!(
            "missing: {missing}; let somebody who may create or grant it do so, then run `etl migrate` again"
        );
    }
    Ok(())
}

/// Applies the migrations that are missing, and returns them.
fn apply(transaction: &mut Transaction<'_>) -> Result<Vec<Migration>, Error> {
    if has_history(transaction).doing(READING)? {
        if is_current(transaction)? {
            return Ok(Vec::new());
        }
    } else {
        transaction
            .batch_execute(include_str!("../../sql/schema/create_history.sql"))
            .map_err(failed)?;
    }
    let rows = transaction
        .query_typed(include_str!("../../sql/schema/applied.sql"), &[])
        .map_err(failed)?;
    let applied: HashMap<i32, String> = rows
        .iter()
        .map(|row| (row.get("version"), row.get("checksum")))
        .collect();
    let mut migrations = embedded::migrations::runner().get_migrations().clone();
    migrations.sort();
    let mut missing = Vec::new();
    for migration in migrations {
        let checksum = migration.checksum().to_string();
        match applied.get(&migration.version()) {
            Some(known) if *known == checksum => continue,
            Some(_) => {
                return Err(Error::Migration {
                    cause: format!("{migration} has another text than the one that was applied"),
                });
            }
            None => {}
        }
        transaction
            .batch_execute(migration.sql().unwrap_or_default())
            .map_err(failed)?;
        transaction
            .execute_typed(
                include_str!("../../sql/schema/record.sql"),
                &[
                    (&migration.version(), Type::INT4),
                    (&migration.name(), Type::TEXT),
                    (&checksum, Type::TEXT),
                ],
            )
            .map_err(failed)?;
        missing.push(migration);
    }
    Ok(missing)
}

/// The error of a migration that the database refused.
fn failed(cause: postgres::Error) -> Error {
    match cause.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::NotOwner { cause },
        _ => Error::Migration {
            cause: explain_with_advice(&cause),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST, NEWEST, embedded};

    #[test]
    fn the_newest_migration_is_counted_and_the_first_has_its_name() {
        let runner = embedded::migrations::runner();
        let migrations = runner.get_migrations();
        let newest = migrations.iter().map(|migration| migration.version()).max();
        assert_eq!(newest, Some(NEWEST));
        let first = migrations.iter().find(|migration| migration.version() == 1);
        assert_eq!(first.map(|migration| migration.name()), Some(FIRST));
    }

    #[test]
    fn a_database_in_any_encoding_can_say_what_is_wrong_with_it() {
        for migration in embedded::migrations::runner().get_migrations() {
            assert!(
                migration.sql().unwrap_or_default().is_ascii(),
                "{migration}"
            );
        }
    }
}
