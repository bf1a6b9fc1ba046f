//! A chunk: some files of one folder that were read and validated together, each with its outcome.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;

use super::options::Options;
use crate::clock::FileTime;
use crate::entity::Kind;
use crate::event::{Ahead, AnyEvent, Refusal, Rejection, accept};
use crate::inbox::reading::Reading;
use crate::stamp::FileStamp;
use crate::summary::Counts;

/// A file of a chunk.
#[derive(Debug)]
pub(crate) struct File {
    /// Its name as text, see [`crate::inbox::name::name_text`].
    pub(crate) name: String,
    /// Its change time at the scan, by which the offset moves; `None` if the system did not say.
    pub(crate) scanned: Option<FileTime>,
    /// Its stamp when it was read, `None` if there is none.
    pub(crate) stamp: Option<FileStamp>,
    /// Its content, if it was read.
    pub(crate) document: Option<Bytes>,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

/// What became of a file.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is an event that is still to be loaded.
    Accepted(AnyEvent),
    /// Its event is loaded.
    Loaded,
    /// Its event was already loaded.
    Duplicate,
    /// It is not an event, or one that cannot be loaded.
    Rejected(Rejection),
    /// It is left to a later run.
    Pending(Pending),
    /// A link, a FIFO, a device: reported and otherwise ignored.
    NotRegular,
    /// It is gone.
    Vanished,
}

/// Why a file is left to a later run.
#[derive(Debug)]
pub(crate) enum Pending {
    /// Its document has not ended, and it changed a moment ago.
    Unfinished,
    /// It was written to while it was read.
    Changing,
    /// This user may not read it, and it changed a moment ago.
    NotAllowed,
    /// The file system fails to read it. That leaves no trace on the file when it is repaired, so the
    /// file waits until it can be read.
    Fault(String),
}

impl std::fmt::Display for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pending::Unfinished => {
                f.write_str("its document has not ended, and it changed a moment ago")
            }
            Pending::Changing => f.write_str("it was written to while it was read"),
            Pending::NotAllowed => {
                f.write_str("this user may not read it, and it changed a moment ago")
            }
            Pending::Fault(cause) => write!(f, "the file system cannot read it: {cause}"),
        }
    }
}

impl Outcome {
    /// Validates a document; `unfinished` decides on one that has not ended, given its rejection.
    pub(super) fn of(
        document: &[u8],
        stamp: FileStamp,
        max_ahead: Duration,
        unfinished: impl FnOnce(Rejection) -> Outcome,
    ) -> Outcome {
        let ahead = Ahead {
            changed_at: stamp.changed.to_utc(),
            max_ahead,
        };
        match accept(document, ahead) {
            Ok(event) => Outcome::Accepted(event),
            Err(Refusal::Rejected(rejection)) => Outcome::Rejected(rejection),
            Err(Refusal::Unfinished { size }) => unfinished(Rejection::Truncated { size }),
        }
    }
}

impl File {
    /// Validates what came of reading a file.
    pub(crate) fn validate(
        name: String,
        scanned: FileTime,
        reading: Reading,
        options: &Options,
        now: FileTime,
    ) -> File {
        let unless_settled =
            |stamp: FileStamp, pending: Pending, rejection: Rejection| match stamp.changed.age(now)
                < options.settle
            {
                true => Outcome::Pending(pending),
                false => Outcome::Rejected(rejection),
            };
        let (stamp, document, outcome) = match reading {
            Reading::Document(stamp, document) => {
                let outcome = Outcome::of(&document, stamp, options.max_ahead, |truncated| {
                    unless_settled(stamp, Pending::Unfinished, truncated)
                });
                (Some(stamp), Some(document), outcome)
            }
            Reading::TooLarge(stamp) => {
                let rejection = Rejection::TooLarge {
                    size: stamp.size,
                    limit: options.max_file_size,
                };
                (Some(stamp), None, Outcome::Rejected(rejection))
            }
            Reading::Changing => (None, None, Outcome::Pending(Pending::Changing)),
            // The right to read a file may be given after it was made, and giving it changes the
            // file's change time.
            Reading::Unreadable(stamp, error) if error.kind() == ErrorKind::PermissionDenied => {
                let rejection = Rejection::Unreadable {
                    cause: error.to_string(),
                };
                let outcome = unless_settled(stamp, Pending::NotAllowed, rejection);
                (Some(stamp), None, outcome)
            }
            Reading::Unreadable(_, error) | Reading::Fault(error) => {
                let pending = Pending::Fault(error.to_string());
                (None, None, Outcome::Pending(pending))
            }
            Reading::NotRegular => (None, None, Outcome::NotRegular),
            Reading::Vanished => (None, None, Outcome::Vanished),
        };
        File {
            name,
            scanned: Some(scanned),
            stamp,
            document,
            outcome,
        }
    }

    /// Length of its content in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.document.as_ref().map_or(0, Bytes::len)
    }
}

/// Files of one folder, in the order in which they changed.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Which of the run's folders.
    pub(crate) folder: usize,
    /// Position of the first file in the listing of the folder.
    pub(crate) start: usize,
    /// The files.
    pub(crate) files: Vec<File>,
}

impl Chunk {
    /// What became of the files, in numbers. Those that are neither read nor rejected do not count.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for file in &self.files {
            let kind = match file.outcome {
                Outcome::Accepted(_) | Outcome::Loaded => &mut counts.loaded,
                Outcome::Duplicate => &mut counts.duplicates,
                Outcome::Rejected(_) => &mut counts.rejected,
                Outcome::Pending(_) => &mut counts.pending,
                Outcome::NotRegular | Outcome::Vanished => continue,
            };
            *kind += 1;
            counts.files += 1;
        }
        counts
    }

    /// Whether there is something to write: a file that is not just left alone.
    pub(super) fn has_work(&self) -> bool {
        self.files.iter().any(|file| {
            matches!(
                file.outcome,
                Outcome::Accepted(_) | Outcome::Rejected(_) | Outcome::NotRegular
            )
        })
    }

    /// What the accepted events are about, in order.
    pub(super) fn kinds(&self) -> BTreeSet<Kind> {
        self.accepted().map(AnyEvent::kind).collect()
    }

    fn accepted(&self) -> impl Iterator<Item = &AnyEvent> {
        self.files.iter().filter_map(|file| match &file.outcome {
            Outcome::Accepted(event) => Some(event),
            _ => None,
        })
    }

    /// The rejected files, each with the reason.
    pub(super) fn rejected(&self) -> impl Iterator<Item = (&File, &Rejection)> {
        self.files.iter().filter_map(|file| match &file.outcome {
            Outcome::Rejected(rejection) => Some((file, rejection)),
            _ => None,
        })
    }

    /// Bytes of documents that were read.
    pub(super) fn bytes(&self) -> usize {
        self.files.iter().map(File::bytes).sum()
    }
}
