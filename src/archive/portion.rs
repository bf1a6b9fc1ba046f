//! A portion of the files that are to be archived: those whose content the database has, in memory until
//! they are packed.

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::outcome::{Counts, Left};
use super::packing::Content;
use crate::clock::FileTime;
use crate::event::{MAX_AHEAD, Reason};
use crate::run::stored::{Stored, StoredFile};
use crate::stamp::FileStamp;

/// Bytes of documents after which a portion is packed: some fifty thousand usual files. Two are in
/// memory, one that is packed and one that grows.
const BYTES: usize = 16 << 20;

/// Bytes that a file takes beside its document.
const FILE_BYTES: usize = 256;

/// A file whose content the database has.
pub(super) struct Candidate {
    /// Its name as text.
    pub(super) name: String,
    /// Its stamp when it was read.
    pub(super) stamp: FileStamp,
    /// Its modification time in the archive: that of the event in landing, if the file is a copy with a
    /// later time. Archives alone have to order the events of one second as the database does.
    pub(super) modified: FileTime,
    /// Its content.
    pub(super) document: Bytes,
    /// The file of the event that it conflicts with.
    pub(super) conflicts_with: Option<String>,
}

/// Files that are packed together: those of one kind that changed on one day (UTC).
pub(super) type Candidates = BTreeMap<(Content, NaiveDate), Vec<Candidate>>;

/// Files that are to be packed.
#[derive(Default)]
pub(super) struct Portion {
    candidates: Candidates,
    bytes: usize,
}

impl Portion {
    /// Takes a file that was looked for, or leaves it where it is. No load of an archive is before `now`.
    pub(super) fn take(&mut self, found: StoredFile, now: DateTime<Utc>, counts: &mut Counts) {
        let StoredFile {
            file,
            stored,
            conflicts_with,
        } = found;
        let content = content(&stored, now);
        let counted = match stored {
            Stored::Event { modified_at, .. } => modified_at,
            _ => None,
        };
        let changed = file.stamp.map(|stamp| stamp.changed).or(file.scanned);
        match (content, file.stamp, file.document) {
            (Ok(content), Some(stamp), Some(document)) => {
                self.bytes += document.len() + FILE_BYTES;
                let day = stamp.changed.to_utc().date_naive();
                let of_day = self.candidates.entry((content, day)).or_default();
                of_day.push(Candidate {
                    name: file.name,
                    stamp,
                    modified: counted
                        .filter(|counted| *counted != stamp.modified.to_utc())
                        .map_or(stamp.modified, FileTime::from),
                    document,
                    conflicts_with,
                });
            }
            (Err(why), ..) => counts.keep(why, changed),
            // What was not read is in no table.
            (Ok(_), ..) => counts.keep(Left::NotStored, changed),
        }
    }

    /// Whether there is enough for an archive.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BYTES
    }

    /// The files, which are then no longer in the portion.
    pub(super) fn take_all(&mut self) -> Candidates {
        self.bytes = 0;
        mem::take(&mut self.candidates)
    }
}

/// What a file is packed as, or why it is not.
fn content(stored: &Stored, now: DateTime<Utc>) -> Result<Content, Left> {
    match stored {
        Stored::Event { precedes: true, .. } => Err(Left::UnreadCopy),
        // Accepted by hand. A load of the archive would reject it.
        Stored::Event { event_at, .. } if is_ahead(*event_at, now) => Err(Left::FromTheFuture),
        Stored::Event { .. } => Ok(Content::Accepted),
        Stored::Rejection(rejection) if !rejection.has_document => Err(Left::NotStored),
        Stored::Rejection(rejection) if rejection.is_dismissed => Ok(Content::Rejected),
        Stored::Rejection(rejection) if rejection.reason == Reason::FromTheFuture.code() => {
            Err(Left::FromTheFuture)
        }
        Stored::Rejection(rejection) if rejection.reason == Reason::Truncated.code() => {
            Err(Left::Unfinished)
        }
        Stored::Rejection(_) => Ok(Content::Rejected),
        Stored::Nowhere(_) => Err(Left::NotLoaded),
    }
}

fn is_ahead(event_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    event_at - now > TimeDelta::from_std(MAX_AHEAD).unwrap_or(TimeDelta::MAX)
}
