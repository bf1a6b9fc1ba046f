//! The scan of a folder: the event files that a run reads, in the order in which they changed.

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

use super::name::is_event_name;
use super::name_block::{Name, NameBlock, NameBlockBuilder};
use super::{Folder, FolderError, is_regular};
use crate::clock::FileTime;
use crate::cores;
use crate::stamp::FileStamp;

/// Names of the first block: its stats show how fast the others will be.
const SAMPLE: usize = 16;

/// Names of each other block, which a thread stats at once: enough that handing them out costs nothing,
/// few enough that no thread is left with the last of them.
pub const BLOCK_NAMES: usize = 128;

/// How long the stat of a file takes that is not in the system's memory, at least; one that is there
/// takes a tenth of it.
const SLOW_STAT: Duration = Duration::from_micros(20);

/// Threads that stat files which are not in memory: a disk, and a network share all the more, answers
/// many requests at once.
const WAITING_THREADS: usize = 32;

/// Age from which files count as old: the default of `etl archive --older-than`. They are loaded long
/// before, unless no run has come along.
pub const OLD_AFTER: Duration = Duration::from_secs(3_600);

/// How many event files a folder has, whether a run reads them or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All of them.
    pub files: u64,
    /// Those that changed more than [`OLD_AFTER`] ago.
    pub old: u64,
    /// Change time of the oldest of those.
    pub oldest: Option<FileTime>,
}

impl Census {
    fn count(&mut self, changed: FileTime, old_before: FileTime) {
        self.files += 1;
        if changed < old_before {
            self.old += 1;
            self.oldest = Some(self.oldest.map_or(changed, |oldest| oldest.min(changed)));
        }
    }

    fn add(&mut self, other: Census) {
        self.files += other.files;
        self.old += other.old;
        self.oldest = match (self.oldest, other.oldest) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

/// The files that a scan found.
///
/// There can be millions, so names are packed into blocks, and a file that is named after its event takes 34
/// bytes. A block of which no file is kept is dropped.
#[derive(Debug, Default)]
pub struct Listing {
    blocks: Vec<NameBlock>,
    files: Vec<ListedFile>,
    /// Files that the system says nothing of, with what it says instead.
    pub faults: Vec<(Vec<u8>, io::Error)>,
    /// Links, FIFOs, folders and the like, which are never events.
    pub not_regular: Vec<(Vec<u8>, FileStamp)>,
    /// What the folder has, whether it was kept or not.
    pub census: Census,
}

/// One file of a [`Listing`].
#[derive(Clone, Copy, Debug)]
pub struct ListedFile {
    /// Its inode change time at the scan.
    pub changed: FileTime,
    block: u32,
    position: u32,
}

/// What the names of a block turned out to be.
#[derive(Default)]
struct Share {
    /// Change times of the files that are kept, with the positions of their names.
    files: Vec<(FileTime, u32)>,
    faults: Vec<(Vec<u8>, io::Error)>,
    not_regular: Vec<(Vec<u8>, FileStamp)>,
    census: Census,
}

impl Folder {
    /// Scans the folder for event files that `keeps` approves of by name and stamp. Files that vanish
    /// meanwhile are left out. A file that cannot be statted is one of the [`Listing::faults`] and stops no
    /// other.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn scan(
        &self,
        keeps: impl Fn(&[u8], &FileStamp) -> bool + Sync,
    ) -> Result<Listing, FolderError> {
        self.stat(self.names()?, keeps)
    }

    /// Begins to list the names of the event files.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn names(&self) -> Result<Names<'_>, FolderError> {
        Ok(Names {
            folder: self,
            entries: Some(Dir::read_from(&self.handle).map_err(|errno| self.failure(errno))?),
            block: SAMPLE,
            builder: NameBlockBuilder::default(),
        })
    }

    /// Stats files by name, and keeps those that [`Folder::scan`] keeps. Other threads stat files while
    /// this one is still listing names.
    ///
    /// # Errors
    ///
    /// Those of the names.
    pub fn stat(
        &self,
        mut names: impl Iterator<Item = Result<NameBlock, FolderError>>,
        keeps: impl Fn(&[u8], &FileStamp) -> bool + Sync,
    ) -> Result<Listing, FolderError> {
        let mut listing = Listing::default();
        let Some(first) = names.next().transpose()? else {
            return Ok(listing);
        };
        let began = Instant::now();
        let share = self.stat_block(&first, &keeps);
        // The first few show whether the system has the others in memory or waits for a disk.
        let sample = share.census.files.max(1) as u32;
        let threads = match began.elapsed() > SLOW_STAT * sample {
            true => cores::count().max(WAITING_THREADS),
            false => cores::count(),
        };
        listing.add(first, share);
        let stat_names = |names: Result<NameBlock, FolderError>| {
            names.map(|names| {
                let share = self.stat_block(&names, &keeps);
                (names, share)
            })
        };
        for stated in cores::each_with(threads, names, stat_names) {
            let (names, share) = stated?;
            listing.add(names, share);
        }
        listing.sort();
        Ok(listing)
    }

    fn stat_block(&self, names: &NameBlock, keeps: &impl Fn(&[u8], &FileStamp) -> bool) -> Share {
        let mut share = Share::default();
        let old_before = FileTime::from(self.clock.now()).before(OLD_AFTER);
        for (position, name) in names.names() {
            match rustix::fs::statat(&self.handle, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    let stamp = self.stamp_of(&stat);
                    share.census.count(stamp.changed, old_before);
                    if !keeps(&name, &stamp) {
                        // Processed already, or none of this run's business.
                    } else if is_regular(&stat) {
                        share.files.push((stamp.changed, position));
                    } else {
                        share.not_regular.push((name.to_vec(), stamp));
                    }
                }
                Err(Errno::NOENT) => {}
                Err(errno) => share.faults.push((name.to_vec(), errno.into())),
            }
        }
        share
    }
}

/// The names of the event files of a folder, block by block, in the order of the file system. Files that
/// are removed meanwhile hide no other.
pub struct Names<'f> {
    folder: &'f Folder,
    /// `None` once they have all been read, or could not be.
    entries: Option<Dir>,
    /// Names of the next block.
    block: usize,
    builder: NameBlockBuilder,
}

impl Iterator for Names<'_> {
    type Item = Result<NameBlock, FolderError>;

    fn next(&mut self) -> Option<Result<NameBlock, FolderError>> {
        let limit = std::mem::replace(&mut self.block, BLOCK_NAMES);
        let mut count = 0;
        while count < limit {
            let entry = match self.entries.as_mut()?.next() {
                Some(Ok(entry)) => entry,
                Some(Err(errno)) => {
                    self.entries = None;
                    return Some(Err(self.folder.failure(errno)));
                }
                None => {
                    self.entries = None;
                    break;
                }
            };
            let name = entry.file_name().to_bytes();
            if is_event_name(name) && self.builder.add(name) {
                count += 1;
            }
        }
        (count > 0).then(|| Ok(self.builder.build()))
    }
}

impl Listing {
    /// Adds what the names of a block turned out to be.
    fn add(&mut self, names: NameBlock, share: Share) {
        self.faults.extend(share.faults);
        self.not_regular.extend(share.not_regular);
        self.census.add(share.census);
        if !share.files.is_empty() {
            let block = self.blocks.len() as u32;
            let listed = share
                .files
                .into_iter()
                .map(|(changed, position)| ListedFile {
                    changed,
                    block,
                    position,
                });
            self.files.extend(listed);
            self.blocks.push(names);
        }
    }

    /// Puts the files in the order in which they changed; the name decides between equal times, so
    /// that the order is the same whichever way the folder is listed. A file that the system lists
    /// twice is one file.
    fn sort(&mut self) {
        let blocks = &self.blocks;
        let key = |file: &ListedFile| {
            let name = blocks[file.block as usize].packed(file.position);
            (file.changed, name)
        };
        self.files
            .sort_unstable_by(|one, other| key(one).cmp(&key(other)));
        self.files.dedup_by(|one, other| key(one) == key(other));
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A range of the files.
    pub fn files(&self, range: Range<usize>) -> &[ListedFile] {
        &self.files[range]
    }

    /// Name of a file in its folder, any bytes but `/` and NUL.
    pub fn name(&self, file: &ListedFile) -> Name<'_> {
        self.blocks[file.block as usize].name(file.position)
    }
}

#[cfg(test)]
mod tests {
    use super::{ListedFile, Listing, NameBlockBuilder};
    use crate::clock::FileTime;

    /// A listing of files with these names and change times.
    fn listing(files: &[(&str, i64)]) -> Listing {
        let mut builder = NameBlockBuilder::default();
        assert!(files.iter().all(|(name, _)| builder.add(name.as_bytes())));
        let names = builder.build();
        let listed = files
            .iter()
            .zip(names.names())
            .map(|((_, changed), (position, _))| ListedFile {
                changed: FileTime::from_nanos(*changed),
                block: 0,
                position,
            });
        let mut listing = Listing {
            files: listed.collect(),
            ..Listing::default()
        };
        listing.blocks.push(names);
        listing.sort();
        listing
    }

    #[test]
    fn files_are_in_the_order_in_which_they_changed_and_each_is_there_once() {
        let listing = listing(&[
            ("b.json", 7),
            ("a.json", 7),
            ("c.json", 3),
            ("a.json", 7),
            ("c.json", 3),
            // Changed between the two times that it was listed: two positions, of which each counts.
            ("d.json", 1),
            ("d.json", 9),
        ]);
        let names: Vec<Vec<u8>> = listing
            .files(0..listing.len())
            .iter()
            .map(|file| listing.name(file).to_vec())
            .collect();
        let expected = ["d.json", "c.json", "a.json", "b.json", "d.json"];
        assert_eq!(names, expected.map(str::as_bytes));
        assert!(!listing.is_empty());
    }
}
