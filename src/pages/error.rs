//! Why a page cannot be read or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::entity::Kind;
use crate::inbox::FolderError;
use crate::warehouse;

/// Why a page cannot be read or written.
#[derive(Debug, Error)]
pub enum Error {
    /// The warehouse failed.
    #[error(transparent)]
    Warehouse(#[from] warehouse::error::Error),

    /// A folder of the inbox cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),

    /// There is nothing about an entity.
    #[error(
        "nothing is known of {entity} {id}: no event of it is loaded, and no rejected file that can be read is about it"
    )]
    UnknownEntity {
        /// What it would be.
        entity: Kind,
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
        #[source]
        cause: io::Error,
    },

    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}
