//! Reading one file: its whole content and the stamp that it has, or why not.

use std::io;

use bytes::{Bytes, BytesMut};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{Folder, FolderError, is_regular};
use crate::stamp::FileStamp;

/// Largest `--max-file-size`, in bytes. A `jsonb` of many small elements takes some twenty times
/// its text, and PostgreSQL makes none over 1 GiB.
pub const MAX_FILE_SIZE: u64 = 16 << 20;

/// Bytes of an allocation that documents share: some two hundred usual ones.
const BUFFER: usize = 64 << 10;

/// The result of reading a file.
#[derive(Debug)]
pub enum Reading {
    /// The whole content, and the stamp that the file had before and after it was read.
    Document(FileStamp, Bytes),
    /// It was written to while it was read.
    Changing,
    /// A regular file over the size limit; not read.
    TooLarge(FileStamp),
    /// A link, a folder, a FIFO, a socket or a device: never opened for its content.
    NotRegular,
    /// It was there during the scan and is gone.
    Vanished,
    /// A regular file that the system does not let this program read.
    Unreadable(FileStamp, io::Error),
    /// A file that the system says nothing of.
    Fault(io::Error),
}

impl Folder {
    /// Reads a file if it is a regular file of at most `max_size` bytes.
    ///
    /// Many documents share one allocation, which `buffer` is what is left of: another thread that drops
    /// them one by one would wait for this one at the lock of its memory, and this one for that.
    ///
    /// # Errors
    ///
    /// When this process can open no file at all.
    pub fn read(
        &self,
        name: &[u8],
        max_size: u64,
        buffer: &mut BytesMut,
    ) -> Result<Reading, FolderError> {
        match self.read_regular(name, max_size, buffer) {
            Ok(reading) => Ok(reading),
            Err(Errno::NOENT) => Ok(Reading::Vanished),
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => Err(self.failure(errno)),
            Err(errno) => Ok(
                match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                    // A link, a socket, a device without a driver. A network share may fail to open a
                    // regular file with the same errors.
                    Ok(stat) if !is_regular(&stat) => Reading::NotRegular,
                    Ok(stat) => Reading::Unreadable(self.stamp_of(&stat), errno.into()),
                    Err(Errno::NOENT) => Reading::Vanished,
                    Err(errno) => Reading::Fault(errno.into()),
                },
            ),
        }
    }

    fn read_regular(
        &self,
        name: &[u8],
        max_size: u64,
        buffer: &mut BytesMut,
    ) -> rustix::io::Result<Reading> {
        // Without NONBLOCK, opening a FIFO would wait for a writer; it changes nothing for a
        // regular file.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = rustix::fs::openat(&self.handle, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        if !is_regular(&stat) {
            return Ok(Reading::NotRegular);
        }
        let stamp = self.stamp_of(&stat);
        if stamp.size > max_size {
            return Ok(Reading::TooLarge(stamp));
        }
        let limit = usize::try_from(max_size).unwrap_or(usize::MAX);
        let size = stamp.size as usize;
        if buffer.capacity() <= size {
            // What is left of the last one stays with the documents in it.
            *buffer = BytesMut::with_capacity(BUFFER.max(size + 1));
        }
        // The file may grow while it is read, but not past the limit. There is room for more than
        // its size, so a read that leaves room is the last one.
        let mut length = 0;
        buffer.resize(size + 1, 0);
        loop {
            let count = rustix::io::read(&file, &mut buffer[length..])?;
            length += count;
            if length > limit {
                buffer.clear();
                return Ok(Reading::TooLarge(stamp));
            }
            if count == 0 || (length < buffer.len() && length >= size) {
                break;
            }
            if length == buffer.len() {
                buffer.resize(2 * length, 0);
            }
        }
        // A document that changes meanwhile is neither the old one nor the new one, and its times
        // are those of neither.
        if self.stamp_of(&rustix::fs::fstat(&file)?) != stamp {
            buffer.clear();
            return Ok(Reading::Changing);
        }
        Ok(Reading::Document(stamp, buffer.split_to(length).freeze()))
    }
}
