//! What waits in one folder, and how far a run has come through it.

use std::num::NonZeroUsize;
use std::panic;
use std::thread;

use postgres::GenericClient;

use super::Options;
use crate::checkpoint::{self, Checkpoint, Reach};
use crate::clock::{self, FileTime};
use crate::error::Error;
use crate::inbox::{Folder, Listing, Reading, name_text};
use crate::source::Source;

/// Bytes of documents that a batch holds before it is closed, even if it has room for more files.
/// They stand in memory once or twice, and one parameter of a statement can hold them all:
/// PostgreSQL takes up to 1 GiB.
const BATCH_BYTES: u64 = 64 << 20;

/// Fewest items worth a second thread: below it, starting one takes longer than the work.
const PARALLEL_FROM: usize = 512;

/// The files of a source that wait to be dealt with, oldest change first.
pub(super) struct Backlog {
    folder: Folder,
    listing: Listing,
    taken: usize,
    /// The checkpoint as the database has it.
    saved: Checkpoint,
    /// The checkpoint as it is after the files taken so far.
    checkpoint: Checkpoint,
    /// Whether the run leaves no gap after the checkpoint.
    contiguous: bool,
    reach: Reach,
    /// The clock before the scan: a file that changes later may not have been seen.
    scanned_at: FileTime,
}

/// A file taken from a backlog.
pub(super) struct File {
    /// Its name as text, see [`name_text`].
    pub(super) name: String,
    /// Its change time at the scan. The offset is made of these: a file that has changed since is
    /// later in the order than files that nobody has seen yet.
    pub(super) scanned: FileTime,
    /// What came of reading it.
    pub(super) reading: Reading,
}

impl Backlog {
    /// Scans the folder of a source; the inner error is one of the folder alone.
    pub(super) fn find(
        client: &mut impl GenericClient,
        checkpoint: Checkpoint,
        options: &Options,
    ) -> Result<Result<Backlog, Error>, Error> {
        let since = options.since.map(FileTime::from);
        let scanned_at = clock::now().into();
        let start = checkpoint.start(since, options.overlap, scanned_at);
        let scan = Folder::open(&options.inbox, checkpoint.source)
            .and_then(|folder| folder.scan(start).map(|listing| (folder, listing)));
        let (folder, mut listing) = match scan {
            Ok(scanned) => scanned,
            Err(failure) => return Ok(Err(failure)),
        };
        // A backfill looks again even at what was seen lately: that is what it is asked for.
        if since.is_none() && !listing.is_empty() {
            let seen = checkpoint::recent_files(client, checkpoint.source)?;
            listing.retain(|name, changed| seen.get(name_text(name).as_ref()) != Some(&changed));
        }
        log::debug!(
            "{} files wait in {}",
            listing.len(),
            folder.path().display()
        );
        let mut backlog = Backlog {
            folder,
            listing,
            taken: 0,
            saved: checkpoint,
            checkpoint,
            contiguous: checkpoint.is_reached_by(since),
            reach: Reach::default(),
            scanned_at,
        };
        if backlog.contiguous {
            backlog.checkpoint.pending = 0;
            backlog.advance();
        }
        Ok(Ok(backlog))
    }

    /// The source whose folder this is.
    pub(super) fn source(&self) -> Source {
        self.saved.source
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Takes and reads the files that come next, as many as there is room for.
    fn take(&mut self, room: &mut Room, options: &Options) -> Result<Vec<File>, Error> {
        let rest = self.listing.entries(self.taken..self.listing.len());
        let count = rest
            .iter()
            .take_while(|entry| room.take(entry.size, options.max_file_size))
            .count();
        let files = in_parallel(&rest[..count], |entry| {
            Ok(File {
                name: name_text(self.listing.name(entry)).into_owned(),
                scanned: entry.changed,
                reading: self
                    .folder
                    .read(&self.listing, entry, options.max_file_size)?,
            })
        });
        self.taken += count;
        files.into_iter().collect()
    }

    /// Notes what became of files that were taken, by their change times at the scan: these were
    /// dealt with, those left for later.
    pub(super) fn pass(
        &mut self,
        dealt_with: impl Iterator<Item = FileTime>,
        left: impl Iterator<Item = FileTime>,
    ) {
        dealt_with.for_each(|changed| self.reach.deal_with(changed));
        let mut pending = 0;
        left.for_each(|changed| {
            self.reach.leave(changed);
            pending += 1;
        });
        if self.contiguous {
            self.checkpoint.pending += pending;
            self.advance();
        }
    }

    fn advance(&mut self) {
        self.checkpoint.offset = self.saved.advanced(self.reach, self.scanned_at);
    }

    /// The checkpoint to save.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    /// Notes that the checkpoint has been saved.
    pub(super) fn saved(&mut self) {
        self.saved = self.checkpoint;
    }

    /// Whether the database has another checkpoint than this.
    pub(super) fn is_unsaved(&self) -> bool {
        self.saved != self.checkpoint
    }
}

/// How much more a batch can hold.
struct Room {
    files: usize,
    bytes: u64,
}

impl Room {
    /// Takes the room of a file of this size, which is not read if it is over the limit. Only a
    /// batch without room for anything refuses: a file for which there is too little fills it.
    fn take(&mut self, size: u64, limit: u64) -> bool {
        if self.files == 0 || self.bytes == 0 {
            return false;
        }
        self.files -= 1;
        if size <= limit {
            self.bytes = self.bytes.saturating_sub(size);
        }
        true
    }
}

/// The next batch: files by the place of their backlog, none when nothing is left.
pub(super) fn next_batch(
    backlogs: &mut [Backlog],
    options: &Options,
) -> Result<Vec<(usize, Vec<File>)>, Error> {
    let mut room = Room {
        files: options.batch_size.get(),
        bytes: BATCH_BYTES,
    };
    let mut batch = Vec::new();
    for (place, backlog) in backlogs.iter_mut().enumerate() {
        let files = backlog.take(&mut room, options)?;
        if !files.is_empty() {
            batch.push((place, files));
        }
    }
    Ok(batch)
}

/// Applies `work` to every item on all cores; the results are in the order of the items.
pub(super) fn in_parallel<'a, T: Sync, R: Send>(
    items: &'a [T],
    work: impl Fn(&'a T) -> R + Sync,
) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if threads == 1 || items.len() < PARALLEL_FROM {
        return items.iter().map(work).collect();
    }
    let (work, share) = (&work, items.len().div_ceil(threads));
    thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Vec<R>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panicked| panic::resume_unwind(panicked))
            })
            .collect()
    })
}
