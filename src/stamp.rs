//! What the file system says of a file and of a folder.

use crate::clock::FileTime;

/// What the file system says of a file: another file or another content has another stamp.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct FileStamp {
    /// Inode number.
    pub inode: u64,
    /// Length in bytes.
    pub size: u64,
    /// Modification time, which can be set at will; orders the events of one second.
    pub modified: FileTime,
    /// Inode change time: when the file appeared under its name or was last written. The offset is a
    /// position among these.
    pub changed: FileTime,
}

/// Whose a file is and who may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRights {
    /// Permission bits.
    pub mode: u32,
    /// Number of the user.
    pub user: u32,
    /// Number of the group.
    pub group: u32,
}

/// What identifies a folder and cannot be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderIdentity {
    /// Inode number. Once the folder is removed, another one can get it.
    pub inode: u64,
    /// Birth time, where the file system has one.
    pub born: Option<FileTime>,
}

impl FolderIdentity {
    /// Whether this is certainly the same folder: without a birth time nobody knows.
    pub fn is_same(self, other: FolderIdentity) -> bool {
        self.born.is_some() && self == other
    }
}
