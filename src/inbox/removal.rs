//! Removing files from a folder, each only as the file that it is known to be.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Access, AtFlags, FlockOperation};
use rustix::io::Errno;

use super::{Folder, FolderError, is_regular};
use crate::stamp::{FileRights, FileStamp};

/// What became of a file that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It is another file now, was written to, or was removed by somebody else: it was left alone.
    Changed,
}

impl Folder {
    /// Locks the folder against everybody else who wants to remove files from it, until this is
    /// dropped; returns whether nobody else has the lock. The lock ends with the process.
    ///
    /// # Errors
    ///
    /// When the file system has no locks.
    pub fn lock(&self) -> Result<bool, FolderError> {
        match rustix::fs::flock(
            self.handle.as_fd(),
            FlockOperation::NonBlockingLockExclusive,
        ) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(errno) => Err(self.failure(errno)),
        }
    }

    /// Checks that this user may remove files from the folder.
    ///
    /// # Errors
    ///
    /// What the system says if not.
    pub fn check_removable(&self) -> io::Result<()> {
        // The effective user counts, as it does when a file is removed.
        rustix::fs::accessat(
            &self.handle,
            ".",
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        )
        .map_err(io::Error::from)
    }

    /// The rights of a file, if it is still the one that had this stamp.
    pub fn rights(&self, name: &[u8], stamp: FileStamp) -> Option<FileRights> {
        let stat = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (is_regular(&stat) && self.stamp_of(&stat) == stamp).then_some(FileRights {
            mode: stat.st_mode & 0o7777,
            user: stat.st_uid,
            group: stat.st_gid,
        })
    }

    /// Removes a file if it is still the one that had this stamp.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn remove(&self, name: &[u8], stamp: FileStamp) -> io::Result<Removal> {
        if self.rights(name, stamp).is_none() {
            return Ok(Removal::Changed);
        }
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) => Ok(Removal::Removed),
            Err(Errno::NOENT) => Ok(Removal::Changed),
            Err(errno) => Err(errno.into()),
        }
    }
}
