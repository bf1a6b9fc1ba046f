//! Why a command failed, and with which exit status.

use std::io;
use std::process::ExitCode;

use thiserror::Error;

use crate::inbox::FolderError;
use crate::warehouse::address::AddressError;
use crate::{pages, run, warehouse};

/// Exit status of a command that failed.
const FAILED: u8 = 1;

/// Exit status of a command that was asked for what makes no sense.
const WRONG_USAGE: u8 = 2;

/// Why a command failed. The text never has a password.
#[derive(Debug, Error)]
pub enum Error {
    /// A setting is missing or makes no sense.
    #[error("{0}")]
    Setting(String),

    /// The settings of the warehouse's address make no sense.
    #[error(transparent)]
    Address(#[from] AddressError),

    /// The warehouse failed.
    #[error(transparent)]
    Warehouse(#[from] warehouse::error::Error),

    /// A folder of the inbox cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),

    /// A run failed.
    #[error(transparent)]
    Run(#[from] run::error::Error),

    /// A page cannot be read or written.
    #[error(transparent)]
    Page(#[from] pages::error::Error),

    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// The exit status that it means.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Error::Setting(_) | Error::Address(_) => WRONG_USAGE,
            _ => FAILED,
        })
    }

    /// Whether nobody reads the output any more: a reader that has closed the pipe has read what it
    /// wanted (`etl history card 42 | head`).
    pub fn is_closed_pipe(&self) -> bool {
        match self {
            Error::Output(cause) | Error::Page(pages::error::Error::Output(cause)) => {
                cause.kind() == io::ErrorKind::BrokenPipe
            }
            _ => false,
        }
    }
}
