//! What can go wrong with a run as a whole, each as a sentence that says what to do.
//!
//! What is wrong with one file is no error: see [`crate::event::Rejection`].

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use postgres::error::SqlState;
use thiserror::Error;

use crate::history::Entity;
use crate::interruption::Signal;
use crate::source::Source;
use crate::warehouse::address::{AddressError, ConnectError};

/// Why a command failed. The text never holds a password.
#[derive(Debug, Error)]
pub enum Error {
    /// A setting is missing or makes no sense.
    #[error("{0}")]
    Setting(String),

    /// The folder of a source cannot be used.
    #[error("the inbox folder {path} of {source_name} cannot be read: {cause}; {advice}", path = .path.display())]
    Folder {
        /// The source.
        source_name: Source,
        /// Its folder.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
        /// What to do.
        advice: &'static str,
    },

    /// The settings of the warehouse's address make no sense.
    #[error(transparent)]
    Address(#[from] AddressError),

    /// No connection to the warehouse.
    #[error(transparent)]
    Connect(#[from] ConnectError),

    /// PostgreSQL refused a statement, or went away during one.
    #[error("the warehouse failed while {doing}: {cause}")]
    Database {
        /// What was being done, as it continues "failed while".
        doing: &'static str,
        /// What PostgreSQL says, and what to do where that can be told.
        cause: String,
    },

    /// A run ended before its time.
    #[error(
        "{0}; nothing of the unfinished batch is kept, and the next run goes on after the last whole one"
    )]
    Unfinished(Box<Error>),

    /// The connection broke while a batch was committed.
    #[error(
        "the connection broke while a batch was committed: {cause}; whether it is kept the next run finds out, which loads what is missing and recognises what is not"
    )]
    Commit {
        /// What broke the connection.
        cause: String,
    },

    /// A signal has asked the program to end.
    #[error("ended by {0}")]
    Interrupted(Signal),

    /// The system does not let the program listen for signals.
    #[error("the system does not let this program listen for Ctrl-C and SIGTERM: {0}")]
    Signals(io::Error),

    /// The schema could not be brought up to date.
    #[error(
        "the schema of the warehouse could not be brought up to date: {cause}; it is as it was before"
    )]
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

    /// The warehouse has no schema yet, or an older one.
    #[error(
        "the warehouse has no schema yet, or an older one than this program's: run `etl migrate` as its owner"
    )]
    NoSchema,

    /// Somebody has taken the row of a source away.
    #[error(
        "etl.checkpoint has no row for {0}, and without one nothing of it is loaded: `insert into etl.checkpoint (source) values ('{0}')`, and the next run looks at everything in its folder"
    )]
    NoCheckpoint(Source),

    /// The schema is for somebody else to create or to bring up to date.
    #[error(
        "this user may not create the schema of the warehouse or bring it up to date: {cause}; run `etl migrate` as its owner"
    )]
    NotOwner {
        /// What PostgreSQL says.
        cause: String,
    },

    /// This user has no rights to the loader's books.
    #[error(
        "this user may not use the loader's books: {cause}; run `etl migrate` as the owner of the schema, and `grant etl_loader` to this user for runs, `grant dwh_reader` to read"
    )]
    NotLoader {
        /// What PostgreSQL says.
        cause: String,
    },

    /// Rejections that were asked for and do not exist.
    #[error("there is no rejection {}: `etl rejected list --all` tells which there are", listed(.0))]
    UnknownRejections(Vec<i64>),

    /// A history was asked for of something that never was.
    #[error(
        "nothing is known of {entity} {id}: no event of it was loaded, and no rejected file that can be read is about it"
    )]
    UnknownEntity {
        /// What it would be.
        entity: Entity,
        /// Its natural key.
        id: i64,
    },

    /// A report could not be written to its file.
    #[error(
        "the report {path} could not be written: {cause}; name a file in a folder that this user may write to, or - for standard output", path = .path.display()
    )]
    Report {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },

    /// What was to be printed could not be.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// The error of a folder that cannot be opened or listed.
    pub fn folder(source: Source, path: PathBuf, cause: io::Error) -> Error {
        let advice = match cause.kind() {
            io::ErrorKind::NotFound => "create it, or name the inbox with --inbox or ETL_INBOX",
            io::ErrorKind::PermissionDenied => "give this user the right to list it (r and x)",
            io::ErrorKind::NotADirectory => "it must be a folder",
            _ => "the next run tries again",
        };
        Error::Folder {
            source_name: source,
            path,
            cause,
            advice,
        }
    }
}

/// Numbers one after the other.
fn listed(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    texts.join(", ")
}

/// The error of a failed commit: if the server still answers, the batch was undone.
pub fn commit_failed(error: &postgres::Error) -> Error {
    match error.as_db_error() {
        Some(_) => Error::Database {
            doing: "committing a batch",
            cause: explain_with_advice(error),
        },
        None => Error::Commit {
            cause: explain(error),
        },
    }
}

/// The error of a statement about the loader's books, to which a user needs the rights of a loader.
pub fn books_failed(error: &postgres::Error, doing: &'static str) -> Error {
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::NotLoader {
            cause: explain(error),
        },
        _ => Error::Database {
            doing,
            cause: explain_with_advice(error),
        },
    }
}

/// Turns an error of the database client into [`Error::Database`], with what was being done.
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
        self.map_err(|error| Error::Database {
            doing,
            cause: explain_with_advice(&error),
        })
    }
}

/// Everything PostgreSQL says of an error on one line: message, detail, hint and code; or what
/// broke the connection.
pub fn explain(error: &postgres::Error) -> String {
    let Some(database) = error.as_db_error() else {
        return match error.source() {
            Some(cause) => format!("{error}: {cause}").replace('\n', " "),
            None => error.to_string(),
        };
    };
    let mut text = database.message().to_owned();
    for more in [database.detail(), database.hint(), database.where_()]
        .into_iter()
        .flatten()
    {
        text.push_str("; ");
        text.push_str(more);
    }
    format!("{text} (SQLSTATE {})", database.code().code()).replace('\n', " ")
}

/// What to do when the server ends a session, or the connection ends without a word.
const SESSION_ENDED: &str = "the server is stopping or starting, somebody ended the session (pg_terminate_backend), \
                             or the network failed";

/// What [`explain`] says, and what to do where that can be told.
pub fn explain_with_advice(error: &postgres::Error) -> String {
    // What the server said last can be lost with the connection.
    let is_broken =
        error.is_closed() || error.source().is_some_and(|cause| cause.is::<io::Error>());
    match advice(error).or(is_broken.then_some(SESSION_ENDED)) {
        Some(advice) => format!("{}; {advice}", explain(error)),
        None => explain(error),
    }
}

/// What to do about an error whose code tells it, whatever was being done.
pub fn advice(error: &postgres::Error) -> Option<&'static str> {
    Some(match *error.code()? {
        SqlState::INVALID_PASSWORD => {
            "check the user and the password in DATABASE_URL, or in POSTGRES_USER and POSTGRES_PASSWORD"
        }
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check the user in DATABASE_URL (POSTGRES_USER), and the server's pg_hba.conf, which may require TLS \
             (sslmode=require) or none (sslmode=disable)"
        }
        SqlState::INVALID_CATALOG_NAME => "create the database, or name another one",
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant that right to this user; `etl migrate`, run as the owner, gives both roles theirs anew"
        }
        SqlState::TOO_MANY_CONNECTIONS => {
            "pg_stat_activity tells who holds the connections; max_connections of the server, or the CONNECTION LIMIT \
             of this user or database, is how many there can be"
        }
        SqlState::LOCK_NOT_AVAILABLE => {
            "another session held what was needed for longer than lock_timeout, and this names it while it does: \
             select pid, usename, mode, relation::regclass, query from pg_locks join pg_stat_activity using (pid) \
             where granted"
        }
        SqlState::DISK_FULL => "make room on the disk of the server",
        SqlState::QUERY_CANCELED => {
            "somebody cancelled it (pg_cancel_backend), or a statement_timeout is set for this user or database, \
             which a batch needs more than"
        }
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            SESSION_ENDED
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            "this is a standby, or default_transaction_read_only is on: name the server that can be written to"
        }
        _ => return None,
    })
}
