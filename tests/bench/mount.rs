//! A network share, imitated: a file system of our own over a folder, read-only, on which each file takes its
//! time.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, InitFlags, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr,
    ReplyData, ReplyDirectoryPlus, ReplyEntry, ReplyOpen, Request,
};

use crate::floor;

/// How long the kernel may keep names and attributes: longer than any run takes.
const KEPT: Duration = Duration::from_secs(3_600);

/// Inodes are not used again, so they are all of one generation.
const GENERATION: Generation = Generation(0);

/// The share, mounted over the folder whose files it serves, until it is dropped. If this process is killed,
/// `umount` has to take it away.
pub struct Mount {
    _session: BackgroundSession,
}

impl Mount {
    /// Mounts a share over a folder, with the event files that the folder has now. To open one takes
    /// `delay`, however many others are opened at the same time.
    ///
    /// # Errors
    ///
    /// When the system has no FUSE, or this user may not mount anything.
    pub fn over(folder: &Path, delay: Duration) -> io::Result<Mount> {
        let (answers, due) = channel();
        let share = Share::read(folder, delay, answers)?;
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("slow".to_owned())];
        let session = fuser::spawn_mount(share, folder, &config)?;
        thread::spawn(|| answer(due));
        Ok(Mount { _session: session })
    }
}

/// An `open` that was asked for, and the time at which it is answered.
type Answer = (Instant, ReplyOpen);

/// Answers when it is time. All take equally long, so they are due in the order in which they were asked
/// for.
fn answer(due: Receiver<Answer>) {
    for (at, reply) in due {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        reply.opened(FileHandle(0), FopenFlags::empty());
    }
}

/// What is on the share.
///
/// The delay is that of `open`, once a file: the first thing that only the server can answer. Names and
/// attributes come with the listing, as those of NFS and SMB do, and the kernel keeps them; a small file's
/// content costs no more than the way there and back that opening it took.
struct Share {
    folder: FileAttr,
    files: Vec<File>,
    /// Where they are in `files`.
    by_inode: HashMap<INodeNo, usize>,
    by_name: HashMap<OsString, usize>,
    delay: Duration,
    answers: Sender<Answer>,
}

struct File {
    name: OsString,
    attributes: FileAttr,
    content: Vec<u8>,
}

impl Share {
    /// Reads the event files of a folder.
    fn read(folder: &Path, delay: Duration, answers: Sender<Answer>) -> io::Result<Share> {
        let files = floor::list(folder)
            .iter()
            .map(|path| {
                Ok(File {
                    name: path.file_name().unwrap_or_default().to_owned(),
                    attributes: attributes(&fs::symlink_metadata(path)?, FileType::RegularFile),
                    content: fs::read(path)?,
                })
            })
            .collect::<io::Result<Vec<File>>>()?;
        let numbered = || files.iter().enumerate();
        Ok(Share {
            folder: attributes(&fs::metadata(folder)?, FileType::Directory),
            by_inode: numbered()
                .map(|(number, file)| (file.attributes.ino, number))
                .collect(),
            by_name: numbered()
                .map(|(number, file)| (file.name.clone(), number))
                .collect(),
            files,
            delay,
            answers,
        })
    }

    fn file(&self, inode: INodeNo) -> Option<&File> {
        self.by_inode.get(&inode).map(|&number| &self.files[number])
    }
}

/// The attributes of a file as they are: the loader knows files by inode, size and times.
fn attributes(metadata: &Metadata, kind: FileType) -> FileAttr {
    FileAttr {
        ino: INodeNo(metadata.ino()),
        size: metadata.size(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind,
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: metadata.blksize() as u32,
        flags: 0,
    }
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::new(seconds as u64, nanoseconds as u32)
}

impl Filesystem for Share {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        config
            .add_capabilities(InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_PARALLEL_DIROPS)
            .map_err(|missing| io::Error::other(format!("the kernel has no {missing:?}")))
    }

    fn readdirplus(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        for (file, next) in self.files.iter().zip(1..).skip(offset as usize) {
            let File {
                name, attributes, ..
            } = file;
            if reply.add(attributes.ino, next, name, &KEPT, attributes, GENERATION) {
                break;
            }
        }
        reply.ok();
    }

    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.by_name.get(name) {
            Some(&number) => reply.entry(&KEPT, &self.files[number].attributes, GENERATION),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.file(inode) {
            _ if inode == INodeNo::ROOT => reply.attr(&KEPT, &self.folder),
            Some(file) => reply.attr(&KEPT, &file.attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let due = Instant::now() + self.delay;
        self.answers
            .send((due, reply))
            .expect("answers are given for as long as the share is mounted");
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(file) = self.file(inode) else {
            return reply.error(Errno::ENOENT);
        };
        let start = file.content.len().min(offset as usize);
        let end = file.content.len().min(start + size as usize);
        reply.data(&file.content[start..end]);
    }
}
