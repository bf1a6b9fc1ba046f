//! Reading ahead: threads read and validate files while the database is busy with those before.
//!
//! A disk, and a network share all the more, answers many requests at once, so where files come slowly
//! there are more threads than cores. They take blocks of files in order. How much has been read and not
//! been taken yet is bounded in bytes, by what was read and not by what a file had at the scan.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::blocks::{Blocks, ReadBlock};
use super::chunk::{Chunk, File};
use super::options::Options;
use super::scan::FolderScan;
use crate::cores;
use crate::inbox::FolderError;

/// How long slow files are waited for, all in all, before one more thread is started.
const GROW_AFTER: Duration = Duration::from_millis(2);

/// Files of a chunk that are waited for: so many that a statement costs little beside them, and that events,
/// which are written in the order of their keys, share pages of tables and indexes.
pub(crate) const CHUNK_FILES: usize = 8_192;

/// Most files of a chunk, taken if they have been read already. Larger chunks take more memory.
const LARGE_CHUNK_FILES: usize = 16_384;

/// Bytes of documents after which a chunk ends. One parameter of a statement can hold them all:
/// PostgreSQL takes up to 1 GiB.
const CHUNK_BYTES: usize = 8 << 20;

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
    blocks: Arc<Blocks>,
    results: Receiver<ReadBlock>,
    /// What a further thread sends to.
    sender: Sender<ReadBlock>,
    /// The block that is taken next.
    needed: usize,
    /// Blocks that were read before one in front of them.
    early: BTreeMap<usize, Vec<File>>,
    /// Files that can be taken, in order, and their bytes.
    ready: Vec<File>,
    ready_bytes: usize,
    /// Which folder the first of them is of, and which of its files.
    folder: usize,
    position: usize,
    /// How long slow files were waited for since the last thread was started.
    waited: Duration,
}

impl<'scope, 'env, 's: 'scope> ReadAhead<'scope, 'env, 's> {
    /// Begins to read the files of these folders.
    pub(crate) fn start(
        scope: &'scope Scope<'scope, 'env>,
        scans: &'s [FolderScan],
        options: &'s Options,
    ) -> ReadAhead<'scope, 'env, 's> {
        let (sender, results) = channel();
        let mut ahead = ReadAhead {
            scope,
            scans,
            options,
            blocks: Arc::new(Blocks::of(scans)),
            results,
            sender,
            needed: 0,
            early: BTreeMap::new(),
            ready: Vec::new(),
            ready_bytes: 0,
            folder: 0,
            position: 0,
            waited: Duration::ZERO,
        };
        for _ in 0..cores::count() {
            ahead.add_reader();
        }
        ahead
    }

    /// Starts one more thread, if there are blocks for it and the system has one. Without any, the run
    /// reads by itself.
    fn add_reader(&mut self) {
        if !self.blocks.can_add_reader() {
            return;
        }
        let (blocks, sender) = (Arc::clone(&self.blocks), self.sender.clone());
        let (scans, options) = (self.scans, self.options);
        let read = move || {
            let mut buffer = BytesMut::new();
            while let Some(block) = blocks.read_next(scans, options, &mut buffer) {
                let is_quick = block.is_quick;
                if sender.send(block).is_err() || (is_quick && blocks.remove_spare_reader()) {
                    return;
                }
            }
        };
        if thread::Builder::new()
            .spawn_scoped(self.scope, read)
            .is_ok()
        {
            self.blocks.add_reader();
        }
    }

    /// The next files, at most `limit` of them. Waits for `enough` files until `wait` is over, and then takes
    /// what there is.
    ///
    /// # Errors
    ///
    /// When this process can open no file at all.
    pub(crate) fn next(
        &mut self,
        limit: usize,
        enough: usize,
        wait: Duration,
    ) -> Result<Next, FolderError> {
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
        let most = (scan.listing.len() - self.position)
            .min(LARGE_CHUNK_FILES)
            .min(limit);
        let deadline = Instant::now() + wait;
        while self.ready.len() < most && self.ready_bytes < CHUNK_BYTES {
            let received = match self.ready.len() < enough {
                true => self.receive(deadline)?,
                false => self.receive_at_once()?,
            };
            if !received {
                break;
            }
        }
        let mut bytes = 0;
        let fits = self
            .ready
            .iter()
            .take(most)
            .take_while(|file| {
                let fits = bytes < CHUNK_BYTES;
                bytes += file.bytes();
                fits
            })
            .count();
        if fits == 0 {
            return Ok(Next::NotYet);
        }
        let rest = self.ready.split_off(fits);
        let files = mem::replace(&mut self.ready, rest);
        let taken: usize = files.iter().map(File::bytes).sum();
        self.position += files.len();
        self.ready_bytes -= taken;
        self.blocks.release(files.len(), taken);
        Ok(Next::Chunk(Chunk {
            folder: self.folder,
            start: self.position - files.len(),
            files,
        }))
    }

    /// Waits for a block; returns whether one came.
    fn receive(&mut self, deadline: Instant) -> Result<bool, FolderError> {
        let block = match self.blocks.has_readers() {
            true => self.wait(deadline),
            false if Instant::now() >= deadline => None,
            false => self
                .blocks
                .read_next(self.scans, self.options, &mut BytesMut::new()),
        };
        self.take(block)
    }

    /// Takes a block that is there; returns whether one was.
    fn receive_at_once(&mut self) -> Result<bool, FolderError> {
        let block = self.results.try_recv().ok();
        self.take(block)
    }

    fn take(&mut self, block: Option<ReadBlock>) -> Result<bool, FolderError> {
        let Some(ReadBlock { number, files, .. }) = block else {
            return Ok(false);
        };
        self.early.insert(number, files?);
        while let Some(files) = self.early.remove(&self.needed) {
            self.ready_bytes += files.iter().map(File::bytes).sum::<usize>();
            self.ready.extend(files);
            self.needed += 1;
        }
        self.blocks.need(self.needed);
        Ok(true)
    }

    /// Waits for a thread; starts another one for each [`GROW_AFTER`] that slow files were waited for.
    fn wait(&mut self, deadline: Instant) -> Option<ReadBlock> {
        loop {
            let began = Instant::now();
            let rest = deadline.saturating_duration_since(began);
            let received = self.results.recv_timeout(rest.min(GROW_AFTER));
            if self.blocks.files_are_slow() {
                self.waited += began.elapsed();
            }
            if self.waited >= GROW_AFTER {
                self.waited = Duration::ZERO;
                self.add_reader();
            }
            match received {
                Ok(block) => return Some(block),
                Err(_) if rest <= GROW_AFTER => return None,
                Err(_) => {}
            }
        }
    }
}

impl Drop for ReadAhead<'_, '_, '_> {
    fn drop(&mut self) {
        self.blocks.end();
    }
}
