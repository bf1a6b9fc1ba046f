//! The scan of a folder: the files that changed at some time or later, in the order in which they
//! changed.

use std::io;
use std::ops::Range;

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
        let mut blocks = Vec::new();
        let mut block: Vec<u8> = Vec::with_capacity(BLOCK);
        for entry in Dir::read_from(&self.handle).map_err(|errno| self.failure(errno))? {
            let entry = entry.map_err(|errno| self.failure(errno))?;
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
        }
        block.shrink_to_fit();
        blocks.push(block);
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
        }
        listing.sort();
        Ok(listing)
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
        let mut start = range.start;
        while start < range.end {
            let name = name_at(&blocks[block], start);
            match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    let stamp = self.stamp_of(&stat);
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
