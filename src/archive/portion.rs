//! A portion of the files that are to be archived: held in memory until they are packed, and removed
//! once they are.

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};

use super::error::Error;
use super::member::Member;
use super::outcome::{Counts, Left};
use super::packing::{Archives, Content};
use crate::clock::{self, FileTime};
use crate::inbox::Folder;
use crate::inbox::name::{name_bytes, name_text};
use crate::inbox::removal::Removal;
use crate::run::File;
use crate::run::stored::{Stored, StoredFile};
use crate::stamp::FileStamp;

/// Bytes of documents after which a portion is packed: some hundred thousand usual files.
const BYTES: usize = 32 << 20;

/// Bytes that a file takes beside its document.
const FILE_BYTES: usize = 256;

/// The reason of a rejection that a later load would not repeat.
const FROM_THE_FUTURE: &str = "from_the_future";

/// A file whose content the database has.
struct Candidate {
    name: String,
    stamp: FileStamp,
    document: Bytes,
    conflicts_with: Option<String>,
}

/// A file that is packed, with the stamp by which it is removed.
struct Packed {
    member: Member,
    stamp: FileStamp,
}

/// Files that are to be packed together.
pub(super) struct Portion<'a> {
    archives: Archives<'a>,
    dry_run: bool,
    candidates: BTreeMap<(Content, NaiveDate), Vec<Candidate>>,
    bytes: usize,
    /// Change time of the oldest file that stays.
    kept_since: Option<FileTime>,
}

impl<'a> Portion<'a> {
    /// An empty portion for these archives.
    pub(super) fn new(archives: Archives<'a>, dry_run: bool) -> Portion<'a> {
        Portion {
            archives,
            dry_run,
            candidates: BTreeMap::new(),
            bytes: 0,
            kept_since: None,
        }
    }

    /// Takes a file that was looked for, or leaves it where it is.
    pub(super) fn take(&mut self, found: StoredFile, counts: &mut Counts) {
        let StoredFile {
            mut file,
            stored,
            conflicts_with,
        } = found;
        let content = match stored {
            Stored::Event { precedes: false } => Ok(Content::Accepted),
            Stored::Event { precedes: true } => Err(Left::UnreadCopy),
            Stored::Rejection(rejection) if !rejection.has_document => Err(Left::NotStored),
            Stored::Rejection(rejection)
                if rejection.reason == FROM_THE_FUTURE && !rejection.is_dismissed =>
            {
                Err(Left::FromTheFuture)
            }
            Stored::Rejection(_) => Ok(Content::Rejected),
            Stored::Nowhere(_) => Err(Left::NotLoaded),
        };
        match (content, file.stamp, file.document.take()) {
            (Ok(content), Some(stamp), Some(document)) => {
                self.bytes += document.len() + FILE_BYTES;
                let day = stamp.changed.to_utc().date_naive();
                let of_day = self.candidates.entry((content, day)).or_default();
                of_day.push(Candidate {
                    name: file.name,
                    stamp,
                    document,
                    conflicts_with,
                });
            }
            (Err(why), ..) => self.leave(&file, why, counts),
            // What was not read is in no table.
            (Ok(_), ..) => self.leave(&file, Left::NotStored, counts),
        }
    }

    /// Leaves a file where it is.
    pub(super) fn leave(&mut self, file: &File, why: Left, counts: &mut Counts) {
        counts.leave(why, 1);
        if let Some(changed) = file.stamp.map(|stamp| stamp.changed).or(file.scanned) {
            self.keep_since(changed);
        }
    }

    fn keep_since(&mut self, changed: FileTime) {
        self.kept_since = Some(self.kept_since.map_or(changed, |since| since.min(changed)));
    }

    /// When the oldest file changed that stays.
    pub(super) fn kept_since(&self) -> Option<DateTime<Utc>> {
        self.kept_since.map(FileTime::to_utc)
    }

    /// Whether there is enough for an archive.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BYTES
    }

    /// Packs the files, an archive for each day, and removes them from their folder. The rejected ones
    /// come last.
    ///
    /// # Errors
    ///
    /// When an archive cannot be written or a file cannot be removed. What was not packed stays in the
    /// folder.
    pub(super) fn pack(&mut self, folder: &Folder, counts: &mut Counts) -> Result<(), Error> {
        self.bytes = 0;
        for ((content, day), candidates) in mem::take(&mut self.candidates) {
            let mut packed = self.current(folder, candidates, counts);
            if packed.is_empty() {
                continue;
            }
            // In the order in which they changed, as they are loaded.
            packed.sort_by(|one, other| {
                let key = |packed: &Packed| packed.stamp.changed;
                (key(one), &one.member.name).cmp(&(key(other), &other.member.name))
            });
            counts.bytes += packed.iter().map(|packed| packed.stamp.size).sum::<u64>();
            if self.dry_run {
                counts.files += packed.len() as i64;
                counts.archived += packed.len() as i64;
                continue;
            }
            let members: Vec<&Member> = packed.iter().map(|packed| &packed.member).collect();
            let (path, size) = self.archives.pack(day, content, clock::now(), &members)?;
            counts.archives += 1;
            counts.archive_bytes += size;
            log::debug!("packed {} files into {}", packed.len(), path.display());
            self.remove(folder, &packed, counts)?;
        }
        Ok(())
    }

    /// Those files that are still what was read, with their rights.
    fn current(
        &mut self,
        folder: &Folder,
        candidates: Vec<Candidate>,
        counts: &mut Counts,
    ) -> Vec<Packed> {
        let mut packed = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let is_in_inbox = |name: &String| {
                *name != candidate.name && folder.stamp(&name_bytes(name)).is_some()
            };
            if candidate.conflicts_with.as_ref().is_some_and(is_in_inbox) && !self.dry_run {
                counts.leave(Left::Conflicting, 1);
                self.keep_since(candidate.stamp.changed);
                continue;
            }
            let name = name_bytes(&candidate.name);
            match folder.rights(&name, candidate.stamp) {
                Some(rights) => packed.push(Packed {
                    member: Member {
                        name,
                        modified: candidate.stamp.modified,
                        rights,
                        document: candidate.document,
                    },
                    stamp: candidate.stamp,
                }),
                None => counts.leave(Left::Changed, 1),
            }
        }
        packed
    }

    /// Removes packed files, each only if it is still the one that was packed.
    fn remove(
        &mut self,
        folder: &Folder,
        packed: &[Packed],
        counts: &mut Counts,
    ) -> Result<(), Error> {
        for Packed { member, stamp } in packed {
            match folder.remove(&member.name, *stamp) {
                Ok(Removal::Removed) => {
                    counts.files += 1;
                    counts.archived += 1;
                }
                Ok(Removal::Changed) => counts.leave(Left::Changed, 1),
                Err(cause) => {
                    return Err(Error::NotRemovable {
                        path: folder.path().join(&*name_text(&member.name)),
                        cause,
                    });
                }
            }
        }
        Ok(())
    }
}
