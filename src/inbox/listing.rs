//! The scan of a folder: the files that changed at some time or later, in the order in which they
//! changed.

use std::io;
use std::ops::Range;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

use super::name::is_event_name;
use super::{Folder, FolderError, is_regular};
use crate::clock::FileTime;
use crate::cores;
use crate::stamp::FileStamp;

/// Bytes of names that stand together: large enough that there are few blocks, small enough that the
/// last one, mostly empty, does not count.
const BLOCK: usize = 1 << 20;

/// Bytes of a name that the services give, with its length: a UUID and `.json`.
const USUAL_NAME: usize = 42;

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
/// There can be millions, so names are packed into blocks, each behind its length, and a file takes
/// its name and 16 bytes.
#[derive(Debug, Default)]
pub struct Listing {
    blocks: Vec<Vec<u8>>,
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
    start: u32,
}

/// What a share of the names turned out to be.
#[derive(Default)]
struct Share {
    files: Vec<ListedFile>,
    faults: Vec<(Vec<u8>, io::Error)>,
    not_regular: Vec<(Vec<u8>, FileStamp)>,
    census: Census,
}

impl Folder {
    /// Scans the folder for event files that changed at `from` or later and that `keeps` approves of
    /// by name and stamp. Files that vanish meanwhile are left out. A file that cannot be statted is
    /// one of the [`Listing::faults`] and stops no other.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn scan(
        &self,
        from: Option<FileTime>,
        keeps: impl Fn(&[u8], &FileStamp) -> bool + Sync,
    ) -> Result<Listing, FolderError> {
        let names = self.names()?.next(usize::MAX)?.unwrap_or_default();
        Ok(self.stat(names, from, keeps))
    }

    /// Begins to list the names of the event files.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn names(&self) -> Result<Names<'_>, FolderError> {
        Ok(Names {
            folder: self,
            entries: Dir::read_from(&self.handle).map_err(|errno| self.failure(errno))?,
        })
    }

    /// Stats files by name, and keeps those that [`Folder::scan`] keeps.
    pub fn stat(
        &self,
        NameBlocks(blocks): NameBlocks,
        from: Option<FileTime>,
        keeps: impl Fn(&[u8], &FileStamp) -> bool + Sync,
    ) -> Listing {
        let names: usize = blocks.iter().map(Vec::len).sum();
        // Each call waits for the kernel alone, so the cores share the names.
        let parts = parts(&blocks, cores::share(names / USUAL_NAME) * USUAL_NAME);
        let shares = cores::each(parts.into_iter(), |(block, range)| {
            self.stat_all(&blocks, block, range, from, &keeps)
        });
        let mut listing = Listing {
            blocks,
            ..Listing::default()
        };
        for share in shares {
            listing.files.extend(share.files);
            listing.faults.extend(share.faults);
            listing.not_regular.extend(share.not_regular);
            listing.census.add(share.census);
        }
        listing.sort();
        listing
    }

    fn stat_all(
        &self,
        blocks: &[Vec<u8>],
        block: usize,
        range: Range<usize>,
        from: Option<FileTime>,
        keeps: &impl Fn(&[u8], &FileStamp) -> bool,
    ) -> Share {
        let mut share = Share::default();
        let old_before = FileTime::from(self.clock.now()).before(OLD_AFTER);
        let mut start = range.start;
        while start < range.end {
            let name = name_at(&blocks[block], start);
            match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    let stamp = self.stamp_of(&stat);
                    share.census.count(stamp.changed, old_before);
                    let is_due = from.is_none_or(|from| stamp.changed >= from);
                    if !is_due || !keeps(name, &stamp) {
                        // Processed already, or none of this run's business.
                    } else if is_regular(&stat) {
                        share.files.push(ListedFile {
                            changed: stamp.changed,
                            block: block as u32,
                            start: start as u32,
                        });
                    } else {
                        share.not_regular.push((name.to_vec(), stamp));
                    }
                }
                Err(Errno::NOENT) => {}
                Err(errno) => share.faults.push((name.to_vec(), errno.into())),
            }
            start += 1 + name.len();
        }
        share
    }
}

/// The names of the event files of a folder, in the order of the file system. Files that are removed
/// meanwhile hide no other.
pub struct Names<'f> {
    folder: &'f Folder,
    entries: Dir,
}

/// Names of event files, packed: each behind its length.
#[derive(Debug, Default)]
pub struct NameBlocks(Vec<Vec<u8>>);

impl Names<'_> {
    /// The next names, at most `limit` of them; `None` after the last one.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn next(&mut self, limit: usize) -> Result<Option<NameBlocks>, FolderError> {
        let mut blocks = Vec::new();
        let mut block: Vec<u8> = Vec::with_capacity(BLOCK);
        let mut count = 0;
        while count < limit
            && let Some(entry) = self.entries.next()
        {
            let entry = entry.map_err(|errno| self.folder.failure(errno))?;
            let name = entry.file_name().to_bytes();
            // The system allows 255 bytes.
            let Ok(length) = u8::try_from(name.len()) else {
                continue;
            };
            if !is_event_name(name) {
                continue;
            }
            if block.len() + 1 + name.len() > BLOCK {
                blocks.push(std::mem::replace(&mut block, Vec::with_capacity(BLOCK)));
            }
            block.push(length);
            block.extend_from_slice(name);
            count += 1;
        }
        block.shrink_to_fit();
        blocks.push(block);
        Ok((count > 0).then_some(NameBlocks(blocks)))
    }
}

/// Cuts blocks of names into ranges of about so many bytes, each of whole names.
fn parts(blocks: &[Vec<u8>], bytes: usize) -> Vec<(usize, Range<usize>)> {
    let mut parts = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let (mut first, mut end) = (0, 0);
        while end < block.len() {
            end += 1 + usize::from(block[end]);
            if end - first >= bytes || end == block.len() {
                parts.push((index, first..end));
                first = end;
            }
        }
    }
    parts
}

fn name_at(block: &[u8], start: usize) -> &[u8] {
    let length = usize::from(block[start]);
    &block[start + 1..start + 1 + length]
}

impl Listing {
    /// Puts the files in the order in which they changed; the name decides between equal times, so
    /// that the order is the same whichever way the folder is listed. A file that the system lists
    /// twice is one file.
    fn sort(&mut self) {
        let blocks = &self.blocks;
        let key = |file: &ListedFile| {
            let name = name_at(&blocks[file.block as usize], file.start as usize);
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
    pub fn name(&self, file: &ListedFile) -> &[u8] {
        name_at(&self.blocks[file.block as usize], file.start as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::{ListedFile, Listing};
    use crate::clock::FileTime;

    /// A listing of files with these names and change times.
    fn listing(files: &[(&str, i64)]) -> Listing {
        let mut listing = Listing::default();
        let mut block = Vec::new();
        for (name, changed) in files {
            listing.files.push(ListedFile {
                changed: FileTime::from_nanos(*changed),
                block: 0,
                start: u32::try_from(block.len()).expect("a short block"),
            });
            block.push(u8::try_from(name.len()).expect("a short name"));
            block.extend_from_slice(name.as_bytes());
        }
        listing.blocks.push(block);
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
        let names: Vec<&[u8]> = listing
            .files(0..listing.len())
            .iter()
            .map(|file| listing.name(file))
            .collect();
        let expected = ["d.json", "c.json", "a.json", "b.json", "d.json"];
        assert_eq!(names, expected.map(str::as_bytes));
        assert!(!listing.is_empty());
    }
}
