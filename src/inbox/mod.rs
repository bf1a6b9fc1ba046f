//! The inbox: the folders in which the services drop their files.
//!
//! A [`Folder`] is scanned by the change times of its files ([`listing`]), and its files are read
//! without following links ([`reading`]). The archive removes them ([`removal`]). What the files say is no
//! matter of this module.

pub mod listing;
pub mod name;
mod name_block;
pub mod reading;
pub mod removal;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, StatxFlags};
use rustix::io::Errno;
use thiserror::Error;

use crate::clock::{Clock, FileTime};
use crate::source::Source;
use crate::stamp::{FileStamp, FolderIdentity};
use name::{is_event_name, is_other_name};

/// A folder of the inbox cannot be used.
#[derive(Debug, Error)]
#[error("the folder {} of {source_name} cannot be read: {cause}; {}", path.display(), advice(cause))]
pub struct FolderError {
    /// The source.
    pub source_name: Source,
    /// Its folder.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub cause: io::Error,
}

impl FolderError {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        advice(&self.cause)
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::NotFound => "create it, or name the inbox with --inbox or ETL_INBOX",
        io::ErrorKind::PermissionDenied => {
            "give this user the right to list it and to enter it (r and x)"
        }
        io::ErrorKind::NotADirectory => "it must be a folder",
        _ => "the next run tries again",
    }
}

/// The folder of one source, held open: it stays the same folder even if its path is moved
/// meanwhile.
#[derive(Debug)]
pub struct Folder {
    source: Source,
    path: PathBuf,
    handle: OwnedFd,
    clock: Clock,
}

impl Folder {
    /// Opens the folder of a source, whose files are stamped by this clock.
    ///
    /// # Errors
    ///
    /// When it is not there or this user may not read it.
    pub fn open(inbox: &Path, source: Source, clock: &Clock) -> Result<Folder, FolderError> {
        let path = inbox.join(source.name());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(handle) => Ok(Folder {
                source,
                path,
                handle,
                clock: clock.clone(),
            }),
            Err(errno) => Err(FolderError {
                source_name: source,
                path,
                cause: errno.into(),
            }),
        }
    }

    /// A second handle of the same folder.
    ///
    /// # Errors
    ///
    /// When this process has too many open files.
    pub fn try_clone(&self) -> Result<Folder, FolderError> {
        let handle = self.handle.try_clone().map_err(|cause| FolderError {
            source_name: self.source,
            path: self.path.clone(),
            cause,
        })?;
        Ok(Folder {
            source: self.source,
            path: self.path.clone(),
            handle,
            clock: self.clock.clone(),
        })
    }

    /// The source whose folder this is.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What identifies this folder.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn identity(&self) -> Result<FolderIdentity, FolderError> {
        let wanted = StatxFlags::INO | StatxFlags::BTIME;
        match rustix::fs::statx(&self.handle, c"", AtFlags::EMPTY_PATH, wanted) {
            Ok(stat) => Ok(FolderIdentity {
                inode: stat.stx_ino,
                born: (stat.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| {
                    FileTime::from_stat(stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec.into())
                }),
            }),
            // Kernels before 4.11, and sandboxes that do not know the call.
            Err(Errno::NOSYS | Errno::PERM) => {
                let stat = rustix::fs::fstat(&self.handle).map_err(|errno| self.failure(errno))?;
                Ok(FolderIdentity {
                    inode: stat.st_ino,
                    born: None,
                })
            }
            Err(errno) => Err(self.failure(errno)),
        }
    }

    /// The stamp of a file, `None` if there is no such file or it cannot be had.
    pub fn stamp(&self, name: &[u8]) -> Option<FileStamp> {
        let stat = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(self.stamp_of(&stat))
    }

    /// Hands the names of all event files to `take`, in no order. It keeps nothing and stats no file,
    /// so it costs little however many there are.
    ///
    /// Returns how many other names there are that may have been meant as events. A hidden one that
    /// does not end in `.json` was not: it is a service's lock, or a file that is still being
    /// written. Nor was the counter.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed, and what `take` fails with.
    pub fn each_name<E: From<FolderError>>(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<i64, E> {
        let mut others = 0;
        for entry in Dir::read_from(&self.handle).map_err(|errno| self.failure(errno))? {
            let entry = entry.map_err(|errno| self.failure(errno))?;
            let name = entry.file_name().to_bytes();
            if is_event_name(name) {
                take(name)?;
            } else if is_other_name(name) {
                others += 1;
            }
        }
        Ok(others)
    }

    fn stamp_of(&self, stat: &Stat) -> FileStamp {
        FileStamp {
            inode: stat.st_ino,
            size: stat.st_size as u64,
            modified: FileTime::from_stat(stat.st_mtime, stat.st_mtime_nsec as i64),
            changed: self.clock.shown(FileTime::from_stat(
                stat.st_ctime,
                stat.st_ctime_nsec as i64,
            )),
        }
    }

    fn failure(&self, errno: Errno) -> FolderError {
        FolderError {
            source_name: self.source,
            path: self.path.clone(),
            cause: errno.into(),
        }
    }
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}
