//! What can go wrong with the warehouse, each as a sentence that says what to do. The cause stays in
//! the error and is rendered where it is shown.

use std::io;

use postgres::error::SqlState;
use thiserror::Error;

use super::address::ConnectError;
use super::explain::{SESSION_ENDED, code, explain, explain_with_advice};

/// Why the warehouse failed. The text never has a password.
#[derive(Debug, Error)]
pub enum Error {
    /// No connection to the warehouse.
    #[error(transparent)]
    Connect(#[from] ConnectError),

    /// PostgreSQL refused a statement, or went away during one.
    #[error("the warehouse failed while {doing}: {}", explain_with_advice(cause))]
    Database {
        /// What was being done, as it continues "failed while".
        doing: &'static str,
        /// What PostgreSQL says.
        #[source]
        cause: postgres::Error,
    },

    /// The connection broke while rows were sent.
    #[error("the warehouse failed while {doing}: {cause}; {}", SESSION_ENDED)]
    Stream {
        /// What was being done, as it continues "failed while".
        doing: &'static str,
        /// What the system says.
        #[source]
        cause: io::Error,
    },

    /// The connection broke while a batch was committed.
    #[error(
        "the connection broke while a batch was committed: {}; the outcome of the commit is unknown",
        explain(cause)
    )]
    Commit {
        /// What broke the connection.
        #[source]
        cause: postgres::Error,
    },

    /// A migration failed.
    #[error("the schema of the warehouse could not be migrated: {cause}; it is as it was before")]
    Migration {
        /// What PostgreSQL or the migrations say.
        cause: String,
    },

    /// The schema is ahead of the program.
    #[error(
        "the schema of the warehouse is at version {found}, and this program knows {known}: install the newer program"
    )]
    NewerSchema {
        /// The schema's version.
        found: i32,
        /// The newest version that this program knows.
        known: i32,
    },

    /// The schema was created by a version of the program from before its first release.
    #[error(
        "the schema of the warehouse is from before the first release of etl and cannot be migrated: drop the schemas etl, landing and warehouse, or name another database, and load the inbox anew"
    )]
    OldLine,

    /// The warehouse has no schema yet, or an older one.
    #[error(
        "the warehouse has no schema yet, or an older one than this program's: run `etl migrate` as its owner"
    )]
    NoSchema,

    /// The user is not the owner of the schema.
    #[error(
        "this user may not create or migrate the schema of the warehouse: {}; run `etl migrate` as its owner",
        explain(cause)
    )]
    NotOwner {
        /// What PostgreSQL says.
        #[source]
        cause: postgres::Error,
    },

    /// The user has no rights on the metadata.
    #[error(
        "this user has no rights on the metadata tables: {}; run `etl migrate` as the owner of the schema, and `grant etl_loader` to this user for runs, `grant dwh_reader` to read",
        explain(cause)
    )]
    NotLoader {
        /// What PostgreSQL says.
        #[source]
        cause: postgres::Error,
    },

    /// A worker was not reached by a commit.
    #[error(
        "a batch is committed and did not reach every worker of the cluster: {warning}; what it has written is durable, and the next run has the workers complete it before it reads anything"
    )]
    CommitInDoubt {
        /// What the server says.
        warning: String,
    },

    /// The transaction of an earlier batch is in doubt.
    #[error(
        "the transaction of an earlier batch is prepared and not ended at {workers}, and what it has written cannot be read yet{}; nothing is lost: Citus ends it within a minute",
        failure.as_ref().map(|failure| format!(" ({failure}; let a superuser grant execute on function recover_prepared_transactions() to etl_loader)")).unwrap_or_default()
    )]
    InDoubt {
        /// The workers, by host and port.
        workers: String,
        /// Why Citus could not be asked to end it.
        failure: Option<String>,
    },

    /// A worker does not answer.
    #[error(
        "the worker {worker} of the cluster does not answer: {cause}; start it, or correct its address on the coordinator (citus_update_node)"
    )]
    WorkerSilent {
        /// Its host and port.
        worker: String,
        /// What the coordinator says.
        cause: String,
    },

    /// The database has no Citus.
    #[error(
        "this database has no Citus, and stays on one machine: install Citus on every machine, `create extension citus` in this database on each of them, add the workers at the coordinator (select citus_add_node('host', 5432)), then run `etl migrate --distribute` there"
    )]
    NoCitus,

    /// The database is that of a worker.
    #[error(
        "this is not the coordinator of the cluster: name the coordinator in DATABASE_URL, then run `etl migrate --distribute` again"
    )]
    NotCoordinator,

    /// There is no node that takes shards.
    #[error(
        "the cluster has no node that takes shards: add the workers at the coordinator (select citus_add_node('host', 5432)), then run `etl migrate --distribute` again"
    )]
    NoWorkers,

    /// Citus has refused to distribute a table.
    #[error("the warehouse could not be distributed: {cause}; it is as it was before")]
    NotDistributed {
        /// What PostgreSQL says.
        cause: String,
    },

    /// A version has an end at which no other one starts.
    #[error(
        "the version of {entity} {entity_id} that ends at {valid_to} is followed by none that starts then"
    )]
    Unlinked {
        /// Name of the entity.
        entity: &'static str,
        /// The natural key.
        entity_id: i64,
        /// The end.
        valid_to: String,
    },

    /// Rejections that do not exist.
    #[error("there is no rejection {}: `etl rejected list --all` lists them", listed(.0))]
    UnknownRejections(Vec<i64>),
}

/// Numbers one after the other.
fn listed(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    texts.join(", ")
}

/// Turns an error of the database client into [`Error::Database`].
pub trait Doing<T> {
    /// Adds what was being done, as it continues "failed while".
    ///
    /// # Errors
    ///
    /// [`Error::Database`] if this is an error.
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, postgres::Error> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|cause| Error::Database { doing, cause })
    }
}

impl Error {
    /// The error of a failed commit: if the server still answers, the batch was rolled back.
    pub fn commit(cause: postgres::Error) -> Error {
        match cause.as_db_error() {
            Some(_) => Error::Database {
                doing: "committing a batch",
                cause,
            },
            None => Error::Commit { cause },
        }
    }

    /// The error of a statement about the metadata, for which a user needs the rights of a loader.
    pub fn metadata(cause: postgres::Error, doing: &'static str) -> Error {
        match cause.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::NotLoader { cause },
            Some(&SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN) => Error::NoSchema,
            _ => Error::Database { doing, cause },
        }
    }

    /// What PostgreSQL says, if it refused a change because of the data: a constraint, a foreign
    /// key, a trigger, an index. Everything else would refuse any other change too.
    pub fn refusal(&self) -> Option<String> {
        let cause = match self {
            Error::Database { cause, .. } => cause,
            Error::Unlinked { .. } => return Some(self.to_string()),
            _ => return None,
        };
        let about_the_data = is_about_the_data(code(cause)?.code())
            && !cause
                .as_db_error()
                .is_some_and(|error| error.message().contains(NO_MORE_TRANSACTIONS));
        about_the_data.then(|| explain(cause))
    }
}

/// Part of a server's message when it is about to run out of transaction numbers. Its code is that of a value
/// too long for an index.
const NO_MORE_TRANSACTIONS: &str = "not accepting commands";

/// Whether an SQLSTATE means that the data was refused, and not every change.
fn is_about_the_data(code: &str) -> bool {
    /// Data exception, triggered data change violation, integrity constraint violation, exceptions of
    /// routines in other languages, with check option violation, program limit exceeded (a value too long
    /// for an index), exception raised by a function.
    const ABOUT_THE_DATA: [&str; 8] = ["22", "27", "23", "38", "39", "44", "54", "P0"];
    /// PostgreSQL's own among the classes that the standard leaves to implementations: resources, state of
    /// an object, intervention of an operator, the system, a snapshot that is too old, an internal error; and
    /// the depth of its stack.
    const OF_THE_SERVER: [&str; 7] = ["53", "54001", "55", "57", "58", "72", "XX"];
    let is_one_of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
    // The other ones of those classes are codes that somebody's trigger raises.
    let is_raised = code.starts_with(|first: char| matches!(first, '5'..='9' | 'I'..='Z'));
    (is_one_of(&ABOUT_THE_DATA) || is_raised) && !is_one_of(&OF_THE_SERVER)
}
