//! Loading what a run has found: chunks from the reader, batches to the warehouse.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Transaction};

use super::Run;
use super::batch::{Batch, Landing};
use super::chunk::Chunk;
use super::claim::RENEW_AFTER;
use super::error::Error;
use super::folders::FolderBatch;
use super::reader::{Next, ReadAhead, read_again};
use super::scan::{FolderScan, FolderState};
use crate::entity::Kind;
use crate::source::Source;
use crate::summary::Counts;
use crate::warehouse::dimension::{BrokenKeys, Revised};
use crate::warehouse::error::Doing;
use crate::warehouse::{self, checkpoints};

/// Bytes of documents that a batch takes before it is closed, even if it has room for more files: the
/// states that its events report are in memory until the timelines are revised.
const BATCH_BYTES: usize = 64 << 20;

/// How long files are read for one batch: a run over a slow disk makes progress that often.
const BATCH_TIME: Duration = Duration::from_secs(60);

/// How long a transaction waits for the next files. It is begun before all files of the batch are
/// read only if the first ones were read that fast; and if later ones are not, it is committed
/// without them.
const READER_PATIENCE: Duration = Duration::from_millis(250);

/// Where batches are written to.
pub(super) enum Target<'c> {
    /// The warehouse; each batch is committed.
    Kept(&'c mut Client),
    /// A transaction that will be rolled back, as a dry run does.
    Tried(Transaction<'c>),
}

impl Target<'_> {
    /// Begins a batch.
    ///
    /// # Errors
    ///
    /// When the connection fails.
    pub(super) fn begin(&mut self) -> Result<Transaction<'_>, warehouse::error::Error> {
        match self {
            Target::Kept(client) => warehouse::begin(client),
            Target::Tried(trial) => trial.transaction().doing("beginning a batch"),
        }
    }

    /// Renews the claim of the run. A trial has locked it.
    fn renew(&mut self, run_id: i64) -> Result<(), warehouse::error::Error> {
        match self {
            Target::Kept(client) => checkpoints::renew(*client, run_id),
            Target::Tried(_) => Ok(()),
        }
    }
}

/// How much more a batch can take.
struct Room {
    files: usize,
    bytes: usize,
    began: Instant,
}

impl Room {
    fn is_full(&self) -> bool {
        self.files == 0 || self.bytes == 0 || self.began.elapsed() >= BATCH_TIME
    }

    fn take(&mut self, chunk: &Chunk) {
        self.files = self.files.saturating_sub(chunk.files.len());
        self.bytes = self.bytes.saturating_sub(chunk.bytes());
    }
}

/// The chunks of a batch: those that are read already, and then those of the reader.
struct Feed<'f, 's> {
    chunks: VecDeque<Chunk>,
    reader: Option<&'f mut ReadAhead<'s>>,
    room: Room,
}

impl Feed<'_, '_> {
    /// The next chunk, if there is one without much waiting and the batch has room for it.
    fn next(&mut self) -> Result<Option<Chunk>, Error> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Ok(Some(chunk));
        }
        let Some(reader) = self.reader.as_mut().filter(|_| !self.room.is_full()) else {
            return Ok(None);
        };
        match reader.next(self.room.files, READER_PATIENCE)? {
            Next::Chunk(chunk) => {
                self.room.take(&chunk);
                Ok(Some(chunk))
            }
            Next::NotYet | Next::End => Ok(None),
        }
    }
}

/// What a batch is made of: folders, and positions of their files.
type Ranges = Vec<(usize, Range<usize>)>;

/// How an attempt at a batch ended.
enum Attempt {
    /// It is committed, or there was nothing to write. A chunk that the batch could not take has to
    /// begin the next one.
    Done(Option<Chunk>),
    /// It was rolled back.
    Again(Again),
}

/// What is left of a batch that was rolled back, since some keys are broken.
struct Again {
    keys: BrokenKeys,
    left: Option<Chunk>,
    /// What is to be logged all the same: sequences are not rolled back.
    notes: Vec<String>,
}

impl Run<'_> {
    /// Loads the files of the scanned folders, and rolls that back.
    pub(super) fn try_files(
        &mut self,
        client: &mut Client,
        scans: &[FolderScan],
        states: &mut [FolderState],
    ) -> Result<(), Error> {
        let mut trial = Target::Tried(warehouse::begin(client)?);
        self.load_files(&mut trial, scans, states)?;
        if let Target::Tried(trial) = trial {
            trial.rollback().doing("rolling back a dry run")?;
        }
        Ok(())
    }

    /// Loads the files of the scanned folders.
    pub(super) fn load_files(
        &mut self,
        target: &mut Target<'_>,
        scans: &[FolderScan],
        states: &mut [FolderState],
    ) -> Result<(), Error> {
        let options = self.options;
        thread::scope(|scope| {
            let mut reader = ReadAhead::start(scope, scans, options);
            let mut carried = VecDeque::new();
            loop {
                let mut room = Room {
                    files: options.batch_size.get(),
                    bytes: BATCH_BYTES,
                    began: Instant::now(),
                };
                self.wait_for_files(target, &mut reader, &mut room, &mut carried)?;
                if carried.is_empty() {
                    return Ok(());
                }
                let mut feed = Feed {
                    chunks: std::mem::take(&mut carried),
                    reader: Some(&mut reader),
                    room,
                };
                let left = self.load_batch(target, scans, states, &mut feed)?;
                carried.extend(left);
                carried.extend(feed.chunks);
            }
        })
    }

    /// Waits for the first files of a batch, outside a transaction. If files are read slower than
    /// they can be loaded, waits for all files of the batch.
    fn wait_for_files(
        &mut self,
        target: &mut Target<'_>,
        reader: &mut ReadAhead<'_>,
        room: &mut Room,
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<(), Error> {
        chunks.iter().for_each(|chunk| room.take(chunk));
        let mut renewed = Instant::now();
        while !room.is_full() {
            self.interruption.check()?;
            if renewed.elapsed() >= RENEW_AFTER {
                target.renew(self.run_id)?;
                renewed = Instant::now();
            }
            match reader.next(room.files, READER_PATIENCE)? {
                Next::Chunk(chunk) => {
                    room.take(&chunk);
                    chunks.push_back(chunk);
                    if chunks.len() == 1 && room.began.elapsed() < READER_PATIENCE {
                        break;
                    }
                }
                Next::NotYet => {}
                Next::End => break,
            }
        }
        Ok(())
    }

    /// Loads one batch. If keys turn out to be broken, it is done again, with what is new of them
    /// rejected.
    fn load_batch(
        &mut self,
        target: &mut Target<'_>,
        scans: &[FolderScan],
        states: &mut [FolderState],
        feed: &mut Feed<'_, '_>,
    ) -> Result<Option<Chunk>, Error> {
        let mut ranges = Ranges::new();
        let warnings = self.warnings.clone();
        let none = BrokenKeys::new();
        let first = match self.try_batch(target, scans, states, feed, &none, &mut ranges)? {
            Attempt::Done(left) => return Ok(left),
            Attempt::Again(again) => again,
        };
        let (mut broken, left, mut notes) = (first.keys, first.left, first.notes);
        loop {
            self.warnings = warnings.clone();
            let noted = notes.iter().cloned();
            noted.for_each(|note| self.warnings.general(note));
            let mut again = Feed {
                chunks: read_again(scans, self.options, &ranges)?,
                reader: None,
                room: Room {
                    files: 0,
                    bytes: 0,
                    began: Instant::now(),
                },
            };
            let mut taken = Ranges::new();
            match self.try_batch(target, scans, states, &mut again, &broken, &mut taken)? {
                Attempt::Again(again) => {
                    broken.extend(again.keys);
                    notes.extend(again.notes);
                }
                // Files that changed meanwhile may be about something else, which takes other locks.
                Attempt::Done(Some(chunk)) => {
                    feed.chunks.extend(left);
                    for chunk in again.chunks.into_iter().rev() {
                        feed.chunks.push_front(chunk);
                    }
                    return Ok(Some(chunk));
                }
                Attempt::Done(None) => return Ok(left),
            }
        }
    }

    /// Loads one batch and, if there is anything to write, commits it.
    fn try_batch(
        &mut self,
        target: &mut Target<'_>,
        scans: &[FolderScan],
        states: &mut [FolderState],
        feed: &mut Feed<'_, '_>,
        broken: &BrokenKeys,
        ranges: &mut Ranges,
    ) -> Result<Attempt, Error> {
        let options = self.options;
        let now = options.clock.now();
        let mut new_states = states.to_vec();
        let mut folders: BTreeMap<usize, FolderBatch> = BTreeMap::new();
        let mut idle: Vec<(usize, Counts)> = Vec::new();
        let (mut left, mut bytes) = (None, 0);
        let mut transaction = target.begin()?;
        let mut batch = Batch::new(&mut transaction, self.run_id, &self.sources, broken)?;
        while let Some(mut chunk) = feed.next()? {
            let began = Instant::now();
            self.interruption.check()?;
            if !batch.can_take(&chunk) {
                left = Some(chunk);
                break;
            }
            let folder = chunk.folder;
            let scan = &scans[folder];
            ranges.push((folder, chunk.start..chunk.start + chunk.files.len()));
            bytes += chunk.bytes() as u64;
            if chunk.has_work() {
                let newest_event_at = chunk.newest_event_at();
                batch
                    .land(&mut transaction, &mut chunk)
                    .map_err(Error::unfinished)?;
                let folder_batch = match folders.entry(folder) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => entry.insert(
                        FolderBatch::new(&mut transaction, self.run_id, scan, options)
                            .map_err(Error::unfinished)?,
                    ),
                };
                folder_batch
                    .take(&mut transaction, &chunk, newest_event_at)
                    .map_err(Error::unfinished)?;
                folder_batch.elapsed += began.elapsed();
            } else {
                idle.push((folder, chunk.counts()));
            }
            new_states[folder].pass(&chunk);
            let is_blocked = scan.checkpoint.is_blocked(now.into());
            self.warnings.note(scan.folder.path(), &chunk, is_blocked);
            self.bar.advance(chunk.files.len());
        }
        self.interruption.check()?;
        let mut notes = std::mem::take(&mut batch.notes);
        for folder_batch in folders.values_mut() {
            notes.extend(folder_batch.notes());
        }
        let revised = match batch.revise(&mut transaction).map_err(Error::unfinished)? {
            Landing::Done(revised) => revised,
            Landing::Again(keys) => {
                drop(transaction);
                return Ok(Attempt::Again(Again { keys, left, notes }));
            }
        };
        let mut by_folder = idle;
        for (folder, folder_batch) in &mut folders {
            new_states[*folder]
                .save(
                    &mut transaction,
                    &scans[*folder],
                    options,
                    folder_batch.counts,
                    folder_batch.newest_event_at(),
                )
                .map_err(Error::unfinished)?;
            by_folder.push((*folder, folder_batch.counts));
        }
        let sources: Vec<Source> = scans.iter().map(|scan| scan.checkpoint.source).collect();
        by_folder.extend(version_counts(&revised, &sources));
        let mut done = self.done;
        for (_, counts) in &by_folder {
            done.counts += *counts;
        }
        done.bytes += bytes;
        if folders.is_empty() {
            drop(transaction);
        } else {
            self.record(done.counts)
                .save(&mut transaction, options.clock.now())
                .map_err(Error::unfinished)?;
            transaction
                .commit()
                .map_err(warehouse::error::Error::commit)?;
            done.batches += 1;
        }
        self.done = done;
        states.clone_from_slice(&new_states);
        for (folder, counts) in by_folder {
            let elapsed = folders
                .remove(&folder)
                .map_or(Duration::ZERO, |folder| folder.elapsed);
            let summary = self.summary.sources.entry(sources[folder].name());
            summary.or_default().add(counts, elapsed);
        }
        notes
            .into_iter()
            .for_each(|note| self.warnings.general(note));
        // Of a trial, when it is rolled back: it keeps its locks until then.
        if let Target::Kept(_) = target {
            self.warnings.log();
        }
        Ok(Attempt::Done(left))
    }
}

/// What a batch did to versions, each dimension's under the folder of its service, if that is among
/// the run's.
pub(super) fn version_counts(
    revised: &BTreeMap<Kind, Revised>,
    sources: &[Source],
) -> Vec<(usize, Counts)> {
    revised
        .iter()
        .map(|(kind, revised)| {
            let own = sources
                .iter()
                .position(|source| *source == Source::of(*kind));
            let counts = Counts {
                versions_opened: revised.opened,
                versions_closed: revised.closed,
                versions_changed: revised.changed,
                ..Counts::default()
            };
            (own.unwrap_or_default(), counts)
        })
        .collect()
}
