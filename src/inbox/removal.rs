//! Removing files from a folder, each only as the file that it is known to be.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Access, AtFlags, FlockOperation, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::{Folder, FolderError, is_regular};
use crate::stamp::{FileRights, FileStamp};

/// The bit of a folder from which only the owner of a file or of the folder may remove the file.
const STICKY: u32 = 0o1000;

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
        if self.is_protected(".") {
            return Err(Errno::PERM.into());
        }
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

    /// Whether the system lets this user remove a file with these rights from the folder, as far as that
    /// can be known before.
    pub fn is_removable(&self, name: &[u8], rights: FileRights) -> bool {
        let user = rustix::process::geteuid();
        let owns = |owner: u32| user.is_root() || user.as_raw() == owner;
        let is_kept = match rustix::fs::fstat(&self.handle) {
            Ok(folder) => {
                folder.st_mode & STICKY != 0 && !owns(rights.user) && !owns(folder.st_uid)
            }
            Err(_) => false,
        };
        !is_kept && !self.is_protected(name)
    }

    /// Whether a file is protected from everybody, or the folder against the removal of all files
    /// (`chattr +i`, `chattr +a`).
    fn is_protected(&self, name: impl rustix::path::Arg) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        // Kernels before 4.11 do not report it.
        rustix::fs::statx(&self.handle, name, flags, StatxFlags::empty()).is_ok_and(|stat| {
            stat.stx_attributes
                .intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND)
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
