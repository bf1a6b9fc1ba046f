//! Why files were not archived.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::inbox::FolderError;
use crate::inbox_name::InboxName;
use crate::run::interruption::Signal;
use crate::warehouse;

/// Why an archive was not made, or not all of the files in it removed.
#[derive(Debug, Error)]
pub enum Error {
    /// The warehouse failed.
    #[error(transparent)]
    Warehouse(#[from] warehouse::error::Error),

    /// A folder of the inbox cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),

    /// The archives of the inbox would have the names of another one's.
    #[error(
        "the archives of an inbox named {0} would have the names of another one's archives of rejected files; give it \
         another name (--inbox-name)"
    )]
    ReservedName(InboxName),

    /// This user may not remove files from a folder of the inbox.
    #[error(
        "no file can be removed from {}: {cause}; run `etl archive` as a user who may write to that folder", path.display()
    )]
    NotRemovable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },

    /// Files cannot be removed from a folder of the inbox. The others are archived.
    #[error(
        "{}{} cannot be removed from the inbox: {cause}; run `etl archive` as the owner of the files or of their \
         folder, or take away what protects them (chmod -t of the folder, chattr -ia)", path.display(), and_others(*.others)
    )]
    FilesNotRemovable {
        /// The first of them.
        path: PathBuf,
        /// How many others there are.
        others: i64,
        /// What the system says of the first.
        #[source]
        cause: io::Error,
    },

    /// An archive, or a folder for it, cannot be written.
    #[error("{} cannot be written: {cause}; {}; no file was removed for it", path.display(), advice(cause))]
    NotWritten {
        /// The archive or the folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },

    /// An archive was read back, and is not what was written.
    #[error(
        "{} was written, read back and found to be damaged: {what}; it was removed again, and no file was removed for \
         it; check the disk", path.display()
    )]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },

    /// An archive was written, and the system does not let the program read it back.
    #[error(
        "{} was written and cannot be read back: {cause}; it was removed again, and no file was removed for it; the \
         next call tries again", path.display()
    )]
    NotRead {
        /// The archive.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },

    /// The system has no thread to give.
    #[error(
        "the system has no thread for packing: {0}; raise the limit of processes of this user, and call it again"
    )]
    NoThread(#[source] io::Error),

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

fn and_others(files: i64) -> String {
    match files {
        0 => String::new(),
        1 => " and 1 other file".to_owned(),
        files => format!(" and {files} other files"),
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room, or name a folder on another file system with --to or ETL_ARCHIVE"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "run `etl archive` as a user who may write there, or name another folder with --to or ETL_ARCHIVE"
        }
        _ => "the next call tries again",
    }
}
