//! The packer: a thread that packs portions and removes their files, while the next files are read.

use std::io;
use std::sync::mpsc::Receiver;

use rustix::io::Errno;

use super::error::Error;
use super::member::Member;
use super::outcome::{Counts, Left};
use super::packing::Archives;
use super::portion::{Candidate, Candidates};
use crate::clock;
use crate::inbox::Folder;
use crate::inbox::name::{name_bytes, name_text};
use crate::inbox::removal::Removal;
use crate::stamp::FileStamp;

/// A file that is packed, with the stamp by which it is removed.
struct Packed {
    member: Member,
    stamp: FileStamp,
}

/// Packs the files of a folder.
pub(super) struct Packer<'a> {
    archives: Archives<'a>,
    folder: &'a Folder,
    /// The folders of the other sources.
    others: &'a [Folder],
    dry_run: bool,
    counts: Counts,
    /// The first file that cannot be removed, with the cause.
    not_removable: Option<(Vec<u8>, io::Error)>,
}

impl<'a> Packer<'a> {
    /// One that packs files of this folder into these archives.
    pub(super) fn new(
        archives: Archives<'a>,
        folder: &'a Folder,
        others: &'a [Folder],
        dry_run: bool,
    ) -> Packer<'a> {
        Packer {
            archives,
            folder,
            others,
            dry_run,
            counts: Counts::default(),
            not_removable: None,
        }
    }

    /// Packs portions until there are no more. Returns what was done, and why it ended early.
    pub(super) fn pack_all(
        mut self,
        portions: &Receiver<Candidates>,
    ) -> (Counts, Result<(), Error>) {
        let packed = portions
            .iter()
            .try_for_each(|candidates| self.pack(candidates));
        let packed = packed.and_then(|()| self.not_removable());
        (self.counts, packed)
    }

    /// An error if there are files that cannot be removed.
    fn not_removable(&mut self) -> Result<(), Error> {
        match self.not_removable.take() {
            None => Ok(()),
            Some((name, cause)) => Err(Error::FilesNotRemovable {
                path: self.folder.path().join(&*name_text(&name)),
                others: self.counts.left(Left::NotRemovable) - 1,
                cause,
            }),
        }
    }

    /// Packs the files of a portion, an archive for each day, and removes them from their folder. The
    /// rejected ones come last.
    fn pack(&mut self, candidates: Candidates) -> Result<(), Error> {
        for ((content, day), candidates) in candidates {
            let mut packed = self.current(candidates);
            if packed.is_empty() {
                continue;
            }
            // In the order in which they changed, as they are loaded.
            packed.sort_by(|one, other| {
                let key = |packed: &Packed| packed.stamp.changed;
                (key(one), &one.member.name).cmp(&(key(other), &other.member.name))
            });
            let bytes: u64 = packed.iter().map(|packed| packed.stamp.size).sum();
            if self.dry_run {
                self.counts.bytes += bytes;
                self.counts.files += packed.len() as i64;
                self.counts.archived += packed.len() as i64;
                continue;
            }
            let members: Vec<&Member> = packed.iter().map(|packed| &packed.member).collect();
            let (path, size) = self.archives.pack(day, content, clock::now(), &members)?;
            log::debug!("packed {} files into {}", packed.len(), path.display());
            if !self.remove(packed) {
                // Each call would make one more, and of all the others in the folder, too.
                self.archives.discard(&path)?;
                return self.not_removable();
            }
            self.counts.bytes += bytes;
            self.counts.archives += 1;
            self.counts.archive_bytes += size;
        }
        Ok(())
    }

    /// Those files that are still what was read, with their rights.
    fn current(&mut self, candidates: Vec<Candidate>) -> Vec<Packed> {
        let mut packed = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let changed = Some(candidate.stamp.changed);
            if !self.dry_run && self.conflicts(&candidate) {
                self.counts.keep(Left::Conflicting, changed);
                continue;
            }
            let name = name_bytes(&candidate.name);
            match self.folder.rights(&name, candidate.stamp) {
                // Each call would pack it again.
                Some(rights) if !self.folder.is_removable(&name, rights) => {
                    self.keep_protected(name, candidate.stamp, Errno::PERM.into());
                }
                Some(rights) => packed.push(Packed {
                    member: Member {
                        name,
                        modified: candidate.modified,
                        rights,
                        document: candidate.document,
                    },
                    stamp: candidate.stamp,
                }),
                None => self.counts.keep(Left::Changed, changed),
            }
        }
        packed
    }

    /// Whether the file that a file conflicts with may be in the inbox. Its event decides about its table,
    /// and not the folder, which may be that of any source.
    fn conflicts(&self, candidate: &Candidate) -> bool {
        candidate.conflicts_with.as_ref().is_some_and(|other| {
            let name = name_bytes(other);
            let is_in = |folder: &Folder| folder.stamp(&name).is_some();
            (*other != candidate.name && is_in(self.folder)) || self.others.iter().any(is_in)
        })
    }

    /// Removes packed files, each only if it is still the one that was packed. Returns whether this user may
    /// remove any of them.
    fn remove(&mut self, packed: Vec<Packed>) -> bool {
        let mut may_remove = false;
        for Packed { member, stamp } in packed {
            match self.folder.remove(&member.name, stamp) {
                Ok(Removal::Removed) => {
                    self.counts.files += 1;
                    self.counts.archived += 1;
                    may_remove = true;
                }
                Ok(Removal::Changed) => {
                    self.counts.keep(Left::Changed, Some(stamp.changed));
                    may_remove = true;
                }
                // The others are removed all the same.
                Err(cause) => self.keep_protected(member.name, stamp, cause),
            }
        }
        may_remove
    }

    /// Counts a file that this user may not remove.
    fn keep_protected(&mut self, name: Vec<u8>, stamp: FileStamp, cause: io::Error) {
        self.counts.keep(Left::NotRemovable, Some(stamp.changed));
        self.not_removable.get_or_insert((name, cause));
    }
}
