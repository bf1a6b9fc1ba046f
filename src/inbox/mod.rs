//! The inbox: the folders in which the services drop their files.
//!
//! A [`Folder`] is scanned by the change times of its files and its files are read without
//! following links. What the files say is no matter of this module.

mod names;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::clock::{self, FileTime};
use crate::cores;
use crate::error::Error;
use crate::patrol::Fingerprint;
use crate::source::Source;

pub use names::name_bytes;

/// Ending of the names of event files.
const EVENT_SUFFIX: &[u8] = b".json";

/// The folder of one source, held open: it stays the same folder even if its path is moved
/// meanwhile.
#[derive(Debug)]
pub struct Folder {
    source: Source,
    path: PathBuf,
    handle: OwnedFd,
}

impl Folder {
    /// Opens the folder of a source.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] when it is not there or may not be read.
    pub fn open(inbox: &Path, source: Source) -> Result<Folder, Error> {
        let path = inbox.join(source.name());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(handle) => Ok(Folder {
                source,
                path,
                handle,
            }),
            Err(errno) => Err(Error::folder(source, path, errno.into())),
        }
    }

    /// The source whose folder this is.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells whether files have come to the folder or gone from it.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] when the system does not say.
    pub fn stamp(&self) -> Result<FolderStamp, Error> {
        let stat = rustix::fs::fstat(&self.handle)
            .map_err(|errno| Error::folder(self.source, self.path.clone(), errno.into()))?;
        Ok(FolderStamp {
            inode: stat.st_ino.cast_signed(),
            changed: Stamp::of(&stat).changed,
        })
    }

    /// Lists the names of the event files, in no order, with nothing known of the files yet.
    ///
    /// Hidden names and those not ending in `.json` are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] when the folder cannot be listed.
    pub fn list(&self) -> Result<Listing, Error> {
        let failure = |errno: Errno| Error::folder(self.source, self.path.clone(), errno.into());
        let mut listing = Listing::default();
        for entry in Dir::read_from(&self.handle).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            let name = entry.file_name().to_bytes();
            if !name.starts_with(b".") && name.ends_with(EVENT_SUFFIX) {
                listing.push(name);
                listing.inodes.push(entry.ino());
            }
        }
        Ok(listing)
    }

    /// Asks files of a listing for their times, those that `asks` names, and leaves in it the ones
    /// that changed at `from` or later, in the order in which they changed. Answers with what the
    /// files have said that were asked. Files that vanish meanwhile are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] when the system does not tell.
    pub fn look(
        &self,
        listing: &mut Listing,
        from: Option<FileTime>,
        asks: impl Fn(Fingerprint) -> bool + Sync,
    ) -> Result<Look, Error> {
        let Listing {
            names,
            entries,
            inodes,
        } = listing;
        let share = cores::share(entries.len());
        // Each call waits for the kernel alone, so the cores share the names.
        let looks = cores::each(
            entries.chunks_mut(share).zip(inodes.chunks(share)),
            |(entries, inodes)| {
                let mut look = Look::default();
                for (entry, inode) in entries.iter_mut().zip(inodes) {
                    let name = &names[entry.name_range()];
                    let fingerprint = Fingerprint::of(name, *inode);
                    if !asks(fingerprint) {
                        continue;
                    }
                    match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => entry.note(&stat),
                        Err(Errno::NOENT) => continue,
                        Err(errno) => return Err(errno),
                    }
                    if from.is_some_and(|from| entry.changed < from) {
                        entry.is_asked = false;
                        look.old.push(fingerprint);
                    } else {
                        look.young.push(fingerprint);
                    }
                }
                Ok(look)
            },
        );
        let mut all = Look::default();
        for look in looks {
            let Look { old, young } =
                look.map_err(|errno| Error::folder(self.source, self.path.clone(), errno.into()))?;
            all.old.extend(old);
            all.young.extend(young);
        }
        listing.inodes = Vec::new();
        listing.entries.retain(|entry| entry.is_asked);
        listing.sort();
        Ok(all)
    }

    /// Reads a file of the listing if it is a regular file of at most `max_size` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] when this process can open no file at all, or the system says nothing of this
    /// one.
    pub fn read(&self, listing: &Listing, entry: &Entry, max_size: u64) -> Result<Reading, Error> {
        // Opening a FIFO or a device can have effects of its own.
        if !entry.is_regular {
            return Ok(Reading::NotRegular);
        }
        let name = listing.name(entry);
        match self.read_regular(name, max_size) {
            Ok(reading) => Ok(reading),
            Err(Errno::NOENT) => Ok(Reading::Vanished),
            // A link, a socket, a device without a driver: what `open` says of them.
            Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => Ok(Reading::NotRegular),
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
                Err(Error::folder(self.source, self.path.clone(), errno.into()))
            }
            Err(errno) => match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Ok(Reading::Unreadable(Stamp::of(&stat), errno.into())),
                Err(Errno::NOENT) => Ok(Reading::Vanished),
                // Neither is it gone nor does the system say anything of it: a fault of the folder.
                Err(errno) => Err(Error::folder(self.source, self.path.clone(), errno.into())),
            },
        }
    }

    fn read_regular(&self, name: &[u8], max_size: u64) -> rustix::io::Result<Reading> {
        // Without NONBLOCK, opening a FIFO would wait for a writer; it changes nothing for a
        // regular file.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = rustix::fs::openat(&self.handle, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        if !is_regular(&stat) {
            return Ok(Reading::NotRegular);
        }
        let stamp = Stamp::of(&stat);
        if stamp.size > max_size {
            return Ok(Reading::TooLarge(stamp, max_size));
        }
        let limit = usize::try_from(max_size).unwrap_or(usize::MAX);
        let mut document = Vec::with_capacity(stamp.size as usize + 1);
        // The file may grow while it is read, but not past the limit. There is room for more than
        // it had, so a read that leaves room has come to its end.
        while rustix::io::read(&file, rustix::buffer::spare_capacity(&mut document))? > 0 {
            if document.len() > limit {
                return Ok(Reading::TooLarge(stamp, max_size));
            }
            if document.len() < document.capacity() && document.len() as u64 >= stamp.size {
                break;
            }
            document.reserve(document.len());
        }
        // A document that changes meanwhile is neither the old one nor the new one, and its times
        // are those of neither.
        if Stamp::of(&rustix::fs::fstat(&file)?) != stamp {
            return Ok(Reading::Changing);
        }
        Ok(Reading::Document(stamp, document))
    }
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// What came of reading a file.
#[derive(Debug)]
pub enum Reading {
    /// The whole content, and the stamp that the file had before and after it was read.
    Document(Stamp, Vec<u8>),
    /// It was written to while it was read.
    Changing,
    /// A regular file over the limit, which is given; not read.
    TooLarge(Stamp, u64),
    /// A link, a folder, a FIFO, a socket or a device: never opened for its content.
    NotRegular,
    /// It was there during the scan and is no more.
    Vanished,
    /// A regular file that the system would not let us read.
    Unreadable(Stamp, io::Error),
}

/// What the file system says of a folder: it changes when a file comes, goes or is renamed, and not
/// when one is changed in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderStamp {
    /// Inode number, bit for bit: tells the folder from another one in its place.
    pub inode: i64,
    /// Inode change time.
    pub changed: FileTime,
}

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Inode change time: when the file appeared under its name or was last written. The offset is
    /// made of these.
    pub changed: FileTime,
    /// Modification time, which can be set at will; orders the events of one second.
    pub modified: FileTime,
    /// Length in bytes.
    pub size: u64,
}

impl Stamp {
    fn of(stat: &Stat) -> Stamp {
        Stamp {
            changed: clock::displayed(FileTime::from_stat(
                stat.st_ctime,
                stat.st_ctime_nsec as i64,
            )),
            modified: FileTime::from_stat(stat.st_mtime, stat.st_mtime_nsec as i64),
            size: stat.st_size as u64,
        }
    }
}

/// The files that a scan found, in the order in which they changed.
///
/// Names stand in one block of memory, since there can be millions.
#[derive(Debug, Default)]
pub struct Listing {
    names: Vec<u8>,
    entries: Vec<Entry>,
    /// Inode numbers of the files, until they have been asked for their times.
    inodes: Vec<u64>,
}

/// The files that were asked for their times.
#[derive(Debug, Default)]
pub struct Look {
    /// Those that changed before the stretch that was looked for.
    pub old: Vec<Fingerprint>,
    /// Those that are in it.
    pub young: Vec<Fingerprint>,
}

/// One file of a [`Listing`], small, since there can be millions.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its inode change time at the scan.
    pub changed: FileTime,
    name_start: usize,
    /// Its length in bytes at the scan; the largest number stands for all that are larger.
    size: u32,
    /// The system allows 255 bytes.
    name_length: u16,
    /// Whether it was asked, was there, and is one to look at.
    is_asked: bool,
    is_regular: bool,
}

impl Entry {
    /// Its length in bytes at the scan; 4 GiB may be more.
    pub fn size(&self) -> u64 {
        self.size.into()
    }

    fn name_range(&self) -> Range<usize> {
        self.name_start..self.name_start + usize::from(self.name_length)
    }

    fn note(&mut self, stat: &Stat) {
        let stamp = Stamp::of(stat);
        self.changed = stamp.changed;
        self.size = u32::try_from(stamp.size).unwrap_or(u32::MAX);
        self.is_asked = true;
        self.is_regular = is_regular(stat);
    }
}

impl Listing {
    fn push(&mut self, name: &[u8]) {
        // No system has names that do not fit.
        let name_length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        self.entries.push(Entry {
            changed: FileTime::from_nanos(0),
            name_start: self.names.len(),
            size: 0,
            name_length,
            is_asked: false,
            is_regular: false,
        });
        self.names.extend_from_slice(name);
    }

    /// Puts the files in the order in which they changed; the name decides between equal times, so
    /// that the order is the same whichever way the folder is listed.
    fn sort(&mut self) {
        let names = &self.names;
        let name = |entry: &Entry| &names[entry.name_range()];
        self.entries.sort_unstable_by(|one, other| {
            (one.changed, name(one)).cmp(&(other.changed, name(other)))
        });
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The files of a stretch of the listing.
    pub fn entries(&self, range: Range<usize>) -> &[Entry] {
        &self.entries[range]
    }

    /// Name of a file in its folder, any bytes but `/` and NUL.
    pub fn name(&self, entry: &Entry) -> &[u8] {
        &self.names[entry.name_range()]
    }

    /// Drops the files of which `keep` does not approve.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], FileTime) -> bool) {
        let names = &self.names;
        self.entries
            .retain(|entry| keep(&names[entry.name_range()], entry.changed));
    }
}

/// A file name as text, with nothing lost: a byte that is not UTF-8 becomes `\xNN`, a backslash
/// `\\`.
pub fn name_text(name: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(name) {
        Ok(text) if !text.contains('\\') => Cow::Borrowed(text),
        _ => {
            let mut text = String::with_capacity(name.len() + 8);
            for chunk in name.utf8_chunks() {
                text.push_str(&chunk.valid().replace('\\', "\\\\"));
                for byte in chunk.invalid() {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\\x{byte:02X}");
                }
            }
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::name_text;

    #[test]
    fn different_names_have_different_texts() {
        assert_eq!(name_text(b"a.json"), "a.json");
        assert_eq!(name_text(b"a\xff.json"), "a\\xFF.json");
        assert_eq!(name_text(b"a\\xFF.json"), "a\\\\xFF.json");
        assert_eq!(name_text("ä\n.json".as_bytes()), "ä\n.json");
    }
}
