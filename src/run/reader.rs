//! Reading ahead: threads read and validate files while the database is busy with those before.
//!
//! A disk, and a network share all the more, answers many requests at once, so where files come slowly
//! there are more threads than cores. They take blocks of files in order; how much has been read and not been taken yet is
//! bounded in bytes, by what was read and not by what a file had at the scan.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
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
const READERS: usize = 48;

/// How long is waited for a block of files before one more thread is started. From the cache of the
/// system a block takes a tenth of it, and then more threads than cores cost time and memory.
const GROW_AFTER: Duration = Duration::from_millis(2);

/// Files that a thread takes at once: few, so that the end of a folder is shared out.
const BLOCK: usize = 16;

/// Most files of a chunk: enough that a round trip to the database costs nothing beside them, few
/// enough that the database has something to do soon and that a chunk takes little memory.
const CHUNK_FILES: usize = 4_096;

/// Bytes of documents after which a chunk ends. One parameter of a statement can hold them all:
/// PostgreSQL takes up to 1 GiB.
const CHUNK_BYTES: usize = 8 << 20;

/// Bytes that are read ahead at most, and one file more for each thread: three chunks of usual files.
const READ_AHEAD_BYTES: usize = 16 << 20;

/// Bytes that a file takes beside its document: its name, the event that was made of it.
const FILE_BYTES: usize = 1 << 10;

/// A block of files that was read, by its number.
type ReadBlock = (usize, Result<Vec<File>, FolderError>);

/// What the reader has.
pub(crate) enum Next {
    /// Files.
    Chunk(Chunk),
    /// Nothing yet.
    NotYet,
    /// Everything was taken.
    End,
}

/// The files of all folders of a run, on their way.
pub(crate) struct ReadAhead<'scope, 'env, 's> {
    scope: &'scope Scope<'scope, 'env>,
    scans: &'s [FolderScan],
    options: &'s Options,
    shared: Arc<Shared>,
    results: Receiver<ReadBlock>,
    /// What a further thread sends to.
    sender: Sender<ReadBlock>,
    /// Blocks that were read before one in front of them.
    early: BTreeMap<usize, Vec<File>>,
    /// Files that can be taken, in order, and their bytes.
    ready: VecDeque<File>,
    ready_bytes: usize,
    /// Which folder the first of them is of, and which of its files.
    folder: usize,
    position: usize,
    /// Threads that read.
    readers: usize,
}

/// What the threads share.
struct Shared {
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
struct Budget {
    bytes: usize,
    /// The block that is taken next; its reader waits for nobody.
    needed: usize,
    /// Whether nobody takes anything any more.
    is_over: bool,
}

impl Shared {
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

    fn read(
        &self,
        number: usize,
        scans: &[FolderScan],
        options: &Options,
        buffer: &mut BytesMut,
    ) -> Option<Result<Vec<File>, FolderError>> {
        let Block { folder, start, end } = self.blocks[number];
        let scan = &scans[folder];
        let mut files = Vec::with_capacity(end - start);
        for listed in scan.listing.files(start..end) {
            if !self.wait_for_room(number) {
                return None;
            }
            let file = match read(scan, listed, options, buffer) {
                Ok(file) => file,
                Err(failure) => return Some(Err(failure)),
            };
            self.budget().bytes += FILE_BYTES + file.bytes();
            files.push(file);
        }
        Some(Ok(files))
    }
}

impl<'scope, 'env, 's: 'scope> ReadAhead<'scope, 'env, 's> {
    /// Begins to read the files of these folders.
    pub(crate) fn start(
        scope: &'scope Scope<'scope, 'env>,
        scans: &'s [FolderScan],
        options: &'s Options,
    ) -> ReadAhead<'scope, 'env, 's> {
        let blocks: Vec<Block> = scans
            .iter()
            .enumerate()
            .flat_map(|(folder, scan)| {
                let files = scan.listing.len();
                (0..files).step_by(BLOCK).map(move |start| Block {
                    folder,
                    start,
                    end: files.min(start + BLOCK),
                })
            })
            .collect();
        let shared = Arc::new(Shared {
            blocks,
            next: AtomicUsize::new(0),
            budget: Mutex::new(Budget {
                bytes: 0,
                needed: 0,
                is_over: false,
            }),
            changed: Condvar::new(),
        });
        let (sender, results) = channel();
        let mut ahead = ReadAhead {
            scope,
            scans,
            options,
            shared,
            results,
            sender,
            early: BTreeMap::new(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            folder: 0,
            position: 0,
            readers: 0,
        };
        for _ in 0..cores::count() {
            ahead.add_reader();
        }
        ahead
    }

    /// Starts one more thread, if there are blocks for it and the system has one. Without any, the run
    /// reads by itself.
    fn add_reader(&mut self) {
        let is_taken = self.shared.next.load(Ordering::Relaxed) >= self.shared.blocks.len();
        if is_taken || self.readers >= READERS {
            return;
        }
        let (shared, sender) = (Arc::clone(&self.shared), self.sender.clone());
        let (scans, options) = (self.scans, self.options);
        let read = move || read_blocks(&shared, scans, options, &sender);
        let spawned = thread::Builder::new().spawn_scoped(self.scope, read);
        self.readers += usize::from(spawned.is_ok());
    }

    /// The next files, at most `limit` of them. Waits for a whole chunk until `wait` is over, and then
    /// takes what there is.
    ///
    /// # Errors
    ///
    /// When this process can open no file at all.
    pub(crate) fn next(&mut self, limit: usize, wait: Duration) -> Result<Next, FolderError> {
        while self
            .scans
            .get(self.folder)
            .is_some_and(|scan| self.position == scan.listing.len())
        {
            self.folder += 1;
            self.position = 0;
        }
        let Some(scan) = self.scans.get(self.folder) else {
            return Ok(Next::End);
        };
        let wanted = (scan.listing.len() - self.position)
            .min(CHUNK_FILES)
            .min(limit);
        let deadline = Instant::now() + wait;
        while self.ready.len() < wanted && self.ready_bytes < CHUNK_BYTES {
            if !self.receive(deadline)? {
                break;
            }
        }
        let mut bytes = 0;
        let fits = self
            .ready
            .iter()
            .take(wanted)
            .take_while(|file| {
                let fits = bytes < CHUNK_BYTES;
                bytes += file.bytes();
                fits
            })
            .count();
        if fits == 0 {
            return Ok(Next::NotYet);
        }
        let files: Vec<File> = self.ready.drain(..fits).collect();
        let taken: usize = files.iter().map(File::bytes).sum();
        self.position += files.len();
        self.ready_bytes -= taken;
        self.shared.budget().bytes -= files.len() * FILE_BYTES + taken;
        self.shared.changed.notify_all();
        Ok(Next::Chunk(Chunk {
            folder: self.folder,
            start: self.position - files.len(),
            files,
        }))
    }

    /// Waits for a block; returns whether one came.
    fn receive(&mut self, deadline: Instant) -> Result<bool, FolderError> {
        let (number, files) = if self.readers > 0 {
            match self.wait(deadline) {
                Some(block) => block,
                None => return Ok(false),
            }
        } else {
            let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.shared.blocks.len() || Instant::now() >= deadline {
                return Ok(false);
            }
            let mut buffer = BytesMut::new();
            match self
                .shared
                .read(number, self.scans, self.options, &mut buffer)
            {
                Some(files) => (number, files),
                None => return Ok(false),
            }
        };
        self.early.insert(number, files?);
        let mut budget = self.shared.budget();
        while let Some(files) = self.early.remove(&budget.needed) {
            self.ready_bytes += files.iter().map(File::bytes).sum::<usize>();
            self.ready.extend(files);
            budget.needed += 1;
        }
        drop(budget);
        self.shared.changed.notify_all();
        Ok(true)
    }

    /// Waits for a thread; where that takes long, starts another one.
    fn wait(&mut self, deadline: Instant) -> Option<ReadBlock> {
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.results.recv_timeout(rest.min(GROW_AFTER)) {
                Ok(block) => return Some(block),
                Err(_) if rest <= GROW_AFTER => return None,
                Err(_) => self.add_reader(),
            }
        }
    }
}

impl Drop for ReadAhead<'_, '_, '_> {
    fn drop(&mut self) {
        self.shared.budget().is_over = true;
        self.shared.changed.notify_all();
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
    let chunks = chunks.iter().cloned();
    let read_chunk = |(folder, range): (usize, Range<usize>)| {
        let scan: &FolderScan = &scans[folder];
        let start = range.start;
        let files = scan.listing.files(range).iter();
        let mut buffer = BytesMut::new();
        let files = files
            .map(|listed| read(scan, listed, options, &mut buffer))
            .collect::<Result<Vec<File>, FolderError>>()?;
        Ok(Chunk {
            folder,
            start,
            files,
        })
    };
    cores::each(chunks, read_chunk).into_iter().collect()
}

fn read_blocks(
    shared: &Shared,
    scans: &[FolderScan],
    options: &Options,
    results: &Sender<ReadBlock>,
) {
    let mut buffer = BytesMut::new();
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= shared.blocks.len() || !shared.wait_for_room(number) {
            return;
        }
        let Some(files) = shared.read(number, scans, options, &mut buffer) else {
            return;
        };
        if results.send((number, files)).is_err() {
            return;
        }
    }
}
