//! Loading what a run has found: chunks from the reader, batches to the warehouse.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postgres::Client;

use super::bar::Bar;
use super::batch::{Batch, Landing, version_counts};
use super::blocks::read_again;
use super::chunk::Chunk;
use super::claim::{self, RENEW_AFTER, while_renewing};
use super::error::Error;
use super::feed::{FIRST_FILES, Feed, READER_PATIENCE, Room};
use super::folders::FolderBatch;
use super::interruption::Interruption;
use super::options::Options;
use super::outcome::Work;
use super::reader::{CHUNK_FILES, Next, ReadAhead};
use super::scan::{FolderScan, FolderState};
use super::target::{Target, with_target};
use super::warnings::FileWarnings;
use crate::source::Source;
use crate::summary::{Counts, Summary};
use crate::warehouse::cluster::Layout;
use crate::warehouse::processed_files::keep_pending;
use crate::warehouse::rejected_names::RejectedNames;
use crate::warehouse::runs::RunRecord;
use crate::warehouse::versions::BrokenKeys;
use crate::warehouse::{self, checkpoints};

/// What loads the files of a run.
pub(super) struct Loader<'r> {
    pub(super) options: &'r Options,
    /// Number of the run, zero until it has claimed something.
    pub(super) run_id: i64,
    /// The folders it loads: those that it is asked to, then those that it has claimed, then those
    /// that it could scan.
    pub(super) sources: Vec<Source>,
    pub(super) started_at: DateTime<Utc>,
    pub(super) summary: Summary,
    /// What its batches have done, and the files that the scans have left pending.
    pub(super) done: Work,
    /// What of that is in its row.
    recorded: Counts,
    /// What it knows of the rejected files of its folders. A batch that is rolled back forgets it.
    rejected: BTreeMap<usize, RejectedNames>,
    /// Keys that a batch has found to be broken. Their events are rejected until the run ends: otherwise
    /// each batch with one of them would be done twice.
    broken: BrokenKeys,
    pub(super) warnings: FileWarnings,
    pub(super) bar: Bar,
    pub(super) interruption: Interruption,
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

impl<'r> Loader<'r> {
    /// A loader that has done nothing yet.
    pub(super) fn new(options: &'r Options) -> Loader<'r> {
        Loader {
            options,
            run_id: 0,
            sources: options.sources.clone(),
            started_at: options.clock.now(),
            summary: Summary::default(),
            done: Work::default(),
            recorded: Counts::default(),
            rejected: BTreeMap::new(),
            broken: BrokenKeys::new(),
            warnings: FileWarnings::default(),
            bar: Bar::default(),
            interruption: Interruption::never(),
        }
    }

    /// Loads the files of the scanned folders.
    pub(super) fn load_files(
        &mut self,
        client: &mut Client,
        scans: &[FolderScan],
        states: &mut [FolderState],
    ) -> Result<(), Error> {
        let options = self.options;
        let room = || Room::new(options.batch_size.get());
        thread::scope(|scope| {
            let mut reader = ReadAhead::start(scope, scans, options);
            let (mut carried, mut first_room) = (VecDeque::new(), room());
            // Before a trial begins, whose transaction holds locks until the end.
            let mut is_over = self.wait_for_files(
                &mut Target::Kept(client),
                &mut reader,
                &mut first_room,
                &mut carried,
            )?;
            with_target(client, options.dry_run, |target| {
                let mut next_room = first_room;
                loop {
                    if !carried.is_empty() {
                        let mut feed = Feed {
                            chunks: std::mem::take(&mut carried),
                            reader: Some(&mut reader),
                            room: next_room,
                        };
                        let left = self.load_batch(target, scans, states, &mut feed)?;
                        carried.extend(left);
                        carried.extend(feed.chunks);
                    } else if is_over {
                        return Ok(());
                    }
                    // If no file came in the time for one batch, a slow share may still answer.
                    next_room = room();
                    is_over =
                        self.wait_for_files(target, &mut reader, &mut next_room, &mut carried)?;
                }
            })
        })
    }

    /// Waits for the first files of a batch, outside a transaction. If files are read slower than
    /// they can be loaded, waits for all files of the batch. Returns whether there are no more.
    fn wait_for_files<'scope, 's: 'scope>(
        &mut self,
        target: &mut Target<'_>,
        reader: &mut ReadAhead<'scope, '_, 's>,
        room: &mut Room,
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<bool, Error> {
        chunks.iter().for_each(|chunk| room.take(chunk));
        let mut renewed = Instant::now();
        while !room.is_full() {
            if renewed.elapsed() >= RENEW_AFTER {
                target.renew(self.run_id)?;
                renewed = Instant::now();
            }
            let enough = match chunks.is_empty() {
                true => FIRST_FILES,
                false => CHUNK_FILES,
            };
            match reader.next(room.files, enough, READER_PATIENCE)? {
                Next::Chunk(chunk) => {
                    room.take(&chunk);
                    chunks.push_back(chunk);
                    if chunks.len() == 1 && room.began.elapsed() < READER_PATIENCE {
                        break;
                    }
                }
                Next::NotYet => {}
                // There is nothing left to interrupt.
                Next::End => return Ok(true),
            }
            self.interruption.check()?;
        }
        Ok(false)
    }

    /// Loads one batch. If keys turn out to be broken, it is done again, with their new events
    /// rejected.
    fn load_batch<'scope, 's: 'scope>(
        &mut self,
        target: &mut Target<'_>,
        scans: &[FolderScan],
        states: &mut [FolderState],
        feed: &mut Feed<'_, 'scope, '_, 's>,
    ) -> Result<Option<Chunk>, Error> {
        let mut ranges = Ranges::new();
        let warnings = self.warnings.clone();
        let first = match self.try_batch(target, scans, states, feed, &mut ranges)? {
            Attempt::Done(left) => return Ok(left),
            Attempt::Again(again) => again,
        };
        self.broken.extend(first.keys);
        let (left, mut notes) = (first.left, first.notes);
        loop {
            self.warnings = warnings.clone();
            let noted = notes.iter().cloned();
            noted.for_each(|note| self.warnings.general(note));
            target.renew(self.run_id)?;
            let options = self.options;
            let read = || read_again(scans, options, &ranges);
            let chunks = match target {
                Target::Kept(client) => while_renewing(client, self.run_id, read)??,
                // It has locked the claim.
                Target::Tried(_) => read()?,
            };
            let mut again = Feed {
                chunks,
                reader: None,
                room: Room::new(0),
            };
            let mut taken = Ranges::new();
            match self.try_batch(target, scans, states, &mut again, &mut taken)? {
                Attempt::Again(again) => {
                    self.broken.extend(again.keys);
                    notes.extend(again.notes);
                }
                // Files that changed meanwhile may be about something else, which takes other locks.
                Attempt::Done(Some(chunk)) => {
                    // In the order in which the files changed, which the offset relies on.
                    if let Some(left) = left {
                        feed.chunks.push_front(left);
                    }
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
    fn try_batch<'scope, 's: 'scope>(
        &mut self,
        target: &mut Target<'_>,
        scans: &[FolderScan],
        states: &mut [FolderState],
        feed: &mut Feed<'_, 'scope, '_, 's>,
        ranges: &mut Ranges,
    ) -> Result<Attempt, Error> {
        let options = self.options;
        let now = options.clock.now();
        let mut new_states = states.to_vec();
        let mut folders: BTreeMap<usize, FolderBatch> = BTreeMap::new();
        let mut idle: Vec<(usize, Counts)> = Vec::new();
        let (mut left, mut bytes) = (None, 0);
        let broken = self.broken.clone();
        let batch_began = Instant::now();
        let mut transaction = target.begin()?;
        let mut batch = Batch::new(&mut transaction, self.run_id, &self.sources, &broken)?;
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
            let has_work = chunk.has_work();
            if has_work {
                let newest_event_at = batch
                    .land(&mut transaction, &mut chunk)
                    .map_err(Error::Unfinished)?;
                let folder_batch = folders.entry(folder).or_insert_with(|| {
                    let rejected = self.rejected.remove(&folder).unwrap_or_default();
                    FolderBatch::new(self.run_id, scan, options, rejected)
                });
                folder_batch
                    .take(&mut transaction, &chunk, newest_event_at)
                    .map_err(Error::Unfinished)?;
            } else {
                idle.push((folder, chunk.counts()));
            }
            let is_blocked = scan.checkpoint.is_blocked(now.into());
            let plan = new_states[folder].progress.plan();
            self.warnings
                .note(scan.folder.path(), &chunk, plan, is_blocked);
            self.bar.advance(chunk.files.len());
            new_states[folder].pass(chunk);
            if has_work {
                new_states[folder]
                    .remember(&mut transaction, scan, options)
                    .map_err(Error::Unfinished)?;
            }
            if let Some(folder_batch) = folders.get_mut(&folder) {
                folder_batch.elapsed += began.elapsed();
            }
        }
        self.interruption.check()?;
        let layout = batch.layout;
        let mut notes = std::mem::take(&mut batch.notes);
        for folder_batch in folders.values_mut() {
            notes.extend(folder_batch.notes());
        }
        let revised = match batch.revise(&mut transaction).map_err(Error::Unfinished)? {
            Landing::Done(revised) => revised,
            Landing::Again(keys) => {
                drop(transaction);
                self.bar
                    .retreat(ranges.iter().map(|(_, files)| files.len()).sum());
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
                .map_err(Error::Unfinished)?;
            by_folder.push((*folder, folder_batch.counts));
        }
        by_folder.extend(version_counts(&revised, &self.sources));
        let mut done = self.done;
        for (_, counts) in &by_folder {
            done.counts += *counts;
        }
        done.bytes += bytes;
        if folders.is_empty() {
            // The claim is locked until here, and may have expired. A trial locks it until its end.
            if options.dry_run || batch_began.elapsed() >= RENEW_AFTER {
                checkpoints::renew_within(&mut transaction, self.run_id)
                    .map_err(Error::Unfinished)?;
                warehouse::commit(transaction, layout)?;
            } else {
                drop(transaction);
            }
        } else {
            self.record(done.counts)
                .save(&mut transaction, options.clock.now())
                .map_err(Error::Unfinished)?;
            checkpoints::renew_within(&mut transaction, self.run_id).map_err(Error::Unfinished)?;
            warehouse::commit(transaction, layout)?;
            self.recorded = done.counts;
            done.batches += 1;
        }
        self.done = done;
        states.swap_with_slice(&mut new_states);
        for (folder, counts) in by_folder {
            let mut elapsed = Duration::ZERO;
            if let Some(folder_batch) = folders.remove(&folder) {
                elapsed = folder_batch.elapsed;
                let rejected = folder_batch.into_rejected_names();
                self.rejected.insert(folder, rejected);
            }
            let summary = self.summary.sources.entry(self.sources[folder].name());
            summary.or_default().add(counts, elapsed);
        }
        notes
            .into_iter()
            .for_each(|note| self.warnings.general(note));
        // A trial's transaction is still open.
        if matches!(target, Target::Kept(_)) {
            self.warnings.log();
        }
        Ok(Attempt::Done(left))
    }

    /// Counts files that the scan of a source has left pending.
    pub(super) fn count_pending(&mut self, source: Source, files: usize) {
        let counts = Counts {
            files: files as i64,
            pending: files as i64,
            ..Counts::default()
        };
        self.done.counts += counts;
        let summary = self.summary.sources.entry(source.name()).or_default();
        summary.add(counts, Duration::ZERO);
    }

    /// Saves what no batch has saved: pending files, an offset that was ahead of the clock, a folder
    /// that was adopted, counts of the run.
    ///
    /// # Errors
    ///
    /// When another run has taken over, or the warehouse fails.
    pub(super) fn conclude(
        &mut self,
        client: &mut Client,
        scans: &[FolderScan],
        states: &mut [FolderState],
    ) -> Result<(), Error> {
        let is_unsaved = scans
            .iter()
            .zip(states.iter())
            .any(|(scan, state)| state.is_unsaved(scan));
        let is_unrecorded = self.done.batches > 0 && self.recorded != self.done.counts;
        if !is_unsaved && !is_unrecorded {
            return Ok(());
        }
        let now = self.options.clock.now();
        let mut transaction = warehouse::begin(client)?;
        claim::lock(&mut transaction, self.run_id, &self.sources)?;
        if is_unrecorded {
            self.record(self.done.counts).save(&mut transaction, now)?;
        }
        for (scan, state) in scans.iter().zip(states.iter_mut()) {
            if !state.progress.plan().advances {
                continue;
            }
            state.save(
                &mut transaction,
                scan,
                self.options,
                Counts::default(),
                None,
            )?;
            if scan.checkpoint.has_pending_files() || !state.pending.is_empty() {
                keep_pending(
                    &mut transaction,
                    scan.checkpoint.source,
                    &self.options.inbox_name,
                    now,
                    &state.pending,
                )?;
            }
        }
        // Of the checkpoints alone, which are on the coordinator.
        warehouse::commit(transaction, Layout::OneMachine)?;
        Ok(())
    }

    fn record(&self, counts: Counts) -> RunRecord<'_> {
        RunRecord {
            run_id: self.run_id,
            command: self.options.command(),
            inbox: &self.options.inbox_name,
            sources: &self.sources,
            since: self.options.since(),
            started_at: self.started_at,
            counts,
            is_written: self.done.batches > 0,
        }
    }
}
