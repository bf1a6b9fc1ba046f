//! What waits in the folders, how it is cut into batches and portions, and how far a run has come
//! through it.

use std::ops::Range;
use std::{panic, thread};

use postgres::GenericClient;

use super::Options;
use crate::checkpoint::{self, Checkpoint, Reach, Rest};
use crate::clock::{self, FileTime};
use crate::error::Error;
use crate::inbox::{Entry, Folder, Listing, name_text};
use crate::patrol::Patrol;
use crate::source::Source;

/// Bytes of documents that a batch holds before it is closed, even if it has room for more files:
/// what an event says of its user or card stands in memory until the timelines are revised.
const BATCH_BYTES: u64 = 64 << 20;

/// Most files of a portion: enough that a round trip to the database weighs nothing, few enough
/// that the database has something to do soon and that the portions under way take little memory.
const PORTION_FILES: usize = 4_096;

/// Bytes of documents that fill a portion. They stand in memory up to three times, in as many
/// portions, and one parameter of a statement can hold them all: PostgreSQL takes up to 1 GiB.
const PORTION_BYTES: u64 = 8 << 20;

/// The files of a source that wait to be dealt with, oldest change first.
pub(super) struct Waiting {
    pub(super) folder: Folder,
    pub(super) listing: Listing,
}

/// How far a run has come through the files of a source.
pub(super) struct Progress {
    /// The checkpoint as the database has it.
    saved: Checkpoint,
    /// The checkpoint as it is after the files taken so far.
    checkpoint: Checkpoint,
    /// Whether the run leaves no gap after the checkpoint.
    contiguous: bool,
    reach: Reach,
    /// The clock before the scan: a file that changes later may not have been seen.
    scanned_at: FileTime,
    /// Whether files have been left for later for so long that they are odd.
    is_held: bool,
    /// The folder's rest, if this run can tell.
    rest: Option<Rest>,
    /// What this run learns of old files, if it is to be saved.
    patrol: Option<Patrol>,
}

/// Scans the folder of a source; the inner error is one of the folder alone.
pub(super) fn find(
    client: &mut impl GenericClient,
    checkpoint: Checkpoint,
    options: &Options,
) -> Result<Result<(Waiting, Progress), Error>, Error> {
    let since = options.since.map(FileTime::from);
    let scanned_at = clock::now().into();
    let opened = Folder::open(&options.inbox, checkpoint.source)
        .and_then(|folder| folder.stamp().map(|stamp| (folder, stamp)));
    let (folder, stamp) = match opened {
        Ok(opened) => opened,
        Err(failure) => return Ok(Err(failure)),
    };
    let rests = since.is_none() && checkpoint.rests(stamp, options.overlap, scanned_at);
    let from = checkpoint.start(since, options.overlap, scanned_at);
    let everything = rests || since.is_some() || from.is_none();
    // One waits for the file system, the other for the database.
    let (names, patrol) = thread::scope(|scope| {
        let names = scope.spawn(|| match rests {
            true => Ok(Listing::default()),
            false => folder.list(),
        });
        let patrol = Patrol::recall(client, &checkpoint, everything, scanned_at);
        let names = names.join();
        (
            names.unwrap_or_else(|panicked| panic::resume_unwind(panicked)),
            patrol,
        )
    });
    let mut listing = match names {
        Ok(listing) => listing,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut patrol = patrol?.over(listing.len());
    match folder.look(&mut listing, from, |file| patrol.asks(file)) {
        Ok(look) => patrol.note(&look.old, &look.young),
        Err(failure) => return Ok(Err(failure)),
    }
    // A backfill looks again even at what was seen lately: that is what it is asked for.
    if since.is_none() && !listing.is_empty() {
        let seen = checkpoint::recent_files(client, checkpoint.source)?;
        listing.retain(|name, changed| !seen.contains(&name_text(name), changed));
    }
    log::debug!(
        "{} files wait in {}",
        listing.len(),
        folder.path().display()
    );
    let is_held = match checkpoint.pending {
        0 => false,
        _ => checkpoint.is_held(client, scanned_at)?,
    };
    let mut progress = Progress {
        saved: checkpoint,
        checkpoint,
        contiguous: checkpoint.is_reached_by(since),
        reach: Reach::default(),
        scanned_at,
        is_held,
        rest: match rests || since.is_some() {
            true => None,
            false => Rest::of(stamp, options.overlap, scanned_at),
        },
        patrol: (!rests && since.is_none() && patrol.is_worth_saving()).then_some(patrol),
    };
    progress.checkpoint.waiting = listing.len() as i64;
    if progress.contiguous {
        progress.checkpoint.pending = 0;
        progress.advance();
    }
    Ok(Ok((Waiting { folder, listing }, progress)))
}

impl Progress {
    /// The source.
    pub(super) fn source(&self) -> Source {
        self.saved.source
    }

    /// Whether files have been left for later for so long that they are odd.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Notes what became of so many files that were taken, by their change times at the scan: these
    /// were dealt with, those left for later.
    pub(super) fn pass(
        &mut self,
        files: usize,
        dealt_with: impl Iterator<Item = FileTime>,
        left: impl Iterator<Item = FileTime>,
    ) {
        self.checkpoint.waiting -= files as i64;
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

    /// What the run has learned of old files. The patrol stands still while a file waits: one that it
    /// has found behind the offset is held by the round alone.
    pub(super) fn take_patrol(&mut self) -> Option<Patrol> {
        self.patrol.take().filter(|_| self.checkpoint.pending == 0)
    }

    /// The folder's rest, if it is worth noting: nothing is left in it.
    pub(super) fn rest(&self) -> Option<Rest> {
        self.rest.filter(|_| self.checkpoint.pending == 0)
    }

    /// Whether the database has another checkpoint than this.
    pub(super) fn is_unsaved(&self) -> bool {
        self.saved != self.checkpoint
    }
}

/// Consecutive files of one source: what a batch takes of them.
pub(super) struct Stretch {
    /// Which of the sources.
    pub(super) source: usize,
    places: Range<usize>,
}

impl Stretch {
    /// How many files they are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The portions in which the files are read.
    pub(super) fn portions<'w>(
        &self,
        waiting: &'w Waiting,
        options: &Options,
    ) -> impl Iterator<Item = Range<usize>> + use<'w> {
        let Range { mut start, end } = self.places;
        let limit = options.max_file_size;
        std::iter::from_fn(move || {
            let mut room = Room {
                files: PORTION_FILES,
                bytes: PORTION_BYTES,
            };
            let count = room.fill(waiting.listing.entries(start..end), limit);
            let places = start..start + count;
            start += count;
            (count > 0).then_some(places)
        })
    }
}

/// Cuts what waits into batches, each of at most so many files and bytes.
pub(super) fn batches(waiting: &[Waiting], options: &Options) -> Vec<Vec<Stretch>> {
    let (mut batches, mut batch) = (Vec::new(), Vec::new());
    let whole = || Room {
        files: options.batch_size.get(),
        bytes: BATCH_BYTES,
    };
    let mut room = whole();
    for (source, Waiting { listing, .. }) in waiting.iter().enumerate() {
        let mut start = 0;
        while start < listing.len() {
            let rest = listing.entries(start..listing.len());
            match room.fill(rest, options.max_file_size) {
                0 => {
                    batches.push(std::mem::take(&mut batch));
                    room = whole();
                }
                count => {
                    let places = start..start + count;
                    batch.push(Stretch { source, places });
                    start += count;
                }
            }
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// How much more a batch or a portion can hold.
struct Room {
    files: usize,
    bytes: u64,
}

impl Room {
    /// Takes the room of the files that come first, as many as fit, and says how many. A file over
    /// the limit is not read and takes none. Only if there is no room for anything does the first
    /// file not fit: one for which there is too little fills it.
    fn fill(&mut self, entries: &[Entry], limit: u64) -> usize {
        entries
            .iter()
            .take_while(|entry| {
                if self.files == 0 || self.bytes == 0 {
                    return false;
                }
                self.files -= 1;
                if entry.size() <= limit {
                    self.bytes = self.bytes.saturating_sub(entry.size());
                }
                true
            })
            .count()
    }
}
