//! Blocks of files, which threads read and validate one after the other. How much they have read that was
//! not taken yet is bounded in bytes.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::chunk::{Chunk, File};
use super::options::Options;
use super::scan::FolderScan;
use crate::cores;
use crate::inbox::FolderError;
use crate::inbox::listing::ListedFile;
use crate::inbox::name::name_text;

/// Most threads that read. A local disk is busy with 16 of them; a share that takes its time for each
/// file answers all of them in the time of one.
pub(super) const READERS: usize = 48;

/// How long it takes to read a file that is not in the cache of the system, at least; one that is there
/// takes a fifth of it. More threads than cores help with the former alone, and cost the latter time and
/// memory.
const SLOW_FILE: Duration = Duration::from_micros(50);

/// Files that a thread takes at once: few, so that the end of a folder is shared out.
const BLOCK: usize = 16;

/// Files that a thread takes at once when a batch is read again.
const RANGE_FILES: usize = 256;

/// Bytes that are read ahead at most, and one file more for each thread: a large chunk of usual files.
const READ_AHEAD_BYTES: usize = 16 << 20;

/// Bytes that a file takes beside its document: its name, the event that was made of it.
const FILE_BYTES: usize = 1 << 10;

/// A block of files that was read.
pub(super) struct ReadBlock {
    /// Its number.
    pub(super) number: usize,
    /// Its files, or why none can be opened.
    pub(super) files: Result<Vec<File>, FolderError>,
    /// Whether most of its files were slow. One alone may have waited for a core.
    pub(super) is_slow: bool,
}

/// The blocks of all folders of a run, which threads share out.
pub(super) struct Blocks {
    blocks: Vec<Block>,
    next: AtomicUsize,
    budget: Mutex<Budget>,
    changed: Condvar,
}

/// Consecutive files of one folder.
#[derive(Clone, Copy)]
struct Block {
    folder: usize,
    start: usize,
    end: usize,
}

/// How much has been read ahead.
#[derive(Default)]
struct Budget {
    bytes: usize,
    /// The block that is taken next; its reader waits for nobody.
    needed: usize,
    /// Whether nobody takes anything any more.
    is_over: bool,
}

impl Blocks {
    /// Those of these folders, in order.
    pub(super) fn of(scans: &[FolderScan]) -> Blocks {
        let blocks = scans.iter().enumerate().flat_map(|(folder, scan)| {
            let files = scan.listing.len();
            (0..files).step_by(BLOCK).map(move |start| Block {
                folder,
                start,
                end: files.min(start + BLOCK),
            })
        });
        Blocks {
            blocks: blocks.collect(),
            next: AtomicUsize::new(0),
            budget: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Whether a thread has begun with the last block.
    pub(super) fn are_begun(&self) -> bool {
        self.next.load(Ordering::Relaxed) >= self.blocks.len()
    }

    /// Reads the next block; `None` after the last one, and once nobody takes anything any more.
    pub(super) fn read_next(
        &self,
        scans: &[FolderScan],
        options: &Options,
        buffer: &mut BytesMut,
    ) -> Option<ReadBlock> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Block { folder, start, end } = *self.blocks.get(number)?;
        let scan = &scans[folder];
        let mut files = Vec::with_capacity(end - start);
        let mut slow = 0;
        for listed in scan.listing.files(start..end) {
            if !self.wait_for_room(number) {
                return None;
            }
            let began = Instant::now();
            let file = match read(scan, listed, options, buffer) {
                Ok(file) => file,
                Err(failure) => {
                    return Some(ReadBlock {
                        number,
                        files: Err(failure),
                        is_slow: false,
                    });
                }
            };
            slow += usize::from(began.elapsed() > SLOW_FILE);
            self.budget().bytes += FILE_BYTES + file.bytes();
            files.push(file);
        }
        Some(ReadBlock {
            number,
            is_slow: slow > files.len() / 2,
            files: Ok(files),
        })
    }

    /// Notes that so many files with so many bytes were taken.
    pub(super) fn release(&self, files: usize, bytes: usize) {
        self.change(|budget| budget.bytes -= files * FILE_BYTES + bytes);
    }

    /// Notes which block is taken next.
    pub(super) fn need(&self, number: usize) {
        self.change(|budget| budget.needed = number);
    }

    /// Notes that nobody takes anything any more.
    pub(super) fn end(&self) {
        self.change(|budget| budget.is_over = true);
    }

    fn change(&self, change: impl FnOnce(&mut Budget)) {
        change(&mut self.budget());
        self.changed.notify_all();
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room to read a file of a block; returns whether to go on.
    fn wait_for_room(&self, block: usize) -> bool {
        let mut budget = self.budget();
        while budget.bytes >= READ_AHEAD_BYTES && block != budget.needed && !budget.is_over {
            budget = self
                .changed
                .wait(budget)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !budget.is_over
    }
}

/// Reads and validates one file.
fn read(
    scan: &FolderScan,
    listed: &ListedFile,
    options: &Options,
    buffer: &mut BytesMut,
) -> Result<File, FolderError> {
    let name = scan.listing.name(listed);
    let reading = scan.folder.read(name, options.max_file_size, buffer)?;
    Ok(File::validate(
        name_text(name).into_owned(),
        listed.changed,
        reading,
        options,
        options.clock.now().into(),
    ))
}

/// Reads the files of chunks again that were taken before, each given by its folder and the positions
/// of its files.
///
/// # Errors
///
/// When this process can open no file at all.
pub(super) fn read_again(
    scans: &[FolderScan],
    options: &Options,
    chunks: &[(usize, Range<usize>)],
) -> Result<VecDeque<Chunk>, FolderError> {
    let ranges = chunks.iter().flat_map(|(folder, range)| {
        let starts = range.clone().step_by(RANGE_FILES);
        starts.map(|start| (*folder, start..range.end.min(start + RANGE_FILES)))
    });
    let read_range = |(folder, range): (usize, Range<usize>)| {
        let scan: &FolderScan = &scans[folder];
        let files = scan.listing.files(range).iter();
        let mut buffer = BytesMut::new();
        files
            .map(|listed| read(scan, listed, options, &mut buffer))
            .collect::<Result<Vec<File>, FolderError>>()
    };
    let mut ranges = cores::each_with(READERS, ranges, read_range).into_iter();
    let mut read = VecDeque::with_capacity(chunks.len());
    for (folder, range) in chunks {
        let mut files = Vec::with_capacity(range.len());
        for range_files in ranges.by_ref().take(range.len().div_ceil(RANGE_FILES)) {
            files.extend(range_files?);
        }
        read.push_back(Chunk {
            folder: *folder,
            start: range.start,
            files,
        });
    }
    Ok(read)
}
