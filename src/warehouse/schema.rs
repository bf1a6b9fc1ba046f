//! The schema, as migrations in `sql/migrations`.

use std::error::Error as _;

use postgres::error::SqlState;
use postgres::{Client, GenericClient, Row};
use refinery::error::Kind;

use super::error::{Doing, Error};
use super::explain::explain_with_advice;
use super::{SCHEMA_LOCK, lock};

mod embedded {
    refinery::embed_migrations!("sql/migrations");
}

/// Table of the applied migrations. The schema `etl` is created before the first migration for its
/// sake.
const HISTORY: &str = "etl.schema_history";

/// Creates the schema of the history. An owner need not have the right to create others, which
/// `if not exists` would ask for.
const CREATE_SCHEMA: &str =
    "do $$ begin if to_regnamespace('etl') is null then create schema etl; end if; end $$";

/// Gives the roles their rights on what the migrations have created, and returns what is missing.
const GRANT_RIGHTS: &str = "select missing from etl.grant_rights()";

/// Number of the newest migration that this program has. The build script counts them, since asking
/// the migrations themselves costs every run the compilation of refinery's patterns and a hash of all
/// their texts.
const NEWEST: i32 = match i32::from_str_radix(env!("ETL_SCHEMA_VERSION"), 10) {
    Ok(newest) => newest,
    Err(_) => panic!("the build script counts the migrations"),
};

/// Name of the first migration. Programs from before the first release had another one.
const FIRST: &str = "metadata";

/// Reads the newest migration and the name of the first one. In two steps, so that the server does
/// not log a failed statement to say that there is no schema.
const HAS_HISTORY: &str = "select to_regclass('etl.schema_history') is not null";
const READ_HISTORY: &str =
    "select max(version) as version, min(name) filter (where version = 1) as first_name,
                                   exists (select from etl.rebuild) as requests_rebuild
                            from etl.schema_history";

/// The same for a schema that has not all tables, as those from before the first release.
const READ_FIRST: &str =
    "select min(name) filter (where version = 1) as first_name from etl.schema_history";

/// What reading them is called where it fails.
const READING: &str = "reading the version of the schema";

/// Whether there is a schema at all.
///
/// # Errors
///
/// When the connection fails.
pub(super) fn has_history(client: &mut Client) -> Result<bool, postgres::Error> {
    Ok(client.query_typed_one(HAS_HISTORY, &[])?.get(0))
}

/// The state of a schema.
pub(super) struct State {
    /// Whether it is at the newest version.
    pub(super) is_current: bool,
    /// Whether a migration has requested to rebuild a dimension.
    pub(super) requests_rebuild: bool,
}

/// The state of the schema, which there is.
///
/// # Errors
///
/// [`Error::NewerSchema`] when it is ahead of this program, [`Error::OldLine`] when it is from before
/// the first release, [`Error::NotLoader`] when this user may not read it.
pub(super) fn state(client: &mut impl GenericClient) -> Result<State, Error> {
    let row = match client.query_typed_one(READ_HISTORY, &[]) {
        Ok(row) => row,
        // From before the first release, or another program has begun to create it.
        Err(cause) if cause.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            let first = client.query_typed_one(READ_FIRST, &[]);
            let first = first.map_err(|cause| Error::metadata(cause, READING))?;
            return match is_old_line(&first) {
                true => Err(Error::OldLine),
                false => Ok(State {
                    is_current: false,
                    requests_rebuild: false,
                }),
            };
        }
        Err(cause) => return Err(Error::metadata(cause, READING)),
    };
    if is_old_line(&row) {
        return Err(Error::OldLine);
    }
    match row.get("version") {
        Some(found) if found > NEWEST => Err(Error::NewerSchema {
            found,
            known: NEWEST,
        }),
        version => Ok(State {
            is_current: version == Some(NEWEST),
            requests_rebuild: row.get("requests_rebuild"),
        }),
    }
}

/// Whether the first migration is not the one that this program knows.
fn is_old_line(row: &Row) -> bool {
    let first: Option<&str> = row.get("first_name");
    first.is_some_and(|first| first != FIRST)
}

/// Applies the migrations that are missing, all or none, and gives the roles their rights.
///
/// Of two programs that do it at once one fails, and finds that the other one has done it.
///
/// # Errors
///
/// [`Error::NotOwner`] when this user may not, [`Error::NewerSchema`] when the schema is ahead of
/// this program, [`Error::OldLine`] when it is from before the first release, else
/// [`Error::Migration`].
pub(super) fn migrate(client: &mut Client) -> Result<(), Error> {
    if has_history(client).doing(READING)? {
        state(client)?;
    }
    let applied = match apply(client) {
        Ok(applied) => applied,
        Err(failure) => match has_history(client) {
            Ok(true) if state(client)?.is_current => 0,
            _ => return Err(failure),
        },
    };
    if applied == 0 {
        log::info!("the schema is up to date, at version {NEWEST}");
    }
    grant_rights(client)
}

/// Applies the migrations that are missing; returns how many they were.
fn apply(client: &mut Client) -> Result<usize, Error> {
    client.batch_execute(CREATE_SCHEMA).map_err(failed)?;
    let mut runner = embedded::migrations::runner().set_grouped(true);
    runner.set_migration_table_name(HISTORY);
    let report = runner.run(client).map_err(|error| {
        let database = error
            .source()
            .and_then(|cause| cause.downcast_ref::<postgres::Error>());
        match (error.kind(), database) {
            (_, Some(cause)) => Error::Migration {
                cause: explain_with_advice(cause),
            },
            (Kind::MissingVersion(newer), None) => Error::NewerSchema {
                found: newer.version(),
                known: NEWEST,
            },
            (_, None) => Error::Migration {
                cause: error.to_string(),
            },
        }
    })?;
    for migration in report.applied_migrations() {
        log::info!("applied the migration {migration}");
    }
    Ok(report.applied_migrations().len())
}

/// Gives the roles their rights, one program at a time.
fn grant_rights(client: &mut Client) -> Result<(), Error> {
    let doing = "giving the roles their rights";
    let mut transaction = client.transaction().doing(doing)?;
    lock(&mut transaction, SCHEMA_LOCK, doing)?;
    let missing = transaction.query(GRANT_RIGHTS, &[]).map_err(failed)?;
    transaction.commit().doing(doing)?;
    for row in &missing {
        let missing: &str = row.get("missing");
        log::warn!(
            "missing: {missing}; let somebody who may create or grant it do so, then run `etl migrate` again"
        );
    }
    Ok(())
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
    fn the_first_and_the_newest_migration_are_those_known() {
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
