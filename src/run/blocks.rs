//! Blocks of files, which threads read and validate one after the other. How much they have read that was
//! not taken yet is bounded in bytes.

use std::collections::{BTreeSet, VecDeque};
use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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

/// Slow files of a block that are no sign of a slow disk: the thread may have waited for a core.
const ONE_SLOW: usize = 1;

/// Files that a thread takes at once: few, so that the end of a folder is shared out.
const BLOCK: usize = 16;

/// Files that a thread takes at once when a batch is read again.
const RANGE_FILES: usize = 256;

/// Bytes that are read ahead at most, and for each thread [`NOTED_BYTES`] and one file more: a large chunk of
/// usual files.
const READ_AHEAD_BYTES: usize = 24 << 20;

/// Bytes that a file takes beside its document: its name, the event that was made of it.
const FILE_BYTES: usize = 1 << 10;

/// Bytes that a thread reads before it notes them: all of a usual block, so that threads seldom wait for
/// each other, and no more than one large file.
const NOTED_BYTES: usize = 64 << 10;

/// A block of files that was read.
pub(super) struct ReadBlock {
    /// Its number.
    pub(super) number: usize,
    /// Its files, or why none can be opened.
    pub(super) files: Result<Vec<File>, FolderError>,
    /// Whether at most [`ONE_SLOW`] of its files was slow.
    pub(super) is_quick: bool,
}

/// The blocks of all folders of a run, which threads share out.
pub(super) struct Blocks {
    blocks: Vec<Block>,
    next: AtomicUsize,
    /// Threads that read.
    readers: AtomicUsize,
    /// How many threads read while files are not slow: one for each core.
    cores: usize,
    /// Whether files are slow at present.
    files_are_slow: AtomicBool,
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
    /// Blocks whose readers wait for room.
    waiting: BTreeSet<usize>,
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
            readers: AtomicUsize::new(0),
            cores: cores::count(),
            files_are_slow: AtomicBool::new(false),
            budget: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Whether one more thread would have something to read, and there are fewer than [`READERS`].
    pub(super) fn can_add_reader(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.blocks.len()
            && self.readers.load(Ordering::Relaxed) < READERS
    }

    /// Counts a thread that reads, once it has been started: a thread that never starts must not be the reason
    /// for which another one ends.
    pub(super) fn add_reader(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
    }

    /// Stops counting the calling thread if there are more threads than cores; returns whether to end it. Where
    /// files are not slow, it would only slow the others down.
    pub(super) fn remove_spare_reader(&self) -> bool {
        self.readers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |readers| {
                (readers > self.cores).then(|| readers - 1)
            })
            .is_ok()
    }

    /// Whether there are threads that read.
    pub(super) fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    /// Whether files are slow at present.
    pub(super) fn files_are_slow(&self) -> bool {
        self.files_are_slow.load(Ordering::Relaxed)
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
        let (mut slow, mut unnoted) = (0, 0);
        if !self.wait_for_room(number) {
            return None;
        }
        for listed in scan.listing.files(start..end) {
            if unnoted >= NOTED_BYTES {
                self.note(mem::take(&mut unnoted));
                if !self.wait_for_room(number) {
                    return None;
                }
            }
            let began = Instant::now();
            let file = match read(scan, listed, options, buffer) {
                Ok(file) => file,
                Err(failure) => {
                    return Some(ReadBlock {
                        number,
                        files: Err(failure),
                        is_quick: false,
                    });
                }
            };
            unnoted += FILE_BYTES + file.bytes();
            files.push(file);
            slow += usize::from(began.elapsed() > SLOW_FILE);
            let are_slow = slow > files.len() / 2;
            if files.len() > ONE_SLOW && self.files_are_slow() != are_slow {
                self.files_are_slow.store(are_slow, Ordering::Relaxed);
            }
        }
        self.note(unnoted);
        Some(ReadBlock {
            number,
            files: Ok(files),
            is_quick: slow <= ONE_SLOW,
        })
    }

    /// Notes that so many files with so many bytes were taken.
    pub(super) fn release(&self, files: usize, bytes: usize) {
        let mut budget = self.budget();
        budget.bytes -= files * FILE_BYTES + bytes;
        if budget.bytes < READ_AHEAD_BYTES && !budget.waiting.is_empty() {
            self.changed.notify_all();
        }
    }

    /// Notes which block is taken next.
    pub(super) fn need(&self, number: usize) {
        let mut budget = self.budget();
        budget.needed = number;
        // The threads are woken up only if that of the needed block waits: a block is taken every few
        // microseconds, and there may be dozens of threads.
        if budget.waiting.contains(&number) {
            self.changed.notify_all();
        }
    }

    /// Notes that nobody takes anything any more.
    pub(super) fn end(&self) {
        self.budget().is_over = true;
        self.changed.notify_all();
    }

    /// Notes bytes that were read.
    fn note(&self, bytes: usize) {
        self.budget().bytes += bytes;
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room to read more of a block; returns whether to go on.
    fn wait_for_room(&self, block: usize) -> bool {
        let mut budget = self.budget();
        while budget.bytes >= READ_AHEAD_BYTES && block != budget.needed && !budget.is_over {
            budget.waiting.insert(block);
            budget = self
                .changed
                .wait(budget)
                .unwrap_or_else(PoisonError::into_inner);
            budget.waiting.remove(&block);
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
    let reading = scan.folder.read(&name, options.max_file_size, buffer)?;
    Ok(File::validate(
        name_text(&name).into_owned(),
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::{Block, Blocks, READ_AHEAD_BYTES, READERS};

    #[test]
    fn threads_that_only_a_slow_disk_needs_end_once_it_is_not_slow() {
        let mut blocks = Blocks::of(&[]);
        assert!(!blocks.can_add_reader(), "there is nothing to read");
        blocks.blocks = vec![Block {
            folder: 0,
            start: 0,
            end: 1,
        }];
        while blocks.can_add_reader() {
            blocks.add_reader();
        }
        assert_eq!(blocks.readers.load(Ordering::Relaxed), READERS);
        while blocks.remove_spare_reader() {}
        let left = blocks.readers.load(Ordering::Relaxed);
        assert_eq!(left, READERS.min(blocks.cores));
        assert!(blocks.has_readers());
    }

    #[test]
    fn a_thread_goes_on_that_reads_the_block_that_is_taken_next() {
        let blocks = Blocks::of(&[]);
        blocks.note(READ_AHEAD_BYTES);
        std::thread::scope(|scope| {
            let [first, second] = [1, 2].map(|number| {
                let blocks = &blocks;
                scope.spawn(move || blocks.wait_for_room(number))
            });
            while blocks.budget().waiting.len() < 2 {
                std::thread::yield_now();
            }
            blocks.need(1);
            assert!(first.join().expect("it does not panic"));
            assert!(!second.is_finished(), "there is no room for it");
            blocks.end();
            assert!(!second.join().expect("it does not panic"));
        });
    }
}
