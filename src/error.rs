//! What can go wrong with a run as a whole, each as a sentence that says what to do.
//!
//! What is wrong with one file is no error: see [`crate::event::Rejection`].

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

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
        source_name: Source,
        path: PathBuf,
        cause: io::Error,
        advice: &'static str,
    },

    /// No connection to the warehouse.
    #[error("no connection to the warehouse ({address}): {cause}; {advice}")]
    Connection {
        address: String,
        cause: String,
        advice: &'static str,
    },

    /// PostgreSQL refused a statement, or went away during one.
    #[error(
        "the warehouse failed while {doing}: {cause}; nothing of this batch was kept, and the next run starts where the last whole batch ended"
    )]
    Database { doing: &'static str, cause: String },

    /// The schema could not be brought up to date.
    #[error(
        "the schema of the warehouse could not be brought up to date: {cause}; it is as it was before"
    )]
    Migration { cause: String },

    /// The warehouse has no schema yet.
    #[error("the warehouse has no schema yet: start `etl run` once, which creates it")]
    NoSchema,

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

/// Everything PostgreSQL says of an error on one line: message, detail, hint and code; or what broke the connection.
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
