//! Why a run did not do what it was asked to.

use std::io;

use thiserror::Error;

use super::interruption::Signal;
use crate::inbox::FolderError;
use crate::warehouse;

/// Why a run failed or ended early.
#[derive(Debug, Error)]
pub enum Error {
    /// The warehouse failed.
    #[error(transparent)]
    Warehouse(#[from] warehouse::error::Error),

    /// The warehouse failed within a batch.
    #[error("{0}; the unfinished batch is rolled back")]
    Unfinished(#[source] warehouse::error::Error),

    /// A folder of the inbox cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),

    /// Another run has taken over while this one was stopped or could not reach the server.
    #[error(
        "another run has taken over: this one did not renew its claim on the checkpoints in time, because it was stopped or could not reach the server; its unfinished batch is rolled back"
    )]
    ClaimLost,

    /// A signal has asked the program to end.
    #[error("ended by {0}")]
    Interrupted(Signal),

    /// The system does not let the program listen for signals.
    #[error("the system does not let this program listen for Ctrl-C and SIGTERM: {0}")]
    Signals(#[source] io::Error),
}

impl From<Signal> for Error {
    fn from(signal: Signal) -> Error {
        Error::Interrupted(signal)
    }
}
