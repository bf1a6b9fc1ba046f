//! Packing: an archive is written aside, made durable, read back, and only then given its name.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use rustix::fs::{Access, Advice, AtFlags, CWD, FlockOperation, RenameFlags};
use rustix::io::Errno;

use super::error::Error;
use super::member::{self, Member};
use crate::inbox::name::name_text;
use crate::inbox_name::InboxName;
use crate::source::Source;

/// End of an archive's name.
const SUFFIX: &str = ".tar.zst";

/// End of the name of an archive that is not finished. It begins with a dot, too.
const UNFINISHED: &str = ".unfinished";

/// Age of an unfinished archive that no program writes to any more, where the file system has no locks.
const ABANDONED: Duration = Duration::from_secs(86_400);

/// Rights of an archive and of its folders: events hold names and addresses.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

/// What the files of an archive are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// Events in landing.
    Accepted,
    /// Files among the rejections. They are packed after the accepted ones, and apart: unpacked in the
    /// order of the archives' names, a conflicting event comes after the one that it conflicts with.
    Rejected,
}

/// The archives of a source.
pub(super) struct Archives<'a> {
    folder: PathBuf,
    inbox: &'a InboxName,
    /// Folders whose names this call has made durable.
    durable: BTreeSet<PathBuf>,
}

impl<'a> Archives<'a> {
    /// Those of the files of a source that come from this inbox.
    pub(super) fn new(folder: &Path, source: Source, inbox: &'a InboxName) -> Archives<'a> {
        Archives {
            folder: folder.join(source.name()),
            inbox,
            durable: BTreeSet::new(),
        }
    }

    /// Removes the archives of this inbox that a killed program has not finished.
    ///
    /// # Errors
    ///
    /// [`Error::NotWritten`] when one cannot be removed.
    pub(super) fn remove_unfinished(&self) -> Result<(), Error> {
        let days = match days(&self.folder) {
            Ok(days) => days,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => return Err(not_written(&self.folder)(cause)),
        };
        for day in days {
            for entry in fs::read_dir(&day).map_err(not_written(&day))? {
                let path = entry.map_err(not_written(&day))?.path();
                if self.is_unfinished(&path) && is_abandoned(&path).map_err(not_written(&path))? {
                    fs::remove_file(&path).map_err(not_written(&path))?;
                    log::debug!("removed the unfinished {}", path.display());
                }
            }
        }
        Ok(())
    }

    fn is_unfinished(&self, path: &Path) -> bool {
        path.file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix('.')?.strip_suffix(UNFINISHED))
            .is_some_and(|name| is_archive(name, self.inbox))
    }

    /// Packs members into a new archive of files that changed on this day (UTC). Returns its path and
    /// its size in bytes once it is durable and was read back.
    ///
    /// # Errors
    ///
    /// [`Error::NotWritten`], [`Error::NotRead`] or [`Error::Damaged`]; nothing is left of the archive
    /// then.
    pub(super) fn pack(
        &mut self,
        day: NaiveDate,
        content: Content,
        packed_at: DateTime<Utc>,
        members: &[&Member],
    ) -> Result<(PathBuf, u64), Error> {
        let folder = self.folder.join(day.to_string());
        self.make_folder(&folder).map_err(not_written(&folder))?;
        let name = format!(
            "{}-{}",
            packed_at.format("%Y%m%dT%H%M%S%.6fZ"),
            ending(self.inbox, content)
        );
        let path = folder.join(&name);
        let unfinished = folder.join(format!(".{name}{UNFINISHED}"));
        let packed = write(&unfinished, members)
            .map_err(not_written(&path))
            .and_then(|(_locked, size)| {
                check(&unfinished, &path, members)?;
                publish(&unfinished, &path).map_err(not_written(&path))?;
                Ok(size)
            });
        match packed {
            Ok(size) => Ok((path, size)),
            Err(error) => {
                // What cannot be removed now, the next call removes.
                let _ = fs::remove_file(&unfinished);
                Err(error)
            }
        }
    }

    /// Removes an archive of which no file was removed from the inbox.
    ///
    /// # Errors
    ///
    /// [`Error::NotWritten`] when that fails.
    pub(super) fn discard(&self, path: &Path) -> Result<(), Error> {
        fs::remove_file(path).map_err(not_written(path))
    }

    /// Makes a folder and those above it, each durable in the one above: also one that is there, which a
    /// killed program may have made.
    fn make_folder(&mut self, path: &Path) -> io::Result<()> {
        // Above the first part of a relative path is the current folder, as an empty path.
        let Some(parent) = path
            .parent()
            .filter(|_| !path.as_os_str().is_empty() && !self.durable.contains(path))
        else {
            return Ok(());
        };
        let is_there = path.is_dir();
        if is_there && !may_write(parent) {
            return Ok(());
        }
        self.make_folder(parent)?;
        if !is_there {
            match DirBuilder::new().mode(FOLDER_MODE).create(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        sync_folder(parent)?;
        self.durable.insert(path.to_owned());
        Ok(())
    }
}

/// The folders of days in the folder of a source. Other folders, such as `lost+found`, have no archives.
///
/// # Errors
///
/// When the folder cannot be listed.
pub(crate) fn days(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut days = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let day = name
            .to_str()
            .and_then(|name| name.parse::<NaiveDate>().ok());
        if day.is_some_and(|day| *name == *day.to_string()) && entry.path().is_dir() {
            days.push(entry.path());
        }
    }
    Ok(days)
}

/// Whether a file of this name is an archive of this inbox.
pub(crate) fn is_archive(name: &str, inbox: &InboxName) -> bool {
    let is_ending = |rest: &str| {
        [Content::Accepted, Content::Rejected]
            .iter()
            .any(|content| rest == ending(inbox, *content))
    };
    !name.starts_with('.')
        && name
            .split_once('-')
            .is_some_and(|(_, rest)| is_ending(rest))
}

/// What the name of an archive has behind the time at which it was packed.
fn ending(inbox: &InboxName, content: Content) -> String {
    let rejected = match content {
        Content::Accepted => "",
        Content::Rejected => InboxName::RESERVED,
    };
    format!("{inbox}{rejected}{SUFFIX}")
}

fn not_written(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |cause| Error::NotWritten { path, cause }
}

/// Writes an archive, makes it durable, and returns it with its size. It is locked until the file is
/// dropped.
fn write(path: &Path, members: &[&Member]) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    // Against a call on another host, which removes what is unfinished. Without locks it goes by age.
    let _ = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
    member::write(&file, members.iter().copied())?;
    file.sync_all()?;
    // So that it is read back from the disk. Where the system keeps it in memory all the same, what is
    // compared is still what was written.
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// Whether no program is at work on an unfinished archive any more.
fn is_abandoned(path: &Path) -> io::Result<bool> {
    let locked = OpenOptions::new().write(true).open(path).and_then(|file| {
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from)
    });
    match locked.map_err(|error| error.kind()) {
        Ok(()) => Ok(true),
        // It is being written, or was finished meanwhile.
        Err(io::ErrorKind::WouldBlock | io::ErrorKind::NotFound) => Ok(false),
        // The file system has no locks, or the archive is another user's.
        Err(_) => {
            let age = fs::symlink_metadata(path)?.modified()?.elapsed();
            Ok(age.is_ok_and(|age| age > ABANDONED))
        }
    }
}

/// Compares an archive with what it was made of, byte for byte. Errors have the name that it would get.
fn check(unfinished: &Path, path: &Path, members: &[&Member]) -> Result<(), Error> {
    let mut expected = members.iter();
    let compare = |member: Member| match expected.next() {
        Some(expected) if **expected == member => Ok(()),
        Some(expected) => Err(Difference::Member(name_text(&expected.name).into_owned())),
        None => Err(Difference::TooMany),
    };
    let compared = File::open(unfinished)
        .map_err(Difference::from)
        .and_then(|file| member::each(file, compare));
    let path = path.to_owned();
    let what = match (compared, expected.next()) {
        (Ok(()), None) => return Ok(()),
        (Ok(()), Some(missing)) => format!("{} is missing", name_text(&missing.name)),
        (Err(Difference::Member(name)), _) => format!("{name} differs from its file"),
        (Err(Difference::TooMany), _) => "it has more files than were packed".to_owned(),
        (Err(Difference::Unreadable(cause)), _) if member::is_damage(&cause) => cause.to_string(),
        (Err(Difference::Unreadable(cause)), _) => return Err(Error::NotRead { path, cause }),
    };
    Err(Error::Damaged { path, what })
}

/// Why an archive is not what it was made of.
enum Difference {
    Member(String),
    TooMany,
    Unreadable(io::Error),
}

impl From<io::Error> for Difference {
    fn from(cause: io::Error) -> Difference {
        Difference::Unreadable(cause)
    }
}

/// Gives a finished archive its name, in the place of no other file, and makes that durable.
fn publish(unfinished: &Path, path: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, unfinished, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // File systems that cannot promise it. The name has the time, to the microsecond.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if !path.try_exists()? => {
            fs::rename(unfinished, path)?;
        }
        Err(errno) => return Err(errno.into()),
    }
    // Without a durable name the files stay, and the next call packs them again.
    sync_folder(path.parent().unwrap_or(path)).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// Whether this user may have made something in a folder, and can make it durable.
fn may_write(folder: &Path) -> bool {
    let access = Access::READ_OK | Access::WRITE_OK;
    rustix::fs::accessat(CWD, current(folder), access, AtFlags::EACCESS).is_ok()
}

/// Makes the names in a folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let synced = File::open(current(path))?.sync_all();
    match synced.as_ref().map_err(Errno::from_io_error) {
        // File systems that have no such call.
        Err(Some(Errno::INVAL | Errno::NOTSUP)) => Ok(()),
        _ => synced,
    }
}

/// The current folder for an empty path.
fn current(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}
