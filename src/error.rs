//! What can go wrong with a run as a whole, each as a sentence that says what to do.
//!
//! What is wrong with one file is no error: see [`crate::event::Rejection`].

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::history::Entity;
use crate::source::Source;

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

    /// No connection to the warehouse.
    #[error("no connection to the warehouse ({address}): {cause}; {advice}")]
    Connection {
        /// Where it was looked for, without a password.
        address: String,
        /// What the server or the system says.
        cause: String,
        /// What to do.
        advice: &'static str,
    },

    /// PostgreSQL refused a statement, or went away during one.
    #[error("the warehouse failed while {doing}: {cause}")]
    Database {
        /// What was being done, as it continues "failed while".
        doing: &'static str,
        /// What PostgreSQL says.
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

    /// The schema is missing or out of date, and this user may not change that.
    #[error(
        "the warehouse has no schema yet, or an older one than this program's, and this user may not change that: {cause}; run `etl migrate` as its owner"
    )]
    NotOwner {
        /// What PostgreSQL says.
        cause: String,
    },

    /// This user has no rights to the loader's books.
    #[error(
        "this user may not use the loader's books: {cause}; run `etl migrate` as the owner of the schema, and `grant etl_loader` to this user"
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
    let cause = explain(error);
    match error.as_db_error() {
        Some(_) => Error::Database {
            doing: "committing a batch",
            cause,
        },
        None => Error::Commit { cause },
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
            cause: explain(&error),
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
